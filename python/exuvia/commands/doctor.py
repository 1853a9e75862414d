"""exuvia doctor: every check of this interpreter and this system: ok, or what is missing and what happens then."""
from __future__ import annotations

import argparse
import sys

import exuvia
from exuvia import _install
from exuvia._host import core as _core
from exuvia.commands import system


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
    return checks


def main() -> int:
    """What is needed is ok or missing; the rest says what to know: ok, a note, or unknown."""
    found = results()
    lines = [("ok" if ok else "MISS", name, text) for name, ok, text in found]
    lines += [("?" if fact.fine is None else "ok" if fact.fine else "note", fact.name, fact.text)
              for fact in system.facts()]
    width = max(len(name) for _, name, _ in lines)
    for word, name, text in lines:
        print(f"{word:<4}  {name:<{width}}  {text}")
    needed = [name for name, ok, _ in found if not ok]
    if needed:
        print(f"Exuvia cannot be installed here ({needed[0]}): programs run with stock collection.", file=sys.stderr)
    return 1 if needed else 0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("doctor", help="every check of this interpreter and this system",
                                 description="Every check of this interpreter and this system: ok, or what is missing "
                                             "and what happens then. Status 1: Exuvia cannot be installed here.")
    parser.set_defaults(do=lambda options: main())
