"""One load under one configuration, in a process of its own: python -m exuvia.bench.loads.program SPECIFICATION FILE.

The specification is JSON: load, size, seed, configuration, processors, and the files in which this process writes its
number to be in a control group. The result goes to the file.
"""
from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
import time
from typing import Any

from exuvia.bench.loads import meter
from exuvia.bench.loads.kinds import KINDS
from exuvia.bench.loads.load import Load


def configure(configuration: str) -> None:
    if configuration == "exuvia":
        import exuvia

        exuvia.install()
    elif configuration in ("freeze", "disable"):
        gc.disable()  # those who freeze load without collections: the usual advice


def loaded(configuration: str) -> None:
    if configuration == "freeze":
        gc.freeze()
        gc.enable()


def child_cpu_seconds() -> float:
    """Of children that live still: a search may be under way when the program ends."""
    ticks = 0
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/children", encoding="ascii") as file:
                children = file.read().split()
            for child in children:
                with open(f"/proc/{child}/stat", encoding="ascii", errors="replace") as file:
                    ticks += sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds() -> float:
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used) + child_cpu_seconds()


def queued_seconds() -> float:
    """How long this process was ready to run and had no processor."""
    with open("/proc/self/schedstat", encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


def own_peak_mb() -> float:
    with open("/proc/self/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 / 1e6 for line in file if line.startswith("VmHWM"))


def collections(configuration: str) -> dict[str, Any]:
    """What the collectors say of themselves, for information: a verdict needs only the fallbacks."""
    if configuration != "exuvia":
        return {"fallbacks": {}, "background": 0, "in_place": gc.get_stats()[2]["collections"]}
    import exuvia

    stats = exuvia.stats()
    return {"fallbacks": {reason: count for reason, count in stats.fallbacks.items() if count},
            "background": stats.completed, "in_place": stats.full_collections}


def serve(load: Load) -> list[meter.Meter]:
    """The requests, by as many threads as the load has."""
    meters = [meter.Meter(load.waiting) for _ in range(load.threads)]
    if load.threads == 1:
        meters[0].serve(load.serve(0))
        return meters
    threads = [threading.Thread(target=each.serve, args=(load.serve(number),)) for number, each in enumerate(meters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return meters


def measure(load: Load, configuration: str, building: meter.Meter, cpu: float, begin: float) -> dict[str, Any]:
    """Serve, and say what came of it, with the time and CPU from the beginning of the building on."""
    meters = serve(load)
    seconds = time.perf_counter() - begin
    used = cpu_seconds() - cpu
    latencies = meters[0].latencies[:]
    for other in meters[1:]:
        latencies.extend(other.latencies)
    found = meter.percentiles(latencies)
    return {
        **found, "requests": len(latencies), "seconds": seconds, "cpu_seconds": used,
        "longest_ms": max(found["longest_request_ms"], building.longest_building / 1e6),
        "waiting": max(each.most_waiting for each in [building, *meters]), "latencies": latencies.tolist(),
        "series": meter.series(meters[0].latencies), **collections(configuration),
    }


def forked(load: Load, configuration: str, building: meter.Meter, cpu: float, begin: float) -> dict[str, Any]:
    """Each worker is a process, which measures itself; the parent waits, as a master does."""
    pipes = []
    for number in range(load.forks):
        ours, theirs = os.pipe()
        if os.fork() == 0:
            own = cpu_seconds()
            serving = load.serve(number)
            load.serve = lambda worker: serving  # type: ignore[method-assign]
            result = measure(load, configuration, building, own, begin)
            with open(theirs, "w", encoding="ascii") as file:
                json.dump(result, file)
            os._exit(0)
        os.close(theirs)
        pipes.append(ours)
    parts = []
    for ours in pipes:
        with open(ours, encoding="ascii") as file:
            parts.append(json.loads(file.read() or "null"))
        os.wait()
    if None in parts:
        raise SystemExit("a worker died")
    result = meter.merged(parts)
    result["cpu_seconds"] = cpu_seconds() - cpu
    return result


def run(load_name: str, size: int, seed: int, configuration: str) -> dict[str, Any]:
    load = KINDS[load_name].load(size, f"{load_name} {seed}")
    configure(configuration)
    building = meter.Meter(load.waiting)
    cpu, queued, begin = cpu_seconds(), queued_seconds(), time.perf_counter()
    building.build(load.build())
    loaded(configuration)
    load.ready()
    built = time.perf_counter() - begin
    result = (forked if load.forks else measure)(load, configuration, building, cpu, begin)
    result.pop("latencies", None)
    return {**result, "built_seconds": built, "longest_building_ms": building.longest_building / 1e6,
            "queued_seconds": queued_seconds() - queued, "own_peak_mb": own_peak_mb()}


def main() -> None:
    wanted = json.loads(sys.argv[1])
    for path in wanted["groups"]:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    if wanted["processors"]:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:wanted["processors"]])
    result = run(wanted["load"], wanted["size"], wanted["seed"], wanted["configuration"])
    with open(sys.argv[2], "w", encoding="ascii") as file:
        json.dump(result, file)
    print("done", flush=True)
    sys.stdin.read()  # until nobody looks at this process any more
    os._exit(0)       # the end of the interpreter is no request; it frees the whole heap


if __name__ == "__main__":
    main()
