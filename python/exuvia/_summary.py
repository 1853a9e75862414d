"""The table that `exuvia run --summary` prints: a function from statistics to text."""
from __future__ import annotations

from exuvia._stats import Stats


def milliseconds(ns: float) -> str:
    return f"{ns / 1e6:.3f} ms"


def rows(stats: Stats) -> list[tuple[str, str]]:
    total = stats.sum
    lines = [
        ("full collections in the background", f"{stats.completed} of {stats.started} begun"),
        ("full collections in place", str(stats.full_collections)),
        ("young collections", str(stats.young_collections)),
        ("tracked objects", f"{stats.tracked}, of which {stats.waiting} wait for a full collection"),
    ]
    if stats.completed:
        lines += [
            ("last clone", milliseconds(stats.last.clone_ns)),
            ("last search, beside the program",
             f"{milliseconds(stats.last.search_ns)} for {stats.last.examined} objects"),
            ("last proof and freeing", f"{milliseconds(stats.last.reclaim_ns)} for {stats.last.relinked} candidates"),
            ("unreachable objects, in all",
             f"{total.unreachable}; of {total.candidates} candidates {total.stale} were stale"),
            ("memory of the child, at most", f"{total.child_bytes / 1e6:.1f} MB"),
        ]
    lines.append(("stops", f"{stats.pauses.count}: p50 {milliseconds(stats.pauses.p50_ns)}, p99 "
                           f"{milliseconds(stats.pauses.p99_ns)}, longest {milliseconds(stats.pauses.max_ns)}"))
    reasons = [f"{name} {count}" for name, count in stats.fallbacks.items() if count]
    lines.append(("fallbacks", ", ".join(reasons) or "none"))
    return lines


def table(stats: Stats) -> str:
    lines = rows(stats)
    width = max(len(name) for name, _ in lines)
    return "\n".join(["exuvia"] + [f"  {name:<{width}}  {value}" for name, value in lines])
