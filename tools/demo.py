#!/usr/bin/env python3
"""Run the example programs one after the other, and sum up: tools/demo.py FOLDER."""
import os
import subprocess
import sys
import time


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


def main():
    folder = sys.argv[1]
    started = time.monotonic()
    found, bad = programs(folder), []
    for name, path in found:
        print(f"\n== {name}: {title(name, os.path.join('examples', name + '.c'))}", flush=True)
        status = subprocess.run([path]).returncode
        if status:
            bad.append(name)
            print(f"** {name} ended with status {status}")
    seconds = time.monotonic() - started
    print(f"\n== {len(found) - len(bad)} of {len(found)} programs ran as they should, in {seconds:.1f} s."
          + (f" Not so: {', '.join(bad)}." if bad else " Their sources are in examples/."))
    return 1 if bad or not found else 0


if __name__ == "__main__":
    sys.exit(main())
