"""Loads whose heap lives on: what a full collection looks at is nearly all alive."""
from __future__ import annotations

import gc
import mmap
import random
from typing import Iterator

from exuvia.bench.loads.load import Load
from exuvia.bench.loads.shapes import CONTAINERS, STEP, Record, Records, Rings, record


class Service(Load):
    """Requests read far more than they write, and now and then an old session, a cycle of two, is dropped."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.records = Records(self.draw, size * 9 // 10)
        self.sessions = Rings(self.draw, size // 10)
        self.rows = self.draw.randint(20, 40)     # read by a request
        self.kept = self.draw.randint(4, 8)       # records that a request replaces
        self.dropped = self.draw.choice((0.1, 0.5, 1.0))  # rings that a request drops, on average

    def build(self) -> Iterator[None]:
        yield from self.records.fill()
        yield from self.sessions.fill()

    def requests(self) -> int:
        return int(self.turnover * self.size / (self.kept * CONTAINERS))

    def answer(self, draw: random.Random) -> None:
        self.records.read(self.rows)
        for _ in range(self.kept):
            self.records.replace()
        if draw.random() < self.dropped:
            self.sessions.replace()

    def serve(self, worker: int) -> Iterator[None]:
        for _ in range(self.requests()):
            self.answer(self.draw)
            yield

    def waiting(self) -> int:
        return self.sessions.tally.waiting()


class Frozen(Service):
    """The same service, which calls gc.freeze() itself once it has loaded."""

    def ready(self) -> None:
        gc.freeze()


class Forked(Service):
    """The same service as a pre-forking server: loaded first, then answered by two workers."""
    forks = 2

    def serve(self, worker: int) -> Iterator[None]:
        self.draw.seed(worker)
        for _ in range(self.requests() // (2 * self.forks)):
            self.answer(self.draw)
            yield


class Loading(Load):
    """A program that only loads: records, and here and there a ring. Nothing dies."""
    frees_cycles = False

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.rings = Rings(self.draw, 0)
        self.share = self.draw.uniform(0, 0.5)
        self.records: list[Record] = []

    def serve(self, worker: int) -> Iterator[None]:
        made = 0.0
        unseen = 0.0
        while made < self.size:
            if self.draw.random() < self.share:
                more = float(self.rings.add())
            else:
                self.records.append(record(int(made)))
                more = CONTAINERS
            made += more
            unseen += more
            if unseen >= STEP / 2:
                unseen = 0
                yield

    def waiting(self) -> int:
        return self.rings.tally.waiting()


class Buffers(Load):
    """A small heap with cycles that die, beside large buffers in small pages: arrays, caches, weights of a model."""
    BYTES = 400   # of buffer for each object of the size
    SHARE = 10    # of the size one part is Python objects

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.rings = Rings(self.draw, size // self.SHARE)
        self.pages = max(1, size * self.BYTES // mmap.PAGESIZE)
        self.written = self.draw.randint(2, 8)   # pages by a request
        self.changed = self.draw.randint(2, 6)   # rings by a request

    def build(self) -> Iterator[None]:
        self.buffer = mmap.mmap(-1, self.pages * mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.buffer.madvise(mmap.MADV_NOHUGEPAGE)
        for page in range(self.pages):
            self.buffer[page * mmap.PAGESIZE] = 1
            if page % 256 == 0:
                yield
        yield from self.rings.fill()

    def serve(self, worker: int) -> Iterator[None]:
        left, total = 0, 4 * self.rings.objects * self.turnover
        while left < total:
            for _ in range(self.written):
                self.buffer[self.draw.randrange(self.pages) * mmap.PAGESIZE] = 2
            for _ in range(self.changed):
                left += self.rings.replace()
            yield

    def waiting(self) -> int:
        return self.rings.tally.waiting()
