"""All runs of the matrix, in turn, with what was measured kept in a file after each.

Within a pair the configurations follow one another, in the opposite order in every second pair, so that what the
machine does beside meets both sides alike. Invariant: the file always holds whole runs, and its runs are those of one
interpreter.
"""
from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from typing import Any, Callable, Iterable, NamedTuple

from exuvia.bench.loads import groups, runner
from exuvia.bench.loads.kinds import CONFIGURATIONS, KINDS
from exuvia.bench.loads.runner import Run

FORMAT = 1
ABOVE_PEAK = 1.2


class Wanted(NamedTuple):
    """What was asked for."""
    loads: tuple[str, ...] = tuple(KINDS)
    sizes: tuple[int, ...] = (300_000, 2_000_000, 10_000_000)
    seeds: int = 3
    pairs: int = 3
    configurations: tuple[str, ...] = CONFIGURATIONS
    limit: bool = False


def plan(wanted: Wanted) -> list[Run]:
    """Small sizes first: an answer comes early."""
    runs = []
    for size in wanted.sizes:
        for load in wanted.loads:
            for seed in range(1, wanted.seeds + 1):
                for pair in range(wanted.pairs):
                    order = wanted.configurations if pair % 2 == 0 else wanted.configurations[::-1]
                    runs += [Run(load, size, seed, pair, name) for name in order]
                if wanted.limit:  # stock's tells the limit of the other
                    runs += [Run(load, size, seed, 0, name, True) for name in ("stock", "exuvia")]
    return runs


def huge_pages() -> str:
    """The system's setting; "never" where this process, and so each that it starts, goes without."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        if "THP_enabled:\t0" in file.read():
            return "never"
    try:
        with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
            return file.read().partition("[")[2].partition("]")[0]
    except OSError:
        return "unknown"


def machine() -> dict[str, Any]:
    """What must be the same for runs to be compared."""
    from exuvia import _core

    with open(_core.__file__, "rb") as extension:
        build = hashlib.sha256(extension.read()).hexdigest()[:12]
    return {"build": build, "huge_pages": huge_pages(), "python": sys.version.split()[0],
            "executable": os.path.realpath(sys.executable), "processors": len(os.sched_getaffinity(0)),
            "kernel": platform.release()}


def key(result: dict[str, Any]) -> Run:
    return Run(*(result[field] for field in Run._fields))


class Kept:
    """The results so far, and the file that they are in."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.results: dict[Run, dict[str, Any]] = {}

    def load(self) -> None:
        """Raises ValueError, whose text says why the file is none to go on from."""
        if not self.path or not os.path.exists(self.path):
            return
        try:
            with open(self.path, encoding="ascii") as file:
                found = json.load(file)
            if found["format"] != FORMAT:
                raise ValueError("it is of another version")
            results = {key(result): result for result in found["runs"]}
            theirs = found["machine"]
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f"it is not a file of this benchmark ({error!r})") from None
        for name, value in machine().items():
            if theirs.get(name) != value:
                raise ValueError(f"it was measured with {name} {theirs.get(name)}, not {value}")
        self.results = {run: result for run, result in results.items() if "failed" not in result}

    def add(self, result: dict[str, Any]) -> None:
        self.results[key(result)] = result
        self.save()

    def save(self) -> None:
        if not self.path:
            return
        with open(self.path + ".new", "w", encoding="ascii") as file:
            json.dump({"format": FORMAT, "machine": machine(), "runs": list(self.results.values())}, file)
        os.replace(self.path + ".new", self.path)


def measure(run: Run, kept: Kept) -> dict[str, Any]:
    """One run's result, or why it was left out (`skipped`), or how its process ended instead (`failed`)."""
    try:
        if not run.limited:
            return runner.measure(run)
        if run.configuration == "stock":
            return runner.measure_limited(run, None)
        stock = kept.results[run._replace(configuration="stock")]
        if "skipped" in stock:
            return {**run._asdict(), "skipped": stock["skipped"]}
        if "group_peak" not in stock:
            return {**run._asdict(), "failed": "there is no peak of stock's"}
        return runner.measure_limited(run, int(stock["group_peak"] * ABOVE_PEAK))
    except groups.Unavailable as error:
        return {**run._asdict(), "skipped": str(error)}
    except runner.Failed as error:
        return {**run._asdict(), "failed": str(error)}


def execute(runs: Iterable[Run], kept: Kept, begun: Callable[[Run], None],
            ended: Callable[[dict[str, Any]], None]) -> None:
    """Those that are not there yet."""
    for run in runs:
        if run not in kept.results:
            begun(run)
            kept.add(measure(run, kept))
        ended(kept.results[run])
