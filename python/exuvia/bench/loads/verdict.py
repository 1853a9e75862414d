"""Better, same or worse than stock, and by which column: functions from results to a verdict.

A bound is made for each pair from what stock (and gc.disable()) took in that pair; ours over the bound is the excess.
The median of the pairs decides, of each column the seed with the largest counts, and one excess above 1 makes the load
worse. Nothing here measures or prints.
"""
from __future__ import annotations

import math
from typing import Any, Callable, Iterable, NamedTuple

from exuvia.bench.loads.kinds import KINDS, Kind

Result = dict[str, Any]
FEW_WAITING = 10_000   # dead objects: what CPython's own thresholds leave between two collections of generation 1
CLEARLY = 0.9          # of stock's, in every pair and with every seed: better


class Side(NamedTuple):
    """What a bound may depend on."""
    stock: Result
    disable: Result | None
    kind: Kind
    size: int


def longest_bound(side: Side) -> float:
    stock: float = side.stock["longest_ms"]
    if stock <= 200:
        return stock + 3
    if side.kind.strong:
        return stock / 8
    unstopped = side.disable["longest_ms"] + 5 if side.disable else 0.0
    return max(stock / 20, unstopped, 25.0)


def tail_bound(field: str) -> Callable[[Side], float]:
    return lambda side: max(1.25 * side.stock[field], 1000 * side.kind.tail_ms)


def times(field: str, factor: float) -> Callable[[Side], float]:
    return lambda side: factor * side.stock[field]


def memory_bound(side: Side) -> float:
    factor = 1.35 if side.size < 5_000_000 else 1.3 if side.kind.reads else 1.5
    return factor * float(side.stock["peak_mb"])


def waiting_bound(side: Side) -> float:
    return 1.5 * max(float(side.stock["waiting"]), FEW_WAITING)


class Column(NamedTuple):
    name: str
    field: str
    unit: str
    bound: Callable[[Side], float]
    by_clock: bool = True   # its bound depends on the clock, so it is nothing for a check


COLUMNS = (
    Column("longest", "longest_ms", "ms", longest_bound),
    Column("p99", "p99_us", "us", tail_bound("p99_us")),
    Column("p99.9", "p99_9_us", "us", tail_bound("p99_9_us")),
    Column("time", "seconds", "s", times("seconds", 1.02)),
    Column("CPU", "cpu_seconds", "s", times("cpu_seconds", 1.15)),
    Column("memory", "peak_mb", "MB", memory_bound, False),
    Column("waiting", "waiting", "objects", waiting_bound, False),
)


class Judged(NamedTuple):
    """One column of one load and size, for the seed where it is worst: its median pair."""
    column: Column
    seed: int
    stock: float
    ours: float
    bound: float
    excess: float                 # ours over the bound
    ratio: float                  # ours over stock's
    spread: tuple[float, float]   # of the ratio, over the pairs
    clearly_better: bool          # with every seed, in every pair


class Verdict(NamedTuple):
    load: str
    size: int
    word: str                # better, same, worse; "" where nothing was measured
    by: tuple[str, ...]      # what makes it so
    columns: dict[str, Judged]
    fallbacks: dict[str, int]    # of all runs, without those that the program itself causes
    skipped: str             # why nothing, or not all, was measured
    check: tuple[str, ...]   # what is worse and does not depend on the clock


def over(value: float, by: float) -> float:
    return value / by if by else math.inf if value else 0.0


