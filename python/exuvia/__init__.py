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
from exuvia._timer import collect_every, collect_when_idle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from exuvia._stats import Collection, Pauses, Stats, Totals, stats

__version__ = "0.1.0"

__all__ = [
    "Collection",
    "Pauses",
    "Stats",
    "Totals",
    "Unsupported",
    "collect",
    "collect_every",
    "collect_when_idle",
    "finish_collection",
    "install",
    "is_installed",
    "start_collection",
    "stats",
    "uninstall",
]


def __getattr__(name: str) -> object:
    """The statistics come with `dataclasses`, which takes longer to import than all the rest: at their first use."""
    if name not in ("Collection", "Pauses", "Stats", "Totals", "stats"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from exuvia import _stats

    value = globals()[name] = getattr(_stats, name)
    return value
