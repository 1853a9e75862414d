"""Loads whose heap dies in cycles: garbage is plentiful, and only a full collection finds it."""
from __future__ import annotations

import weakref
from typing import Any, Iterator

from exuvia.bench.loads.load import Load
from exuvia.bench.loads.shapes import Node, Records, Rings, Tally, ring_of_nodes


class Churn(Load):
    """A large cache of rings, replaced at random: they grow old, and then they die."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.rings = Rings(self.draw, size)
        self.changed = self.draw.randint(2, 8)   # rings by a request
        self.rows = self.draw.randint(5, 30)

    def build(self) -> Iterator[None]:
        yield from self.rings.fill()

    def serve(self, worker: int) -> Iterator[None]:
        left, total = 0, 1.5 * self.turnover * self.size
        while left < total:
            answer = [{"n": number, "row": [self.rings.read()]} for number in range(self.rows)]
            for _ in range(self.changed):
                left += self.rings.replace()
            del answer
            yield

    def waiting(self) -> int:
        return self.rings.tally.waiting()


class Waves(Load):
    """A structure of rings is built, kept for a while, dropped bit by bit, and built anew."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.rings = Rings(self.draw, size)

    def serve(self, worker: int) -> Iterator[None]:
        rings, draw = self.rings, self.draw
        for _ in range(round(3 * self.turnover)):
            target = draw.uniform(0.6, 1.0) * self.size
            step = draw.randint(50, 300)   # objects by a request
            while rings.tally.reachable < target:
                made = 0
                while made < step:
                    made += rings.add()
                yield
            for _ in range(int(draw.uniform(0, 0.2) * target / step)):
                self.idle()
                yield
            while rings.entries:
                rings.drop_last(max(1, step // 5))
                yield

    def idle(self) -> None:
        """A request that reads and makes young objects."""
        [[self.rings.read(), number] for number in range(50)]

    def waiting(self) -> int:
        return self.rings.tally.waiting()


class Chain(Load):
    """Rings of ten, each of which refers to the one before; all die at once, again and again. Nothing else lives."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.tally = Tally()
        self.step = self.draw.randint(10, 30)    # rings by a request

    def serve(self, worker: int) -> Iterator[None]:
        token, tally = self.tally.token, self.tally
        for _ in range(round(3 * self.turnover)):
            last: Any = None
            while tally.reachable < self.size:
                for _ in range(self.step):
                    ring = ring_of_nodes(token, 10)
                    ring.data = last
                    last = ring
                tally.reachable += 10 * self.step
                yield
            ring = last = None
            tally.reachable = 0
            yield

    def waiting(self) -> int:
        return self.tally.waiting()


class Component(Load):
    """Beside a heap that lives on, a graph of 200,000 objects is built and dropped as a whole, again and again.

    It is one weakly connected component, made of rings that refer to one another in one direction.
    """
    NODES = 200_000
    RING = 10

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.nodes = min(self.NODES, size * 2 // 3)
        self.records = Records(self.draw, size - self.nodes)
        self.tally = Tally()
        self.step = self.draw.randint(10, 40)    # rings by a request
        self.rows = self.draw.randint(5, 30)
        self.graph: Any = None

    def build(self) -> Iterator[None]:
        yield from self.records.fill()

    def serve(self, worker: int) -> Iterator[None]:
        for _ in range(max(3, round(self.turnover * self.size / self.nodes))):
            recent: list[Any] = []
            while self.tally.reachable < self.nodes:
                self.records.read(self.rows)
                self.grow(recent)
                yield
            for _ in range(self.draw.randint(0, 500)):
                self.records.read(self.rows)
                yield
            recent.clear()
            self.graph = None
            self.tally.reachable = 0
            for _ in range(500):
                self.records.read(self.rows)
                self.records.replace()
                yield

    def grow(self, recent: list[Any]) -> None:
        """More rings; each refers to one of the last sixteen."""
        for _ in range(self.step):
            ring = ring_of_nodes(self.tally.token, self.RING)
            ring.data = self.draw.choice(recent) if recent else None
            ring.next.data = self.graph
            self.graph = ring
            recent[:] = [*recent[-15:], ring]
        self.tally.reachable += self.step * self.RING

    def waiting(self) -> int:
        return self.tally.waiting()


class Strong(Component):
    """The same with a graph in which each object reaches each other one: one strongly connected component."""

    def grow(self, recent: list[Any]) -> None:
        """The last node refers to the first one, each other one to its predecessor and to one of the last sixteen."""
        first = self.graph or Node(self.tally.token)
        last = first.next or first
        for _ in range(self.step * self.RING):
            last = Node(self.tally.token, last, self.draw.choice(recent) if recent else None)
            if self.draw.random() < 0.1:
                recent[:] = [*recent[-15:], last]
        self.tally.reachable += self.step * self.RING + (self.graph is None)
        first.next = last
        self.graph = first


class Session:
    """Has a finalizer, and is part of a cycle once it has a history."""

    def __init__(self, load: Finalizers, number: int) -> None:
        self.token = load.tally.token
        self.number = number
        self.count = load.finalized
        self.history = [self, [number]]

    def __del__(self) -> None:
        self.count[0] += 1


class Finalizers(Load):
    """Old cycles with finalizers, each known to a registry by a weak reference with a callback."""

    def __init__(self, size: int, seed: str) -> None:
        super().__init__(size, seed)
        self.tally = Tally()
        self.finalized = [0]
        self.called = 0
        self.registry: dict[int, weakref.ref[Session]] = {}
        self.sessions: list[Session] = []
        self.count = max(1, size // 4)           # an instance, its dictionary or values, two lists
        self.changed = self.draw.randint(3, 12)  # sessions by a request
        self.skew = self.draw.choice((1.0, 2.5))
        self.number = 0

    def make(self) -> Session:
        self.number = number = self.number + 1
        session = Session(self, number)

        def forget(reference: object) -> None:
            self.registry.pop(number)
            self.called += 1

        self.registry[number] = weakref.ref(session, forget)
        return session

    def build(self) -> Iterator[None]:
        while len(self.sessions) < self.count:
            self.sessions += [self.make() for _ in range(200)]
            self.tally.reachable += 200
            yield

    def serve(self, worker: int) -> Iterator[None]:
        for _ in range(int(self.turnover * self.count / self.changed)):
            for _ in range(self.changed):
                self.sessions[int(len(self.sessions) * self.draw.random() ** self.skew)] = self.make()
            yield

    def waiting(self) -> int:
        return self.tally.waiting()
