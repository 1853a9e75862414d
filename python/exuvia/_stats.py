"""What was collected, how long it took and why not, as one frozen value."""
from __future__ import annotations

import dataclasses

from exuvia import _core


@dataclasses.dataclass(frozen=True)
class Collection:
    """One collection in the background, or the sum over all (of `child_bytes` the largest)."""

    examined: int
    clone_ns: int
    search_ns: int
    child_cpu_ns: int
    child_bytes: int
    reclaim_ns: int
    candidates: int
    stale: int
    relinked: int
    unreachable: int


@dataclasses.dataclass(frozen=True)
class Pauses:
    """Every stop that a collection or a snapshot caused. `buckets[i]` counts those below 2 ** (i + 10) ns."""

    count: int
    total_ns: int
    max_ns: int
    p50_ns: int
    p99_ns: int
    buckets: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Stats:
    started: int
    completed: int
    young_collections: int
    full_collections: int
    tracked: int
    waiting: int
    ns_per_object: float
    arena_bytes: int
    last: Collection
    sum: Collection
    fallbacks: dict[str, int]
    pauses: Pauses

    def as_dict(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def stats() -> Stats:
    """The numbers as they are now. Takes no lock."""
    raw = _core.stats()
    raw["last"] = Collection(**raw["last"])
    raw["sum"] = Collection(**raw["sum"])
    raw["pauses"] = Pauses(**raw["pauses"])
    return Stats(**raw)
