#!/usr/bin/env python3
"""What goes with Exuvia: one program run under profilers, debuggers, tracers, other allocators; says what was seen.

    tests/python/goes_with.py [--python PYTHON] [--package FOLDER] [--keep FOLDER] [NAME ...]

The table of docs/goes-with.md is what this prints. It installs pinned packages in a virtual environment of its own, so
it needs PyPI and belongs to no test run; what a system package brings (perf, gdb, heaptrack, other allocators) is tried
where it is there, and named as missing where not. FOLDER holds the package as built for PYTHON (tools/interpreters.py).

The program makes a live heap and old dead cycles, lets a collection beside it find them, and ends with one line of
JSON. A tool goes with us where that line is there, the cycles are dead, nothing fell back, and the tool's own result
can be read by the tool itself and names what the program did.
"""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

PACKAGES = ["memray==1.20.0", "py-spy==0.4.3", "debugpy==1.8.22", "coverage==7.17.5", "pytest==9.2.0",
            "pytest-xdist==3.8.0", "prometheus_client==0.26.0", "opentelemetry-sdk==1.45.2",
            "opentelemetry-instrumentation-system-metrics==0.66b2", "psutil==7.2.2"]

# WITH is a place for lines that a row puts before the program's own; ROUNDS searches are made.
PROGRAM = """
import gc, json, os, sys, time, weakref
WITH
import exuvia
from exuvia import _core
exuvia.install(mode='background')

class Node:
    pass

def busy_work(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(i * i for i in range(2000))

def make_cycles(count):
    nodes = [Node() for i in range(count)]
    for node in nodes:
        node.peer = [node]
    gc.collect(1)
    return [weakref.ref(node) for node in nodes]

def main():
    live = [[i] for i in range(200_000)]
    dead = total = 0
    for round in range(ROUNDS):
        references = make_cycles(5_000)
        busy_work(float(os.environ.get('BUSY', '0')))
        exuvia.collect()
        dead += sum(reference() is None for reference in references)
        total += len(references)
    stats = exuvia.stats()
    print(json.dumps({'dead': dead, 'of': total, 'completed': stats.completed, 'live': len(live),
                      'installed': exuvia.is_installed(),
                      'fallbacks': {name: n for name, n in stats.fallbacks.items() if n}}), flush=True)
    return stats

stats = main()
""".replace("ROUNDS", "3")

TESTS = """
import gc, weakref
import pytest
import exuvia

class Node:
    pass

@pytest.mark.parametrize('number', range(8))
def test_cycles_die_beside_the_worker(number):
    exuvia.install(mode='background')
    node = Node()
    node.peer = node
    reference = weakref.ref(node)
    del node
    gc.collect(1)
    exuvia.collect()
    assert reference() is None and exuvia.is_installed()
"""

PROMETHEUS = """
from prometheus_client import generate_latest
text = generate_latest().decode()
print(next(line for line in text.splitlines() if line.startswith('python_gc_collections_total{generation="2"}')))
"""

OTEL = """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.instrumentation.system_metrics import SystemMetricsInstrumentor
reader = InMemoryMetricReader()
name = 'cpython.gc.collections'
SystemMetricsInstrumentor(config={name: None}).instrument(meter_provider=MeterProvider(metric_readers=[reader]))
for resource in reader.get_metrics_data().resource_metrics:
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            print(metric.name, sorted((str(dict(p.attributes)), p.value) for p in metric.data.data_points)[-1])
"""

FAULTHANDLER = """
import faulthandler
faulthandler.enable()
faulthandler.dump_traceback_later(0.2, repeat=True, file=open(os.environ['RESULT'], 'w'))
"""

DEBUGPY = """
import debugpy
debugpy.listen(('127.0.0.1', 0))
debugpy.trace_this_thread(True)
"""


class Failed(Exception):
    pass


