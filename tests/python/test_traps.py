"""Each way in which a candidate can be garbage no longer, or a search can go wrong: nothing live is lost."""
import pytest


def test_an_address_that_was_freed_and_used_again(python):
    python.program("""
gc.disable()
references = make_cycles(20000)
assert exuvia.start_collection()
assert wait_for_answer() == 2
alive = [reference() for reference in references[::2]]
for node in alive:
    node.peer = None                    # every second cycle dies by counting
del alive, node
assert dead(references) == 10000
again = [Node() for _ in range(5000)]
# Of a list's size, with first words that would pass for a header: a count of 4, an aligned pointer, a positive number.
again += [bytes(24) for _ in range(20000)]
counted = [again[:] for _ in range(3)]
found = exuvia.finish_collection()
last = exuvia.stats().last
assert dead(references) == 20000
assert last.stale >= 19900, last        # a node and its list each, but for what free lists keep
assert 20000 <= found < 20100, found     # what start-up left is in it
assert len(again) == 25000
""")


def test_what_a_weak_reference_brought_back_lives(python):
    python.program("""
gc.disable()
references = make_cycles(1000)
assert exuvia.start_collection()
assert wait_for_answer() == 2
kept = [reference() for reference in references[:100]]
exuvia.finish_collection()
assert dead(references) == 900
assert all(node.peer[0] is node for node in kept)
del kept
assert exuvia.collect() >= 200
assert dead(references) == 1000
""")


def test_what_get_objects_brought_back_lives(python):
    python.program("""
gc.disable()
references = make_cycles(100)
assert exuvia.start_collection()
assert wait_for_answer() == 2
everything = gc.get_objects()
exuvia.finish_collection()
assert dead(references) == 0
del everything
exuvia.collect()
assert dead(references) == 100
""")


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_users_own_collection_in_flight(python, when):
    """It does all by itself, and nothing is searched for or proven a second time."""
    python.program(f"""
gc.disable()
keep = [[i] for i in range(200000)]
references = make_cycles(1000)
assert exuvia.start_collection()
if {when!r} == 'after':
    assert wait_for_answer() == 2
assert gc.collect() >= 2000
assert dead(references) == 1000
assert _core.poll()[0] == 0 and children() == []
assert fallbacks() == {{'full-collection': 1}}, fallbacks()
""")


def test_candidates_come_in_batches(python):
    python.program("""
exuvia.install('background', 1)
gc.disable()
references = make_cycles(100000)
exuvia.collect()
assert dead(references) == 100000
last = exuvia.stats().last
assert last.unreachable >= 200000 and last.batches >= 5, last   # the first are of 4096, and at most double
""")


def test_frozen_in_flight(python):
    python.program("""
gc.disable()
references = make_cycles(100)
assert exuvia.start_collection()
assert wait_for_answer() == 2
gc.freeze()
count = gc.get_freeze_count()
gc.collect(1)
assert gc.get_freeze_count() >= count, (gc.get_freeze_count(), count)
assert fallbacks().get('frozen') == 1, fallbacks()
assert dead(references) == 0
gc.unfreeze()
exuvia.collect()
assert dead(references) == 100
""")


def test_frozen_before(python):
    python.program("""
references = make_cycles(10)
gc.freeze()
references += make_cycles(10)
exuvia.collect()
assert dead(references) == 10
assert not fallbacks(), fallbacks()
""")


def test_a_chain_that_is_being_freed(python):
    """The trashcan links dying objects through their headers; a collection in the midst of it must not follow them."""
    python.program("""
gc.disable()
class Last:
    def __del__(self):
        gc.collect(1)                   # relinks what it may
        gc.collect(0)
def make_chain(depth):
    head = Node()
    chain = None
    for i in range(depth):
        chain = [chain] if i % 50 else [Last(), chain]
    head.chain = chain
    head.self = head
    return head
heads = [make_chain(2000) for _ in range(20)]
references = [weakref.ref(head) for head in heads]
age()
del heads
assert exuvia.start_collection()
assert wait_for_answer() == 2
for reference in references[::2]:
    head = reference()
    if head is not None:
        head.self = None
    del head                            # freed by counting, from the head down
exuvia.finish_collection()
exuvia.collect()
assert dead(references) == 20
""")


