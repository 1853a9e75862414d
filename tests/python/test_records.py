"""Each full collection leaves a record, each stop is in a histogram, and a log has a line for each record."""
import json
import os
import stat

import pytest

KINDS = """
import dataclasses
def by_kind(kind):
    return [record for record in exuvia.stats().collections if record.kind == kind]
"""


def lines(path):
    """Each line whole, and valid by itself."""
    text = path.read_text()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def run(python, *words, **options):
    return python.command("-m", "exuvia", "run", *words, **options)


# ------------------------------------------------------------------------- records


def test_a_background_collection(python):
    python.program(KINDS + """
gc.disable()
keep = [[i] for i in range(50000)]
references = make_cycles(3000)
before = time.monotonic_ns(), time.time()
exuvia.collect()
after = time.monotonic_ns(), time.time()
trial, = by_kind('trial')
assert trial.number == 1 and trial.candidates >= 1, trial
record, = by_kind('background')
assert record == exuvia.stats().last == exuvia.stats().collections[-1]
assert record.number == 2 and record.reason is None
assert before[0] <= record.began_ns < record.ended_ns <= after[0], record
assert before[1] - 1 <= record.time <= after[1] + 1, record
assert record.examined >= 56000, record
assert 0 < record.clone_ns <= record.longest_ns < record.ended_ns - record.began_ns, record
assert 0 < record.search_ns < record.ended_ns - record.began_ns, record
assert record.child_cpu_ns > 0 and record.child_bytes > 0, record
assert record.candidates == record.relinked + record.stale >= 6000, record
assert record.unreachable >= 6000 and record.uncollectable == 0, record
assert record.batches >= 1 and record.reclaim_ns > 0, record
assert dead(references) == 3000
try:
    record.number = 5
except dataclasses.FrozenInstanceError:
    pass
else:
    assert False, 'a record can be changed'
""")


def test_collections_in_place_tell_who_asked(python):
    python.program(KINDS + """
exuvia.install('inline')
gc.collect()
before = exuvia.stats()
assert len(by_kind('user')) == 1 and not by_kind('inplace'), before.collections
gc.set_threshold(100, 2, 2)
keep = [[i] for i in range(100000)]
stats = exuvia.stats()
automatic = by_kind('inplace')
assert len(automatic) == stats.full_collections - before.full_collections >= 3, stats
assert len(by_kind('user')) == 1
last = automatic[-1]
assert last.examined > 1000 and last.reclaim_ns == last.longest_ns > 0, last
assert (last.reason, last.clone_ns, last.search_ns, last.candidates) == (None, 0, 0, 0), last
gc.disable()
references = make_cycles(500)
assert gc.collect() >= 1000
last = exuvia.stats().collections[-1]
assert last.kind == 'user' and last.unreachable >= 1000 and last.examined > 50000, last
""")


def test_a_program_that_asks_when_it_is_due(python):
    """CPython's rule holds but for the youngest generation, which only an allocation looks at."""
    python.program("""
exuvia.install('inline')
gc.disable()
gc.set_threshold(1000, 2, 2)
gc.collect()
keep = []
for i in range(4):
    keep += [[i] for i in range(50000)]
    gc.collect(1)
gc.enable()
assert gc.get_count()[2] > 2 and exuvia.stats().waiting > exuvia.stats().tracked / 2
gc.collect()
assert exuvia.stats().collections[-1].kind == 'user'
""")


def test_nothing_found(python):
    """What the young collection that ends it finds by itself is not its own."""
    python.program("""
gc.disable()
exuvia.collect()
exuvia.start_collection()
wait_for_answer()
make_cycles(100, old=False)
assert exuvia.finish_collection() == 0
last = exuvia.stats().last
assert (last.candidates, last.batches, last.unreachable, last.reclaim_ns) == (0, 0, 0, 0), last
assert exuvia.stats().sum.batches == exuvia.stats().pauses['reclaim'].count
""")


