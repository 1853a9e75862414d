"""The program's own clock: how long each request took, and how long each step between two looks at the clock.

Requests follow one another without a rest, and the clock is looked at between any two, so whatever stops the program
lies between two looks: none is missed. Invariant: the latencies of one thread add up to the time it served.
"""
from __future__ import annotations

import array
import time
from typing import Any, Callable, Iterator

POINTS = 500  # of the latency over time that are kept of a run, two for each stretch
PERCENTILES = (("p50_us", 0.5), ("p99_us", 0.99), ("p99_9_us", 0.999))


class Meter:
    """Of one thread."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        self.waiting = waiting
        self.most_waiting = 0
        self.latencies = array.array("Q")  # nanoseconds
        self.longest_building = 0

    def build(self, steps: Iterator[None]) -> None:
        last = time.perf_counter_ns()
        for _ in steps:
            now = time.perf_counter_ns()
            self.longest_building = max(self.longest_building, now - last)
            self.most_waiting = max(self.most_waiting, self.waiting())
            last = now
        self.longest_building = max(self.longest_building, time.perf_counter_ns() - last)

    def serve(self, requests: Iterator[None]) -> None:
        clock, note, waiting = time.perf_counter_ns, self.latencies.append, self.waiting
        most = self.most_waiting
        last = clock()
        for _ in requests:
            now = clock()
            note(now - last)
            last = now
            count = waiting()
            if count > most:
                most = count
        self.most_waiting = most


def percentiles(latencies: array.array[int]) -> dict[str, float]:
    ordered = sorted(latencies) or [0]
    found = {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e3 for name, share in PERCENTILES}
    return {**found, "longest_request_ms": ordered[-1] / 1e6}


def series(latencies: array.array[int]) -> list[list[float]]:
    """Of each stretch of requests its end in seconds, the middle latency and the slowest one in ms: no stop is lost."""
    points: list[list[float]] = []
    step = max(1, 2 * len(latencies) // POINTS)
    elapsed = 0
    for begin in range(0, len(latencies), step):
        stretch = sorted(latencies[begin:begin + step])
        elapsed += sum(stretch)
        points.append([round(elapsed / 1e9, 4), stretch[len(stretch) // 2] / 1e6, stretch[-1] / 1e6])
    return points


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of several forked workers: times are the longest, counts are added up."""
    latencies = array.array("Q")
    fallbacks: dict[str, int] = {}
    for part in parts:
        latencies.extend(part.pop("latencies"))
        for reason, count in part["fallbacks"].items():
            fallbacks[reason] = fallbacks.get(reason, 0) + count
    return {**percentiles(latencies), "requests": len(latencies), "series": parts[0]["series"], "fallbacks": fallbacks,
            **{name: max(part[name] for part in parts) for name in ("seconds", "longest_ms")},
            **{name: sum(part[name] for part in parts)
               for name in ("cpu_seconds", "waiting", "background", "in_place")}}
