"""Full collections that do not stop the program, under stock CPython.

    import exuvia
    exuvia.install()

The search for dead cycles runs in a copy-on-write child; CPython's own collector frees what was found.
PYTEST_DONT_REWRITE: it may be there before pytest, which else warns that it has not rewritten it.
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
from exuvia._stats import Collection, Pauses, Stats, Totals, stats
from exuvia._timer import collect_every, collect_when_idle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from exuvia._questions import Answer, Dump, census, cycles, dump, summary, why

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

# A program that only collects does not wait for what asks its heap.
_LATER = {"Answer", "Dump", "census", "cycles", "dump", "summary", "why"}


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


if not TYPE_CHECKING:  # a checker would take any name for one of ours
    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module 'exuvia' has no attribute {name!r}")
        from exuvia import _questions

        found = globals()[name] = getattr(_questions, name)
        return found
