"""exuvia run | enable | disable | doctor | bench: parse the command line, call one module."""
from __future__ import annotations

import argparse
import sys
from typing import Any, Callable, Iterable

from exuvia import _options

FEWEST_OBJECTS = 1000
MOST_OBJECTS = 10**10

MODES = """modes:
  auto        a heap that is scanned within the pause budget is left to CPython,
              a larger one is searched in a snapshot
  background  every full collection that is due is done from a snapshot
  inline      none is: stock collection, measured
  stress      a snapshot after every collection of generation 1; for tests
"""


def _objects(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not FEWEST_OBJECTS <= value <= MOST_OBJECTS:
        raise argparse.ArgumentTypeError(f"a number of at least {FEWEST_OBJECTS}, like 250000 or 1e6, not {text!r}")
    return int(value)


def _names(text: str, known: Iterable[str]) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
    return list(dict.fromkeys(names))


def _configurations(text: str) -> list[str]:
    from exuvia.bench.pause import CONFIGURATIONS

    return _names(text, CONFIGURATIONS)


def _loads(text: str) -> list[str]:
    from exuvia.bench.loads.kinds import KINDS

    return _names(text, KINDS)


def _load_configurations(text: str) -> list[str]:
    from exuvia.bench.loads.kinds import CONFIGURATIONS

    return sorted(_names(text, CONFIGURATIONS), key=CONFIGURATIONS.index)


def _sizes(text: str) -> list[int]:
    return [_objects(word) for word in text.split(",")]


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"a number from 1 to 100, not {text!r}")
    return int(text)


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    run = commands.add_parser("run", help="run a program as python does", allow_abbrev=False,
                              usage="exuvia run [options] (script.py | folder | file.zip | -m module | -c code | -) "
                                    "[args ...]",
                              description="Run a program as python does; full collections do not stop it.",
                              epilog=MODES, formatter_class=argparse.RawDescriptionHelpFormatter)
    run.add_argument("--mode", choices=_options.MODES, default="auto",
                     help="who does full collections (auto), see below")
    run.add_argument("--pause-budget", default=5.0, metavar="MS",
                     help="the longest stop wished for, in milliseconds (5)")
    run.add_argument("--summary", action="store_true", help="tables on standard error at exit")
    run.add_argument("--stats", metavar="FILE", help="all numbers as JSON at exit; %%p in it is the process's number")
    run.add_argument("--log", metavar="FILE", help="a line of JSON for each full collection, appended as it ends")
    run.add_argument("--callbacks", action="store_true",
                     help="tell the program's own gc.callbacks of collections in the background, as of generation 2")
    return run


