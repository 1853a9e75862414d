"""Collections by time: searches begin in a thread of ours, and nothing of the program's is ever called there."""

COUNT = """
import threading
mine = threading.get_ident()
where = {True: 0, False: 0}
enabled = {True: 0, False: 0}
def note():
    where[threading.get_ident() == mine] += 1
    enabled[gc.isenabled()] += 1
class Window:
    def __init__(self):
        self.me = self
        self.reference = weakref.ref(self, lambda _: note())
        references.append(self.reference)
    def __del__(self):
        note()
references = []
def until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, (where, enabled, exuvia.stats())
        time.sleep(0.005)
"""


def test_finalizers_run_in_the_main_thread(python):
    for ask in "exuvia.collect_every(0.05)", "exuvia.collect_when_idle(0.05)":
        python.program(COUNT + f"""
ballast = [[i] for i in range(50000)]
gc.collect()
gc.set_threshold(100000)
for _ in range(100):
    Window()
{ask}
until(lambda: sum(where.values()) >= 200)
assert where[False] == 0 and enabled[False] == 0, (where, enabled)
""")


def test_none_comes_while_gc_is_disabled(python):
    python.program(COUNT + """
ballast = [[i] for i in range(50000)]
gc.disable()
for _ in range(50):
    Window()
before = exuvia.stats().started
exuvia.collect_every(0.02)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    time.sleep(0.005)
assert sum(where.values()) == 0 == dead(references), (where, enabled)
assert exuvia.stats().started == before
gc.enable()
until(lambda: dead(references) == 50)
assert where[False] == enabled[False] == 0, (where, enabled)

exuvia.collect_every(0)         # a search that began before
windows = [Window() for _ in range(50)]
age()
del windows
assert exuvia.start_collection()
gc.disable()
exuvia.collect_every(0.02)
wait_for_answer()
assert _core.ask_young()        # as where the collector is disabled between the question and the safe point
end = time.monotonic() + 0.3
while time.monotonic() < end:
    time.sleep(0.005)
assert dead(references) == 50, 'under gc.disable()'
gc.enable()
until(lambda: dead(references) == 100)
assert where[False] == enabled[False] == 0, (where, enabled)
""")


def test_what_cannot_be_searched_is_not_collected_in_place_by_the_timer(python):
    """Where no snapshot can be made, the program's own collections go on, in its own threads."""
    python.program(COUNT + """
import resource
full = exuvia.stats().full_collections
_core_start = _core.start
def start(*_):
    calls.append(1)
    return False
calls = []
_core.start = start
exuvia.collect_every(0.02)
Window()
until(lambda: len(calls) > 5)
exuvia.collect_every(0)
_core.start = _core_start
assert exuvia.stats().full_collections == full and where[False] == 0
""")


def test_an_idle_process_is_collected_once(python):
    python.program("""
exuvia.collect_when_idle(0.1)
before = exuvia.stats().started
time.sleep(1.5)
started = exuvia.stats().started - before
assert started <= 2, started       # the sleep may begin late, but what a collection takes is no activity
""")
