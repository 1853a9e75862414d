"""exuvia top PID: a running process is watched, in the terminal; into a pipe what is printed is whole.

A screen is written over the one before, without another mode of the terminal: whatever ends the command, nothing has to
be put back.
"""
from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import signal
import sys
from typing import Any, Callable

from exuvia.commands.dump import MISASKED, process_number

Answer = dict[str, Any]
CPU_PERCENT = 2.0
INTERVAL = 1.0
HOME, END_OF_LINE, END_OF_SCREEN, CUT, WRAP = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[?7l", "\x1b[?7h"
BESIDE_NAME = 68  # are the columns of numbers
SHORTEST_NAME = 20


class _View:
    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._is_screen = not as_json and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._first: Answer | None = None
        self._types: list[Answer] = []

    def show(self, answer: Answer) -> None:
        from exuvia.heap import show

        self._first = self._first or answer
        self._types = answer["types"] or self._types
        if self._as_json:
            print(json.dumps(answer), flush=True)
        elif self._is_screen:
            print(self._screen(answer, self._first), end="", flush=True)
        else:
            types = [show.growing(self._types, answer["heap"]["time"])] if answer["types"] else []
            print(show.visible("\n".join([show.watched(answer, self._first), *types])), end="\n\n", flush=True)

    def _screen(self, answer: Answer, first: Answer) -> str:
        from exuvia.heap import show

        columns, rows = os.get_terminal_size(sys.stdout.fileno())
        names = max(SHORTEST_NAME, columns - BESIDE_NAME)
        text = f"{show.watched(answer, first)}\n{show.growing(self._types[:rows], answer['heap']['time'], names)}"
        lines = show.visible(text).split("\n")[:max(1, rows - 1)]
        return CUT + HOME + "".join(line + END_OF_LINE + "\n" for line in lines) + END_OF_SCREEN + WRAP


def _watch(options: argparse.Namespace) -> None:
    from exuvia.heap import watch

    view = _View(options.json)
    it = watch.Watch(options.pid, options.cpu / 100)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGWINCH])
    for number in itertools.count(1):
        answer = it.refresh()
        view.show(answer)
        if number == options.count:
            return
        while signal.sigtimedwait([signal.SIGWINCH], it.rest(options.interval)):
            view.show(answer)  # the terminal has another size


def _top(options: argparse.Namespace) -> int:
    from exuvia.heap import process, watch

    try:
        _watch(options)
    except KeyboardInterrupt:
        pass
    except watch.Ended:
        print(f"exuvia top: process {options.pid} has ended", file=sys.stderr)
    except process.Refused as error:
        print(f"exuvia top: {error}", file=sys.stderr)
        return 1 if isinstance(error, process.NotFound) else MISASKED
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"exuvia top: {error}", file=sys.stderr)
        return MISASKED
    return 0


def _number(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"a number from {least:g} to {most:g}, not {text!r}")
        return found
    return number


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("top", help="a running process, watched",
                                 description="Show a running process's memory, the stops and collections, and the "
                                             "types that grow, until it ends or Ctrl-C. Status 0; 1: there is no such "
                                             "process; 2: it cannot be asked, and why.")
    parser.add_argument("pid", metavar="PID", type=process_number, help="its number; it runs with Exuvia")
    parser.add_argument("--json", action="store_true", help="an object in a line for each refresh, sizes in bytes")
    parser.add_argument("--count", metavar="N", type=int, default=0, help="so many refreshes (0: no end)")
    parser.add_argument("--interval", metavar="S", type=_number(0.01, 1e6), default=INTERVAL,
                        help=f"seconds between two ({INTERVAL:g}), more where they cost much")
    parser.add_argument("--cpu", metavar="PERCENT", type=_number(0.01, 1600), default=CPU_PERCENT,
                        help=f"most it may cost, of a processor ({CPU_PERCENT:g}): it looks at the heap as seldom as "
                             "that takes")
    parser.set_defaults(do=_top)