def test_a_long_finalizer_is_a_long_stop(python):
    python.program("""
class Slow:
    def __init__(self):
        self.self = self
    def __del__(self):
        time.sleep(0.1)
gc.disable()
slow = Slow()
age()
del slow
exuvia.collect()
last = exuvia.stats().last
assert last.longest_ns >= 100e6 and last.reclaim_ns >= 100e6, last
assert exuvia.stats().sum.longest_ns >= last.longest_ns
""")


def test_what_cannot_be_freed(python):
    python.program("""
try:
    import _testcapi
except ImportError:
    sys.exit()
@_testcapi.with_tp_del
class Hard:
    def __tp_del__(self):
        pass
def make():
    made = [Hard() for i in range(10)]
    for hard in made:
        hard.self = hard
    age()
gc.disable()
make()
gc.collect()
last = exuvia.stats().collections[-1]
assert last.uncollectable >= 10 and last.unreachable >= last.uncollectable, last
assert len(gc.garbage) == 10
make()
exuvia.collect()
last = exuvia.stats().last
assert last.uncollectable >= 10, last
""")


@pytest.mark.parametrize("reason, event", [
    ("full-collection", "gc.collect()"),
    ("cancelled", "exuvia.uninstall()"),
    ("frozen", "wait_for_answer(); gc.freeze(); gc.collect(1)"),
    ("child-died", "wait_for_answer(); gc.collect(0)"),
])
def test_a_collection_that_failed(python, foreign, reason, event):
    python.program(KINDS + f"""
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
references = make_cycles(10)
thing = foreign.make({2 if reason == 'child-died' else 0})
count = len(exuvia.stats().collections)
assert exuvia.start_collection()
{event}
failed = exuvia.stats().collections[count]
assert (failed.kind, failed.reason) == ('failed', {reason!r}), failed
assert failed.clone_ns > 0 and failed.number == count + 1
assert fallbacks() == {{{reason!r}: 1}}
assert exuvia.stats().last.kind == 'trial', 'completed ones alone'
del references, thing
""")


def test_what_left_it_to_cpython(python):
    python.program(KINDS + """
import resource
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
keep = []
while not by_kind('inplace'):
    keep += [[i] for i in range(20000)]
    assert len(keep) < 10000000, exuvia.stats()
first = by_kind('inplace')[0]
assert first.reason == 'clone-refused', first
failed = by_kind('failed')
assert len(failed) >= 3 and {record.reason for record in failed} == {'clone-refused'}, failed
assert exuvia.stats().pauses['clone'].count == 1 + len(failed), 'attempts stop the program too'
""")


def test_the_last_256(python):
    python.program("""
gc.collect()
assert len(exuvia.stats().collections) == 2
for i in range(300):
    gc.collect()
numbers = [record.number for record in exuvia.stats().collections]
assert numbers == list(range(302 - 255, 303)), numbers
""")


def test_before_and_after(python):
    python.program("""
stats = exuvia.stats()
assert (stats.started, stats.last, stats.collections) == (0, None, ()), stats
assert stats.pauses['all'].count == 0 and not any(stats.fallbacks.values())
exuvia.install()
exuvia.collect()
stats = exuvia.stats()
exuvia.uninstall()
gc.collect()
after = exuvia.stats()
assert after.collections == stats.collections and len(stats.collections) == 2
assert after.pauses == stats.pauses
import json
assert json.loads(json.dumps(after.as_dict()))['collections'][1]['kind'] == 'background'
""", install=False)


# ------------------------------------------------------------------------ histograms


