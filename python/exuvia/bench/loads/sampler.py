"""The memory of a process and of its children, looked at from outside while it runs.

The sum of their proportional set sizes (PSS) is what they take of the machine. `smaps_rollup` gives it, but reading
that of a large process holds the lock of its address space for as long as its page tables are walked, and a program
that maps memory meanwhile waits. So the program's own part is its resident memory from `statm`, which takes no lock,
and only the children's files are read: of a search child what is its own alone (what it shares, it shares with the
program, where it is counted). Workers that the program forked share among one another too, so there the PSS of each
is taken. Reading takes at most a twentieth of a processor: after a slow look the next one comes later.
"""
from __future__ import annotations

import os
import threading
import time

REST_SECONDS = 0.02
REST_FACTOR = 20
PAGE = os.sysconf("SC_PAGESIZE")


def children_of(pid: int) -> list[int]:
    """Of all its threads: a search is the child of the thread in which a collection was due."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def rollup_bytes(pid: int, field: str) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith(field))
    except (OSError, ValueError):
        return 0


def resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def memory(pid: int) -> tuple[int, int]:
    """Bytes of the program, and of its search."""
    return resident_bytes(pid), sum(rollup_bytes(child, "Private_") for child in children_of(pid))


def memory_of_workers(pid: int) -> tuple[int, int]:
    """The same where the program forks workers, which have searches of their own: all of it, by PSS."""
    everyone = [pid]
    for each in everyone:
        everyone += children_of(each)
    return sum(rollup_bytes(each, "Pss:") for each in everyone), 0


class Sampler:
    """A thread of the runner. It stops before the process ends: what a search shares with a process that is gone would
    look like its own."""

    def __init__(self, pid: int, forks: bool) -> None:
        self.pid = pid
        self.look = memory_of_workers if forks else memory
        self.series: list[list[float]] = []   # seconds, MB of the program, MB of the search
        self.cpu_seconds = 0.0
        self.slowest_ms = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.ended.set()
        self.thread.join()

    def watch(self) -> None:
        begin = time.perf_counter()
        rest = 0.0
        while not self.ended.wait(rest):
            start = time.perf_counter()
            own, child = self.look(self.pid)
            took = time.perf_counter() - start
            if own:
                self.series.append([round(start - begin, 3), round(own / 1e6, 2), round(child / 1e6, 2)])
            self.slowest_ms = max(self.slowest_ms, took * 1e3)
            rest = max(REST_SECONDS, REST_FACTOR * took)
        self.cpu_seconds = time.thread_time()

    def figures(self) -> dict[str, object]:
        step = max(1, len(self.series) // 250)
        kept = [max(self.series[begin:begin + step], key=lambda point: point[1] + point[2])
                for begin in range(0, len(self.series), step)]
        return {"peak_mb": max((own + child for _, own, child in self.series), default=0.0),
                "child_mb": max((child for _, _, child in self.series), default=0.0), "memory": kept,
                "samples": len(self.series), "sampler_cpu_seconds": self.cpu_seconds,
                "slowest_sample_ms": self.slowest_ms}
