"""install(callbacks=True): the program's own callbacks are told of collections in the background, as of generation 2."""

WATCH = """
seen = []
def watch(phase, info):
    seen.append((phase, info['generation'], dict(info)))
gc.callbacks.append(watch)
def full():
    return [(phase, info['collected'], info['uncollectable']) for phase, generation, info in seen if generation == 2]
def safe_point():
    for _ in range(1000):
        pass
"""


def test_they_are_told_once_when_it_is_over(python):
    python.program(WATCH + """
exuvia.install('background', callbacks=True)
del seen[:]                     # collections in place that the checks make
safe_point()
assert full() == [], 'of the trial of an installation'
real = {}
gc.callbacks.insert(0, lambda phase, info: real.update({phase: (sorted(info), [type(value) for value in info.values()])}))
for count in 10, 30:
    gc.disable()
    references = make_cycles(count)
    assert exuvia.start_collection()
    wait_for_answer()
    del seen[:]
    assert exuvia.finish_collection() >= 2 * count
    safe_point()
    assert full() == [('start', 0, 0), ('stop', exuvia.stats().last.unreachable, 0)], seen
    order = [(phase, generation) for phase, generation, _ in seen]
    assert order[-2:] == [('start', 2), ('stop', 2)] and set(order[:-2]) <= {('start', 1), ('stop', 1)}, order
    told = {phase: (sorted(info), [type(value) for value in info.values()]) for phase, _, info in seen[-2:]}
    gc.collect(0)
    assert {phase: told[phase] for phase in real} == real, (told, real)
    gc.enable()
safe_point()
assert len(full()) == 2
gc.collect()
assert len(full()) == 4, 'of a real one, once'
""", install=False)


def test_nothing_is_told_unless_it_is_asked_for(python):
    python.program(WATCH + """
for again in (dict(callbacks=True), dict()):
    exuvia.install('background', **again)
del seen[:]
make_cycles(10)
exuvia.collect()
safe_point()
assert full() == []
""", install=False)


def test_callbacks_may_do_anything(python):
    """Raise, take themselves out, call us, collect, install anew: as in a collection of CPython's own."""
    python.program(WATCH + """
unraisable = []
sys.unraisablehook = unraisable.append
exuvia.install('background', callbacks=True)
def raises(phase, info):
    if info['generation'] == 2:
        1 / 0
def leaves(phase, info):
    if info['generation'] == 2:
        gc.callbacks.remove(leaves)
answers = []
def calls(phase, info):
    if info['generation'] == 2:
        exuvia.collect()
        answers.extend([gc.collect(), exuvia.start_collection(), exuvia.finish_collection()])
        [[i] for i in range(5000)]
gc.callbacks[1:1] = [raises, calls]
gc.callbacks.append(leaves)
del seen[:]
make_cycles(10)
exuvia.collect()
safe_point()
assert leaves not in gc.callbacks
assert [type(one.exc_value) for one in unraisable] == [ZeroDivisionError] * 2, unraisable
assert not any(answers) and len(answers) == 6, answers
assert [phase for phase, *_ in full()] == ['start', 'stop'] and exuvia.is_installed()
order = [(phase, generation) for phase, generation, _ in seen]
at = order.index(('start', 2))
assert order[at + 1] == ('stop', 2), order

def anew(phase, info):
    if info['generation'] == 2 and phase == 'stop':
        gc.callbacks.remove(anew)
        exuvia.uninstall()
gc.callbacks.append(anew)
make_cycles(10)
exuvia.collect()
safe_point()
assert not exuvia.is_installed() and anew not in gc.callbacks
assert gc.collect(0) >= 0
exuvia.install('background', callbacks=True)
""", install=False)


def test_not_in_a_finalizer_nor_another_thread(python):
    python.program(WATCH + """
import threading
mine, where = threading.get_ident(), []
def note(phase, info):
    if info['generation'] == 2:
        where.append((threading.get_ident() == mine, in_finalizer))
gc.callbacks.append(note)
exuvia.install('background', callbacks=True)
in_finalizer = False
class Slow:
    def __init__(self):
        self.me = self
    def __del__(self):
        global in_finalizer
        in_finalizer = True
        safe_point()
        in_finalizer = False
slow = [Slow() for _ in range(20)]
age()
del slow
def work():
    exuvia.collect()
thread = threading.Thread(target=work)
thread.start()
thread.join()
exuvia.collect()
safe_point()
assert where and set(where) == {(True, False)}, where
""", install=False)


def test_by_run(python):
    done = python.command("-m", "exuvia", "run", "--mode", "background", "--callbacks", "-c", """
import gc, exuvia
seen = []
gc.callbacks.append(lambda phase, info: seen.append(phase) if info['generation'] == 2 else None)
exuvia.collect()
for _ in range(1000): pass
print(seen)
""")
    assert (done.returncode, done.stdout) == (0, "['start', 'stop']\n"), done.stderr


def test_collections_that_a_library_asks_for(python):
    """The recipe of docs/production.md: they come from the background, and where no search can be had, in place."""
    python.program("""
import gc, exuvia
in_place = gc.collect
def collect(generation=2):
    return exuvia.collect() if generation == 2 else in_place(generation)
gc.collect = collect
in_place()
make_cycles(10)
before = exuvia.stats()
assert gc.collect() >= 20
after = exuvia.stats()
assert (after.completed, after.full_collections) == (before.completed + 1, before.full_collections)
start, _core.start = _core.start, lambda *_: False
make_cycles(10)
assert gc.collect() >= 20 and exuvia.stats().full_collections == after.full_collections + 1
_core.start = start
class Finalizer:
    def __del__(self):
        found.append(gc.collect())
found = []
thing = Finalizer()
thing.me = thing
del thing
assert gc.collect() >= 1 and found == [0]
""")
