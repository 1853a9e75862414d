"""The classes of the statistics are frozen dataclasses, like those of the standard library, but without its import."""

TWIN = """
import copy, dataclasses, inspect
from exuvia._frozen import as_dict, dataclass

class Base:
    first: int

class Derived(Base):
    '''Documented.'''
    second: 'str | None'
    third: tuple

def plain(cls, *bases):
    return type(cls.__name__, bases, {'__annotations__': dict(cls.__annotations__), '__module__': cls.__module__})

ours = dataclass(plain(Base))
ours = dataclass(plain(Derived, ours))
theirs = dataclasses.dataclass(frozen=True)(plain(Base))
theirs = dataclasses.dataclass(frozen=True)(plain(Derived, theirs))
values = 1, 'x', ((1, 2), {'key': ()})
"""


def test_import_brings_little(python):
    done = python.command("-S", "-c", """
import os, sys, weakref, atexit
before = set(sys.modules)
import exuvia
exuvia.install()
exuvia.stats().as_dict()
print(*sorted(name for name in set(sys.modules) - before if not name.lstrip('_').startswith('exuvia')))
""")
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"__future__", "gc", "resource", "time"}


def test_like_the_standard_librarys(python):
    python.program(TWIN + """
def both(function):
    '''What it gives or raises, for the one and the other.'''
    results = []
    for cls in ours, theirs:
        try:
            results.append(function(cls))
        except Exception as error:
            results.append(type(error))
    assert results[0] == results[1], results
    return results[0]

assert both(lambda cls: repr(cls(*values))).startswith('Derived(first=1, ')
assert both(lambda cls: cls(*values) == cls(1, third=values[2], second='x')) is True
assert both(lambda cls: cls(*values) == cls(2, *values[1:])) is False
assert both(lambda cls: cls(*values) == values) is False
both(lambda cls: hash(cls(1, 'x', ())))
assert both(lambda cls: hash(cls(*values))) is TypeError
assert both(lambda cls: cls(1, 2)) is TypeError
assert both(lambda cls: cls(*values, fourth=1)) is TypeError
assert both(lambda cls: list(inspect.signature(cls).parameters)) == ['first', 'second', 'third']
assert both(lambda cls: cls.__match_args__) == ('first', 'second', 'third')
assert both(lambda cls: [(field.name, field.type) for field in dataclasses.fields(cls)])[2][0] == 'third'
assert both(lambda cls: dataclasses.asdict(cls(*values)))['third'] == values[2]
assert both(lambda cls: as_dict((cls(*values), {1: cls(*values)})))[1][1]['second'] == 'x'
assert both(lambda cls: vars(dataclasses.replace(cls(*values), first=9)))['first'] == 9
assert both(lambda cls: vars(copy.deepcopy(cls(*values)))) == both(lambda cls: vars(copy.copy(cls(*values))))
if hasattr(copy, 'replace'):
    assert both(lambda cls: vars(copy.replace(cls(*values), first=9)))['first'] == 9
for change in (lambda value: setattr(value, 'first', 2), lambda value: setattr(value, 'new', 2),
               lambda value: delattr(value, 'first')):
    assert both(lambda cls: change(cls(*values))) is dataclasses.FrozenInstanceError
""", install=False)


def test_the_public_ones(python):
    python.program("""
import dataclasses, pickle
exuvia.collect()
stats = exuvia.stats()
assert pickle.loads(pickle.dumps(stats)) == stats
assert dataclasses.asdict(stats) == stats.as_dict()
assert stats.as_dict()['last']['kind'] == 'background'
for cls in exuvia.Stats, exuvia.Totals, exuvia.Collection, exuvia.Pauses:
    assert dataclasses.is_dataclass(cls) and cls.__doc__

@dataclasses.dataclass(frozen=True)
class Mine(exuvia.Pauses):
    label: str = 'mine'
mine = Mine(**vars(stats.pauses['all']))
assert mine.label == 'mine' and mine.count == stats.pauses['all'].count
match stats.pauses['all']:
    case exuvia.Pauses(count, total):
        assert (count, total) == (mine.count, mine.total_ns)
""")


def test_frozen_when_a_part_is_freed(python):
    """The candidates that are left stand in the permanent list then: to bring them would thaw them."""
    python.program("""
exuvia.install('background', pause_budget_ms=0.2)
gc.disable()
references = make_cycles(20_000)
before = exuvia.stats().completed
assert exuvia.start_collection()
assert wait_for_answer() == 2
while exuvia.stats().completed == before:         # until our thread has brought all candidates into ranges
    time.sleep(0.001)
while not dead(references):                       # a portion of them
    gc.collect(1)
gc.freeze()
gone = dead(references)
assert gone < 20_000
for _ in range(5):
    gc.collect(1)
assert dead(references) == gone, (dead(references), gone)
assert fallbacks().get('frozen') == 1, fallbacks()
gc.unfreeze()
exuvia.collect()
assert dead(references) == 20_000
""", install=False)
