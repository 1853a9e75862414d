"""What Exuvia costs a program besides its stops: import and installation, and the pages of a forked worker.

Each figure is of processes of its own. The worker is forked from a process that holds the objects, as a pre-forking
server does; what it writes, it no longer shares.
"""
from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys

from exuvia.bench.pause import check

PROCESSES = 15
START = """
import time
begin = time.perf_counter_ns()
import exuvia
imported = time.perf_counter_ns()
exuvia.install()
print(imported - begin, time.perf_counter_ns() - imported)
"""
WORKER = """
import gc, os, sys
ours, objects = sys.argv[1] == "exuvia", int(sys.argv[2])
if ours:
    import exuvia
    exuvia.install("background")

def kilobytes(name):
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith(name))

keep = [[{"n": i}] for i in range(objects // 2)]
gc.collect()
if os.fork() == 0:
    before = kilobytes("Private_")
    exuvia.collect() if ours else gc.collect()
    print(kilobytes("Private_") - before, kilobytes("Rss:"))
    sys.stdout.flush()
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def numbers_of(*words: str) -> list[int]:
    with subprocess.Popen([sys.executable, "-c", *words], stdout=subprocess.PIPE, text=True,
                          process_group=0) as process:  # a Ctrl-C is for us,
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # who then end it, and what it has forked
            raise
    if process.returncode != 0:
        raise SystemExit(f"exuvia bench: a process that was to be measured ended with status {process.returncode}")
    return [int(word) for word in output.split()]


def start_ms() -> tuple[float, float]:
    """Of importing and of installing, the medians."""
    imports, installs = zip(*(numbers_of(START) for _ in range(PROCESSES)))
    return statistics.median(imports) / 1e6, statistics.median(installs) / 1e6


def worker_mb(who: str, objects: int) -> tuple[float, float]:
    """What a full collection wrote in a forked worker, and what the worker has in all."""
    written, resident = numbers_of(WORKER, who, str(objects))
    return written * 1024 / 1e6, resident * 1024 / 1e6


def main(objects: int, json_file: str | None) -> None:
    if json_file:
        check(json_file)
    imports, installs = start_ms()
    stock, whole = worker_mb("stock", objects)
    ours, _ = worker_mb("exuvia", objects)
    print(f"import exuvia       {imports:6.2f} ms\n"
          f"exuvia.install()    {installs:6.2f} ms   (medians of {PROCESSES} processes)\n"
          f"a full collection in a forked worker with {objects} objects and {whole:.0f} MB writes to\n"
          f"    {stock:.1f} MB under stock, {ours:.1f} MB under Exuvia")
    if json_file:
        with open(json_file, "w", encoding="ascii") as file:
            json.dump({"import_ms": imports, "install_ms": installs, "objects": objects, "worker_mb": whole,
                       "stock_written_mb": stock, "exuvia_written_mb": ours}, file, indent=2)