def _add_pause(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    pause = kinds.add_parser("pause", help="how long requests wait for the collector",
                             description="One service with many live objects under stock collection, Exuvia, "
                                         "gc.freeze() and gc.disable(), and with young collections alone (threshold 2 "
                                         "at 10**9): how long its requests wait.")
    pause.add_argument("--objects", type=_objects, default=1_000_000, metavar="N",
                       help="live container objects, at least 1000 (1e6); some 0.3 GB of memory for a million")
    pause.add_argument("--workload", choices=["write", "read"], default="write",
                       help="write (default): requests replace objects all over the heap; read: they only read, and "
                            "full collections are begun by hand")
    pause.add_argument("--html", metavar="FILE", help="a page that shows every request; needs the extra `report`")
    pause.add_argument("--json", metavar="FILE", help="the numbers")
    pause.add_argument("--configurations", type=_configurations, metavar="NAMES",
                       default="stock,exuvia,freeze,disable,young",
                       help="which of stock, exuvia, freeze, disable, young, with commas between (all)")


def _add_loads(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    loads = kinds.add_parser("loads", help="whether it is worse than stock on any kind of load",
                             description="Many kinds of load, a fixed number of requests each, under stock "
                                         "collection, Exuvia, gc.freeze() and gc.disable() in turn; at the end a "
                                         "verdict for each load. All of it takes many hours: --quick, or ask for less.")
    loads.add_argument("--quick", action="store_true",
                       help="the smallest size, one seed, one pair, stock and Exuvia: some minutes, a rough answer")
    loads.add_argument("--loads", type=_loads, metavar="NAMES", help="some of them, with commas between (all)")
    loads.add_argument("--sizes", type=_sizes, metavar="N,N", help="live objects (3e5,2e6,1e7)")
    loads.add_argument("--seeds", type=_count, metavar="N", help="rates, lifetimes and shapes are drawn so often (3)")
    loads.add_argument("--pairs", type=_count, metavar="N", help="measurements of each, in turn (3)")
    loads.add_argument("--configurations", type=_load_configurations, metavar="NAMES",
                       help="which of stock, exuvia, freeze, disable (all)")
    loads.add_argument("--limit", action="store_true",
                       help="also in a control group with a fifth more memory than stock's peak; as root")
    loads.add_argument("--no-huge-pages", action="store_true", help="as on a system that has none")
    loads.add_argument("--check", action="store_true",
                       help="status 1 if a bound that does not depend on the clock is passed: memory, dead objects "
                            "that wait, fallbacks, out-of-memory events")
    loads.add_argument("--json", metavar="FILE", help="every run's numbers, written as each ends")
    loads.add_argument("--resume", action="store_true", help="measure only what the file of --json does not have yet")
    loads.add_argument("--html", metavar="FILE", help="a page with latency and memory over time; needs the extra "
                                                      "`report`")


def _measure_loads(options: argparse.Namespace) -> None:
    from exuvia.bench.loads import command, matrix

    usual = matrix.Wanted()
    if options.quick:
        usual = usual._replace(sizes=usual.sizes[:1], seeds=1, pairs=1, configurations=usual.configurations[:2])
    given = {name: getattr(options, name) for name in ("loads", "sizes", "seeds", "pairs", "configurations")}
    asked: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value
                             for name, value in given.items() if value}
    wanted = usual._replace(limit=options.limit, **asked)
    if options.no_huge_pages:
        command.no_huge_pages()
    command.main(wanted, options.json, options.html, options.resume, options.check)


def _parsers() -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The whole, and the one of `run`."""
    import exuvia

    parser = argparse.ArgumentParser(prog="exuvia", description="Full collections that do not stop the program.",
                                     epilog="exuvia run --help, exuvia bench pause --help and so on: their options")
    parser.add_argument("--version", action="version", version=f"exuvia {exuvia.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run | enable | disable | doctor | bench")
    run = _add_run(commands)
    commands.add_parser("doctor", help="every check of this interpreter and this system",
                        description="Every check of this interpreter and this system: ok, or what is missing and what "
                                    "happens then. Status 1: Exuvia cannot be installed here.")
    enable = commands.add_parser("enable", help="begin new interpreters with Exuvia where EXUVIA=1",
                                 description="Put a line into this environment by which each of its new interpreters "
                                             "begins with Exuvia where EXUVIA=1 is set; elsewhere it does nothing.")
    enable.add_argument("--start-file", action="store_true",
                        help="for 3.15 and later a start file as well (PEP 829), instead of the line")
    commands.add_parser("disable", help="take out what enable put in",
                        description="Take out what `exuvia enable` put into this environment.")
    bench = commands.add_parser("bench", help="measure")
    kinds = bench.add_subparsers(dest="kind", required=True, metavar="pause | costs | loads")
    _add_pause(kinds)
    _add_loads(kinds)
    costs = kinds.add_parser("costs", help="import, installation, and the pages of a forked worker",
                             description="What Exuvia costs besides its stops: the time of import and installation, "
                                         "and how much a full collection writes in a forked worker, beside stock's.")
    costs.add_argument("--objects", type=_objects, default=1_000_000, metavar="N",
                       help="live container objects of the worker, at least 1000 (1e6)")
    costs.add_argument("--json", metavar="FILE", help="the numbers")
    return parser, run


def _split_run(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our options, and the program with its own: the first word that is not an option of ours begins it."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        word = arguments[at]
        if word == "--":
            return arguments[:at], arguments[at + 1:]
        if word[:2] in ("-m", "-c"):
            joined = [word[2:]] if len(word) > 2 else []
            return arguments[:at], [word[:2], *joined, *arguments[at + 1:]]
        at += 2 if word in _options.VALUES else 1
    return arguments[:at], arguments[at:]


def _prepare(parser: argparse.ArgumentParser, words: list[str]) -> Callable[[], object]:
    from exuvia import run

    ours, program = _split_run(words)
    if "-h" in ours or "--help" in ours:
        parser.parse_args(["--help"])
    try:
        wanted = _options.parse(ours)
    except ValueError as error:
        parser.error(f"{error}; options of the program stand behind it, ours before")
    if not program or program in (["-m"], ["-c"]):
        parser.error("no program: give a script, a folder or zip file with a __main__.py, -m module, -c code or - for "
                     "standard input")
    return run.prepare(program, wanted)


def main(arguments: list[str] | None = None) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    parser, run_parser = _parsers()
    if words[:1] == ["run"]:
        from exuvia import run

        start = _prepare(run_parser, words[1:])
        with run.Frames():
            start()
        return
    options = parser.parse_args(words)
    try:
        _command(options)
    except KeyboardInterrupt:
        _interrupted(options.command)


def _interrupted(command: str) -> None:
    """One line, and an end by the signal, as whoever began us expects."""
    import os
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    print(f"exuvia {command}: interrupted", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGINT)


def _command(options: argparse.Namespace) -> None:
    if options.command == "doctor":
        from exuvia import doctor

        sys.exit(doctor.main())
    elif options.command in ("enable", "disable"):
        from exuvia import enable

        sys.exit(enable.enable(options.start_file) if options.command == "enable" else enable.disable())
    elif options.kind == "costs":
        from exuvia.bench import costs

        costs.main(options.objects, options.json)
    elif options.kind == "loads":
        _measure_loads(options)
    else:
        from exuvia.bench import pause

        pause.main(options.objects, options.workload, options.configurations, options.html, options.json)
