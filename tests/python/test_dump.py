"""exuvia.dump(): the file says of the process's objects what Python says of them, and nothing that it should not."""
import json
import os

READ = r"""
import struct, zlib

def read(path):
    data = open(path, 'rb').read()
    magic, version, flags, nodes, edges, table, count, crc = struct.unpack_from('<8sIIQQQII', data)
    assert (magic, version, flags) == (b'EXVHEAP\n', 1, 0)
    sections = {}
    for i in range(count):
        name, offset, size, crc, zero = struct.unpack_from('<8sQQII', data, table + 32 * i)
        part = data[offset:offset + size]
        assert zlib.crc32(part) == crc and offset % 8 == 0
        sections[name.rstrip(b'\0').decode()] = part
    return nodes, edges, sections

class File:
    def __init__(self, path):
        self.nodes, self.edges, part = read(path)
        column = lambda name, form: memoryview(part[name]).cast(form)
        self.address, self.row = column('naddr', 'Q'), column('erow', 'Q')
        self.size, self.flags, self.count = column('nsize', 'I'), part['nflag'], column('nref', 'I')
        self.to, self.label = column('edst', 'I'), column('elabel', 'I')
        ends = column('stroff', 'Q')
        self.text = [part['strbyte'][ends[i]:ends[i + 1]].decode() for i in range(len(ends) - 1)]
        self.number = {address: number for number, address in enumerate(self.address)}
        self.parts = part

    def of(self, thing):
        return self.number[id(thing)]

    def edges_of(self, thing):
        n = self.of(thing)
        return [(self.address[self.to[i]], self.label[i] >> 28, self.label[i] & (1 << 28) - 1)
                for i in range(self.row[n], self.row[n + 1])]

    def roots_of(self, thing):
        all = struct.iter_unpack('<IIII', self.parts['roots'])
        return [(self.text[group], self.text[label]) for group, label, n, zero in all if n == self.of(thing)]

    def kinds_of(self, thing):
        return {address: (kind, self.text[value]) for address, kind, value in self.edges_of(thing) if kind in (7, 9)}

    def names_of(self, thing):
        return {address: self.text[value] for address, kind, value in self.edges_of(thing) if kind in (2, 4, 5, 6)}
"""


def dumped(python, tmp_path, code, **options):
    return python.program(READ + f"path = {str(tmp_path / 'it.exv')!r}\n" + code, **options)


def test_every_object_with_its_size(python, tmp_path):
    dumped(python, tmp_path, """
import collections
class D(dict): pass
class Own(list):
    def __sizeof__(self): return 12345
class Slots:
    __slots__ = 'a', 'b'
keep = [1, 0, -5, 10**50, True, 1.5, 2j, 'abc', '\\xe9', '\\u20ac' * 3, b'xx', bytearray(b'yyy'), [], [1, 2], (), (1, 2), {},
        {'a': 1}, {1: 2}, dict.fromkeys(range(100)), set(), set(range(1000)), frozenset([1]), Node(), Slots(), D(a=1),
        None, slice(1, 2), lambda: 0, len, Node, Slots, gc, Own(), collections.deque([1]), object(), Exception('x')]
node = Node(); node.first = keep; keep.append(node)
other = Node(); other.__dict__['second'] = 1; keep.append(other)
written = exuvia.dump(path)
file = File(path)
assert (written.objects, written.references) == (file.nodes, file.edges) and written.bytes == os.path.getsize(path)
assert list(file.address) == sorted(set(file.address))
known = 0
for thing in keep:
    n = file.of(thing)
    assert file.size[n] == sys.getsizeof(thing) or file.flags[n] & 32, (thing, file.size[n], sys.getsizeof(thing))
    known += not file.flags[n] & 32
    assert bool(file.flags[n] & 4) == gc.is_tracked(thing), thing
assert known > len(keep) - 8, known
assert file.flags[file.of(keep[-5])] & 32, 'a type with a __sizeof__ of its own: an estimate'
""".replace("keep[-5]", "next(thing for thing in keep if type(thing) is Own)"))


