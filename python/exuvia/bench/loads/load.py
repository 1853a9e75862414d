"""What every load is: a heap that is built, then a fixed number of requests.

Both are generators which yield where the program looks at its clock: while building after every thousand objects or so,
then after every request. A load draws rates, lifetimes and shapes from its seed alone, so each configuration does
exactly the same work.
"""
from __future__ import annotations

import random
from typing import Iterator

FEW = 600_000  # objects that a small heap's requests make in all; a large heap is made over once


class Load:
    threads = 1   # of one process, that answer at once
    forks = 0     # processes, forked after the heap is built, that answer at once
    frees_cycles = True

    def __init__(self, size: int, seed: str) -> None:
        self.size = size
        self.draw = random.Random(seed)
        self.turnover = min(4.0, max(1.0, FEW / size))  # how many times over its size it makes objects

    def build(self) -> Iterator[None]:
        """The heap that lives on. Here: none."""
        yield from ()

    def ready(self) -> None:
        """What the program itself does once its heap is built."""

    def serve(self, worker: int) -> Iterator[None]:
        """Answer the requests; `worker` is the number of the thread or process, if there are several."""
        raise NotImplementedError

    def waiting(self) -> int:
        """Dead objects that were not freed yet."""
        return 0
