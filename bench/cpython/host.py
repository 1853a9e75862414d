"""What the CPython programs share: options NAME=VALUE, readings, and the talk with run.py that meter.h describes."""
import json
import os
import platform
import sys


def options(**defaults):
    """The command line's NAME=VALUE over the defaults, each in the default's type."""
    for argument in sys.argv[1:]:
        name, _, value = argument.partition("=")
        if name in defaults:
            defaults[name] = type(defaults[name])(value)
    return defaults


def resident_bytes():
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def say(**members):
    print(json.dumps(members), flush=True)


def serve(measure, **facts):
    """Say who we are, then measure once for each line of input. Leaves without freeing: that may take minutes."""
    say(name="CPython", version=platform.python_version(), **facts)
    for _ in sys.stdin:
        say(**measure())
    sys.stdout.flush()
    os._exit(0)
