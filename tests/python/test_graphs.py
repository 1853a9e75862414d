"""Random object graphs under stock collection and under Exuvia: nothing live is lost, nothing dead left."""
import random

import pytest

PROGRAM = """
import random
random.seed({seed})
finalized, late, called = [], [], []
class Plain:
    pass
class Slots:
    __slots__ = ('a', 'b', '__weakref__')
class Finalized:
    def __init__(self, number):
        self.number = number
    def __del__(self):
        finalized.append(self.number)
        if self.number % 3 == 0:            # of itself, which is dying, and of something that dies with it
            for dying in (self, getattr(self, 'x0', None)):
                if dying is not None and not isinstance(dying, (list, dict)):
                    late.append(weakref.ref(dying, called.append))
        if self.number % 7 == 0:
            kept.append(self)               # resurrected
kept = []
def generator(first):
    box = [first]
    while True:
        box.append((yield len(box)))
def make(number):
    kind = number % 7
    if kind == 0: return []
    if kind == 1: return {{}}
    if kind == 2: return Plain()
    if kind == 3: return Slots()
    if kind == 4: return set()
    if kind == 5: return Finalized(number)
    g = generator(None); next(g); return g
def link(a, b):
    if isinstance(a, list): a.append(b)
    elif isinstance(a, dict): a[len(a)] = b
    elif isinstance(a, set): a.add(Key(b))
    elif isinstance(a, Slots): a.a, a.b = b, (getattr(a, 'a', None), b)
    elif isinstance(a, (Plain, Finalized)): setattr(a, 'x%d' % random.randrange(4), b)
    else: a.send(b)
class Key:
    def __init__(self, value): self.value = value
roots = []
for step in range(60):
    objects = [make(random.randrange(10**6) * 7 + i % 7) for i in range(400)]
    for _ in range(700):
        link(random.choice(objects), random.choice(objects))
    tokens = [(weakref.ref(o), i) for i, o in enumerate(objects) if not isinstance(o, (list, dict))]
    watched = globals().setdefault('watched', [])
    watched += [(reference, step, i) for reference, i in tokens]
    roots.append(random.sample(objects, 3))
    if len(roots) > 10:
        roots.pop(random.randrange(len(roots)))
    del objects, tokens
    collect(step)
roots.clear()
for _ in range(4):
    collect(-1)
kept.clear()
for _ in range(3):
    collect(-1)
print(sorted(finalized))
print([(step, i) for reference, step, i in watched if reference() is not None])
print(len(watched), len(late), len(called), sum(reference() is not None for reference in late))
"""

STOCK = "def collect(step): gc.collect()\n"
OURS = """
def collect(step):
    if step % 3 == 1:
        exuvia.start_collection()          # lands while the next step allocates
    else:
        exuvia.finish_collection()
        exuvia.collect()
"""


@pytest.mark.parametrize("mode", ["background", "stress"])
def test_the_same_dies(python, mode):
    seed = random.randrange(10**9)
    print(f"seed {seed}")
    program = PROGRAM.format(seed=seed)
    stock = python.program(STOCK + program, install=False)
    ours = python.program(OURS + program, mode=mode)
    assert stock.splitlines()[1] == "[]"
    assert ours == stock
