"""What the loads are made of: rings of several kinds, records without cycles, and a count of what died.

Nothing here knows who collects. How many dead objects wait is known without a finalizer or a weak reference, which
would change what is measured: each counted object holds one reference to the same token, so the token's reference
count is the number of those that are still there. Invariant: references to the token == reachable + waiting.
"""
from __future__ import annotations

import random
import sys
from typing import Any, Callable, Iterator

STEP = 1000  # objects that are made between two looks at the clock while a heap is built


class Tally:
    """Counts objects that hold its token. The load says what it can still reach."""

    def __init__(self) -> None:
        self.token = object()
        self.reachable = 0
        self.none = sys.getrefcount(self.token)

    def waiting(self) -> int:
        """Objects that nothing can reach any more and that were not freed yet."""
        return sys.getrefcount(self.token) - self.none - self.reachable


class Node:
    """Fields of its own, no dictionary."""
    __slots__ = ("token", "next", "data")

    def __init__(self, token: object, following: Node | None = None, data: object = None) -> None:
        self.token = token
        self.next = following
        self.data = data


class Thing:
    """An ordinary instance: its attributes are in a dictionary."""

    def __init__(self, token: object, following: Thing | None) -> None:
        self.token = token
        self.next = following


def ring_of_nodes(token: object, length: int) -> Any:
    first = last = Node(token)
    for _ in range(length - 1):
        last = Node(token, last)
    first.next = last
    return first


def ring_of_things(token: object, length: int) -> Any:
    first = last = Thing(token, None)
    for _ in range(length - 1):
        last = Thing(token, last)
    first.next = last
    return first


def ring_of_lists(token: object, length: int) -> Any:
    first = last = [token, None]
    for number in range(length - 1):
        last = [token, last, number]
    first[1] = last
    return first


def ring_of_dicts(token: object, length: int) -> Any:
    first = last = {"token": token, "next": None}
    for _ in range(length - 1):
        last = {"token": token, "next": last}
    first["next"] = last
    return first


RINGS: tuple[Callable[[object, int], Any], ...] = (ring_of_nodes, ring_of_things, ring_of_lists, ring_of_dicts)


class Rings:
    """A cache of rings. Kinds and lengths of rings, and which of them leave first, are drawn once."""

    def __init__(self, draw: random.Random, objects: int) -> None:
        self.draw, self.objects = draw, objects
        self.tally = Tally()
        self.kinds = draw.sample(RINGS, 2)
        mean = draw.choice((4, 10, 16))
        self.lengths = [draw.randint(mean // 2, mean + mean // 2) for _ in range(64)]
        self.skew = draw.choice((1.0, 1.0, 2.5))  # 1: each is as likely to leave; above: some places change often
        self.entries: list[Any] = []
        self.sizes: list[int] = []

    def make(self) -> tuple[Any, int]:
        length = self.draw.choice(self.lengths)
        return self.draw.choice(self.kinds)(self.tally.token, length), length

    def add(self) -> int:
        ring, length = self.make()
        self.entries.append(ring)
        self.sizes.append(length)
        self.tally.reachable += length
        return length

    def fill(self) -> Iterator[None]:
        unseen = 0
        while self.tally.reachable < self.objects:
            unseen += self.add()
            if unseen >= STEP:
                unseen = 0
                yield

    def replace(self) -> int:
        """One ring leaves; how many objects it had."""
        place = int(len(self.entries) * self.draw.random() ** self.skew)
        ring, length = self.make()
        left = self.sizes[place]
        self.entries[place], self.sizes[place] = ring, length
        del ring
        self.tally.reachable += length - left
        return left

    def drop_last(self, count: int) -> None:
        left = sum(self.sizes[-count:])
        del self.entries[-count:], self.sizes[-count:]
        self.tally.reachable -= left

    def read(self) -> Any:
        return self.draw.choice(self.entries)


class Record:
    __slots__ = ("number", "tags", "peer")

    def __init__(self, number: int) -> None:
        self.number = number
        self.tags: Any = [number, number + 1]
        self.peer: Record | None = None


def record(number: int) -> Record:
    """Two and a half containers on average, no cycle."""
    made = Record(number)
    if number % 4 == 1:
        made.tags = {"tags": [number]}
    elif number % 4 == 2:
        made.tags = (number, [number])
    return made


CONTAINERS = 2.5  # of a record


class Records:
    """A large structure without cycles, each part of which can be replaced."""

    def __init__(self, draw: random.Random, objects: int) -> None:
        self.draw, self.count = draw, max(1, int(objects / CONTAINERS))
        self.entries: list[Record] = []

    def fill(self) -> Iterator[None]:
        for begin in range(0, self.count, int(STEP / CONTAINERS)):
            end = min(self.count, begin + int(STEP / CONTAINERS))
            self.entries += [record(number) for number in range(begin, end)]
            yield

    def read(self, rows: int) -> int:
        """Make an answer of so many rows, each with something of the structure: young objects that die at once."""
        entries, choose = self.entries, self.draw.randrange
        answer = [{"n": number, "row": [entries[choose(len(entries))].number]} for number in range(rows)]
        return sum(row["n"] for row in answer)  # type: ignore[misc]

    def replace(self) -> None:
        number = self.draw.randrange(len(self.entries))
        self.entries[number] = record(number)
