"""What was collected, how long it took and why not, as one frozen value."""
from __future__ import annotations

from exuvia._host import core as _core
from exuvia._frozen import as_dict, dataclass as frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@frozen
class _Numbers:
    examined: int
    """Tracked objects that were searched."""
    clone_ns: int
    """The clone; the program stood still."""
    search_ns: int
    """The child's search, by the clock, beside the program."""
    child_cpu_ns: int
    """CPU time of the child."""
    child_bytes: int
    """Most memory that the child had for itself. In a sum: of all the largest."""
    reclaim_ns: int
    """Proof and freeing: the young collections that brought candidates; in place, the whole collection."""
    longest_ns: int
    """The longest single stop. In a sum: of all the longest."""
    batches: int
    """Young collections that brought candidates."""
    candidates: int
    """Objects that the child found unreachable."""
    stale: int
    """Candidates dropped because they had been freed meanwhile."""
    relinked: int
    """Candidates given to a young collection for proof."""
    unreachable: int
    """Objects found unreachable, the uncollectable too. With candidates: all that those young collections found."""
    uncollectable: int
    """Of them those that could not be freed and are in gc.garbage."""


@frozen
class Totals(_Numbers):
    """The sum over all collections in the background that were completed."""


@frozen
class Collection(_Numbers):
    """One full collection; a line of a log. What does not apply is 0, of a failed one what is not known."""

    number: int
    """1, 2, ... in this process."""
    kind: str
    """From a snapshot: "background", "trial" (of an installation), "failed" (given up). By CPython: "inplace" because
    its rule held, "user" because the program called gc.collect()."""
    reason: str | None
    """Why it failed, or what left it to CPython: a key of Stats.fallbacks. None: nothing special."""
    time: float
    """When it ended, in seconds since 1970."""
    began_ns: int
    """On the clock of time.monotonic_ns()."""
    ended_ns: int
    """On the same clock."""
    released_ns: int
    """From the clone until the child gave the heap's pages back; meanwhile, a page that was written to was copied."""
    listed: int
    """Of the examined, those that the child found along CPython's lists, not by walking over memory."""


@frozen
class Pauses:
    """How long the program stood still. Percentiles are upper bounds, from the buckets."""

    count: int
    total_ns: int
    max_ns: int
    p50_ns: int
    p99_ns: int
    buckets: tuple[int, ...]
    """buckets[i] counts stops of less than 2 ** (i + 10) ns that are in none before; the last, all longer ones too."""


@frozen
class Stats:
    """Numbers of this process, from its first installation on; a forked one begins anew."""

    started: int
    """Snapshots taken, the trial of an installation included."""
    completed: int
    """Of them those that have landed: the child is gone, and what it found waits for young collections."""
    young_collections: int
    """Collections of generation 0 and 1."""
    full_collections: int
    """Collections of generation 2 by CPython in place."""
    tracked: int
    """Long-lived objects, and those waiting for their first full collection."""
    waiting: int
    """The latter alone."""
    ns_per_object: float
    """What a full collection in place costs here for each object, in nanoseconds, learned from those that were."""
    arena_bytes: int
    """Huge-page memory given to pymalloc, in bytes."""
    last: Collection | None
    """The last completed collection in the background."""
    sum: Totals
    """The sum over all of them."""
    collections: tuple[Collection, ...]
    """The last 256 full collections of any kind, oldest first."""
    fallbacks: dict[str, int]
    """Why a snapshot was not taken or brought nothing: how often."""
    pauses: dict[str, Pauses]
    """Stops by kind: "clone" for a snapshot, "reclaim" for a young collection that brought candidates, "young" for any
    other, "full" for one of generation 2 in place; "all" as the program felt them: a snapshot at the end of a
    collection is one stop with it, so the times add up, but not the counts. "assist" is the waiting of young
    collections for a search that is behind."""
    in_flight: str
    """What a background collection does now: "" for nothing, "searching" in its child, "landing" what was found,
    "freeing" it in young collections."""

    def as_dict(self) -> dict[str, Any]:
        fields: dict[str, Any] = as_dict(self)
        return fields


_NOTHING: dict[str, Any] = {"int": 0, "float": 0.0, "str": "", "Collection | None": None}


def _zeros(names: dict[str, Any]) -> dict[str, Any]:
    return {name: _NOTHING[kind] for name, kind in names.items() if kind in _NOTHING}


def stats() -> Stats:
    """The numbers as they are now; also before an installation and after it. Takes no lock."""
    raw = _core.stats()
    if not raw:  # there is no collector that could be asked
        totals = Totals(**_zeros(_Numbers.__annotations__))
        return Stats(**_zeros(Stats.__annotations__), sum=totals, collections=(), fallbacks={}, pauses={})
    raw["last"] = Collection(**raw["last"]) if raw["completed"] else None
    raw["sum"] = Totals(**{name: raw["sum"][name] for name in _Numbers.__annotations__})
    raw["collections"] = tuple(Collection(**record) for record in raw["collections"])
    raw["pauses"] = {kind: Pauses(**numbers) for kind, numbers in raw["pauses"].items()}
    return Stats(**raw)