def test_sizes_agree_with_python(python, tmp_path):
    """Of all that much of the standard library brings along, where the size is not marked as an estimate."""
    dumped(python, tmp_path, """
import argparse, array, asyncio, builtins, collections, concurrent.futures, csv, ctypes, datetime, decimal, email.message
import fractions, functools, http.client, inspect, io, ipaddress, itertools, json, logging, mmap, pathlib, pickle, queue
import random, re, shelve, socket, sqlite3, statistics, string, subprocess, tempfile, threading, tokenize, types, typing
import unittest, uuid, warnings, xml.etree.ElementTree, zipfile
class Int(int): pass
class Str(str): pass
class Dict(dict): pass
class Tuple(tuple): pass
class Set(set): pass
class Slots: __slots__ = 'a', 'b', '__weakref__'
def generate(a, b): c = a; yield b
async def work(): pass
async def generate_later(): yield 1
generator, coroutine = generate(1, 2), work(); next(generator)
hold = [Int(10**50), Str('abc'), Str('\u20ac'), Dict(a=1), Tuple((1, 2)), Set([1]), Slots(), generator, coroutine, generate_later(),
        generate.__code__, memoryview(b'abc'), range(3), iter([]), zip(), map(len, []), slice(1), {}.keys(), super(Int, Int(1)),
        property(), OSError(1, 'x'), bytearray(b'abc' * 50), sys._getframe(), types.SimpleNamespace(a=1), list[int], 10**100]
class Deque(collections.deque): pass
class Array(array.array): pass
class Ordered(collections.OrderedDict): pass
turned = collections.deque(range(300), 200); turned.rotate(70)
numbers = array.array('i'); numbers.extend(range(100))
element = xml.etree.ElementTree.Element('r', {'a': 'b'}); element.extend(map(xml.etree.ElementTree.Element, 'abcdefgh'))
closed = open(os.devnull, 'rb'); closed.close()
ways = [collections.deque(), collections.deque(range(1000)), turned, Deque([1] * 100), numbers, array.array('d'), Array('q', [1]),
        collections.OrderedDict(), collections.OrderedDict.fromkeys(range(100)), Ordered(a=1), element, element[0],
        xml.etree.ElementTree.Element('e'), closed, open(os.devnull, 'rb'), open(os.devnull, 'wb'), sys._getframe()]
hold += ways
hold += [io.BytesIO(b'x' * 1000), itertools.combinations([1, 2], 2), pickle.Pickler(io.BytesIO()), decimal.Decimal(10) ** 80,
         datetime.datetime.now(), re.compile('a(b)c'), ctypes.create_string_buffer(500), random.Random(), functools.partial(len, 1)]
for thing in gc.get_objects():
    hold.append(thing)
    hold.extend(gc.get_referents(thing))
def sizes():
    found = {}
    for thing in hold:
        try:
            found[id(thing)] = sys.getsizeof(thing)
        except (TypeError, ValueError):   # a class that is asked in place of its instance
            pass
    return found
before = sizes()
exuvia.dump(path)
after, file = sizes(), File(path)
def differs(thing, ours, theirs):
    if sys.version_info >= (3, 13):
        return True
    if type(thing) is type and not thing.__flags__ & 1 << 9:
        return ours != theirs - 16        # a static type has no header, and getsizeof() adds one
    return not (type(thing) is not str and isinstance(thing, str) and ours > theirs)  # of classes made from it, too
differ = ('_io.BytesIO', '_pickle.', 'Struct', 'StgDict', 'itertools.', '_ctypes.', 'ctypes.')  # what docs/heap-file.md names
wrong, estimates, known = [], set(), 0
mine = {id(thing) for thing in (hold, before, sys.modules['__main__'].__dict__)}
for thing in {id(thing): thing for thing in hold}.values():
    size, number = before.get(id(thing)), file.number.get(id(thing))
    if size is None or number is None or after.get(id(thing)) != size or id(thing) in mine:
        continue
    if file.flags[number] & 32:
        estimates.add(type(thing))
        name = f'{type(thing).__module__}.{type(thing).__qualname__}'
        assert file.size[number] == size or any(of in name for of in differ), (name, file.size[number], size)
    elif file.size[number] != size and differs(thing, file.size[number], size):
        wrong.append((type(thing), file.size[number], size))
    known += not file.flags[number] & 32
assert not wrong, (len(wrong), wrong[:10])
assert known > 20_000, known
own = {kind for name, kind in vars(builtins).items() if isinstance(kind, type) and name not in ('bytearray', 'frozendict')}
own |= {Int, Str, Dict, Tuple, Set, Slots, *map(type, ways), *map(type, (generator, coroutine, generate_later(), generate, generate.__code__))}
assert not estimates & own, estimates & own
coroutine.close()
""")


