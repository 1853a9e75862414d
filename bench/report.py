"""From rows to text: a table for the terminal (with rich if it is there), Markdown, JSON. Measures nothing."""
import dataclasses
import json
from typing import Optional

from measure import Comparison


@dataclasses.dataclass(frozen=True)
class Row:
    line: int
    what: str
    peer: str
    unit: str           # of ours and theirs: ns, ms, bytes, MB, ...
    result: Comparison
    target: Optional[float] = None  # the ratio must not exceed it; None: shown for information
    note: str = ""

    @property
    def reached(self):
        return None if self.target is None else self.result.ratio <= self.target


HEAD = ("", "what", "Exuvia", "peer", "", "ratio", "pairs from - to", "target", "")


def _number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _cells(row):
    unit, result = row.unit, row.result
    verdict = {None: "", True: "reached", False: "NOT reached"}[row.reached]
    return (str(row.line), row.what, f"{_number(result.ours)} {unit}", row.peer, f"{_number(result.theirs)} {unit}",
            _number(result.ratio), f"{_number(result.low)} - {_number(result.high)}",
            "" if row.target is None else f"<= {_number(row.target)}", verdict)


def print_plain(rows):
    table = [HEAD] + [_cells(row) for row in rows]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEAD))]
    for cells in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    _print_notes(rows)


def _print_notes(rows):
    for row in rows:
        if row.note:
            print(f"  {row.line} {row.what}: {row.note}")


def print_table(rows):
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print_plain(rows)
        return
    table = Table(title="Exuvia and its peers: ratio below 1 means less time or memory than the peer")
    for i, head in enumerate(HEAD):
        table.add_column(head, justify="right" if i in (2, 4, 5, 6, 7) else "left")
    last = None
    for row in rows:
        if last not in (None, row.line):
            table.add_section()
        last = row.line
        style = {None: "dim", True: "green", False: "bold red"}[row.reached]
        cells = _cells(row)
        table.add_row(*cells[:-1], f"[{style}]{cells[-1]}[/{style}]" if cells[-1] else "")
    console = Console()
    console.print(table) if console.is_terminal else print_plain(rows)
    if console.is_terminal:
        _print_notes(rows)


def print_markdown(rows):
    print("| what | Exuvia | peer | its figure | ratio (pairs from - to) | target | reached |")
    print("| --- | ---: | --- | ---: | ---: | ---: | --- |")
    for row in rows:
        _, what, ours, peer, theirs, ratio, spread, target, _ = _cells(row)
        verdict = {None: "", True: "yes", False: "**no**"}[row.reached]
        print(f"| {what} | {ours} | {peer} | {theirs} | {ratio} ({spread}) | {target} | {verdict} |")


def write_json(path, machine, rows, raw):
    rows = [{**dataclasses.asdict(row), "reached": row.reached} for row in rows]
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": machine, "rows": rows, "measurements": raw}, file, indent=1)
        file.write("\n")


def summary(rows):
    judged = [row for row in rows if row.reached is not None]
    reached = sum(row.reached for row in judged)
    return f"{reached} of {len(judged)} targets reached, {len(rows) - len(judged)} rows for information"