def test_stops_by_kind(python):
    """Each stop once, and the times of the kinds add up to what the program felt."""
    python.program(KINDS + """
keep = []
for i in range(300000):
    keep.append([i])
    if i % 100 == 0:
        make_cycles(3, old=False)
for i in range(3):
    make_cycles(100)
    exuvia.collect()
    gc.collect()
gc.disable()
stats = exuvia.stats()
stops = stats.pauses
assert set(stops) == {'all', 'clone', 'reclaim', 'young', 'full', 'assist'}
assist = stops['assist']              # only where a search is behind
assert assist.count == sum(assist.buckets)
for of in (of for kind, of in stops.items() if kind != 'assist'):
    assert of.count == sum(of.buckets) > 0
    assert 0 < of.p50_ns <= of.p99_ns <= of.max_ns <= of.total_ns
parts = [of for kind, of in stops.items() if kind != 'all']
assert stops['all'].total_ns == sum(of.total_ns for of in parts), stops
assert max(of.count for of in parts) <= stops['all'].count <= sum(of.count for of in parts)
in_place = sum(record.kind == 'inplace' for record in stats.collections) # where a search was overtaken
assert stops['full'].count == stats.full_collections == 3 + in_place
assert stops['reclaim'].count + stops['young'].count == stats.young_collections
assert stops['clone'].count == stats.started + stats.fallbacks['clone-refused']
assert stops['reclaim'].count == sum(record.batches for record in stats.collections) >= 3
freeing = sum(record.reclaim_ns for record in stats.collections if record.kind != 'user')
assert 0 < freeing <= stops['reclaim'].total_ns, (freeing, stops)
completed = [record for record in stats.collections if record.kind in ('background', 'trial')]
assert len(completed) == stats.completed
for name, total in dataclasses.asdict(stats.sum).items():
    of_all = [getattr(record, name) for record in completed]
    assert total == (max if name in ('child_bytes', 'longest_ns') else sum)(of_all), name
""")


def test_a_stop_is_as_long_as_the_program_feels_it(python):
    python.program("""
exuvia.install('inline')
felt = []
def before(phase, info):
    if phase == 'start':
        felt.append(-time.monotonic_ns())
def after(phase, info):
    if phase == 'stop':
        felt[-1] += time.monotonic_ns()
class Slow:
    def __init__(self):
        self.self = self
    def __del__(self):
        time.sleep(0.1)
gc.disable()
Slow()
gc.callbacks.insert(0, before)
gc.callbacks.append(after)
counted = exuvia.stats().pauses['full'].count
gc.collect()
stop = exuvia.stats().collections[-1].longest_ns
assert exuvia.stats().pauses['full'].count == counted + 1
assert exuvia.stats().pauses['full'].max_ns >= stop
assert 100e6 <= stop <= felt[-1], (felt, stop)
""")


def test_what_is_read_belongs_together(python):
    """Reading makes objects, and so starts collections, whose numbers come later."""
    python.program("""
exuvia.install('inline')
gc.set_threshold(1, 1, 1)
for i in range(100):
    raw = _core.stats()
    stops = raw['pauses']
    assert stops['all']['total_ns'] == sum(of['total_ns'] for kind, of in stops.items() if kind != 'all'), stops
    assert raw['young_collections'] == stops['young']['count'] + stops['reclaim']['count'], raw
gc.disable()
assert _core.stats()['young_collections'] > 200
""")


# ------------------------------------------------------------------------------ log


def test_a_line_for_each_collection(python, tmp_path):
    """With the fields of stats().collections and the process, while the program runs."""
    log = tmp_path / "log"
    done = run(python, "--mode", "background", "--log", str(log), "-c", f"""
import exuvia, gc, json, os
keep = [[i] for i in range(20000)]
exuvia.collect()
gc.collect()
with open({str(log)!r}) as file:
    now = [json.loads(line) for line in file]
print(json.dumps([now, [{{'pid': os.getpid(), **record}} for record in exuvia.stats().as_dict()['collections']]]))
""", preexec_fn=lambda: os.umask(0))
    assert done.returncode == 0, done.stderr
    now, records = json.loads(done.stdout)
    assert [record["kind"] for record in records] == ["trial", "background", "user"]
    for line, record in zip(now, records, strict=True):
        assert abs(line.pop("time") - record.pop("time")) < 0.001
        assert line == record
    assert len(lines(log)) == 3
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError", "os.kill(os.getpid(), 2)", "os._exit(0)"])
def test_nothing_is_lost_at_the_end(python, tmp_path, end):
    log = tmp_path / "log"
    log.write_text('{"kind": "before"}\n')
    run(python, "--log", str(log), "-c", f"import gc, os, sys\ngc.collect(); gc.collect()\n{end}")
    assert [line["kind"] for line in lines(log)] == ["before", "trial", "user", "user"]


