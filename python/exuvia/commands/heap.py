"""exuvia summary | census | why | cycles | diff | convert | report: questions to heap files, or to running processes.

Each command asks, and prints what exuvia.heap.show makes of the answer, or with --json the answer itself. On a terminal
lists are short; what goes into a pipe is whole.
"""
from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, Callable

from exuvia.heap import show
from exuvia.heap.ask import FOUND, MISASKED, NOT_FOUND, ask

LINES = 20           # of a list, on a terminal
MOST_STACKS = 200_000
Options = argparse.Namespace


def _complain(command: str, text: str) -> None:
    print(f"exuvia {command}: {text}", file=sys.stderr)


def _question(options: Options, name: str, path: str, **more: Any) -> tuple[int, Any]:
    """Asked; what is wrong has been said."""
    more.setdefault("limit", options.limit if options.limit is not None else LINES if sys.stdout.isatty() else 0)
    status, answer = ask(name, path, tells=sys.stderr.isatty(), **more)
    if status == MISASKED:
        _complain(options.command, answer)
    return status, answer


def _print(options: Options, answer: Any, text: Callable[[], str]) -> int:
    print(json.dumps(answer, ensure_ascii=False, indent=2) if options.json else show.visible(text()))
    return FOUND


def _summary(options: Options) -> int:
    limit = options.limit if options.limit is not None else LINES
    status, answer = _question(options, "summary", options.file, limit=limit)
    return status or _print(options, answer, lambda: show.summary(answer))


def _census(options: Options) -> int:
    status, answer = _question(options, "census", options.file, retained=options.retained)
    return status or _print(options, answer, lambda: show.census(answer))


def _why(options: Options) -> int:
    if options.largest == (options.what is not None):
        _complain("why", "what is it about: a type, an address as 0x..., or --largest (one of them)")
        return MISASKED
    what = "--largest" if options.largest else options.what
    status, answer = _question(options, "why", options.file, what=what)
    if status == FOUND:
        return _print(options, answer, lambda: show.why(answer))
    if answer and status == NOT_FOUND:
        status = max(status, _print(options, answer, lambda: show.fits(answer, what)))
    elif status == NOT_FOUND:
        _complain("why", f"nothing in the heap is {what}: `exuvia census` lists the types")
    return status


def _cycles(options: Options) -> int:
    status, answer = _question(options, "cycles", options.file)
    return status or _print(options, answer, lambda: show.cycles(answer, whole=not sys.stdout.isatty()))


def _diff(options: Options) -> int:
    status, answer = _question(options, "diff", options.file, other=options.later)
    return status or _print(options, answer, lambda: show.diff(answer))


def _write(command: str, path: str, data: bytes) -> int:
    """A new file that only the user reads; nothing is written over, and half a file is none."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        _complain(command, f"cannot write {path}: {error.strerror}")
        return MISASKED
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        os.unlink(path)
        _complain(command, f"cannot write {path}: {error.strerror}")
        return MISASKED
    return FOUND


def _convert(options: Options) -> int:
    if options.to == "heapsnapshot":
        return _question(options, "heapsnapshot", options.file, other=options.output)[0]
    from exuvia.heap import pprof

    status, answer = _question(options, "holders", options.file, limit=MOST_STACKS)
    if status != FOUND:
        return status
    status, whole = _question(options, "census", options.file, limit=1)
    if status != FOUND:
        return status
    when = whole["info"].get("time", 0)
    return _write("convert", options.output,
                  pprof.profile(answer["tree"], int(when * 1e9) if isinstance(when, (int, float)) else 0))


def _report(options: Options) -> int:
    from exuvia.heap import page

    answers = []
    for name, limit in page.QUESTIONS:
        status, answer = _question(options, name, options.file, limit=limit)
        if status != FOUND:
            return status
        answers.append(answer)
    return _write("report", options.output, page.page(*answers).encode("utf-8", "replace"))


def _limit(text: str) -> int:
    if not text.isdigit() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"a number of lines, 0 for all, not {text!r}")
    return int(text)


def _command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str,
             do: Callable[[Options], int]) -> argparse.ArgumentParser:
    status = "Status 0; 1: not found; 2: the question or a file is not right."
    parser = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}. {status}")
    parser.add_argument("file", metavar="FILE|PID", help="a heap file, or the number of a running process")
    parser.set_defaults(do=_of_processes(do), limit=None, json=False)
    return parser


def _of_processes(do: Callable[[Options], int]) -> Callable[[Options], int]:
    """The same for processes by their number: a heap file without a name is asked, which goes with the answer."""
    def asked(options: Options) -> int:
        from exuvia.heap import process

        for name in ("file", "later"):
            if process.is_process(getattr(options, name, "")):
                try:
                    dumped = process.dump(int(getattr(options, name)), False)
                except process.Refused as error:
                    _complain(options.command, str(error))
                    return NOT_FOUND if isinstance(error, process.NotFound) else MISASKED
                setattr(options, name, f"/proc/self/fd/{dumped.file}")
        return do(options)
    return asked


def _list_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the whole answer, sizes in bytes")
    parser.add_argument("--limit", type=_limit, metavar="N",
                        help=f"lines in each list, 0: all; otherwise {LINES} on a terminal, and all into a pipe")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _list_options(_command(commands, "summary", "of a heap: memory told apart, types, what holds most", _summary))
    census = _command(commands, "census", "of a heap: objects by type", _census)
    census.add_argument("--retained", action="store_true", help="also what each type keeps alive")
    _list_options(census)
    why = _command(commands, "why", "of a heap: what keeps objects alive", _why)
    why.add_argument("what", metavar="WHAT", nargs="?", help="a type, its module may be left out; or an address, 0x...")
    why.add_argument("--largest", action="store_true", help="the object that most is gathered under")
    _list_options(why)
    _list_options(_command(commands, "cycles", "of a heap: dead cycles by shape, with code and line", _cycles))
    diff = _command(commands, "diff", "of two heaps: what grew, and what holds it", _diff)
    diff.add_argument("later", metavar="LATER|PID", help="a later heap file of the same process, or it itself")
    _list_options(diff)
    convert = _command(commands, "convert", "a heap for other viewers", _convert)
    convert.add_argument("--to", choices=("heapsnapshot", "pprof"), required=True,
                         help="Chrome's DevTools and memlab; or go tool pprof and speedscope")
    convert.add_argument("-o", "--output", metavar="OUT", required=True, help="a new file")
    report = _command(commands, "report", "a heap as one page for a browser", _report)
    report.add_argument("-o", "--output", metavar="PAGE", required=True, help="a new file")