class Bench:
    """One interpreter with a folder, and what rows need of them."""

    def __init__(self, python, package, folder):
        self.python, self.folder = python, folder
        self.environment = {**os.environ, "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1",
                            "RESULT": self.path("result")}

    def path(self, name):
        return os.path.join(self.folder, name)

    def program(self, before="", after="", text=PROGRAM):
        path = self.path("app.py")
        with open(path, "w") as file:
            file.write(text.replace("WITH", before) + after)
        return path

    def run(self, command, **environment):
        done = subprocess.run(command, env={**self.environment, **environment}, cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if done.returncode:
            raise Failed(f"status {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout + done.stderr

    def ours(self, output):
        """What the program said; refused unless all of it is as without the tool."""
        said = [json.loads(line) for line in output.splitlines() if line.startswith('{"dead"')]
        if not said:
            raise Failed(f"the program said nothing: {output[-400:]}")
        if said[0]["dead"] != said[0]["of"] or not said[0]["installed"] or said[0]["completed"] < 3:
            raise Failed(f"not as without it: {said[0]}")
        if said[0]["fallbacks"]:
            raise Failed(f"fell back: {said[0]['fallbacks']}")
        return f"{said[0]['dead']} of {said[0]['of']} dead, {said[0]['completed']} collections beside it"

    def module(self, name, *arguments):
        return [self.python, "-m", name, *arguments]

    def needs(self, text, word):
        if word not in text:
            raise Failed(f"{word!r} is not in its result: {text[-400:]}")


def plain(bench):
    return bench.ours(bench.run([bench.python, bench.program()]))


def memray(bench):
    seen = []
    for way in ([], ["--native"], ["--trace-python-allocators"]):
        result = bench.path("m.bin")
        seen.append(bench.ours(bench.run(bench.module("memray", "run", "-q", "-f", *way, "-o", result,
                                                      bench.program()))))
        bench.needs(bench.run(bench.module("memray", "stats", result)), "Total allocations")
    return seen[-1] + "; recordings readable (plain, --native, --trace-python-allocators)"


def py_spy(bench):
    raw = bench.path("spy.txt")
    spy = os.path.join(os.path.dirname(bench.python), "py-spy")
    output = bench.run([spy, "record", "--subprocesses", "-f", "raw", "-o", raw, "--", bench.python, bench.program()],
                       BUSY="1")
    with open(raw) as file:
        stacks = file.read()
    bench.needs(stacks, "busy_work")
    processes = {line.rpartition(" ")[0].split(";")[0] for line in stacks.splitlines()}
    return bench.ours(output) + f"; processes in its result: {len(processes)}"


def debugpy(bench):
    return bench.ours(bench.run([bench.python, "-X", "frozen_modules=off", bench.program(DEBUGPY)]))


def coverage(bench):
    seen = []
    for core in ("ctrace", "sysmon"):
        output = bench.run(bench.module("coverage", "run", bench.program()), COVERAGE_CORE=core)
        report = bench.run(bench.module("coverage", "report"))
        bench.needs(report, "app.py")
        seen.append(f"{core} {next(x for x in report.splitlines() if x.startswith('app.py')).split()[-1]}")
    return bench.ours(output) + "; lines covered: " + ", ".join(seen)


def cprofile(bench):
    output = bench.run(bench.module("cProfile", "-s", "tottime", bench.program()))
    bench.needs(output, "make_cycles")
    return bench.ours(output)


def tracemalloc(bench):
    return bench.ours(bench.run([bench.python, "-X", "tracemalloc=5", bench.program()]))


def faulthandler(bench):
    output = bench.run([bench.python, bench.program(FAULTHANDLER)], BUSY="0.5")
    with open(bench.path("result")) as file:
        bench.needs(file.read(), "busy_work")
    return bench.ours(output) + "; stacks name the program's own line"


def xdist(bench):
    path = bench.program(text=TESTS)
    output = bench.run(bench.module("pytest", "-q", "-p", "no:cacheprovider", "-n", "2", path))
    bench.needs(output, "8 passed")
    return "8 tests passed in 2 workers"


def prometheus(bench):
    output = bench.run([bench.python, bench.program("import prometheus_client", PROMETHEUS)])
    return bench.ours(output) + "; " + next(x for x in output.splitlines() if x.startswith("python_gc"))


def otel(bench):
    output = bench.run([bench.python, bench.program("", OTEL)])
    bench.needs(output, "gc.collections")
    return bench.ours(output) + "; " + next(x for x in output.splitlines() if "gc.collections" in x)


def perf(bench):
    data = bench.path("perf.data")
    output = bench.run(["perf", "record", "-q", "-e", "cpu-clock", "-g", "-o", data, bench.python, "-X", "perf",
                        bench.program()], BUSY="0.5")
    bench.needs(bench.run(["perf", "report", "-i", data, "--stdio", "--no-children"]), "busy_work")
    return bench.ours(output)


def gdb(bench):
    output = bench.run(["gdb", "-q", "-batch", "-nx", "-ex", "run", "-ex", "info inferiors", "--args", bench.python,
                        bench.program()])
    if "SIG" in output.replace("SIGINT", ""):
        raise Failed(f"a signal stopped it: {output[-400:]}")
    return bench.ours(output)


def heaptrack(bench):
    output = bench.run(["heaptrack", "-o", bench.path("h"), bench.python, bench.program()])
    found = glob.glob(bench.path("h.*"))
    bench.needs(bench.run(["heaptrack_print", "-f", found[0]]), "peak heap memory")
    return bench.ours(output) + "; recording readable"


def sampling(bench):
    raw = bench.path("sampled.txt")
    output = bench.run(bench.module("profiling.sampling", "run", "--subprocesses", "--collapsed", "-o", raw,
                                    bench.program()), BUSY="1")
    found = glob.glob(bench.path("sampled*"))
    with open(found[0]) as file:
        bench.needs(file.read(), "busy_work")
    return bench.ours(output) + f"; results: {len(found)}"


def preload(library):
    def row(bench):
        found = sorted(glob.glob(f"/usr/lib/*/{library}*"))
        return bench.ours(bench.run([bench.python, bench.program()], LD_PRELOAD=found[0], PYTHONMALLOC="malloc")) + \
            "; " + bench.ours(bench.run([bench.python, bench.program()], LD_PRELOAD=found[0])) + " with pymalloc"
    row.library = library
    return row


ROWS = {"plain": plain, "memray": memray, "py-spy": py_spy, "debugpy": debugpy, "coverage": coverage,
        "cProfile": cprofile, "tracemalloc": tracemalloc, "faulthandler": faulthandler, "pytest-xdist": xdist,
        "prometheus_client": prometheus, "opentelemetry": otel, "perf": perf, "gdb": gdb, "heaptrack": heaptrack,
        "profiling.sampling": sampling, "jemalloc": preload("libjemalloc.so"), "mimalloc": preload("libmimalloc.so"),
        "tcmalloc": preload("libtcmalloc_minimal.so")}
OF_THE_SYSTEM = {"perf", "gdb", "heaptrack"}


def missing(name, python):
    """Why a row cannot be tried here, or None."""
    if name in OF_THE_SYSTEM and not shutil.which(name):
        return "not installed"
    if hasattr(ROWS[name], "library") and not glob.glob(f"/usr/lib/*/{ROWS[name].library}*"):
        return "not installed"
    if name == "profiling.sampling" and subprocess.run([python, "-c", "import profiling.sampling"],
                                                       stderr=subprocess.DEVNULL).returncode:
        return "3.15 and later"
    return None


def tried(name, bench):
    began = time.monotonic()
    try:
        seen = missing(name, bench.python)
        verdict = "-" if seen else "goes"
        seen = seen or ROWS[name](bench)
    except (Failed, OSError, subprocess.TimeoutExpired, LookupError, StopIteration) as error:
        verdict, seen = "FAILS", str(error).replace("\n", " / ")
    print(f"{name:18} {verdict:6} {time.monotonic() - began:5.0f} s  {seen}", flush=True)
    return verdict != "FAILS"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--package", required=True, help="folder that holds the package as built for PYTHON")
    parser.add_argument("--keep", help="an environment to make once and use again")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ROWS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        environment = os.path.abspath(arguments.keep or os.path.join(scratch, "venv"))
        python = os.path.join(environment, "bin", "python")
        if not os.path.exists(python):
            subprocess.run([arguments.python, "-m", "venv", environment], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        good = True
        for name in arguments.names or ROWS:
            folder = os.path.join(scratch, name)
            os.mkdir(folder)
            good = tried(name, Bench(python, os.path.abspath(arguments.package), folder)) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