def test_collections_in_finalizers(python):
    python.program("""
class Busy:
    runs = 0
    def __init__(self):
        self.self = self
    def __del__(self):
        Busy.runs += 1
        keep = [[i] for i in range(3000)]   # enough for young collections, which may nest in 3.12
        if Busy.runs % 10 == 0:
            exuvia.start_collection()
            gc.collect(0)
for _ in range(20):
    for _ in range(20):
        Busy()
    exuvia.collect()
gc.collect()
assert Busy.runs == 400, Busy.runs
""")


def test_a_collection_inside_a_collection(python):
    """A collection that is due while one is begun by hand, with nothing in between that would let it run, comes in the
    finalizers of that one: in 3.12 only, whose automatic collections do not ask whether one is running."""
    python.program("""
import itertools
def ended():
    return sum(generation['collections'] for generation in gc.get_stats())
class Busy:
    died = nested = 0
    def __init__(self):
        self.self = self
    def __del__(self):
        Busy.died += 1
        Busy.nested += nesting and ended() > before
        self.mark = [[] for _ in range(800 * (Busy.died % 50 == 0))]   # the inner one has ended: the next is due
def nest(generation):
    global nesting, before
    for _ in range(20):
        Busy()
    nesting, before = True, ended()
    list(itertools.chain(map(list, [()] * 2000), map(gc.collect, [generation])))
    nesting = False
made, references, nesting = 0, [], False
gc.set_threshold(700, 1, 1)   # so that the inner one has something that is due
for generation in [0, 1, 2] * 10:
    gc.disable()
    busy = [Busy() for _ in range(3000)]
    references += map(weakref.ref, busy)
    age()
    del busy
    exuvia.start_collection()
    wait_for_answer()
    gc.enable()
    for _ in range(5):
        nest(generation)
        made += 20
    made += 3000
    exuvia.finish_collection()
exuvia.collect()
gc.collect()
assert Busy.died == made, (Busy.died, made)
assert dead(references) == len(references)
for one in exuvia.stats().collections:
    assert one.kind != 'background' or one.unreachable >= one.relinked, one
assert Busy.nested or sys.version_info[:2] != (3, 12)
""")


def test_a_stop_that_the_callback_is_not_told(python):
    """A callback before ours that takes itself out at a stop: CPython then passes over the next one, which is ours. In
    3.12 the next collection looks like one inside that one."""
    python.program("""
def once(phase, info):
    if phase == 'stop':
        gc.callbacks.remove(once)
gc.callbacks.insert(0, once)
gc.collect(0)
assert once not in gc.callbacks
before = exuvia.stats().young_collections
references = make_cycles(1000)
assert exuvia.collect() and dead(references) == 1000
assert exuvia.stats().young_collections > before
""")


@pytest.mark.parametrize("state", ["searching", "reclaiming"])
@pytest.mark.parametrize("ask", ["collect", "finish_collection"])
def test_asked_for_in_a_finalizer(python, ask, state):
    """The answer is as gc.collect()'s is there: nothing was done. It must not wait for the collection that runs it."""
    python.program(f"""
answers = []
class Asks:
    def __init__(self):
        self.me = self
    def __del__(self):
        answers.append(exuvia.{ask}())
gc.disable()
keep = [[i] for i in range(1_000_000 if {state == 'searching'} else 1000)]
references = make_cycles(2000)
assert exuvia.start_collection()
if {state == 'reclaiming'}:
    assert wait_for_answer() == 2
Asks()
gc.collect(0)
assert answers in ([0], [None]), answers
exuvia.finish_collection()
assert dead(references) == 2000
""")


@pytest.mark.parametrize("change", ["exuvia.uninstall()", "exuvia.collect_every(60)", "exuvia.collect_every(0)",
                                    "exuvia.install('background')"])
def test_the_timer_is_changed_by_what_it_collects(python, change):
    python.program(f"""
changed = []
class Closes:
    def __init__(self):
        self.me = self
    def __del__(self):
        changed.append({change})
gc.set_threshold(10**6)
Closes()
exuvia.collect_every(0.05)
end = time.monotonic() + 30
while not changed and time.monotonic() < end:
    time.sleep(0.01)
assert changed
references = make_cycles(10)
end = time.monotonic() + 30
while dead(references) < 10 and time.monotonic() < end:
    gc.collect()          # 0 for as long as that collection has not ended
    time.sleep(0.01)
assert dead(references) == 10
""")