def test_references_and_their_names(python, tmp_path):
    dumped(python, tmp_path, """
class Slots:
    __slots__ = 'left', 'right'
node, plain, shown, slots, inner = Node(), Node(), Node(), Slots(), [object()]
node.first, node.second = inner, slots
plain.__dict__['third'] = inner
slots.left = node
shown.fourth = inner
vars(shown)
data = {'secret-key': inner, 7: slots}
pair = (node, node)
keep = [node, plain, shown, slots, data, pair]
exuvia.dump(path)
file = File(path)
for thing in keep:
    ours = sorted(address for address, kind, value in file.edges_of(thing) if kind != 8)
    theirs = sorted(id(other) for other in gc.get_referents(thing) if other is not type(thing))
    if thing is data:  # of a dictionary with strings alone for keys they are not reported
        theirs = sorted(theirs + [id(key) for key in data if id(key) not in theirs])
    if thing in (plain, shown):  # CPython 3.13.0 does not report it
        theirs = sorted({*theirs, id(vars(thing))})
    assert ours == theirs, thing
assert file.names_of(shown)[id(vars(shown))] == '__dict__' and file.roots_of(vars(shown)) == []
assert file.names_of(node) == {id(inner): 'first', id(slots): 'second'}, file.names_of(node)
assert file.names_of(slots) == {id(node): 'left'}
assert {**file.names_of(plain), **file.names_of(plain.__dict__)}[id(inner)] == 'third'
assert file.names_of(data) == {id(inner): '[str]', id(slots): '[int]'}
assert [value for address, kind, value in file.edges_of(pair)] == [0, 1]
assert file.names_of(sys.modules['__main__'].__dict__)[id(inner)] == 'inner'
referent = weakref.ref(node)
assert b'secret-key' not in open(path, 'rb').read()
os.unlink(path)
exuvia.dump(path, values=True)
assert b'secret-key' in open(path, 'rb').read()
assert [kind for address, kind, value in File(path).edges_of(referent)] == [8]
""")


def test_what_running_functions_hold(python, tmp_path):
    """Variables of this thread and of others, in functions, generators and coroutines that run, class bodies; also of what no
    collector tracks."""
    dumped(python, tmp_path, """
import threading
begun, end = threading.Semaphore(0), threading.Event()
def waiter(theirs):
    begun.release()
    end.wait()
thread = threading.Thread(target=waiter, args=(Node(),), daemon=True)
thread.start(); begun.acquire()
there = []
def running(inner):
    shared, raw = Node(), bytearray(5)
    def deeper():
        return shared
    def generate(given):
        there.append(given)
        yield exuvia.dump(path)
    async def work(given):
        there.append(given)
        class Body:
            attribute = there.append(Node()) or there[-1]
            next(generate(Node()))
    there.extend([inner, raw, shared, deeper.__closure__[0]])
    class Meta(type):
        def __prepare__(name, bases): return {}
    try:
        work(Node()).send(None)
    except StopIteration:
        pass
running([1])
file = File(path)
theirs = [thing for thing in gc.get_objects() if type(thing) is Node and thing not in there]
here = lambda name, line: ('frames', f'{name} at <string>:{line}, main thread')
inner, raw, shared, cell, of_work, of_body, of_generate = there
def told(thing):
    found = [label for group, label in file.roots_of(thing) if group == 'frames']
    assert not [label for group, label in file.roots_of(thing) if group == 'held by C'], (thing, file.roots_of(thing))
    return [label.replace(str(thread.native_id), 'N') for label in found]
def line(text): return next(n for n, at in enumerate(source, 1) if text in at)
source = open('/proc/self/cmdline').read().split('\\0')[2].splitlines()
send, dump, body = line('send(None)'), line('yield exuvia'), line('next(generate')
in_thread = line('end.wait()')
assert told(inner) == [f'inner in running at <string>:{send}, main thread'], told(inner)
assert told(raw) == [f'raw in running at <string>:{send}, main thread'], told(raw)
assert f'shared in running at <string>:{send}, main thread' in told(cell), told(cell)
assert told(shared) == [] and file.names_of(cell) == {id(shared): 'cell_contents'}
assert told(of_work) == [f'given in running.<locals>.work at <string>:{body - 2}, main thread'], told(of_work)
assert told(of_generate) == [f'given in running.<locals>.generate at <string>:{dump}, main thread'], told(of_generate)
(space,) = [n for n, text in [(n, file.text[label]) for group, label, n, zero in
            struct.iter_unpack('<IIII', file.parts['roots'])] if text.startswith('the namespace in running')]
assert (of_body and [file.address[file.to[i]] for i in range(file.row[space], file.row[space + 1])]).count(id(of_body)) == 1
(their,) = theirs
assert told(their) == [f'theirs in waiter at <string>:{in_thread}, thread N'], file.roots_of(their)
end.set(); thread.join()
""")