def test_what_is_in_flight_at_the_end(python, tmp_path):
    log = tmp_path / "log"
    run(python, "--log", str(log), "-c", "import exuvia, gc; gc.disable()\n"
        "keep = [[i] for i in range(300000)]; exuvia.start_collection()")
    assert [(line["kind"], line["reason"]) for line in lines(log)] == [("trial", None), ("failed", "cancelled")]


def test_more_records_than_there_is_room_for(python, tmp_path):
    """All of them in one call of C: there is no safe point in between."""
    log = tmp_path / "log"
    python.program(f"""
import collections, itertools
exuvia.install(log={str(log)!r})
collections.deque(map(gc.collect, itertools.repeat(2, 1500)), 0)
assert len(exuvia.stats().collections) == 256
""")
    found = lines(log)
    assert [line["number"] for line in found] == list(range(found[0]["number"], found[0]["number"] + 1500))


def test_not_inside_a_collection(python, tmp_path):
    """A finalizer's code has safe points, but the collection is not over."""
    log = tmp_path / "log"
    seen = python.program(f"""
import itertools, collections
exuvia.install(log={str(log)!r})
def lines():
    for i in range(100):
        len([i])                        # places where the interpreter looks for what is to be done
    with open({str(log)!r}) as file:
        return len(file.readlines())
class Late:
    def __init__(self):
        self.self = self
    def __del__(self):
        print('in a finalizer', lines())
def note(phase, info):
    if phase == 'stop':
        print('in a callback', lines())
collect = gc.collect
exuvia.collect()
gc.disable()
begin = lines()
Late()
collections.deque(map(collect, (1, 2, 2)), 0)
gc.callbacks.append(note)
collect()
print('after', lines() - begin, begin)
""", mode="inline").splitlines()
    begin = int(seen[-1].split()[-1])
    assert seen[:-1] == [f"in a finalizer {begin}", f"in a callback {begin + 2}"]
    assert seen[-1] == f"after 3 {begin}"


def test_a_main_thread_that_waits(python, tmp_path):
    """It has no safe point; lines are written all the same while others work."""
    log = tmp_path / "log"
    python.program(f"""
import _thread, threading
exuvia.install('inline', log={str(log)!r})
gc.disable()
def written():
    with open({str(log)!r}) as file:
        return len(file.readlines())
def work():
    global seen
    time.sleep(0.5)                     # the main thread waits by then
    gc.collect()
    time.sleep(1.1)
    gc.collect()
    end = time.monotonic() + 20
    while written() < 2 and time.monotonic() < end:
        time.sleep(0.01)
    gc.collect()
    while written() < 3 and time.monotonic() < end:
        time.sleep(0.01)
    seen = written()
    main.release()
main = _thread.allocate_lock()
worker = threading.Thread(target=work)
main.acquire()
worker.start()
main.acquire()
assert seen == 3, seen
worker.join()
exuvia.uninstall()
end = time.monotonic() + 20
while tasks() > 1:   # an ended thread may be listed for a moment
    assert time.monotonic() < end, 'the thread does not end'
""")


def test_a_log_that_is_moved_away(python, tmp_path):
    log, old = tmp_path / "log", tmp_path / "old"
    run(python, "--log", str(log), "-c", f"""
import gc, os
os.umask(0)
gc.collect()
os.rename({str(log)!r}, {str(old)!r})
gc.collect()
""")
    assert (len(lines(old)), len(lines(log))) == (2, 1)
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600


