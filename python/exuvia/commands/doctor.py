"""exuvia doctor: every check of this interpreter and this system: ok, or what is missing and what happens then."""
from __future__ import annotations

import argparse
import os
import sys

import exuvia
from exuvia import _install
from exuvia._host import core as _core


def _huge_pages() -> tuple[bool, str]:
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            setting = file.read().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return False, "the kernel has none: a snapshot copies page tables of small pages, some 20 ms for a GB"
    if setting == "never":
        return False, "turned off: a snapshot copies page tables of small pages, some 20 ms for a GB"
    return True, f"transparent huge pages: {setting}"


def _processors() -> tuple[bool, str]:
    count = len(os.sched_getaffinity(0))
    return count > 1, f"{count}" if count > 1 else "one only: searches take turns with the program"


def results() -> list[tuple[str, bool, str]]:
    checks = _install.checks()
    if all(ok for _, ok, _ in checks):
        try:
            exuvia.install("background")
            clone_ms = _core.stats()["last"]["clone_ns"] / 1e6
            checks.append(("trial", True, f"a dead cycle died; the clone took {clone_ms:.2f} ms"))
        except exuvia.Unsupported as error:
            checks.append((error.check, False, str(error)))
        finally:
            exuvia.uninstall()
    checks.append(("huge pages", *_huge_pages()))
    checks.append(("processors", *_processors()))
    return checks


def main() -> int:
    found = results()
    width = max(len(name) for name, _, _ in found)
    for name, ok, text in found:
        print(f"{'ok  ' if ok else 'MISS'}  {name:<{width}}  {text}")
    needed = [name for name, ok, _ in found if not ok and name not in ("huge pages", "processors")]
    if needed:
        print(f"Exuvia cannot be installed here ({needed[0]}): programs run with stock collection.", file=sys.stderr)
    return 1 if needed else 0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="every check of this interpreter and this system",
                                 description="Every check of this interpreter and this system: ok, or what is missing "
                                             "and what happens then. Status 1: Exuvia cannot be installed here.")
    parser.set_defaults(do=lambda options: main())
