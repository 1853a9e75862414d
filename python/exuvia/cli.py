"""exuvia run | doctor | bench: parse the command line, call one module."""
from __future__ import annotations

import argparse
import sys


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="exuvia", description="Full collections that do not stop the program.")
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="run a program", add_help=True,
                              usage="exuvia run [options] (script.py | -m module | -c code) [args ...]")
    run.add_argument("--mode", choices=["auto", "background", "inline", "stress"], default="auto")
    run.add_argument("--pause-budget", type=float, default=5.0, metavar="MS", help="the longest stop wished for (5)")
    run.add_argument("--summary", action="store_true", help="a table on standard error at exit")
    run.add_argument("--stats", metavar="FILE", help="JSON at exit")
    run.add_argument("program", nargs=argparse.REMAINDER)

    commands.add_parser("doctor", help="every check of this interpreter and this system")

    bench = commands.add_parser("bench", help="measure")
    kinds = bench.add_subparsers(dest="kind", required=True)
    pause = kinds.add_parser("pause", help="how long requests wait for the collector")
    pause.add_argument("--objects", type=float, default=1e6, metavar="N", help="live container objects (1e6)")
    pause.add_argument("--html", metavar="FILE", help="a page that shows every request")
    pause.add_argument("--json", metavar="FILE", help="the numbers")
    pause.add_argument("--configurations", default="stock,exuvia,freeze,disable",
                       help="which of stock, exuvia, freeze, disable")
    return parser


def _split_run(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our options, and the program with its own: the first word that is not an option of ours begins it."""
    with_value = {"--mode", "--pause-budget", "--stats"}
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] not in ("-m", "-c", "-"):
        if arguments[at] == "--":
            return arguments[:at], arguments[at + 1:]
        at += 2 if arguments[at] in with_value else 1
    return arguments[:at], arguments[at:]


def main(arguments: list[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    program: list[str] = []
    if words[:1] == ["run"]:
        ours, program = _split_run(words[1:])
        words = ["run", *ours]
    parser = _parser()
    options = parser.parse_args(words)
    if options.command == "run":
        from exuvia import run

        if not program or program in (["-m"], ["-c"]):
            parser.error("no program: give a script, -m module or -c code")
        run.run(program, options.mode, options.pause_budget, options.summary, options.stats)
    elif options.command == "doctor":
        from exuvia import doctor

        sys.exit(doctor.main())
    else:
        from exuvia.bench import pause

        sys.exit(pause.main(int(options.objects), options.configurations.split(","), options.html, options.json))