def test_forked_processes_share_the_file(python, tmp_path):
    """Each has its own lines, none has those of its parent again, and no line is torn."""
    log = tmp_path / "log"
    done = run(python, "--mode", "background", "--log", str(log), "-c", """
import exuvia, gc, os
gc.disable()
keep = [[i] for i in range(100000)]
gc.collect()
exuvia.start_collection()               # in flight meanwhile
pids = []
for i in range(4):
    pid = os.fork()
    if pid == 0:
        for i in range(20):
            gc.collect()
        exuvia.collect()
        raise SystemExit(any(record.kind == 'failed' for record in exuvia.stats().collections))
    pids.append(pid)
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0, 'what its parent has in flight has not failed'
exuvia.finish_collection()
print(os.getpid(), *pids)
""")
    assert done.returncode == 0, done.stderr
    parent, *children = map(int, done.stdout.split())
    by_process = {}
    for line in lines(log):
        by_process.setdefault(line["pid"], []).append((line["kind"], line["number"]))
    assert set(by_process) == {parent, *children}
    assert [kind for kind, _ in by_process[parent]] == ["trial", "user", "background"]
    for child in children:
        assert [kind for kind, _ in by_process[child]] == ["user"] * 20 + ["background"]
        numbers = [number for _, number in by_process[child]]
        assert numbers == sorted(set(numbers))


def test_a_fork_before_a_line_is_written(python, tmp_path):
    """By a worker, while the main thread has not come to a safe point."""
    log = tmp_path / "log"
    out = python.program(f"""
import _thread, threading
exuvia.install('inline', log={str(log)!r})
gc.disable()
def written(pid):
    with open({str(log)!r}) as file:
        return f'"pid": {{pid}},' in file.read()
def work():
    time.sleep(0.5)                     # the main thread waits by then
    gc.collect()
    pid = os.fork()
    if pid == 0:
        gc.collect()
        end = time.monotonic() + 20
        while not written(os.getpid()) and time.monotonic() < end:
            pass                        # safe points
        os._exit(0)
    os.waitpid(pid, 0)
    print(os.getpid(), pid)
    main.release()
main = _thread.allocate_lock()
worker = threading.Thread(target=work)
main.acquire()
worker.start()
main.acquire()
worker.join()
""", options=("-W", "ignore"))
    assert sorted(line["pid"] for line in lines(log)) == sorted(map(int, out.split()))


def test_workers_of_multiprocessing(python, tmp_path):
    log, program = tmp_path / "log", tmp_path / "program.py"
    program.write_text("""
import gc, multiprocessing, os
def work(number):
    gc.collect()
    return os.getpid()
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(2) as pool:
        print(*pool.map(work, range(20)))
        pool.close()
        pool.join()
""")
    done = run(python, "--log", str(log), str(program))
    assert done.returncode == 0, done.stderr
    found = [line["pid"] for line in lines(log) if line["kind"] == "user"]
    assert sorted(found) == sorted(map(int, done.stdout.split()))


