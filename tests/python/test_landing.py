"""What is in flight ends by itself, and what was asked for is what happened."""
import pytest

ENDS = """
import threading
def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()
def shared():
    return [line for line in open('/proc/self/maps') if '/dev/zero' in line]
gc.disable()
base = [[i] for i in range(100_000)]
references = make_cycles(20_000)
before = exuvia.stats()
"""


@pytest.mark.parametrize("then", ["", "gc.enable()", "gc.callbacks.clear()", "gc.callbacks.clear(); gc.enable()"])
def test_a_search_ends_without_young_collections(python, then):
    """The program waits; child, shared memory and observer go all the same."""
    python.program(ENDS + f"""
assert exuvia.start_collection()
assert exuvia.stats().in_flight == 'searching' and shared()
{then}
assert until(lambda: exuvia.stats().completed == before.completed + 1), exuvia.stats()
assert children() == [] and not shared()
assert exuvia.is_installed() == ('clear' not in {then!r})
assert until(lambda: tasks() == 1)
if 'enable' not in {then!r}:
    assert dead(references) == 0, 'where the collector is off nothing is freed by itself'
gc.enable()
keep = [[i] for i in range(500_000)]
gc.collect()
assert dead(references) == 20_000
if 'clear' in {then!r}:
    late = make_cycles(100)
    assert not exuvia.start_collection() and exuvia.finish_collection() == 0
    assert exuvia.collect() >= 100 and dead(late) == 100, 'what was asked for is what happened: in place'
""")


def test_a_main_thread_at_its_safe_points_frees(python):
    """It makes no garbage, so it makes no young collection of its own."""
    python.program(ENDS + """
assert exuvia.start_collection()
gc.enable()
assert until(lambda: dead(references) > 0)
assert exuvia.stats().full_collections == before.full_collections
""")


def test_finalizers_run_in_no_thread_of_ours(python):
    python.program(ENDS + """
ran_in = set()
class Finalized:
    def __init__(self):
        self.self = self
    def __del__(self):
        ran_in.add(threading.get_ident())
many = [Finalized() for i in range(1000)]
age()
del many
assert exuvia.start_collection()
gc.enable()
assert until(lambda: ran_in)
assert ran_in == {threading.get_ident()}
""")


def test_a_killed_child_is_noticed(python):
    python.program(ENDS + """
assert exuvia.start_collection()
os.kill(children()[0], 9)
assert until(lambda: children() == [])
assert until(lambda: fallbacks().get('child-died') == 1), fallbacks()
assert exuvia.stats().in_flight == ''
""")


@pytest.mark.parametrize("fork", ["os.fork()", "__import__('multiprocessing').get_context('fork').Process().start()"])
def test_a_fork_finds_no_other_thread(python, fork):
    """CPython warns of forks beside other threads."""
    python.program(ENDS + f"""
import warnings
warnings.simplefilter('error')
for i in range(5):
    exuvia.start_collection()
    time.sleep(0.01 * i)
    if {fork} == 0:
        assert exuvia.stats().in_flight == ''
        os._exit(0)
    exuvia.finish_collection()
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
""")


def test_a_process_forked_by_c_code_waits_for_no_thread_of_its_parents(python):
    """The search's thread is up when C code forks, which calls no hook."""
    python.program(ENDS + """
import ctypes, signal
assert exuvia.start_collection()
child = ctypes.CDLL(None).fork()
if child == 0:
    signal.alarm(30)
    grandchild = os.fork()
    exuvia.uninstall()
    os._exit(os.waitpid(grandchild, 0)[1] if grandchild else 0)
assert os.waitpid(child, 0) == (child, 0)
""")


def test_a_fork_beside_a_thread_that_waits_for_the_gil(python):
    """An answer is there, and for longer than our thread lets it lie the program sits in C with the GIL; then it forks."""
    python.program(ENDS + """
import ctypes, warnings
warnings.simplefilter('error')
assert exuvia.start_collection()
ctypes.PyDLL(None).usleep(900_000)
assert exuvia.stats().in_flight != ''
child = os.fork()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0) == (child, 0)
""")


@pytest.mark.parametrize("automatic", [False, True])
def test_what_was_dead_before_collect_is_gone_after_it(python, automatic):
    """Also where a search was up already, whoever began it."""
    python.program(ENDS + f"""

class Late: pass
thing = Late()
thing.self = thing
age()
if {automatic}:
    gc.enable()
    keep = []
    while exuvia.stats().in_flight != 'searching':
        keep.append([keep])
    gc.disable()
else:
    assert exuvia.start_collection()
reference = weakref.ref(thing)
del thing
assert exuvia.collect() >= 40_000
assert reference() is None and dead(references) == 20_000
""")


@pytest.mark.parametrize("ended", [False, True])
def test_the_number_is_told_whoever_freed_them(python, ended):
    python.program(ENDS + f"""
assert exuvia.start_collection()
if {ended}:
    gc.enable()
    keep = []
    while exuvia.stats().in_flight:
        keep.append([])
    gc.disable()
n = exuvia.finish_collection(); assert n >= 40_000, n
n = exuvia.finish_collection(); assert n == 0, n
assert dead(references) == 20_000
""")


@pytest.mark.parametrize("looked", [False, True])
def test_a_failed_search_is_made_good(python, looked):
    python.program(ENDS + f"""
assert exuvia.start_collection()
os.kill(children()[0], 9)
if {looked}:
    assert until(lambda: _core.poll()[0] == 0)
n = exuvia.finish_collection(); assert n >= 40_000, n
n = exuvia.finish_collection(); assert n == 0, n
assert dead(references) == 20_000
""")


def test_the_program_ends_while_it_lands(python):
    for milliseconds in range(0, 700, 70):
        python.program(ENDS + f"""
assert exuvia.start_collection()
time.sleep({milliseconds / 1000})
""")


def test_no_search_begins_while_the_lander_is_waited_for(python):
    """By whoever goes on meanwhile: nobody would ever end it."""
    python.program("""
import threading
gc.disable()
exuvia.install('background')
over = False
def begin():
    while not over:
        _core.start(3)
thread = threading.Thread(target=begin, daemon=True)
thread.start()
for i in range(100):
    exuvia.install('background')
    while not _core.poll()[0]:
        time.sleep(0)
    exuvia.uninstall()
    assert _core.poll()[0] == 0 and not exuvia.stats().in_flight, i
over = True
thread.join()
assert children() == []
""", install=False)
