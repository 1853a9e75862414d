"""The program that `exuvia bench insight` asks: python -m exuvia.bench.asked OBJECTS.

It works all the time, and looks at the clock between any two steps. A line of standard input asks it something, and it
answers by a line of JSON: `stopped` the longest step since the last answer, in seconds; `search` the processor time of
the child of a search beside the program, in seconds; the name of one of CALLS calls another tool, which has to be done
in the program: how long that took, in seconds, and what the process's peak memory grew by, in bytes.
"""
from __future__ import annotations

import gc
import json
import os
import select
import sys
import time
from typing import Any, Callable, Iterator

CONTAINERS = 4  # tracked by the collector, of each record


class Part:
    def __init__(self, number: int) -> None:
        self.number = number
        self.label = f"part {number}"


class Record:
    def __init__(self, number: int) -> None:
        self.name = f"record {number}"
        self.scores = [number + 0.5, number * 2.5]
        self.parts = [Part(number)]


class Target:
    """One object, whose holders are asked for."""


class Store:
    def __init__(self, objects: int) -> None:
        self.records = {number: Record(number) for number in range(objects // CONTAINERS)}
        self.last = [{"target": Target()}]


store: Store  # a module's name is what holds it


def _objgraph_census() -> Any:
    import objgraph

    return objgraph.most_common_types(limit=10)


def _objgraph_why() -> Any:
    import objgraph

    chain = objgraph.find_backref_chain(store.last[0]["target"], objgraph.is_proper_module)
    assert len(chain) > 2, chain
    return chain


def _pympler_census() -> Any:
    from pympler import muppy, summary

    return summary.summarize(muppy.get_objects())


def _guppy_census() -> Any:
    from guppy import hpy

    return str(hpy().heap().bytype)


def _guppy_why() -> Any:
    from guppy import hpy

    return str(hpy().iso(store.last[0]["target"]).shpaths)


CALLS: dict[str, Callable[[], Any]] = {
    "objgraph census": _objgraph_census, "objgraph why": _objgraph_why, "pympler census": _pympler_census,
    "guppy3 census": _guppy_census, "guppy3 why": _guppy_why,
}


def _peak_bytes() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


def _call(name: str) -> dict[str, Any]:
    _forget_peak()
    before, begin = _peak_bytes(), time.perf_counter()
    try:
        CALLS[name]()
    except ImportError:
        return {"missing": True}
    return {"seconds": time.perf_counter() - begin, "peak_bytes": _peak_bytes() - before}


def _search() -> dict[str, float]:
    import exuvia

    exuvia.collect()
    last = exuvia.stats().last
    assert last
    return {"cpu_seconds": last.child_cpu_ns / 1e9, "objects": last.examined}


def _questions() -> Iterator[str]:
    """One for each step of the program; "" where nobody asks."""
    while True:
        if not select.select([0], [], [], 0)[0]:
            yield ""
            continue
        line = sys.stdin.readline()
        if not line:
            return
        yield line.strip()


def main() -> None:
    global store
    import exuvia

    exuvia.install()
    gc.disable()  # while it loads
    store = Store(int(sys.argv[1]))
    gc.enable()
    print(json.dumps({"pid": os.getpid()}), flush=True)
    records, longest, number = store.records, 0.0, 0
    last = time.perf_counter()
    for question in _questions():
        for _ in range(20):
            number = (number * 69069 + 1) % len(records)
            records[number].scores[0] += 1.0
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
        if not question:
            continue
        answer = {"stopped": longest} if question == "stopped" else \
            _search() if question == "search" else _call(question)
        print(json.dumps(answer), flush=True)
        longest, last = 0.0, time.perf_counter()


if __name__ == "__main__":
    main()