def test_files_that_the_program_opens_are_not_ours(python, tmp_path):
    """It closes all descriptors, goes elsewhere and opens files of its own, as a daemon does."""
    log, other = tmp_path / "log", tmp_path / "other"
    done = run(python, "--log", "log", "--stats", "stats", "-c", f"""
import gc, os
gc.collect()
os.closerange(3, 100)
os.chdir('/')
files = [open({str(other)!r}, 'w') for i in range(20)]
gc.collect()
""", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert other.read_text() == ""
    assert [line["kind"] for line in lines(log)] == ["trial", "user", "user"]
    assert len(json.loads((tmp_path / "stats").read_text())["collections"]) == 3


def test_a_log_lasts_from_install_to_uninstall(python, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    python.program(f"""
exuvia.install(log={str(first)!r})
gc.collect()
exuvia.install(log={str(second)!r})
gc.collect(); gc.collect()
exuvia.uninstall()
gc.collect()
exuvia.install()
gc.collect()
""", install=False)
    assert [line["kind"] for line in lines(first)] == ["trial", "user"]
    assert [line["kind"] for line in lines(second)] == ["user", "user"]


def test_a_program_that_installs_anew_stays_in_the_log(python, tmp_path):
    log = tmp_path / "log"
    run(python, "--log", str(log), "-c", "import exuvia, gc; exuvia.uninstall(); exuvia.install(); gc.collect()")
    assert [line["kind"] for line in lines(log)] == ["trial", "user"]


@pytest.mark.parametrize("option", ["--log", "--stats"])
def test_a_file_that_cannot_be_written(python, tmp_path, option):
    """It is said before the program begins."""
    for path, why in ((tmp_path / "nowhere" / "file", "No such file or directory"), (tmp_path, "Is a directory")):
        done = run(python, option, str(path), "-c", "print('began')")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"exuvia run: {option} {path}: cannot be written: {why}\n"


def test_an_installation_with_a_log_that_cannot_be_written(python, tmp_path):
    python.program(f"""
try:
    exuvia.install(log={str(tmp_path / 'nowhere' / 'file')!r})
except FileNotFoundError:
    pass
else:
    assert False
assert not exuvia.is_installed()
""", install=False)


def test_one_file_for_both(python, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    done = run(python, "--log", str(tmp_path / "file"), "--stats", str(tmp_path / "link"), "-c", "print('began')")
    assert (done.returncode, done.stdout) == (2, "") and "same file" in done.stderr


def test_a_full_disk(python):
    """The program ends as it would, and it is said what is missing."""
    done = run(python, "--log", "/dev/full", "-c", "import gc; gc.collect(); print('end')")
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert done.stderr == "exuvia: 2 of 2 lines are missing in /dev/full: No space left on device\n"
    done = run(python, "--stats", "/dev/full", "-c", "print('end')")
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert done.stderr == "exuvia: --stats /dev/full: cannot be written: No space left on device\n"


# -------------------------------------------------------------------------- summary


def test_the_summary(python):
    done = run(python, "--summary", "-c", "import exuvia, gc; exuvia.collect(); gc.collect()")
    text = done.stderr
    assert done.returncode == 0 and done.stdout == ""
    head, after_head = text.split("stops\n")
    stops, collections = after_head.split("full collections\n")
    assert "full collections in place           1\n" in head
    assert [line.split()[0] for line in stops.splitlines()][:3] == ["kind", "all", "clone"]
    assert [line.split()[0] for line in collections.splitlines()] == ["kind", "trial", "background", "user"]


def test_the_summary_is_bounded(python):
    done = run(python, "--summary", "-c", "import gc\nfor i in range(300): gc.collect()")
    assert "full collections, the last 20 of 301\n" in done.stderr
    assert len(done.stderr.splitlines()) < 60


def test_the_summary_on_a_terminal(python):
    """Drawn by rich, if it is there, where it is wide enough; the same words always."""
    python.program("""
import io, re
from exuvia import _summary
class Terminal(io.StringIO):
    def isatty(self):
        return True
try:
    import rich
except ImportError:
    rich = None
stats = exuvia.stats()
def shown(file, width):
    os.environ.update(COLUMNS=width, TERM='xterm')
    _summary.show(stats, file)
    text = re.sub(r'\\x1b\\[[0-9;]*m', '', file.getvalue())
    return text, [word for word in text.split() if word.isascii()]
plain, words = shown(io.StringIO(), '200')
assert plain.isascii() and len(words) > 50
for width in ('200', '90', '20'):
    drawn, same = shown(Terminal(), width)
    assert same == words, drawn
    assert (drawn == plain) == (rich is None or width == '20'), drawn
""")
