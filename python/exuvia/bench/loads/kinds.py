"""The loads by name: which class each is, what it may use of the machine, and what it is to be judged by."""
from __future__ import annotations

from typing import NamedTuple

from exuvia.bench.loads import dying, mixed, still
from exuvia.bench.loads.load import Load


class Kind(NamedTuple):
    load: type[Load]
    what: str
    processors: int = 0     # it may run on no more; 0: on all
    quota: float = 0        # of processor time that its control group has; 0: no control group
    reads: bool = False     # requests read much more than they write
    strong: bool = False    # what dies is one strongly connected component
    tail_ms: float = 1.5    # p99 and p99.9 up to here are never called worse
    alone: bool = True      # one thread of one process, with as much of a processor as it wants
    caused: tuple[str, ...] = ()  # fallbacks that the program itself causes


KINDS = {
    "service": Kind(still.Service, "requests that mostly read", reads=True),
    "churn": Kind(dying.Churn, "a cache of rings, replaced at random"),
    "waves": Kind(dying.Waves, "a structure of rings is built, dropped, built again"),
    "component": Kind(dying.Component, "200,000 objects of one component die as a whole"),
    "strong": Kind(dying.Strong, "the same, strongly connected", strong=True),
    "threads": Kind(mixed.Threads, "busy threads on all processors", alone=False),
    "frozen": Kind(still.Frozen, "the program calls gc.freeze() after loading", reads=True, caused=("frozen",)),
    "parse": Kind(mixed.Parse, "JSON trees without cycles come and go"),
    "finalizers": Kind(dying.Finalizers, "old cycles with finalizers and weak references"),
    "suspended": Kind(mixed.Suspended, "generators and coroutines by the hundred thousand"),
    "loading": Kind(still.Loading, "loading alone"),
    "buffers": Kind(still.Buffers, "large buffers in small pages beside a small heap"),
    "forked": Kind(still.Forked, "two workers forked after loading", reads=True, alone=False),
    "one": Kind(dying.Churn, "churn on one processor", processors=1, alone=False, tail_ms=4.0),
    "quota": Kind(dying.Churn, "churn with a quota of one processor", quota=1.0, alone=False, tail_ms=4.0),
    "chain": Kind(dying.Chain, "rings of ten that all die"),
}
CONFIGURATIONS = ("stock", "exuvia", "freeze", "disable")