@pytest.mark.parametrize("stop", ["exuvia.uninstall()", "exuvia.collect_every(0)"])
def test_a_finalizer_stops_the_timer_that_waits_for_its_collection(python, stop):
    python.program(f"""
gc.set_threshold(10**6)
keep = [[i] for i in range(300000)]
stopped = []
class Stops:
    def __init__(self):
        self.me = self
    def __del__(self):
        time.sleep(0.1)       # the timer's thread comes to wait for this collection
        began = time.monotonic()
        {stop}
        stopped.append(time.monotonic() - began)
exuvia.collect_every(0.05)
end = time.monotonic() + 30
while _core.poll()[0] != 1:
    assert time.monotonic() < end, "the timer does not collect"
Stops()
gc.collect(1)
assert stopped and stopped[0] < 0.5, stopped
end = time.monotonic() + 5
while tasks() > 1:   # a thread that has ended may be listed for a moment
    assert time.monotonic() < end
""")


def test_a_finalizer_waits_for_a_thread_that_collects(python):
    python.program("""
import threading
gc.disable()
keep = [[i] for i in range(300000)]
answers = []
class Joins:
    def __init__(self):
        self.me = self
    def __del__(self):
        for ask in (exuvia.collect, exuvia.finish_collection):
            thread = threading.Thread(target=lambda: answers.append(ask()))
            thread.start()
            thread.join()
assert exuvia.start_collection()
Joins()
gc.collect(1)
assert answers == [0, None], answers
references = make_cycles(10)
exuvia.finish_collection()
found = exuvia.collect()
assert found >= 20 and dead(references) == 10, (found, dead(references))
""")


def test_an_installation_from_a_finalizer(python):
    """The first one watches a collection; within one it cannot, and says so."""
    python.program("""
import gc
import exuvia
errors = []
class Installs:
    def __init__(self):
        self.me = self
    def __del__(self):
        try:
            exuvia.install()
        except exuvia.Unsupported as error:
            errors.append(error.check)
Installs()
gc.collect()
assert errors == ['collecting'] and not exuvia.is_installed(), errors
Installs()
exuvia.install()        # its own collection finds that one
assert errors == ['collecting', 'checks'] and exuvia.is_installed(), errors
""", install=False)


RANDOM_CALLS = """
import random, signal, threading
random.seed(SEED)
born = died = last = 0
class Finalized:
    def __init__(self):
        global born
        born += 1
        self.me = self
    def __del__(self):
        global died, last
        died += 1
        if random.random() < 0.02 and time.monotonic() > last + 0.02:
            last = time.monotonic()
            call()
def fork():
    pid = os.fork()
    if not pid:
        try:
            keep = [Finalized() for _ in range(200)]
            exuvia.collect_every(0)
            gc.collect()
        finally:
            os._exit(0)
    end = time.monotonic() + 30
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > end:
            os._exit(9)
        time.sleep(0.001)
calls = [
    lambda: exuvia.install(random.choice(['auto', 'background', 'inline', 'stress']), random.choice([0.1, 5, 100])),
    exuvia.uninstall, exuvia.start_collection, exuvia.finish_collection, exuvia.collect, exuvia.stats, gc.collect,
    lambda: exuvia.finish_collection(random.choice([0, 0.001, 0.1])),
    lambda: exuvia.collect_every(random.choice([0, 0.01, 0.05, 100])),
    lambda: exuvia.collect_when_idle(random.choice([0, 0.01, 1])),
    lambda: gc.collect(random.choice([0, 1])), lambda: random.random() < 0.2 and fork(),
    lambda: gc.set_threshold(*random.choice([(700, 10, 10), (100, 2, 2), (10, 1, 1)])),
]
def call():
    try:
        random.choice(calls)()
    except RuntimeError:
        pass                # it is not installed just now, or cannot be
inside = False
def handler(*_):
    global inside
    if not inside and random.random() < 0.3:
        inside = True
        call()
        inside = False
def work():
    pool = []
    while time.monotonic() < end:
        pool += [Finalized() for _ in range(random.randrange(300))]
        if len(pool) > 5000:
            del pool[:random.randrange(5000)]
        if random.random() < 0.2:
            call()
end = time.monotonic() + 3
sys.setswitchinterval(random.choice([0.005, 1e-5]))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.007)
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
work()
for thread in threads:
    thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
end = time.monotonic() + 30
while born > died:      # the last finalizers too call what they like, install() and start_collection() among it
    assert time.monotonic() < end, (born, died)
    gc.collect()
exuvia.uninstall()
while tasks() > 1:
    assert time.monotonic() < end, os.listdir('/proc/self/task')
    time.sleep(0.01)
assert children() == []
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_random_calls(python, seed):
    """Of the whole interface, from threads, finalizers, a signal handler, with forks."""
    python.program(RANDOM_CALLS.replace("SEED", str(seed)))


def test_no_memory_to_see_whether_frees_are_seen(python):
    if python.command("-c", "import _testcapi").returncode:
        pytest.skip("this interpreter has no _testcapi")
    python.program("""
