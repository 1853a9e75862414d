"""exuvia dump PID: a heap file of a running process."""
from __future__ import annotations

import argparse
import errno
import json
import os
import sys
from typing import Callable

MISASKED = 2


def _fill(source: int) -> Callable[[int], None]:
    """A function that copies that file into an empty one."""
    def fill(target: int) -> None:
        at, size = 0, os.fstat(source).st_size
        while at < size:
            done = os.sendfile(target, source, at, size - at)
            if done == 0:
                raise OSError(errno.EIO, "the file of the process ends before its size says so")
            at += done
    return fill


def _unused(pid: int) -> str:
    number = 1
    while os.path.lexists(f"exuvia-{pid}-{number}.exv"):
        number += 1
    return f"exuvia-{pid}-{number}.exv"


def _dump(options: argparse.Namespace) -> int:
    from exuvia import _dump as heap_file
    from exuvia.heap import process, show

    path = os.path.abspath(options.output or _unused(options.pid))
    try:
        dumped = process.dump(options.pid, options.values)
        heap_file.new_file(path, _fill(dumped.file))
    except process.Refused as error:
        print(f"exuvia dump: {error}", file=sys.stderr)
        return 1 if isinstance(error, process.NotFound) else MISASKED
    except OSError as error:
        print(f"exuvia dump: {path}: {error.strerror}", file=sys.stderr)
        return MISASKED
    if options.json:
        print(json.dumps({"path": path, **{name: value for name, value in dumped._asdict().items() if name != "file"}}))
    else:
        print(f"{path}: {show.objects(dumped.objects)}, {show.size(dumped.bytes)}; the process stood still for "
              f"{dumped.stopped_ns / 1e6:.1f} ms")
    return 0


def process_number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"the number of a process, not {text!r}")
    return int(text)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("dump", help="a heap file of a running process",
                                 description="Write a heap file of a running process, which goes on meanwhile. Status "
                                             "0; 1: there is no such process; 2: it cannot be had, and why.")
    parser.add_argument("pid", metavar="PID", type=process_number, help="its number; it runs with Exuvia")
    parser.add_argument("-o", "--output", metavar="FILE", help="a new file (exuvia-PID-1.exv, or the next free number)")
    parser.add_argument("--values", action="store_true", help="also the first characters of strings")
    parser.add_argument("--json", action="store_true", help="what was written, sizes in bytes")
    parser.set_defaults(do=_dump)
