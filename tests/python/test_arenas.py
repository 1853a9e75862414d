"""Arenas for pymalloc come from regions of huge pages, and go back."""
import os
import pathlib
import subprocess

import pytest

ALLOCATOR = """
import ctypes, random
class Allocator(ctypes.Structure):
    _fields_ = [('context', ctypes.c_void_p), ('alloc', ctypes.c_void_p), ('free', ctypes.c_void_p)]
allocator = Allocator()
ctypes.pythonapi.PyObject_GetArenaAllocator(ctypes.byref(allocator))
alloc = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(allocator.alloc)
free = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(allocator.free)
MB = 1 << 20
def resident():
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * 4096
"""


def test_pymalloc_is_served(python):
    python.program(ALLOCATOR + """
before = exuvia.stats().arena_bytes
keep = [[i] for i in range(500000)]
assert exuvia.stats().arena_bytes > before + 30 * MB
del keep
gc.collect()
assert exuvia.stats().arena_bytes < before + 10 * MB
""")


def test_both_sizes(python):
    """pymalloc may be built with arenas of 2 MiB: each is one huge page. Of other sizes none is ours."""
    python.program(ALLOCATOR + """
rng = random.Random(5)
before, held = exuvia.stats().arena_bytes, {}
for step in range(3000):
    if held and rng.random() < (0.4 if step < 1500 else 0.55):
        start = rng.choice(list(held))
        assert ctypes.string_at(start, 8) == ctypes.string_at(start + held[start] - 8, 8) == start.to_bytes(8, 'little')
        free(allocator.context, start, held.pop(start))
    else:
        size = rng.choice((1, 2)) * MB
        start = alloc(allocator.context, size)
        assert start % size == 0
        for at in (start, start + size - 8):
            ctypes.memmove(at, start.to_bytes(8, 'little'), 8)
        held[start] = size
    assert exuvia.stats().arena_bytes >= before + sum(held.values())
ends = sorted((start, start + size) for start, size in held.items())
assert all(end <= start for (_, end), (start, _) in zip(ends, ends[1:]))
for start, size in held.items():
    free(allocator.context, start, size)
assert exuvia.stats().arena_bytes < before + 4 * MB

before = exuvia.stats().arena_bytes
other = alloc(allocator.context, 256 * 1024)
assert other and exuvia.stats().arena_bytes == before
free(allocator.context, other, 256 * 1024)
""")


def test_memory_goes_back(python):
    """Half a region stays in use, so the region itself cannot."""
    python.program(ALLOCATOR + """
for size in (MB, 2 * MB):
    starts = [alloc(allocator.context, size) for _ in range(64 * MB // size)]
    for start in starts:
        ctypes.memset(start, 1, size)
    full = resident()
    freed = [start for start in starts if start // (2 * MB) % 2]
    for start in freed:
        free(allocator.context, start, size)
    assert full - resident() > 24 * MB, (size, full - resident())
    again = [alloc(allocator.context, size) for _ in freed]
    assert len(set(again) & set(freed)) > len(freed) // 2, 'the room in old regions is used first'
    for start in again + [start for start in starts if start not in freed]:
        free(allocator.context, start, size)
""")


def test_lone_halves(python):
    """Every other arena is freed: no huge page is free as a whole. All but a few go back all the same, are used again
    before anything else, and are huge pages then."""
    python.program(ALLOCATOR + """
def huge():
    with open('/proc/self/smaps_rollup') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('AnonHugePages')) * 1024
def fill(count):
    starts = [alloc(allocator.context, MB) for _ in range(count)]
    for start in starts:
        ctypes.memset(start, 1, MB)
    return starts
starts = sorted(fill(256))
full, whole = resident(), huge()
freed = starts[::2] if starts[0] % (2 * MB) == 0 else starts[1::2]
for start in freed:
    ctypes.memset(start, 1, MB)
    free(allocator.context, start, MB)
assert full - resident() > 115 * MB, (full - resident()) // MB
for start in starts:
    if start not in freed:
        assert ctypes.string_at(start, 4) == ctypes.string_at(start + MB - 4, 4) == b'\\1\\1\\1\\1'
again = fill(len(freed))
assert len(set(again) & set(freed)) > 120
for start in starts:
    if start not in freed or start in again:
        assert ctypes.string_at(start, 1) == b'\\1'
rest = [start for start in starts if start not in freed] + again
grown = fill(64)
for start in grown + rest:
    free(allocator.context, start, MB)
assert resident() < full - 200 * MB
""")