def test_what_suspended_functions_hold(python, tmp_path):
    dumped(python, tmp_path, """
def generate(given, shared):
    kept = Node()
    there.append(kept)
    (lambda: shared)
    yield given
async def work(given):
    await Wait()
class Wait:
    def __await__(self):
        yield
def failing(given):
    raise ValueError
there, first, second = [], Node(), Node()
generator, coroutine = generate(first, second), work(first)
next(generator); coroutine.send(None)
ended = generate(first, second); list(ended)
try:
    failing(first)
except ValueError as error:
    trace = error.__traceback__.tb_next
gc.disable()
dead = generate(first, second); next(dead); dead_kept = id(there[-1]); there.append(weakref.ref(there.pop()))
dead = [dead]; dead.append(dead); del dead
exuvia.dump(path)
file = File(path)
kinds = file.kinds_of(generator)
assert kinds[id(first)] == (7, 'given') and kinds[id(there[0])] == (7, 'kept'), kinds
assert 'shared' in [name for kind, name in kinds.values() if kind == 9], kinds
assert file.kinds_of(coroutine)[id(first)] == (7, 'given')
assert file.kinds_of(ended) == {}
assert file.kinds_of(trace.tb_frame)[id(first)] == (7, 'given'), file.edges_of(trace.tb_frame)
assert id(trace.tb_frame) in file.names_of(trace)
assert file.flags[file.number[dead_kept]] & 16 and not file.flags[file.of(first)] & 16
code = {n: (file.text[name], line) for n, path, name, line in struct.iter_unpack('<IIII', file.parts['code'])}
assert code[file.of(generator)][0] == 'generate' and code[file.of(trace)] == code[file.of(trace.tb_frame)]
held = [thing for thing in (first, second, generator, coroutine, trace, trace.tb_frame)
        if 'held by C' in [group for group, label in file.roots_of(thing)]]
assert not held, held
""")


def test_what_calls_and_threads_hold(python, tmp_path):
    """Objects that are arguments only; a thread's local data, context, exceptions; callbacks of weak references."""
    dumped(python, tmp_path, """
import contextvars, threading
there = []
class Key:
    def __init__(self): there.append(id(self))
    def __call__(self, item):
        if not there[1:]:
            there.append(id(item))
            exuvia.dump(path)
        return 0
local = threading.local(); local.thing = Node()
context = contextvars.ContextVar('context'); context.set(Node())
called = lambda reference: None
referent = Node(); reference = weakref.ref(referent, called)
def handle():
    try:
        raise ValueError
    except ValueError:
        error = id(sys.exc_info()[1])
        sorted([Node()], key=Key())
        return error
error = handle()
file = File(path)
by_number = {}
for group, label, n, zero in struct.iter_unpack('<IIII', file.parts['roots']):
    by_number.setdefault(file.address[n], []).append((file.text[group], file.text[label]))
if sys.version_info >= (3, 14):
    assert any('a call in handle' in label for group, label in by_number[there[0]]), by_number[there[0]]
assert ('threads', 'a handled exception, main thread') in by_number[error], by_number.get(error)
labels = [label for labels in by_number.values() for group, label in labels]
assert 'the context, main thread' in labels and (sys.version_info >= (3, 13) or 'local data, main thread' in labels)
assert file.names_of(reference)[id(called)] == '__callback__'
assert ('threads', f'the function in handle at <string>:{handle.__code__.co_firstlineno + 5}, main thread') in by_number[id(handle)]
""")


