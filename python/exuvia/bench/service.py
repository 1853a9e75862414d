"""One service under one configuration, in a process of its own: answers requests and writes down how long each took.

The heap: `objects` live container objects of mixed kinds, aged, that is, replaced in random order, so that neither
memory nor the collector's lists are in order of creation. A request reads and allocates. One that writes also keeps
some objects in place of old ones, and drops cycles that live in the old generation by then. Where requests only read,
nothing grows, so full collections are not due by themselves: every READS-th request begins one.
"""
from __future__ import annotations

import array
import gc
import json
import random
import resource
import sys
import time
from typing import Any

KEPT = 6           # objects of a request that replace old ones, two and a half containers each
CYCLES = 3         # old cycles that a request drops
WARM_UP = 200
READS = 20_000
NEVER = 10**12
NO_FULL = 10**9    # a threshold 2 that is never reached: what young collections alone cost


class Record:
    __slots__ = ("number", "tags", "peer")

    def __init__(self, number: int) -> None:
        self.number = number
        self.tags: list[int] | dict[str, list[int]] | tuple[Any, ...] = [number, number + 1]
        self.peer: Record | None = None


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.state = {"id": number, "items": [number]}
        self.me = self


def make(number: int) -> Record:
    record = Record(number)
    if number % 4 == 1:
        record.tags = {"tags": [number]}
    elif number % 4 == 2:
        record.tags = (number, [number])
    return record


class Service:
    def __init__(self, objects: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.records = [make(i) for i in range(objects * 2 // 5)]  # two and a half containers each
        self.sessions = [Session(i) for i in range(max(100, objects // 100))]
        places = list(range(len(self.records)))
        self.random.shuffle(places)
        for place in places:  # each is replaced once, in random order
            self.records[place] = make(place)
        for record in self.records[::10]:
            record.peer = self.random.choice(self.records)

    def read(self, number: int) -> int:
        choose, records = self.random.randrange, self.records
        total = 0
        rows = [{"n": i, "row": [i, number]} for i in range(30)]
        for row in rows:
            total += len(row) + records[choose(len(records))].number
        return total

    def write(self, number: int) -> int:
        choose = self.random.randrange
        records, sessions = self.records, self.sessions
        total = self.read(number)
        for i in range(KEPT):
            records[choose(len(records))] = make(number + i)
        for i in range(CYCLES):
            sessions[choose(len(sessions))] = Session(number + i)
        return total


class Stops:
    """Every collection as the program feels it: from before the first callback to after the last."""

    def __init__(self) -> None:
        self.each = array.array("Q")  # nanoseconds
        self.full = array.array("Q")  # of them those of generation 2
        self.began = 0
        gc.callbacks.insert(0, self.start)
        gc.callbacks.append(self.stop)

    def start(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.began = time.perf_counter_ns()

    def stop(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            took = time.perf_counter_ns() - self.began
            self.each.append(took)
            if info["generation"] == 2:
                self.full.append(took)


def peak_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def cpu_seconds() -> float:
    return sum(used.ru_utime + used.ru_stime
               for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def begin_collection(configuration: str, stops: Stops) -> None:
    if configuration == "exuvia":
        import exuvia

        begin = time.perf_counter_ns()
        exuvia.start_collection()
        stops.each.append(time.perf_counter_ns() - begin)  # no callback sees the clone
    elif configuration not in ("disable", "young"):
        gc.collect()


def run(configuration: str, workload: str, objects: int, requests: int, full: int) -> dict[str, Any]:
    """`requests` of them, or, if that is 0, as many as make CPython collect fully `full` times."""
    if configuration == "exuvia":
        import exuvia

        exuvia.install("background")
    service = Service(objects, 1)
    tracked = len(gc.get_objects()) if objects <= 2_000_000 else 0
    if configuration == "freeze":
        gc.collect()
        gc.freeze()
    elif configuration == "disable":
        gc.disable()
    else:
        gc.collect()
    if configuration == "young":
        gc.set_threshold(*gc.get_threshold()[:2], NO_FULL)
    answer = service.read if workload == "read" else service.write
    every = READS if workload == "read" else NEVER
    stops = Stops()
    for number in range(WARM_UP):
        answer(number)
    del stops.each[:], stops.full[:]
    limit = requests or NEVER
    latencies = array.array("Q")
    cpu = cpu_seconds()
    began_ns = time.monotonic_ns()
    begin = time.perf_counter_ns()
    number = 0
    while number < limit:
        start = time.perf_counter_ns()
        answer(number)
        if number % every == every // 2:
            begin_collection(configuration, stops)
        latencies.append(time.perf_counter_ns() - start)
        number += 1
        if not requests and len(stops.full) >= full:
            break
    seconds = (time.perf_counter_ns() - begin) / 1e9
    result = {
        "configuration": configuration, "objects": objects, "tracked": tracked, "requests": number, "seconds": seconds,
        "cpu_seconds": cpu_seconds() - cpu, "peak_bytes": peak_bytes(), "workload": workload,
        "longest_stop_ns": max(stops.each, default=0), "stops_total_ns": sum(stops.each),
        "full_ns": stops.full.tolist(),
    }
    if configuration == "exuvia":
        while exuvia.finish_collection() is None:
            pass
        result["child_cpu_ns"] = [record.child_cpu_ns for record in exuvia.stats().collections
                                  if record.kind == "background" and record.began_ns >= began_ns]
    result["latencies_ns"] = latencies.tolist()
    result["stops_ns"] = stops.each.tolist()
    return result


def main() -> None:
    configuration, workload, objects, requests, full, path = sys.argv[1:7]
    result = run(configuration, workload, int(objects), int(requests), int(full))
    with open(path, "w", encoding="ascii") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
