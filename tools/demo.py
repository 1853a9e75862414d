#!/usr/bin/env python3
"""Run the example programs one after the other, and sum up.

    tools/demo.py FOLDER [INTERPRETER=PACKAGE]

FOLDER is a build folder with the examples in C. With an interpreter, and the folder of the package built for it, the examples
in Python follow under `exuvia run`, then the benchmark of pauses, stock beside Exuvia.
"""
import os
import subprocess
import sys
import time

PAUSE_OBJECTS = 2_000_000


def programs(folder):
    """The built examples by name, in the order of their names."""
    place = os.path.join(folder, "examples")
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    paths = ((name, os.path.join(place, name)) for name in names)
    return [(name, path) for name, path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def title(name, source):
    """The first sentence of the comment that opens the program's source."""
    try:
        with open(source, encoding="utf-8") as text:
            lines = [line.strip(" /*\n") for line in text.readlines()[:12]]
    except OSError:
        return name
    return " ".join(line for line in lines if line).split(". ")[0].split(".c: ")[-1]


def run_python(pair):
    """The examples in Python, and the pauses; (how many, names of those that failed)."""
    interpreter, package = pair.split("=", 1)
    environment = {**os.environ, "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}
    names = sorted(name for name in os.listdir("examples/python") if name.endswith(".py"))
    bad = []
    for name in names:
        path = os.path.join("examples/python", name)
        with open(path, encoding="utf-8") as text:
            summary = text.readline().strip().strip('"')
        print(f"\n== exuvia run {path}: {summary}", flush=True)
        if subprocess.run([interpreter, "-m", "exuvia", "run", path], env=environment).returncode:
            bad.append(path)
    print(f"\n== A service with {PAUSE_OBJECTS:,} live objects, stock collection beside Exuvia (about a minute)", flush=True)
    command = [interpreter, "-m", "exuvia", "bench", "pause", "--objects", str(PAUSE_OBJECTS),
               "--configurations", "stock,exuvia"]
    if subprocess.run(command, env=environment).returncode:
        bad.append("exuvia bench pause")
    return len(names) + 1, bad


def main():
    started = time.monotonic()
    found, bad = programs(sys.argv[1]), []
    for name, path in found:
        print(f"\n== {name}: {title(name, os.path.join('examples', name + '.c'))}", flush=True)
        status = subprocess.run([path]).returncode
        if status:
            bad.append(name)
            print(f"** {name} ended with status {status}")
    count = len(found)
    for pair in sys.argv[2:]:
        more, failed = run_python(pair)
        count, bad = count + more, bad + failed
    seconds = time.monotonic() - started
    print(f"\n== {count - len(bad)} of {count} programs ran as they should, in {seconds:.1f} s."
          + (f" Not so: {', '.join(bad)}." if bad else " Their sources are in examples/."))
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main())
