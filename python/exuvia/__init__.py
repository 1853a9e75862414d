"""Full collections that do not stop the program, under stock CPython.

    import exuvia
    exuvia.install()

The search for dead cycles runs in a copy-on-write child; CPython's own collector frees what was found.
"""
from exuvia._install import (
    Unsupported,
    collect,
    finish_collection,
    install,
    is_installed,
    start_collection,
    uninstall,
)
from exuvia._questions import Answer, Dump, census, cycles, dump, summary, why
from exuvia._stats import Collection, Pauses, Stats, Totals, stats
from exuvia._timer import collect_every, collect_when_idle

__version__ = "0.2.0"

__all__ = [
    "Answer",
    "Collection",
    "Dump",
    "Pauses",
    "Stats",
    "Totals",
    "Unsupported",
    "census",
    "collect",
    "collect_every",
    "collect_when_idle",
    "cycles",
    "dump",
    "finish_collection",
    "install",
    "is_installed",
    "start_collection",
    "stats",
    "summary",
    "uninstall",
    "why",
]