def test_what_atexit_and_weak_references_keep(python, tmp_path):
    dumped(python, tmp_path, """
import atexit
class Session:
    def close(self, *rest, **more): pass
target, closed, given, named, gone, told = Session(), Session(), Node(), Node(), Node(), Node()
def call(): pass
atexit.register(call)
atexit.register(gone.__reduce__)
atexit.register(closed.close, given, named=named)
atexit.unregister(gone.__reduce__)
reference = weakref.ref(target, told.__init__)
exuvia.dump(path)
file = File(path)
def roots(of):
    return sorted(label for group, label in file.roots_of(of) if group == 'atexit')
def hangs(thing):   # what refers to it
    n = file.of(thing)
    return [i for i in range(file.nodes) if n in file.to[file.row[i]:file.row[i + 1]]]
labels = sorted(file.text[label] for group, label, n, zero in struct.iter_unpack('<IIII', file.parts['roots'])
                if file.text[group] == 'atexit')
if sys.version_info >= (3, 14):
    assert labels == ['functions'], labels
else:
    assert roots(call) == ['function call'] and 'function Session.close' in labels, labels
    assert 'arguments of Session.close' in labels and 'arguments by name of Session.close' in labels, labels
    assert labels.count('function call') == 1 and not hangs(gone)[1:]
held = [n for group, label, n, zero in struct.iter_unpack('<IIII', file.parts['roots']) if file.text[group] == 'held by C']
for thing in closed, given, named, told:
    assert hangs(thing) and not set(hangs(thing)) & set(held), thing
assert '__callback__' in file.names_of(reference).values()
""")


def test_a_function_that_ends(python, tmp_path):
    """A variable's finalizer runs while the function's variables go one by one: those before it are gone."""
    dumped(python, tmp_path, """
class Last:
    def __del__(self):
        exuvia.dump(path)
def ends():
    first, last = [Node()], Last()
ends()
file = File(path)
labels = [file.text[label] for group, label, n, zero in struct.iter_unpack('<IIII', file.parts['roots'])]
assert any(label.startswith('self in Last.__del__ at ') for label in labels)
assert not any(' in ends at ' in label for label in labels), labels
""")


def test_what_is_dead(python, tmp_path):
    """As a collection then finds it; nothing is collected by the dump."""
    dumped(python, tmp_path, """
gc.disable()
alive = [Node() for i in range(100)]
for node in alive: node.me = node
references = make_cycles(300)
exuvia.dump(path)
assert dead(references) == 0
file = File(path)
found = {file.address[n] for n in range(file.nodes) if file.flags[n] & 16}
assert not found & {id(node) for node in alive}
assert all(id(reference()) in found for reference in references)
gc.set_debug(gc.DEBUG_SAVEALL)
gc.collect()
extra = found - {id(thing) for thing in gc.garbage}
others = [thing for thing in gc.get_objects() if id(thing) in extra and type(thing) is not tuple]
assert not others, others    # tuples of code objects, which have no header: they die with the functions
""")


def test_the_file_and_its_place(python, tmp_path):
    dumped(python, tmp_path, """
import errno, stat
os.umask(0)
exuvia.dump(path)
assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
before = open(path, 'rb').read()
def refused(error, name):
    try:
        exuvia.dump(name)
    except error as caught:
        return caught
    raise AssertionError(name)
refused(FileExistsError, path)
assert open(path, 'rb').read() == before
os.symlink(path + '.elsewhere', path + '.link')
refused(FileExistsError, path + '.link')
caught = refused(FileNotFoundError, os.path.dirname(path) + '/no/such/folder.exv')
assert caught.errno == errno.ENOENT
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
caught = refused(OSError, path + '.large')
assert sorted(os.listdir(os.path.dirname(path))) == ['it.exv', 'it.exv.link'], os.listdir(os.path.dirname(path))
""")


