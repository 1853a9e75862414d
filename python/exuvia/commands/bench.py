"""exuvia bench: what each kind of measurement takes. What it measures is in exuvia.bench."""
from __future__ import annotations

import argparse
from typing import Any, Iterable

FEWEST_OBJECTS = 1000
MOST_OBJECTS = 10**10


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
    pause.set_defaults(do=_measure_pauses)


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
    loads.set_defaults(do=_measure_loads)


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


def _add_costs(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    costs = kinds.add_parser("costs", help="import, installation, and the pages of a forked worker",
                             description="What Exuvia costs besides its stops: the time of import and installation, "
                                         "and how much a full collection writes in a forked worker, beside stock's.")
    costs.add_argument("--objects", type=_objects, default=1_000_000, metavar="N",
                       help="live container objects of the worker, at least 1000 (1e6)")
    costs.add_argument("--json", metavar="FILE", help="the numbers")
    costs.set_defaults(do=_measure_costs)


def _measure_costs(options: argparse.Namespace) -> None:
    from exuvia.bench import costs

    costs.main(options.objects, options.json)


def _add_insight(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    insight = kinds.add_parser("insight", help="what a question to a running process costs",
                               description="How long a program is stopped by the commands that look into its heap, "
                                           "and by objgraph, pympler and guppy3, where they are installed.")
    insight.add_argument("--objects", type=_objects, default=1_000_000, metavar="N",
                         help="live container objects of the program, at least 1000 (1e6); some 0.3 GB for a million")
    insight.add_argument("--json", metavar="FILE", help="the numbers")
    insight.set_defaults(do=_measure_insight)


def _measure_insight(options: argparse.Namespace) -> None:
    from exuvia.bench import insight

    insight.main(options.objects, options.json)


def _measure_pauses(options: argparse.Namespace) -> None:
    from exuvia.bench import pause

    pause.main(options.objects, options.workload, options.configurations, options.html, options.json)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("bench", help="measure")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="pause | costs | insight | loads")
    _add_pause(kinds)
    _add_loads(kinds)
    _add_costs(kinds)
    _add_insight(kinds)
