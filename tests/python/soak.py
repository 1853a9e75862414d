"""Mixed work for so many seconds, as a program that runs for months does it; what it saw is printed as JSON.

    python soak.py SECONDS [SEED]            or: exuvia run --mode auto --pause-budget 1 soak.py SECONDS [SEED]

Everything that dies is counted: each object of a cycle has a weak reference with a callback or a finalizer, and at the
end, when nothing is held any more, all of them must have been called. Under Exuvia the same is asked of the same work.
What the numbers must be is said in test_soak.py.
"""
import asyncio
import contextvars
import gc
import itertools
import json
import os
import pickle
import queue
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
import weakref

LIVE = 30000          # entries of the table that lives on; about eight tracked objects each
SAMPLE_SECONDS = 0.25

number = contextvars.ContextVar("number", default=0)


class Count:
    """A count that callbacks of any thread may raise."""

    def __init__(self):
        self._next = itertools.count()

    def add(self):
        next(self._next)

    @property
    def value(self):
        return int(repr(self._next)[len("count("):-1])


born, died, finalized, to_finalize = Count(), Count(), Count(), Count()
watched = set()       # weak references whose objects live


def watch(thing):
    def gone(reference):
        watched.discard(reference)
        died.add()
    born.add()
    watched.add(weakref.ref(thing, gone))
    return thing


class Node:
    def __init__(self, label):
        self.label = label
        watch(self)


class Slotted:
    __slots__ = ("peer", "more", "__weakref__")


class Finalized:
    saved = []

    def __init__(self, lives_twice=False):
        self.own = [self]
        self.lives_twice = lives_twice
        to_finalize.add()

    def __del__(self):
        finalized.add()
        if self.lives_twice:
            Finalized.saved.append(self)     # until the next round


def make_cycle(rng):
    """A small component of mixed kinds that holds itself."""
    node = Node(rng.random())
    kind = rng.randrange(6)
    if kind == 0:
        node.peer = [node, (node, {"of": node})]
    elif kind == 1:
        node.peer = watch(Slotted())
        node.peer.peer, node.peer.more = node, {node}
    elif kind == 2:
        node.call = lambda: node
    elif kind == 3:
        node.suspended = suspended(node)
        next(node.suspended)
    elif kind == 4:
        node.suspended = waiting(node)
        node.suspended.send(None)
    else:
        node.end = Finalized(rng.random() < 0.1)
        node.end.back = node
    return node


def suspended(node):
    kept = [node, {"node": node}]
    while True:
        yield len(kept)


class Pause:
    def __await__(self):
        yield


async def waiting(node):
    try:
        kept = (node, [node])
        await Pause()
        return kept
    finally:
        node = None


# ------------------------------------------------------------------- work

def table_work(rng, table):
    """Old objects die, in cycles and by counting; new ones grow old."""
    for _ in range(200):
        at = rng.randrange(len(table))
        table[at] = {"node": make_cycle(rng), "values": [at, (at, str(at))], "next": table[at - 1].get("values")}


def exception_work(rng, table):
    def fall(depth):
        local = Node(depth)
        local.own = local
        if depth == 0:
            raise ValueError("bottom")
        fall(depth - 1)
    for _ in range(10):
        try:
            fall(rng.randrange(3, 20))
        except ValueError as error:
            holder = Node("error")
            holder.error = error             # the traceback holds the frames, a frame holds the holder
            assert "bottom" in traceback.format_exc(limit=2)


def data_work(rng, table):
    data = {str(i): [i, rng.random(), {"deep": [None, True, str(i)]}] for i in range(300)}
    assert json.loads(json.dumps(data)) == data
    data["self"] = data
    again = pickle.loads(pickle.dumps(data))
    assert again["self"] is again and again["7"] == data["7"]


def database_work(rng, table):
    with sqlite3.connect(":memory:") as base:
        base.create_function("twice", 1, lambda value: 2 * value)
        base.execute("create table items (id integer, value text)")
        base.executemany("insert into items values (?, ?)", [(i, str(i)) for i in range(200)])
        assert base.execute("select sum(twice(id)) from items").fetchone() == (39800,)
    base.close()


def context_work(rng, table):
    def inside(value):
        number.set(value)
        node = make_cycle(rng)
        node.context = contextvars.copy_context()
        return number.get()
    for value in range(20):
        assert contextvars.copy_context().run(inside, value) == value
    assert number.get() == 0


