#!/bin/sh
# Of the memory that suspended greenlets take, tracemalloc shows less than half, and getsizeof() nearly nothing.
#
# Versions: greenlet 3.5.6, CPython 3.13.0.
# Guess: tracemalloc shows at least half of what resident memory grows by with 2,000 greenlets that each wait in one
#     function.
# What happens: each has a piece of CPython's stack of frames of its own, which is mapped and not asked of any allocator
#     that is traced. Some 12 MB are resident, 4 MB traced, 0.1 MB the sum of the sizes. A server of greenlets has more
#     than its tracing tells.
# Seen:
#     resident above 6 MB: True, traced less than half: True, sizes less than 200 kB: True
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check greenlet==3.5.6
"$folder/venv/bin/python" - <<'END'
import os
import sys
import tracemalloc

import greenlet


def waits():
    greenlet.getcurrent().parent.switch()


def start(count):
    begun = [greenlet.greenlet(waits) for _ in range(count)]
    for one in begun:
        one.switch()
    return begun


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


start(10)
tracemalloc.start()
before, traced = resident(), tracemalloc.get_traced_memory()[0]
kept = start(2_000)
grown, traced = resident() - before, tracemalloc.get_traced_memory()[0] - traced
sizes = sum(map(sys.getsizeof, kept))
print("resident above 6 MB:", grown > 6_000_000, end=", ")
print("traced less than half:", 2 * traced < grown, end=", ")
print("sizes less than 200 kB:", sizes < 200_000)
raise SystemExit(not (grown > 6_000_000 and 2 * traced < grown and sizes < 200_000))
END
