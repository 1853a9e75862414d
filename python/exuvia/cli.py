"""exuvia run | enable | disable | doctor | bench | summary ...: the command line. Its files are in exuvia.commands."""
from __future__ import annotations

import argparse
import sys


def _parser() -> argparse.ArgumentParser:
    import exuvia
    from exuvia.commands import bench, doctor, enable, heap

    parser = argparse.ArgumentParser(prog="exuvia",
                                     description="Full collections that do not stop the program, and answers from its "
                                                 "heap.",
                                     epilog="exuvia run --help, exuvia bench pause --help and so on: their options")
    parser.add_argument("--version", action="version", version=f"exuvia {exuvia.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run a program as python does")
    for command in (doctor, enable, bench, heap):
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
    options = _parser().parse_args(words)
    try:
        sys.exit(options.do(options))
    except KeyboardInterrupt:
        _interrupted(options.command)


def _interrupted(command: str) -> None:
    """One line, and an end by the signal, as whoever began us expects."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(f"exuvia {command}: interrupted", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGINT)