def median_of_pairs(column: Column, seed: int, pairs: list[tuple[Result, Side]]) -> Judged:
    """The middle pair by its excess, of two in the middle the worse one."""
    figures = [(float(result[column.field]), float(side.stock[column.field]), column.bound(side))
               for result, side in pairs]
    ours, stock, bound = sorted(figures, key=lambda each: over(each[0], each[2]))[len(figures) // 2]
    ratios = [over(mine, theirs) for mine, theirs, _ in figures]
    return Judged(column, seed, stock, ours, bound, over(ours, bound), over(ours, stock), (min(ratios), max(ratios)),
                  all(theirs and mine < CLEARLY * theirs for mine, theirs, _ in figures))


def pairs_of(results: Iterable[Result], load: str, size: int) -> dict[int, list[tuple[Result, Side]]]:
    """By seed, the pairs that have both sides."""
    found = {(result["seed"], result["pair"], result["configuration"]): result for result in results
             if (result["load"], result["size"]) == (load, size)
             and not result["limited"] and "seconds" in result}
    seeds: dict[int, list[tuple[Result, Side]]] = {}
    for (seed, pair, configuration), result in sorted(found.items()):
        stock = found.get((seed, pair, "stock"))
        if configuration == "exuvia" and stock:
            side = Side(stock, found.get((seed, pair, "disable")), KINDS[load], size)
            seeds.setdefault(seed, []).append((result, side))
    return seeds


def judge_column(column: Column, seeds: dict[int, list[tuple[Result, Side]]]) -> Judged:
    each = [median_of_pairs(column, seed, pairs) for seed, pairs in seeds.items()]
    worst = max(each, key=lambda judged: (judged.excess, judged.ratio))
    return worst._replace(clearly_better=all(judged.clearly_better for judged in each))


def amount(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}"


def complaint(judged: Judged) -> str:
    unit = judged.column.unit
    return (f"{judged.column.name} {amount(judged.ours, unit)}, at most {amount(judged.bound, unit)} "
            f"(stock {amount(judged.stock, unit)})")


def events(results: list[Result]) -> tuple[list[str], list[str]]:
    """What must not happen at all and did: ends of the process, out-of-memory events, throttling that stock escapes."""
    ours = [result for result in results if result["configuration"] == "exuvia"]
    ends = sorted({result["failed"] for result in ours if "failed" in result})
    killed = sum(result.get("oom_events", 0) for result in ours if result["limited"])
    if killed:
        ends.append(f"{killed} out-of-memory events 20 % above stock's peak")
    throttled = {name: max((result.get("throttled", 0) for result in results if result["configuration"] == name),
                           default=0) for name in ("stock", "exuvia")}
    if throttled["stock"] or not throttled["exuvia"]:
        return ends, []
    return ends, [f"throttled {throttled['exuvia']} times, stock never"]


def fallbacks_of(results: list[Result], load: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for result in results:
        for reason, count in result.get("fallbacks", {}).items():
            if reason not in KINDS[load].caused and not result["limited"]:
                counts[reason] = counts.get(reason, 0) + count
    return counts


def judge(all_results: Iterable[Result], load: str, size: int) -> Verdict:
    results = [result for result in all_results if (result["load"], result["size"]) == (load, size)]
    skipped = "; ".join(sorted({result["skipped"] for result in results if "skipped" in result}))
    seeds = pairs_of(results, load, size)
    fallbacks = fallbacks_of(results, load)
    if not seeds:
        ends = tuple(events(results)[0])
        nothing = "" if ends else skipped or "not both sides were measured"
        return Verdict(load, size, "worse" if ends else "", ends, {}, fallbacks, nothing, ends)
    columns = {column.name: judge_column(column, seeds) for column in COLUMNS}
    worse = [judged for judged in columns.values() if judged.excess > 1]
    died, throttled = events(results)
    complaints = [complaint(judged) for judged in worse] + died + throttled
    check = [complaint(judged) for judged in worse if not judged.column.by_clock] + died
    if fallbacks:
        check.append("fallbacks " + in_words(fallbacks))
    better = [judged.column.name for judged in columns.values() if judged.clearly_better]
    word = "worse" if complaints else "better" if better else "same"
    return Verdict(load, size, word, tuple(complaints or better), columns, fallbacks, skipped, tuple(check))


def judge_all(results: Iterable[Result]) -> list[Verdict]:
    results = list(results)
    cells = dict.fromkeys((result["load"], result["size"]) for result in results)
    return [judge(results, load, size) for load, size in cells]


def in_words(fallbacks: dict[str, int]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(fallbacks.items()))