import tracemalloc, _testcapi
gc.disable()
assert exuvia.start_collection()
tracemalloc.start()                 # above ours
exuvia.finish_collection()          # ours stays below it
for count in range(8):              # in one of them it is the allocation that tells
    _testcapi.set_nomemory(count, count + 1)
    try:
        _core.start(3)
    except MemoryError:
        pass
    finally:
        _testcapi.remove_mem_hooks()
    garbage = [object() for _ in range(100)]
    del garbage
    exuvia.finish_collection()
""")


def test_suspended_generators_and_coroutines_live(python):
    """From 3.14 on they hold references that are not counted: taken for counted ones, live objects look dead."""
    python.program("""
class Pause:
    def __await__(self):
        yield
def generator(box):
    return box + [(yield)]              # box is on the stack meanwhile, borrowed from the local variable
async def coroutine(box):
    return box + [await Pause()]
def check(make, start):
    box = [[i] for i in range(10000)]   # held by this running frame, and by what is suspended
    suspended = make(box)
    start(suspended)
    box.append(suspended)
    del suspended
    exuvia.collect()
    last = exuvia.stats().last
    assert last.examined > 10000 and last.candidates < 50, last
    assert sum(item[0] for item in box[:-1]) == sum(range(10000))
    box.pop().close()
gc.disable()
exuvia.collect()
check(generator, next)
check(coroutine, lambda suspended: suspended.send(None))
""")


def test_a_large_component_is_proven_whole(python):
    """In parts it would stay: each part is held by the next."""
    python.program("""
gc.disable()
first = last = Node()
for i in range(30000):
    node = Node()
    node.before, last.after = last, node
    last = node
first.before = last
reference = weakref.ref(first)
age()
del first, last, node
exuvia.collect()
assert reference() is None
assert exuvia.stats().last.unreachable >= 30000, exuvia.stats().last
""")


def test_suspended_generators_and_coroutines_dead(python):
    python.program("""
def generator(cell):
    holder = [cell]
    yield len(holder), (yield holder), [holder, (yield)]
gc.disable()
references = []
cells = [Node() for i in range(2000)]
for cell in cells:
    cell.generator = generator(cell)
    next(cell.generator)
    references.append(weakref.ref(cell))
age()
del cell, cells
exuvia.collect()
assert dead(references) == 2000, dead(references)
assert exuvia.stats().last.candidates >= 2000 * 3, exuvia.stats().last
""")


def test_immortal_objects_hold_what_they_refer_to(python):
    if python.version < (3, 12):
        pytest.skip("no immortal objects before 3.12")
    python.program("""
import ctypes
gc.disable()
holder = Node()
held = Node()
held.holder = holder
holder.held = held
reference = weakref.ref(held)
age()
ctypes.c_int32.from_address(id(holder)).value = -0x40000000 if sys.version_info >= (3, 14) else -1
del holder, held
exuvia.collect()
assert reference() is not None and reference().holder.held is reference()
os._exit(0)
""")


def test_an_object_made_immortal_in_flight_is_no_freeze(python):
    """3.12 and 3.13 move immortal objects to where gc.freeze() puts its own; the candidates are good all the same."""
    if python.version < (3, 12):
        pytest.skip("no immortal objects before 3.12")
    python.program("""
