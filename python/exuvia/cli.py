"""exuvia run | enable | doctor | bench | dump | top | summary ...: the command line. Its files: exuvia.commands."""
from __future__ import annotations

import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _parser() -> argparse.ArgumentParser:
    import argparse

    import exuvia
    from exuvia.commands import bench, doctor, dump, enable, heap, top

    parser = argparse.ArgumentParser(prog="exuvia",
                                     description="Full collections that do not stop the program, and answers from its "
                                                 "heap.",
                                     epilog="exuvia run --help, exuvia bench pause --help and so on: their options")
    parser.add_argument("--version", action="version", version=f"exuvia {exuvia.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run a program as python does")
    for command in (doctor, enable, bench, dump, top, heap):
        command.add(commands)
    parser.set_defaults(do=lambda options: parser.error("no command: give one of " + ", ".join(commands.choices)))
    return parser


def main(arguments: list[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"]:  # its options end where the program's begin
        from exuvia.commands import run

        start = run.prepared(words[1:])
        with run.Frames():
            start()
        return
    _mend_output()
    options = _parser().parse_args(words)
    try:
        status = options.do(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"exuvia {options.command}: interrupted", file=sys.stderr)
        _end_by("SIGINT")
    except BrokenPipeError:
        _end_by("SIGPIPE")
    except OSError as error:
        if error.filename is not None or error.errno not in NO_ROOM:  # files are named, standard output is not
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
        print(f"exuvia {options.command}: cannot write the answer: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    else:
        sys.exit(status)


def _mend_output() -> None:
    """What was closed leads nowhere: else the next file opened would take its number, and what is printed. What cannot
    be shown there is written as an escape."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _end_by(name: str) -> None:
    """As whoever began us expects of a program that takes no notice of that signal."""
    import signal

    number = signal.Signals[name]
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