def thread_work(rng, table):
    tasks, results = queue.Queue(), queue.Queue()
    seeds = [rng.random() for _ in range(3)]

    def run(seed):
        own = random.Random(seed)
        while (task := tasks.get()) is not None:
            for _ in range(50):
                make_cycle(own)
            results.put(task * task)
    threads = [threading.Thread(target=run, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for task in range(30):
        tasks.put(task)
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()
    assert sum(results.get() for _ in range(30)) == sum(task * task for task in range(30))


def server_work(rng, table):
    async def handle(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def ask(port, client):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        cycle = make_cycle(rng)
        cycle.streams = reader, writer
        for i in range(5):
            writer.write(b"line %d of %d\n" % (i, client))
            assert await reader.readline() == b"LINE %d OF %d\n" % (i, client)
            cycle.task = asyncio.current_task()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(*(ask(port, client) for client in range(20)))
        server.close()
        await server.wait_closed()
    asyncio.run(main())


def subprocess_work(rng, table):
    done = subprocess.run(["/bin/sh", "-c", "read line; echo $line; exit 3"], input="here\n", text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout) == (3, "here\n")


def worker_work(rng, table):
    pid = os.fork()
    if pid == 0:
        try:
            references = [weakref.ref(make_cycle(rng)) for _ in range(500)]
            collect()
            Finalized.saved.clear()
            collect()
            os._exit(0 if all(reference() is None for reference in references) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def signal_work(rng, table):
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(make_cycle(rng)))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    end = time.monotonic() + 5
    while len(seen) < 5 and time.monotonic() < end:
        table_work(rng, table)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert len(seen) >= 5


def collector_work(rng, table):
    """The program's own use of gc, with a search in flight or not."""
    use = rng.randrange(5)
    if use == 0:
        gc.collect(rng.randrange(3))
    elif use == 1:
        gc.freeze()
        table_work(rng, table)
        gc.unfreeze()
    elif use == 2:
        gc.disable()
        table_work(rng, table)
        gc.enable()
    elif use == 3:
        assert sum(isinstance(thing, Node) for thing in gc.get_objects()) > 0
    else:
        before = gc.get_threshold()
        gc.set_threshold(50, 3, 3)
        table_work(rng, table)
        gc.set_threshold(*before)


OFTEN = [table_work, table_work, table_work, exception_work, data_work, context_work]
SELDOM = [thread_work, server_work, subprocess_work, worker_work, database_work, signal_work, collector_work]


# ---------------------------------------------------------------- watching

def collect():
    """All that is dead is found; finalizers may make more."""
    exuvia = sys.modules.get("exuvia")
    for _ in range(3):
        if exuvia and exuvia.is_installed():
            exuvia.collect()
        else:
            gc.collect()


def memory():
    """Bytes of address space, and of resident memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return [int(word) * os.sysconf("SC_PAGE_SIZE") for word in file.read().split()[:2]]


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return len(file.read().split())


def held():
    """What a process must not gather."""
    return {"descriptors": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task")),
            "children": children()}


def work(seconds, rng):
    """Rounds of work. Samples: time, memory, objects that are alive or not yet found to be dead."""
    table = [{} for _ in range(LIVE)]
    for at in range(LIVE):
        table[at] = {"node": make_cycle(rng), "values": [at, (at, str(at))]}
    samples, rounds = [], 0
    begin = last = time.monotonic()
    while (now := time.monotonic()) < begin + seconds:
        Finalized.saved.clear()
        for task in OFTEN:
            task(rng, table)
        SELDOM[rounds % len(SELDOM)](rng, table)
        rounds += 1
        if now - last >= SAMPLE_SECONDS:
            last = now
            samples.append((now - begin, *memory(), len(watched)))
    return rounds, samples


def main():
    seconds, seed = float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    asyncio.run(asyncio.sleep(0))            # what is made once: modules, handlers
    before, blocks = held(), sys.getallocatedblocks()
    rounds, samples = work(seconds, random.Random(seed))
    exuvia = sys.modules.get("exuvia")
    collections = gc.get_stats()[2]["collections"] + (exuvia.stats().completed if exuvia else 0)
    collect()
    Finalized.saved.clear()
    collect()
    end = time.monotonic() + 5
    while held() != before and time.monotonic() < end:   # a thread that was joined may be listed for a moment
        time.sleep(0.01)
    print(json.dumps({
        "rounds": rounds, "samples": samples, "before": before, "after": held(), "born": born.value,
        "died": died.value, "alive": len(watched), "to_finalize": to_finalize.value, "finalized": finalized.value,
        "collections": collections, "garbage": len(gc.garbage),
        "blocks": (blocks, sys.getallocatedblocks()), "memory": memory(),
        "exuvia": exuvia.stats().as_dict() if exuvia else None}))


if __name__ == "__main__":
    main()