def test_large_heap_shrinks(python):
    """What was a small share of a large heap in lone halves is a large one of what is left."""
    python.program(ALLOCATOR + """
before = resident()
starts = sorted(alloc(allocator.context, MB) for _ in range(640))
for start in starts:
    ctypes.memset(start, 1, MB)
pairs = {}
for start in starts:
    pairs.setdefault(start // (2 * MB), []).append(start)
pairs = [pair for pair in pairs.values() if len(pair) == 2]
for pair in pairs[:20]:                       # lone halves, few against what there is
    free(allocator.context, pair[0], MB)
for pair in pairs[20:]:
    for start in pair:
        free(allocator.context, start, MB)
left = 640 - 20 - 2 * len(pairs[20:])
assert resident() - before < (left + 12) * MB, ((resident() - before) // MB, left)
""")


@pytest.mark.parametrize("ended", ["exuvia.finish_collection()", "wait_for_answer()"])
def test_split_pages_are_collapsed(python, ended):
    """What is written beside a search splits huge pages; afterwards, also before what it found is reclaimed, they are
    whole again, and no thread is left."""
    python.program("""
def huge():
    with open('/proc/self/smaps_rollup') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('AnonHugePages'))
def threads():
    return tasks()
before = threads()
gc.disable()
exuvia.install("background", pause_budget_ms=0.001)
keep = [[i] for i in range(1000000)]
whole = huge()
if whole < 60000:
    sys.exit(0) # a system without huge pages
assert exuvia.start_collection()
for item in keep[::1000]: # each huge page, and before a fast search is over
    item[0] = None
split = huge()
assert split < whole // 2, (whole, split)
""" + ended + """
end = time.monotonic() + 20
while huge() < whole - whole // 8:
    assert time.monotonic() < end, (whole, split, huge())
    time.sleep(0.01)
for i in range(20):
    exuvia.start_collection()
    exuvia.finish_collection()
    if os.fork() == 0:
        assert threads() == 1
        os._exit(0)
    assert os.wait()[1] == 0
exuvia.uninstall()
end = time.monotonic() + 5
while threads() != before:
    assert time.monotonic() < end
    time.sleep(0.01)
""", install=False, options=("-W", "error"))


def test_native_forks_beside_the_collapser(python, tmp_path):
    """A library's thread forks without the GIL, while searches end and pages are collapsed: the fork halts that, and
    the main thread begins the next at the same moment."""
    library = tmp_path / "native_fork.so"
    source = pathlib.Path(__file__).with_name("native_fork.c")
    subprocess.run([*os.environ.get("CC", "cc").split(), "-O1", "-shared", "-fPIC", source, "-o", library], check=True)
    python.program(f"""
import ctypes, threading
native_forks = ctypes.CDLL({str(library)!r}).native_forks
native_forks.argtypes = [ctypes.c_double]
exuvia.install('background', 0.1)
keep = [[i] for i in range(400_000)]
forks = []
threads = [threading.Thread(target=lambda: forks.append(native_forks(4))) for _ in range(2)]
for thread in threads:
    thread.start()
while any(thread.is_alive() for thread in threads):
    keep[len(forks)] = []
    exuvia.collect()
assert sum(forks) > 10, forks
assert exuvia.stats().completed > 3, exuvia.stats().completed
""", install=False)
