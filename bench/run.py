#!/usr/bin/env python3
"""Measure the library against its peers and print a table: what `make bench` calls.

    bench/run.py --build FOLDER [--lines 1,4] [--quick] [--objects N] [--python PATH]... [--markdown] [--json FILE]

FOLDER is a meson build folder configured with -Dbench=true. The eight lines are told in docs/benchmarks.md.
"""
import argparse
import dataclasses
import datetime
import os
import platform
import shlex
import subprocess
import sys
import time

import lines
import measure
import report

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = {"pairs": 2, "objects": 200_000, "largest": 300_000, "shrink_bytes": 1 << 26, "depth": 12, "steps": 1_000_000}
USUAL = {"pairs": 5, "objects": 10_000_000, "largest": 30_000_000, "shrink_bytes": 1 << 30, "depth": 18,
         "steps": 20_000_000}


@dataclasses.dataclass(frozen=True)
class Python:
    path: str
    name: str
    modules: str  # folder of its pairmodule


def prepare_python(path, build):
    """Compile pairmodule for an interpreter. Its own compiler flags bring -O2 or -O3."""
    code = ("import platform, sys, sysconfig as s; print(platform.python_version(), sys.implementation.cache_tag, "
            "s.get_path('include'), s.get_config_var('EXT_SUFFIX'), sep='\\n'); print(s.get_config_var('CFLAGS'))")
    version, tag, include, suffix, flags = subprocess.check_output([path, "-c", code], text=True).splitlines()
    folder = os.path.join(os.path.abspath(build), "bench", f"{tag}-{version}")
    os.makedirs(folder, exist_ok=True)
    sources = [os.path.join(HERE, name) for name in ("cpython/pairmodule.c", "graph.c", "meter.c")]
    subprocess.check_call([os.environ.get("CC", "cc"), "-std=gnu11", *shlex.split(flags), "-shared", "-fPIC",
                           f"-I{include}", *sources, "-o", os.path.join(folder, "pairmodule" + suffix)])
    return Python(path, f"CPython {version}", folder)


def describe_machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
        for line in cpuinfo:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
        huge_pages = file.read().strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cpu": model,
            "cores": os.cpu_count(), "memory_bytes": memory, "kernel": platform.release(),
            "huge_pages": huge_pages, "load": os.getloadavg()}


class Progress:
    """A line on standard error for each measurement, a dot for each pair."""

    def __call__(self, what):
        print(f"\n{what} " if what else ".", end="", file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="meson build folder")
    parser.add_argument("--lines", default="1-8", help="lines of the table: 4 or 1,3 or 2-5")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that all runs, not how fast")
    for name, usual in USUAL.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, help=f"default {usual:,}")
    parser.add_argument("--python", action="append", help="interpreter to compare with; the first is judged")
    parser.add_argument("--json", help="where to write the result [FOLDER/bench.json]")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser.parse_args()


def numbers(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main():
    arguments = parse_arguments()
    sizes = {name: getattr(arguments, name) or usual for name, usual in (QUICK if arguments.quick else USUAL).items()}
    paths = arguments.python or ["/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable]
    pythons = [prepare_python(path, arguments.build) for path in paths]
    bench = lines.Bench(os.path.abspath(arguments.build), os.path.join(HERE, "cpython"), pythons, progress=Progress(),
                        **sizes)
    machine, began = describe_machine(), time.monotonic()
    if machine["load"][0] > 0.5:
        print(f"The machine is not quiet (load {machine['load'][0]:.1f}): expect spread.", file=sys.stderr)
    rows, failed = [], []
    for number in numbers(arguments.lines):
        try:
            for row in lines.LINES[number](bench):
                rows.append(row)
        except measure.Failed as error:
            failed.append(f"line {number}: {error}")
    print(file=sys.stderr)
    (report.print_markdown if arguments.markdown else report.print_table)(rows)
    for message in failed:
        print("FAILED", message)
    path = arguments.json or os.path.join(arguments.build, "bench.json")
    report.write_json(path, {**machine, "seconds": time.monotonic() - began, "sizes": sizes}, rows, bench.raw)
    print(f"{report.summary(rows)}; {time.monotonic() - began:.0f} s; all measurements in {path}")
    if arguments.quick:
        print("--quick: these sizes show that everything runs; the ratios mean nothing.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
