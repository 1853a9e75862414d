"""What `exuvia run --summary` prints: functions from statistics to tables, drawn plainly or, on a terminal, by rich."""
from __future__ import annotations

import gc
import io
from typing import NamedTuple, TextIO

from exuvia._stats import Collection, Stats

TYPE_CHECKING = False
if TYPE_CHECKING:
    import rich.console

MOST_COLLECTIONS = 20
MANY = 100_000  # objects, as a first threshold


class Table(NamedTuple):
    title: str
    columns: list[str]
    rows: list[list[str]]
    words: int  # so many columns are words, to the left; the others are numbers, to the right


_EMPTY = [Table("exuvia", ["", "count"], [["", ""]], 1)]


def milliseconds(ns: float) -> str:
    return f"{ns / 1e6:.3f} ms"


def collector() -> list[list[str]]:
    """What the program has set, where it keeps anything from being collected: most do so for want of short stops."""
    first = gc.get_threshold()[0]
    if not gc.isenabled():
        return [["collector", "disabled by the program: nothing is collected unless it asks"]]
    if first == 0 or first > MANY:
        return [["collector", f"the first threshold is {first}: cycles wait for so many objects" if first else
                 "the first threshold is 0: nothing is collected unless the program asks"]]
    return []


def overview(stats: Stats) -> Table:
    total, last = stats.sum, stats.last
    rows = [
        ["full collections in the background", f"{stats.completed} of {stats.started} begun"],
        ["full collections in place", str(stats.full_collections)],
        ["young collections", str(stats.young_collections)],
        ["tracked objects", f"{stats.tracked}, of which {stats.waiting} wait for a full collection"],
    ]
    if last is not None:
        rows += [
            ["last clone", milliseconds(last.clone_ns)],
            ["last search, beside the program", f"{milliseconds(last.search_ns)} for {last.examined} objects"],
            ["last proof and freeing", f"{milliseconds(last.reclaim_ns)} for {last.relinked} candidates"],
            ["unreachable objects, in all",
             f"{total.unreachable}; of {total.candidates} candidates {total.stale} were stale"],
            ["memory of the child, at most", f"{total.child_bytes / 1e6:.1f} MB"],
        ]
    rows += collector()
    reasons = [f"{name} {count}" for name, count in stats.fallbacks.items() if count]
    rows.append(["fallbacks", ", ".join(reasons) or "none"])
    return Table("exuvia", ["", ""], rows, 2)


def stops(stats: Stats) -> Table:
    rows = [[kind, str(of.count), *map(milliseconds, (of.p50_ns, of.p99_ns, of.max_ns, of.total_ns))]
            for kind, of in stats.pauses.items() if of.count]
    return Table("stops", ["kind", "count", "p50", "p99", "longest", "total"], rows, 1)


def _collection_row(collection: Collection) -> list[str]:
    in_child = collection.kind in ("background", "trial")
    times = [milliseconds(ns) if ns else "-" for ns in (collection.clone_ns, collection.search_ns,
                                                        collection.reclaim_ns, collection.longest_ns)]
    return [collection.kind + (f": {collection.reason}" if collection.reason else ""), str(collection.number),
            str(collection.examined), *times, str(collection.candidates) if in_child else "-",
            str(collection.stale) if in_child else "-", str(collection.unreachable),
            f"{collection.child_bytes / 1e6:.1f} MB" if collection.child_bytes else "-"]


def collections(stats: Stats) -> Table:
    shown = stats.collections[-MOST_COLLECTIONS:]
    count = shown[-1].number if shown else 0
    title = "full collections" if count <= len(shown) else f"full collections, the last {len(shown)} of {count}"
    columns = ["kind", "number", "objects", "clone", "search", "freeing", "longest stop", "candidates", "stale",
               "unreachable", "child"]
    return Table(title, columns, [_collection_row(collection) for collection in shown], 1)


def tables(stats: Stats) -> list[Table]:
    return [table for table in (overview(stats), stops(stats), collections(stats)) if table.rows]


def plain(table: Table) -> str:
    shown = [table.columns, *table.rows] if any(table.columns) else table.rows
    widths = [max(len(row[place]) for row in shown) for place in range(len(table.columns))]
    lines = [table.title]
    for row in shown:
        cells = [word.ljust(width) if place < table.words else word.rjust(width)
                 for place, (word, width) in enumerate(zip(row, widths))]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def needed_width(table: Table) -> int:
    """Of a drawn table, with a line and two spaces for each column; a narrower one would cut words."""
    cells = [table.columns, *table.rows]
    return 1 + sum(3 + max(len(row[place]) for row in cells) for place in range(len(table.columns)))


def text(stats: Stats) -> str:
    return "\n".join(plain(table) for table in tables(stats))


def load(file: TextIO | None) -> None:
    """All that show() will need, so that it loads nothing at the end of the program."""
    try:
        if file is not None and file.isatty():
            import rich.console
            import rich.table

            _draw(_EMPTY, rich.console.Console(file=io.StringIO(), force_terminal=True, width=200))
    except ImportError:
        pass


def draw(tables: list[Table], file: TextIO) -> None:
    """By rich on a terminal that is wide enough, plainly elsewhere."""
    try:
        if not file.isatty():
            raise ImportError
        from rich.console import Console
    except ImportError:
        print("\n".join(plain(table) for table in tables), file=file)
    else:
        _draw(tables, Console(file=file))


def _draw(tables: list[Table], console: rich.console.Console) -> None:
    from rich.table import Table as RichTable

    for table in tables:
        drawn = RichTable(title=table.title, title_justify="left", show_header=any(table.columns))
        for place, name in enumerate(table.columns):
            drawn.add_column(name, justify="left" if place < table.words else "right", no_wrap=True)
        for row in table.rows:
            drawn.add_row(*row)
        if needed_width(table) <= console.width:
            console.print(drawn)
        else:
            print(plain(table), file=console.file)


def show(stats: Stats, file: TextIO) -> None:
    draw(tables(stats), file)