def test_in_the_midst_of_things(python, tmp_path):
    """With a search in flight, from other threads while others work, in a forked process, without an installation."""
    dumped(python, tmp_path, """
import threading
gc.collect()
keep = [[i, (i, [i])] for i in range(50_000)]
exuvia.start_collection()
def work(number):
    for i in range(3):
        exuvia.dump(f'{path}.{number}.{i}')
        assert read(f'{path}.{number}.{i}')[0] > 100_000
threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
for thread in threads: thread.start()
while any(thread.is_alive() for thread in threads):
    make_cycles(100)
for thread in threads: thread.join()
pid = os.fork()
if pid == 0:
    work('child')
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
exuvia.uninstall()
exuvia.dump(path)
assert children() == []
""")


def test_memory_told_apart(python, tmp_path):
    """Of a program whose arenas and malloc have holes; against what pymalloc, libc and the system say of themselves."""
    path = tmp_path / "it.exv"
    out = python.program(f"""
import ctypes, json, re
before = [bytearray(10_000) for i in range(2_000)]
keep = [[i] for i in range(300_000)]
del keep[::2], keep[::2], keep[::2], before[::2]
gc.collect(); exuvia.collect()
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in 'abcdefghij']
mallinfo2 = getattr(ctypes.CDLL(None), 'mallinfo2', None)
if mallinfo2: mallinfo2.restype = Info
exuvia.dump({str(path)!r})
free = mallinfo2().i if mallinfo2 else None
with open('/proc/self/smaps_rollup') as file:
    resident = int(re.search(r'Rss: +(\\d+)', file.read())[1]) * 1024
sys.stderr.flush()
with open({str(path)!r} + '.stats', 'w+') as file:
    before = os.dup(2)
    os.dup2(file.fileno(), 2)
    sys._debugmallocstats()
    os.dup2(before, 2)
    file.seek(0)
    used = int(re.search(r'bytes in allocated blocks += +([0-9,]+)', file.read())[1].replace(',', ''))
print(json.dumps([free, resident, used, exuvia.stats().arena_bytes]))
""")
    free, resident, used, arenas = json.loads(out)
    done = python.command("-m", "exuvia", "summary", str(path), "--json")
    answer = json.loads(done.stdout)
    told = answer["info"]["memory"]
    assert 0.8 * arenas < told["arenas"] < 1.1 * arenas + (2 << 20), (told, arenas)
    assert used - 3_000_000 < told["arenas_used"] < used + 500_000, (told, used)  # some are older than the installation
    assert abs(told["resident"] - resident) < 8 << 20, (told, resident)
    if free is not None and "EXUVIA_PRELOAD" not in os.environ:
        assert abs(told["malloc_free"] - free) < 1 << 20, (told, free)
    text = python.command("-m", "exuvia", "summary", str(path)).stdout
    assert "are free in Python's arenas: holes between what lives" in text, text
    parts = [line.strip().split("  ")[0] for line in text.partition("\nmemory\n")[2].partition("\n\n")[0].splitlines()]
    assert parts == ["resident", "live objects", "dead cycles", "free in Python's arenas", "free in malloc",
                     "code and other files, shared memory", "other: memory of C, stacks", "page tables, beside that"], text


def test_asked_by_the_commands(python, tmp_path):
    path = tmp_path / "it.exv"
    python.program(f"""
class Session:
    pass
cache = {{'kept': [Session() for i in range(50)]}}
exuvia.dump({str(path)!r})
""")
    done = python.command("-m", "exuvia", "why", str(path), "Session")
    assert done.returncode == 0, done.stderr
    assert "Session: 50 objects" in done.stdout and "['cache']" in done.stdout and "kept" not in done.stdout
    python.program(f"""
def serve(rows):
    exuvia.dump({str(path) + '2'!r})
serve([Node()])
""")
    done = python.command("-m", "exuvia", "why", str(path) + "2", "__main__.Node")
    assert done.returncode == 0 and "rows in serve at <string>:" in done.stdout, done.stdout
    done = python.command("-m", "exuvia", "summary", str(path))
    assert done.returncode == 0 and "live objects" in done.stdout, done.stderr
