"""exuvia.summary(), census(), why(), cycles(): what the program is told of itself is what the commands say of a file."""
import os


def test_answers_are_data_and_print_as_the_commands_do(python, tmp_path):
    told = python.program("""
import json
class Session: pass
class Gone: pass
cache = {'kept': [Session() for i in range(50)]}
files = os.listdir('/proc/self/fd')
gc.disable()
references = []
for i in range(30):
    one = Gone(); one.peer = [one, bytes(1000)]
    references.append(weakref.ref(one))
del one
answer = exuvia.summary()
assert answer['objects'] > 1000 and answer['info']['pid'] == os.getpid() and len(answer['types']) == 20
assert str(answer) == repr(answer) and 'live objects' in str(answer) and json.loads(json.dumps(answer)) == answer
assert len(exuvia.summary(limit=3)['types']) == 3
answer = exuvia.census(limit=0)
numbers = {of['type']: of['count'] for of in answer['types']}
assert numbers['__main__.Session'] == 50 and 'retained' not in str(answer)
answer = exuvia.census(retained=True)
assert 'retained' in str(answer) and all('retained' in of for of in answer['types']) and len(answer['types']) == 20
assert exuvia.why(Session) == exuvia.why('Session') == exuvia.why('__main__.Session')
assert exuvia.why(cache)['address'] == hex(id(cache))
assert 'keeps alive' in str(exuvia.why('--largest'))
print(exuvia.why(Session))
answer = exuvia.cycles()
assert [of['rings'] for of in answer['shapes'] if any(t['type'] == '__main__.Gone' for t in of['types'])] == [30]
assert 'rings of 2 objects' in str(answer), answer
assert dead(references) == 0, 'nothing is collected'
assert os.listdir('/proc/self/fd') == files and children() == []
""")
    assert told.startswith("__main__.Session: 50 objects") and "['cache']" in told and "kept" not in told


def test_what_cannot_be_answered(python):
    python.program("""
def refused(error, ask):
    try:
        ask()
    except error as caught:
        return str(caught)
    raise AssertionError(error)
assert 'nothing in the heap is Nothing' in refused(LookupError, lambda: exuvia.why('Nothing'))
kinds = [type('Twin', (), {'__module__': name}) for name in ('one', 'two')]
keep = [kind() for kind in kinds]
assert {'  one.Twin', '  two.Twin'} <= set(refused(LookupError, lambda: exuvia.why('Twin')).splitlines())
assert exuvia.why(kinds[0])['count'] == 1
assert 'a number of lines' in refused(ValueError, lambda: exuvia.census(limit=-1))
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
files = os.listdir('/proc/self/fd')
refused(OSError, exuvia.summary)
assert os.listdir('/proc/self/fd') == files
""")


def test_other_threads_go_on_and_no_folder_is_needed(python, tmp_path):
    """The file is in memory where no folder can have it; what is left behind anywhere is nothing."""
    python.program("""
import threading
keep = [[i, (i, [i])] for i in range(100_000)]
steps = 0
def run():
    global steps
    while not done.is_set():
        steps += 1
        time.sleep(0)
done = threading.Event()
thread = threading.Thread(target=run)
thread.start()
before = steps
answer = exuvia.summary()
after = steps
done.set(); thread.join()
assert answer['objects'] > 300_000 and after > before
real, os.open = os.open, None
def none(path, flags, *more):
    if flags & os.O_TMPFILE == os.O_TMPFILE:
        raise OSError(95, 'no such files here')
    return real(path, flags, *more)
os.open = none
assert exuvia.summary()['objects'] > 300_000
os.open = real
exuvia.uninstall()
assert exuvia.summary()['objects'] > 300_000
assert os.listdir(os.environ['TMPDIR']) == []
""", environment={"TMPDIR": str(tmp_path)})
    assert os.listdir(tmp_path) == []
