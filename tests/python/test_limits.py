"""Near a limit of memory a snapshot would be one process too many: collections in place, and nothing is lost."""
import os
import re
import time

import pytest

MB = 1 << 20


def memory_folders():
    """Where groups with a limit of memory could be made, the likeliest first: (folder, file of the limit)."""
    with open("/proc/self/mountinfo", encoding="ascii") as file:
        mounts = [line.split() for line in file]
    with open("/proc/self/cgroup", encoding="ascii") as file:
        groups = {words[1]: words[2] for words in (line.strip().split(":", 2) for line in file)}
    for words in mounts:
        kind, options, point = words[words.index("-") + 1], words[-1].split(","), words[4]
        if kind == "cgroup" and "memory" in options:
            own = next((group for names, group in groups.items() if "memory" in names.split(",")), "/")
            yield point + own, "memory.limit_in_bytes"
        elif kind == "cgroup2":
            yield point + groups.get("", "/"), "memory.max"
            yield point, "memory.max"


def new_group(name):
    """A folder of a group, and the file of its limit; None where none can be made."""
    for folder, limit in memory_folders():
        path = os.path.join(folder.rstrip("/"), name)
        try:
            if limit == "memory.max":
                with open(os.path.join(folder, "cgroup.subtree_control"), "w", encoding="ascii") as file:
                    file.write("+memory")
            os.mkdir(path)
        except OSError:
            continue
        if os.access(os.path.join(path, limit), os.W_OK):
            return path, limit
        os.rmdir(path)
    return None


@pytest.fixture
def group():
    """A control group of 400 MB that a program may enter."""
    made = new_group(f"exuvia-test-{os.getpid()}")
    if made is None:
        pytest.skip("no control group with a limit of memory can be made here")
    folder, limit = made
    with open(os.path.join(folder, limit), "w", encoding="ascii") as file:
        file.write(str(400 * MB))
    yield folder
    until = time.monotonic() + 10
    while True:
        try:
            os.rmdir(folder)            # a process that is left would keep it
            break
        except OSError:
            assert time.monotonic() < until, "processes are left in the group"
            time.sleep(0.05)


ENTER = """
def enter(folder):
    with open(folder + '/cgroup.procs', 'w') as file:
        file.write(str(os.getpid()))

def full(keep, count):
    '''So much that survives that CPython's rule for a full collection holds `count` times.'''
    before = exuvia.stats()
    while exuvia.stats().started + exuvia.stats().full_collections < \\
            before.started + before.full_collections + count:
        keep += [[i] for i in range(1000)]
        while _core.poll()[0] == 1:
            time.sleep(0.001)
    return before
"""


def test_no_snapshot_near_the_groups_limit(python, group):
    python.program(ENTER + f"""
gc.set_threshold(700, 5, 5)
keep = [[i] for i in range(20000)]
enter({group!r})
before = full(keep, 2)
assert exuvia.stats().started == before.started + 2, 'there is room: in the background'
assert not fallbacks(), fallbacks()

ballast = b'x' * {370 * MB}
references = make_cycles(100)
before = full(keep, 2)
assert exuvia.stats().started == before.started, exuvia.stats()
assert exuvia.stats().full_collections >= before.full_collections + 2
assert fallbacks()['memory-tight'] >= 2 and len(fallbacks()) == 1, fallbacks()
assert dead(references) == 100

del ballast
before = full(keep, 2)
assert exuvia.stats().started == before.started + 2, 'and again'
""")


def oom_kills(group):
    """Of processes of the group."""
    for name in ("memory.events", "memory.oom_control"):
        if os.path.exists(os.path.join(group, name)):
            with open(os.path.join(group, name), encoding="ascii") as file:
                return dict(line.split() for line in file)["oom_kill"]


def test_the_child_ends_before_the_group_is_full(python, group, foreign):
    """The child's memory grows without end, and the program's is the larger part of the group's all the while: with
    memory.oom.group set the system's killer would end both, so it must have no reason to come."""
    python.program(ENTER + f"""
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
enter({group!r})
ballast = b'x' * {250 * MB}
references = make_cycles(100)
thing = foreign.make(3)
assert exuvia.start_collection()
exuvia.finish_collection()              # the search failed: in place
assert fallbacks() == {{'memory-tight': 1}}, fallbacks()
assert dead(references) == 100
assert children() == []
assert len(ballast) == {250 * MB}

gc.enable()                             # and by itself: after a failure of this kind CPython collects in place
gc.set_threshold(700, 5, 5)
references = make_cycles(100)
keep = []
before = exuvia.stats()
while exuvia.stats().full_collections == before.full_collections:
    keep += [[i] for i in range(1000)]
    while _core.poll()[0] == 1:
        time.sleep(0.001)
assert fallbacks() in ({{'memory-tight': 1}}, {{'memory-tight': 2}}), fallbacks()
assert dead(references) == 100
""")
    assert oom_kills(group) == "0"


def test_the_killers_first_choice(python, foreign):
    """Without a group too, and for a program that is not root."""
    python.program(f"""
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
thing = foreign.make(1)
if os.getuid() == 0:
    import ctypes
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)   # dumpable, as after an exec
assert _core.start(3, 60.0)
child, = children()
end = time.monotonic() + 10
while open(f'/proc/{{child}}/oom_score_adj').read() != '1000\\n':
    assert time.monotonic() < end
    time.sleep(0.001)
exuvia.uninstall()
assert children() == []
""")


def test_no_address_space(python):
    """Neither for the answer nor for the child: it is collected in place, and a search goes on when there is room."""
    python.program("""
import resource
gc.disable()
keep = [[i] for i in range(200000)]
references = make_cycles(100)
with open('/proc/self/statm') as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (8 << 20), resource.RLIM_INFINITY))
assert exuvia.collect() >= 200
assert dead(references) == 100
gc.enable()                             # and by itself: after some failures CPython collects in place
gc.set_threshold(700, 5, 5)
references = make_cycles(100)
before = exuvia.stats()
at = 0
while exuvia.stats().full_collections == before.full_collections:
    keep[at] = [[[[at]]]]
    at += 1
assert exuvia.stats().started == before.started
assert dead(references) == 100
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
gc.disable()
references = make_cycles(100)
completed = exuvia.stats().completed
exuvia.collect()
assert exuvia.stats().completed == completed + 1
assert dead(references) == 100
""")


def test_the_program_may_use_the_last_page(python):
    """With a search in flight it may fill its address space: no free is forgotten, and MemoryError stays its own."""
    python.program("""
import resource
gc.disable()
keep = [[i] for i in range(1500000)]
references = make_cycles(2000)
assert exuvia.start_collection()
with open('/proc/self/statm') as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
for at in range(0, 1500000, 2):
    keep[at] = None                     # frees, and no room to note them
for reference in references[:1000]:
    reference().peer = None             # of candidates too
more = []
try:
    while True:
        more.append(bytearray(1 << 20))
except MemoryError:
    pass
wait_for_answer()
del more[:]
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
exuvia.finish_collection()
assert fallbacks() == {'allocator': 1}, fallbacks()
exuvia.collect()
assert dead(references) == 2000
assert sum(item[0] for item in keep[1::2]) == sum(range(1, 1500000, 2))
""")
