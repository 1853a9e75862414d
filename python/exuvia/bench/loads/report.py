"""From results and verdicts to tables, and the progress while they are measured: words only, nothing is judged here."""
from __future__ import annotations

import statistics
import sys
import time
from typing import Any, Iterable, TextIO

from exuvia._summary import Table
from exuvia.bench.loads import verdict
from exuvia.bench.loads.kinds import KINDS
from exuvia.bench.loads.runner import Run
from exuvia.bench.loads.verdict import Verdict

FIGURES = (("p50 us", "p50_us", "{:,.0f}"), ("p99 us", "p99_us", "{:,.0f}"), ("p99.9 us", "p99_9_us", "{:,.0f}"),
           ("longest ms", "longest_ms", "{:,.1f}"), ("time s", "seconds", "{:.2f}"),
           ("CPU s", "cpu_seconds", "{:.2f}"), ("peak MB", "peak_mb", "{:,.0f}"), ("waiting", "waiting", "{:,.0f}"))

MOST_QUEUED = 0.05


def size_in_words(size: int) -> str:
    return f"{size / 1e6:g} M" if size >= 10_000 else f"{size:,}"


def figures(results: Iterable[dict[str, Any]]) -> Table:
    """A row for each load, size and configuration: of all seeds and pairs the median, of the worst-case columns too."""
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for result in results:
        if not result["limited"] and "seconds" in result:
            groups.setdefault((result["load"], result["size"], result["configuration"]), []).append(result)
    rows, before = [], None
    for (load, size, configuration), group in groups.items():
        name = [load, size_in_words(size)] if (load, size) != before else ["", ""]
        before = (load, size)
        values = [form.format(statistics.median(result[field] for result in group)) for _, field, form in FIGURES]
        counts: dict[str, int] = {}
        for result in group:
            for reason, count in result["fallbacks"].items():
                counts[reason] = counts.get(reason, 0) + count
        rows.append([*name, configuration, *values, verdict.in_words(counts)])
    return Table("Medians of all seeds and pairs", ["load", "objects", "configuration",
                                                    *(title for title, _, _ in FIGURES), "fallbacks"], rows, 3)


def ratio(judged: verdict.Judged) -> str:
    low, high = judged.spread
    mark = "!" if judged.excess > 1 else ""
    if judged.stock == 0:
        return f"{mark}{judged.ours:.0f}" if judged.ours else "-"
    spread = f" ({low:.2f}-{high:.2f})" if high - low >= 0.01 else ""
    return f"{mark}{judged.ratio:.2f}{spread}"


def verdicts(found: list[Verdict]) -> Table:
    rows = []
    for each in found:
        cells = [ratio(each.columns[column.name]) if each.columns else "-" for column in verdict.COLUMNS]
        rows.append([each.load, size_in_words(each.size), each.word or "-", *cells])
    columns = ["load", "objects", "verdict", *(column.name for column in verdict.COLUMNS)]
    return Table("Exuvia over stock, the worst seed: median of the pairs (lowest-highest); ! over its bound", columns,
                 rows, 3)


def reasons(found: list[Verdict]) -> list[str]:
    lines = []
    for each in found:
        name = f"{each.load}, {size_in_words(each.size)}"
        if each.word:
            by = "; ".join(each.by) if each.word == "worse" else ", ".join(each.by)
            lines.append(f"{name}: {each.word}" + (f": {by}" if by else ""))
        if each.skipped:
            lines.append(f"{name}: left out: {each.skipped}")
    counts = [f"{sum(each.word == word for each in found)} {word}" for word in ("better", "same", "worse")]
    return [*lines, "In all: " + ", ".join(counts)]


def disturbance(results: Iterable[dict[str, Any]]) -> list[str]:
    """Stock, alone on a quiet machine, has a processor whenever it wants one."""
    shares = [result["queued_seconds"] / result["seconds"] for result in results
              if result["configuration"] == "stock" and "seconds" in result and KINDS[result["load"]].alone]
    share = statistics.median(shares) if shares else 0.0
    return [f"This machine was busy: stock waited for a processor for {share:.0%} of its time. Times, and with them "
            "the verdicts, say little."] if share > MOST_QUEUED else []


def words_of(result: dict[str, Any]) -> str:
    if "skipped" in result:
        return f"left out: {result['skipped']}"
    if "failed" in result:
        return f"failed: {result['failed']}"
    if "died" in result:
        return f"died: {result['died']}; {result['oom_events']} out-of-memory events"
    words = (f"{result['seconds']:7.1f} s  longest {result['longest_ms']:8,.1f} ms  p99.9 "
             f"{result['p99_9_us'] / 1e3:6,.1f} ms  peak {result['peak_mb']:6,.0f} MB  "
             f"waiting {result['waiting']:10,}")
    if result["limited"]:
        words += f"  {result['oom_events']} out-of-memory events"
    fallbacks = verdict.in_words(result["fallbacks"])
    return words + (f"  {fallbacks}" if fallbacks else "")


def name_of(run: Run) -> str:
    limited = " in a control group" if run.limited else ""
    words = (run.load, size_in_words(run.size), f"seed {run.seed}", f"pair {run.pair + 1}", run.configuration + limited)
    return " ".join(word.ljust(width) for word, width in zip(words, (10, 7, 6, 6, 8)))


class Progress:
    """A line for each run as it ends; on a terminal, with rich, what runs now and how long it will take stays below."""

    def __init__(self, runs: list[Run], file: TextIO) -> None:
        self.file, self.count, self.done = file, len(runs), 0
        self.left = sum(map(self.weight, runs))
        self.measured = 0.0     # of the weight, by us
        self.begin = time.monotonic()
        self.running: Run | None = None
        self.status: Any = None
        if file.isatty():
            try:
                from rich.console import Console

                self.status = Console(file=file).status("")
                self.status.start()
            except ImportError:
                pass

    @staticmethod
    def weight(run: Run) -> float:
        return run.size + 100_000

    def remaining(self) -> str:
        if not self.measured:
            return ""
        minutes = self.left * (time.monotonic() - self.begin) / self.measured / 60
        return f"; some {minutes:.0f} min left" if minutes >= 1 else "; less than a minute left"

    def begun(self, run: Run) -> None:
        self.running = run
        if self.status:
            self.status.update(f"{self.done + 1} of {self.count}: {name_of(run)}{self.remaining()}")

    def ended(self, result: dict[str, Any]) -> None:
        run = Run(*(result[field] for field in Run._fields))
        self.done += 1
        self.left -= self.weight(run)
        if run != self.running:
            return    # it was measured before
        self.measured += self.weight(run)
        line = f"[{self.done:{len(str(self.count))}}/{self.count}] {name_of(run)} {words_of(result)}"
        if self.status:
            self.status.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line + (self.remaining() if self.done % 8 == 0 else ""), file=self.file, flush=True)

    def stop(self) -> None:
        if self.status:
            self.status.stop()


def progress(runs: list[Run]) -> Progress:
    return Progress(runs, sys.stderr)
