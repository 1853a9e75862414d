"""exuvia run | enable | doctor | bench | dump | top | summary ...: the command line. Its files: exuvia.commands."""
from __future__ import annotations

import argparse
import sys


def _parser() -> argparse.ArgumentParser:
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
    options = _parser().parse_args(words)
    try:
        status = options.do(options)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"exuvia {options.command}: interrupted", file=sys.stderr)
        _end_by("SIGINT")
    except BrokenPipeError:
        _end_by("SIGPIPE")
    else:
        sys.exit(status)


def _end_by(name: str) -> None:
    """As whoever began us expects of a program that takes no notice of that signal."""
    import os
    import signal

    number = signal.Signals[name]
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
