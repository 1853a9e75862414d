"""Loads that put other parts of the interpreter to work: a parser, threads, suspended frames."""
from __future__ import annotations

import hashlib
import json
import os
import types
from typing import Any, Generator, Iterator

from exuvia.bench.loads.dying import Churn
from exuvia.bench.loads.load import Load
from exuvia.bench.loads.shapes import Tally


class Parse(Load):
    """JSON comes in, is kept as a tree for a while, and goes. No cycle anywhere."""
    frees_cycles = False

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.texts = [self.text(self.draw.randint(2, 4), self.draw.randint(3, 7)) for _ in range(20)]
        self.trees: list[Any] = []

    def text(self, depth: int, width: int) -> tuple[str, int]:
        """A document and the number of its containers."""
        count = 0

        def tree(level: int) -> Any:
            nonlocal count
            count += 1
            if level == 0:
                return [self.draw.random(), "leaf", level]
            return {f"key {place}": tree(level - 1) for place in range(width)}

        document = json.dumps(tree(depth))
        return document, count

    def build(self) -> Iterator[None]:
        made = 0
        while made < self.size:
            text, count = self.draw.choice(self.texts)
            self.trees.append(json.loads(text))
            made += count
            yield

    def serve(self, worker: int) -> Iterator[None]:
        made, total = 0, 2 * self.turnover * self.size
        while made < total:
            text, count = self.draw.choice(self.texts)
            self.trees[self.draw.randrange(len(self.trees))] = json.loads(text)
            made += count
            yield


class Threads(Load):
    """As many threads as processors, and two more; each keeps a cache of rings, and computes without the GIL."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.threads = len(os.sched_getaffinity(0)) + 2
        self.caches = [Churn(max(100, size // self.threads), f"{seed} {number}") for number in range(self.threads)]
        for cache in self.caches:
            cache.turnover = self.turnover  # all of them together make as many objects as any other load
        self.block = self.draw.randbytes(self.draw.choice((20_000, 60_000)))

    def build(self) -> Iterator[None]:
        for cache in self.caches:
            yield from cache.build()

    def serve(self, worker: int) -> Iterator[None]:
        for _ in self.caches[worker].serve(0):
            hashlib.sha256(self.block).digest()
            yield

    def waiting(self) -> int:
        return sum(cache.waiting() for cache in self.caches)


def generator(state: list[Any]) -> Generator[int, None, None]:
    """Suspended between two requests, with a list of its own."""
    seen = [0]
    while True:
        seen[0] += len(state)
        yield seen[0]


@types.coroutine
def turn() -> Generator[None, None, None]:
    yield


async def coroutine(state: list[Any]) -> None:
    seen = [0]
    while True:
        seen[0] += len(state)
        await turn()


class Suspended(Load):
    """Generators and coroutines by the hundred thousand, suspended; some hold a cycle with what they work on."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.tally = Tally()
        self.count = max(1, size // 3)           # the frame's owner, its state, and what it has seen
        self.cyclic = self.draw.uniform(0.3, 1.0)
        self.coroutines = self.draw.uniform(0.2, 0.8)
        self.changed = self.draw.randint(3, 10)  # by a request
        self.frames: list[Any] = []

    def make(self) -> Any:
        state: list[Any] = [self.tally.token]
        frame: Any = coroutine(state) if self.draw.random() < self.coroutines else generator(state)
        frame.send(None)
        if self.draw.random() < self.cyclic:
            state.append(frame)
        return frame

    def build(self) -> Iterator[None]:
        while len(self.frames) < self.count:
            self.frames += [self.make() for _ in range(200)]
            self.tally.reachable += 200
            yield

    def serve(self, worker: int) -> Iterator[None]:
        for _ in range(int(self.turnover * self.count / self.changed)):
            for _ in range(20):
                self.draw.choice(self.frames).send(None)
            for _ in range(self.changed):
                self.frames[self.draw.randrange(len(self.frames))] = self.make()
            yield

    def waiting(self) -> int:
        return self.tally.waiting()
