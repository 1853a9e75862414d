"""Sub-interpreters: Exuvia is for the main one, and the others go on as ever, also those with a GIL of their own."""
import pytest

SUB = """
import threading
try:
    import _interpreters as interpreters            # 3.13 and later
except ImportError:
    import _xxsubinterpreters as interpreters
def create():
    return interpreters.create()
WORK = '''
x = [[k] for k in range(20000)]
for k in range(20000):
    x[k] = {k: [k]}
del x
'''
class Worker(threading.Thread):
    '''Makes and frees objects in an interpreter of its own, beside us if that has a GIL of its own.'''
    def __init__(self, seconds):
        super().__init__()
        self.begun, self.end = threading.Event(), time.monotonic() + seconds
        self.start()
    def run(self):
        interpreter = create()
        self.begun.set()
        while time.monotonic() < self.end:
            interpreters.run_string(interpreter, WORK)
        interpreters.destroy(interpreter)
"""


def test_beside_other_interpreters(python):
    """Before 3.12 all share a GIL, and searches go on; later there are none meanwhile, and all the same after it."""
    out = python.program(SUB + """
workers = [Worker(8), Worker(8)]
for worker in workers:
    worker.begun.wait()
before = exuvia.stats().completed
gc.disable()
end = time.monotonic() + 3
while True:
    references = make_cycles(500)
    exuvia.collect()
    assert dead(references) == 500
    if time.monotonic() > end:
        break
print(exuvia.stats().completed - before, fallbacks())
for worker in workers:
    worker.end = 0
    worker.join()
references = make_cycles(500)
completed = exuvia.stats().completed
exuvia.collect()
assert exuvia.stats().completed == completed + 1 and dead(references) == 500
""")
    if python.version < (3, 12):
        assert int(out.split()[0]) > 0 and out.split()[1] == "{}", out
    else:
        assert int(out.split()[0]) == 0 and "'sub-interpreters'" in out, out


def test_another_interpreter_comes_in_flight(python):
    python.program(SUB + """
gc.disable()
keep = [[i] for i in range(20000)]
for _ in range(40):
    references = make_cycles(500)
    assert exuvia.start_collection()
    workers = [Worker(0.05) for _ in range(2)]
    for worker in workers:
        worker.begun.wait()
    exuvia.finish_collection()
    assert dead(references) == 500
    for worker in workers:
        worker.join()
""")


def test_what_another_interpreter_may_write_to_stays(python):
    """It may be about to note a free when the search ends: the table for that goes only when it has gone."""
    if python.version < (3, 12):
        pytest.skip("one GIL for all")
    python.program(SUB + """
def size():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[0]) * 4096
gc.disable()
exuvia.collect()
before = size()
assert exuvia.start_collection()
interpreter = create()
exuvia.finish_collection()
most = size()
assert most > before + (40 << 20)
interpreters.destroy(interpreter)
exuvia.collect()
assert size() < most - (40 << 20)
""")


def test_not_in_another_interpreter(python):
    python.program(SUB + """
interpreter = create()
read, write = os.pipe()
interpreters.run_string(interpreter, f'''
import os, sys
sys.path[:] = {sys.path!r}
try:
    import exuvia
    exuvia.install()
    answer = b'installed'
except (ImportError, RuntimeError) as error:
    answer = str(error).encode()
os.write({write}, answer)
''')
answer = os.read(read, 1000).decode()
assert 'interpreter' in answer, answer
assert exuvia.is_installed()
references = make_cycles(500)
interpreters.destroy(interpreter)
exuvia.collect()
assert dead(references) == 500
""")