import ctypes
gc.disable()
references = make_cycles(100)
assert exuvia.start_collection()
assert wait_for_answer() == 2
eternal = [[]]
ctypes.c_int32.from_address(id(eternal)).value = -0x40000000 if sys.version_info >= (3, 14) else -1
gc.collect(0)                           # proves; and may move it
gc.collect(1)
exuvia.finish_collection()
assert dead(references) == 100
assert not fallbacks(), fallbacks()
references = make_cycles(100)
assert exuvia.start_collection()
eternal = [[]]
ctypes.c_int32.from_address(id(eternal)).value = -0x40000000 if sys.version_info >= (3, 14) else -1
while _core.poll()[0] == 1:
    gc.collect(0)
exuvia.finish_collection()
assert dead(references) == 100
assert not fallbacks(), fallbacks()
os._exit(0)
""")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", ["start", "stop", "restart"])
def test_tracemalloc_in_flight(python, when, change):
    python.program(f"""
import tracemalloc
gc.disable()
change = {change!r}
if change != 'start':
    tracemalloc.start()
references = make_cycles(2000)
assert exuvia.start_collection()
if {when!r} == 'after':
    wait_for_answer()
if change == 'start':
    tracemalloc.start()
else:
    tracemalloc.stop()
    if change == 'restart':
        tracemalloc.start()
wait_for_answer()
for reference in references[:500]:
    node = reference()
    if node is not None:
        node.peer = None
    del node
again = [Node() for _ in range(500)]
exuvia.finish_collection()
# What stops takes our observer away with it, what starts stands above it.
assert fallbacks() == ({{}} if change == 'start' else {{'allocator': 1}}), fallbacks()
tracemalloc.stop()
for _ in range(3):
    more = make_cycles(100)
    exuvia.collect()
    assert dead(more) == 100
gc.collect()
assert dead(references) == 2000
tracemalloc.start()
exuvia.collect()
tracemalloc.stop()
""")


@pytest.mark.parametrize("allocator", ["debug", "malloc", "malloc_debug", "pymalloc_debug"])
def test_other_allocators(python, allocator):
    python.program("""
references = make_cycles(5000)
exuvia.collect()
assert dead(references) == 5000, (dead(references), fallbacks())
assert exuvia.stats().completed >= 1, fallbacks()
""", environment={"PYTHONMALLOC": allocator})


def test_a_traverse_function_that_hangs(python, foreign):
    python.program(f"""
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
thing = foreign.make(1)
references = make_cycles(100)
assert _core.start(3, 0.5)
began = time.monotonic()
exuvia.finish_collection()
assert time.monotonic() - began < 20
assert fallbacks().get('child-late') == 1, fallbacks()
assert dead(references) == 100
assert children() == []
""")


def test_a_traverse_function_that_crashes(python, foreign):
    out = python.program(f"""
sys.path.insert(0, {foreign!r})
import foreign, faulthandler
faulthandler.enable(sys.stdout)
gc.disable()
thing = foreign.make(2)
references = make_cycles(100)
assert exuvia.start_collection()
exuvia.finish_collection()
assert fallbacks().get('child-died') == 1, fallbacks()
assert dead(references) == 100
assert children() == []
""")
    assert out == "", "the child says nothing"


def test_a_child_that_is_killed(python):
    python.program("""
import signal
gc.disable()
keep = [[i] for i in range(200000)]
references = make_cycles(100)
assert exuvia.start_collection()
for pid in children():
    os.kill(pid, signal.SIGKILL)
exuvia.finish_collection()
assert fallbacks().get('child-died') == 1 or exuvia.stats().completed == 2, fallbacks()
assert dead(references) == 100
assert children() == []
""")


def test_clone_denied(python):
    """Automatic collections too: after some failures CPython collects by itself."""
    python.program("""
import resource
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
keep, total = [], 0
references = make_cycles(100)
for i in range(3000000):
    keep.append([i])
    if i % 1000 == 0:
        references += make_cycles(1, old=False)
assert fallbacks().get('clone-refused', 0) >= 1, fallbacks()
assert exuvia.stats().full_collections >= 1, exuvia.stats()
assert dead(references) > 0
assert exuvia.collect() >= 0
assert dead(references) == len(references)
""")
