#!/usr/bin/env python3
"""Types that no cycle collector sees through, tried again: what exuvia.heap.hints calls blind, with pinned packages.

    tests/python/blind_types.py [--python PYTHON] [TYPE ...]

Prints, for the types that docs/insight.md says were tried, whether a ring through it lives after three full
collections, and whether what is said to end it does. It installs packages from PyPI in a virtual environment of its own, so
it belongs to no test run. Each row makes a ring through an object of the type, with a sentinel in it; `end` is done to it,
and the last reference to the ring goes.
"""
import argparse
import os
import subprocess
import sys
import tempfile

PACKAGES = ["numpy==2.5.5", "lru-dict==1.4.1", "pyahocorasick==2.3.1", "greenlet==3.5.6", "apsw==3.54.1.0", "msgspec==0.22.0",
            "zstandard==0.25.0"]
# Type -> how `holder`, an object that is already in a ring with the sentinel, gets to hold it; and what ends it.
ZONE = "class Zone(datetime.tzinfo):\n    def utcoffset(self, when): return None\nzone = Zone(); zone.sentinel = sentinel\n"
ROWS = {
    "datetime.datetime": ("import datetime\n" + ZONE + "zone.at = datetime.datetime(2000, 1, 1, tzinfo=zone)", ""),
    "datetime.time": ("import datetime\n" + ZONE + "zone.at = datetime.time(1, tzinfo=zone)", ""),
    "cProfile.Profile": ("import cProfile\nsentinel.at = cProfile.Profile(lambda: sentinel)", "del sentinel.at"),
    "sqlite3.Connection": ("import sqlite3\nsentinel.at = sqlite3.connect(':memory:')\n"
                           "sentinel.at.create_function('f', 0, lambda: sentinel)", "sentinel.at.close()"),
    "numpy.ndarray": ("import numpy\nsentinel.at = numpy.array([sentinel, None], dtype=object)", "sentinel.at[...] = None"),
    "lru.LRU": ("import lru\nsentinel.at = lru.LRU(3)\nsentinel.at[1] = sentinel", "sentinel.at.clear()"),
    "ahocorasick.Automaton": ("import ahocorasick\nsentinel.at = ahocorasick.Automaton()\nsentinel.at.add_word('a', sentinel)",
                              "sentinel.at.clear()"),
    "greenlet.greenlet": ("import greenlet\nmain = greenlet.getcurrent()\n"
                          "def run(s):\n    main.switch()\n    return s\n"
                          "sentinel.at = greenlet.greenlet(run)\nsentinel.at.switch(sentinel)", "sentinel.at.switch()"),
    "apsw.Connection": ("import apsw\nsentinel.at = apsw.Connection(':memory:')\n"
                        "sentinel.at.create_scalar_function('f', lambda: sentinel)", "sentinel.at.close()"),
    "zstandard.backend_c.ZstdDecompressionReader": (
        "import io, zstandard\nclass Source(io.BytesIO): pass\nsource = Source(b'')\nsource.sentinel = sentinel\n"
        "source.at = zstandard.ZstdDecompressor().stream_reader(source)", "del source.at"),
}
PROGRAM = """
import gc, sys, weakref
class Sentinel:
    pass
def make(ends):
    sentinel = Sentinel()
MAKE
    if ends:
END
        pass
    return weakref.ref(sentinel)
for ends in (False, True):
    reference = make(ends)
    for _ in range(3):
        gc.collect()
    print(reference() is not None)
"""


def indented(text, by):
    return "\n".join(" " * by + line for line in text.splitlines())


def tried(python, name):
    make, end = ROWS[name]
    code = PROGRAM.replace("MAKE", indented(make, 4)).replace("END", indented(end, 8))
    done = subprocess.run([python, "-W", "ignore", "-c", code], capture_output=True, text=True)
    if done.returncode:
        return "could not be tried: " + (done.stderr.strip().splitlines() or ["?"])[-1]
    lives, after = (word == "True" for word in done.stdout.split())
    return ("kept" if lives else "freed") + (f"; after `{end.split(chr(10))[-1]}` " + ("kept" if after else "freed") if end else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("names", nargs="*", metavar="TYPE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.python, "-m", "venv", folder], check=True)
        python = os.path.join(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        for name in options.names or ROWS:
            print(f"| `{name}` | {tried(python, name)} |")


if __name__ == "__main__":
    main()
