"""Signals, forks, descriptors, exits while a snapshot is in flight: none of it is seen, and nothing is left."""
import os
import time

import pytest


def processes_marked(name):
    """Those that were started with this in their environment."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if name.encode() in file.read():
                        found.append(int(entry))
            except OSError:
                continue
    return found


BIG = """
gc.disable()
keep = [[i, [i]] for i in range(400000)]
"""


def test_no_signal_and_nothing_to_wait_for(python):
    python.program(BIG + """
import signal
seen = []
signal.signal(signal.SIGCHLD, lambda *args: seen.append(args))
assert exuvia.start_collection()
try:
    os.waitpid(-1, os.WNOHANG)
    assert False, 'our child is seen'
except ChildProcessError:
    pass
exuvia.finish_collection()
assert seen == [] and children() == []
""")


def test_signals_to_the_group_reach_the_program_once(python):
    python.program(BIG + """
import signal, socket
os.setpgid(0, 0)
a, b = socket.socketpair()
a.setblocking(False); b.setblocking(False)
signal.set_wakeup_fd(b.fileno())
count = []
signal.signal(signal.SIGUSR1, lambda *args: count.append(1))
assert exuvia.start_collection()
sent = 0
while _core.poll()[0] == 1 and sent < 50:
    os.killpg(0, signal.SIGUSR1)
    sent += 1
    time.sleep(0.001)
exuvia.finish_collection()
assert sent > 0
assert len(count) == sent, (len(count), sent)
assert len(a.recv(1000)) == sent
assert not fallbacks(), fallbacks()
""")


def test_a_socket_closed_in_flight_is_seen_at_once(python, foreign):
    """The child hangs in a traverse function meanwhile, so it would hold a copy of the socket for long."""
    python.program(f"""
import socket
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
thing = foreign.make(1)
a, b = socket.socketpair()
assert _core.start(3, 5.0)
time.sleep(0.05)
assert len(children()) == 1
b.close()
a.settimeout(1)
assert a.recv(1) == b''
exuvia.uninstall()
assert children() == []
""")


def test_fork_in_flight(python):
    python.program(BIG + """
references = make_cycles(100)
assert exuvia.start_collection()
pid = os.fork()
if pid == 0:
    try:
        assert _core.poll()[0] == 0 and not fallbacks(), fallbacks()   # at the fork; the search was not its own
        assert _core.poll()[0] == 0
        more = make_cycles(10)
        exuvia.collect()
        assert dead(references) == 100 and dead(more) == 10
        assert children() == []
        os._exit(7)
    except BaseException:
        import traceback
        traceback.print_exc()
    os._exit(1)
exuvia.finish_collection()
assert dead(references) == 100
assert not fallbacks(), fallbacks()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
""")


def test_fork_between_answer_and_proof(python):
    python.program(BIG + """
references = make_cycles(100)
assert exuvia.start_collection()
assert wait_for_answer() == 2
pid = os.fork()
exuvia.collect()
assert dead(references) == 100
if pid == 0:
    os._exit(9)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
""")


def test_a_worker_collects_by_itself(python):
    python.program("""
keep = [[i] for i in range(100000)]
pid = os.fork()
before = exuvia.stats().completed
references, died = [], 0
end = time.monotonic() + 60
while exuvia.stats().completed < before + 2:
    references += make_cycles(2000, False)  # young collections come by what is not freed by counting
    keep += [[i] for i in range(2000)]
    died += dead(references[:-4000])
    del references[:-4000], keep[:-150000]
    if _core.poll()[0] == 1:
        time.sleep(0.01)                # a busy machine: the child must have its turn
    assert time.monotonic() < end, exuvia.stats()
assert died > 0
if pid == 0:
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
""")


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(python, method, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(f"""
import multiprocessing, exuvia, gc
def work(n):
    a = [n]; a.append(a)
    return n * n
if __name__ == '__main__':
    keep = [[i] for i in range(200000)]
    context = multiprocessing.get_context({method!r})
    exuvia.start_collection()
    with context.Pool(3) as pool:
        assert pool.map(work, range(1000)) == [n * n for n in range(1000)]
        exuvia.collect()
    print('done')
""")
    done = python.command("-m", "exuvia", "run", "--mode", "stress", str(script))
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize("end,status", [
    ("sys.exit(5)", 5), ("os._exit(6)", 6), ("os.kill(os.getpid(), 9)", -9), ("os.kill(os.getpid(), 15)", -15),
    ("os.execv('/bin/sh', ['sh', '-c', 'exit 8'])", 8), ("raise KeyboardInterrupt", -2), ("os.abort()", -6),
])
def test_an_end_in_flight_leaves_no_process(python, end, status):
    mark = f"EXUVIA_TEST_MARK_{os.getpid()}_{abs(status)}"
    python.program(BIG + f"""
assert exuvia.start_collection()
{end}
""", status=status, environment={"MARK": mark})
    until = time.monotonic() + 20
    while processes_marked(mark):
        assert time.monotonic() < until, "a child is left"
        time.sleep(0.02)


def test_an_exec_in_flight_ends_the_search(python, foreign):
    """The child hangs, so it would live for its deadline of a minute, beside a program that does not know it."""
    out = python.program(f"""
sys.path.insert(0, {foreign!r})
import foreign
gc.disable()
thing = foreign.make(1)
assert _core.start(3, 60.0)
time.sleep(0.1)
assert len(children()) == 1
os.execv(sys.executable, [sys.executable, '-c', '''
import os, time
def running():
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{{name}}/stat") as file:
                    state, parent = file.read().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == os.getpid() and state not in "ZX":
                found.append(name)
    return found
end = time.monotonic() + 5
while running() and time.monotonic() < end:
    time.sleep(0.01)
print(running())
'''])
""")
    assert out == "[]\n"


def test_nothing_is_left_after_uninstall(python):
    python.program("""
def maps():
    with open('/proc/self/maps') as file:
        return [line.split()[5:] for line in file if 'zero' in line or ' rw-s ' in line]
before = maps()
callbacks = list(gc.callbacks)
def threads():
    return tasks()
threads_before = threads()
for _ in range(3):
    exuvia.install('stress')
    exuvia.collect_every(0.05)
    exuvia.collect_when_idle(0.05)
    make_cycles(1000)
    exuvia.collect()
    time.sleep(0.2)
    exuvia.start_collection()
    exuvia.uninstall()
    assert children() == []
assert maps() == before
assert gc.callbacks == callbacks
end = time.monotonic() + 5
while threads() != threads_before: # a thread that was joined may be listed for a moment
    assert time.monotonic() < end
    time.sleep(0.001)
assert not exuvia.is_installed()
""", install=False)


def test_threads_change_the_timer(python):
    python.program("""
import threading
sys.setswitchinterval(1e-6)
errors = []
def change(ask):
    try:
        for _ in range(300):
            ask(1000)
            ask(0)
    except BaseException as error:
        errors.append(error)
asks = exuvia.collect_every, exuvia.collect_when_idle, exuvia.collect_every
threads = [threading.Thread(target=change, args=(ask,)) for ask in asks]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for ask in asks:
    ask(0)
assert not errors, errors
end = time.monotonic() + 5
while tasks() > 1:
    assert time.monotonic() < end, 'a timer is left'
exuvia.collect_every(0.05)
references = make_cycles(10)
end = time.monotonic() + 30
while dead(references) < 10:
    assert time.monotonic() < end, 'the timer does not collect'
    time.sleep(0.01)
""")


def test_subprocess_in_flight(python):
    python.program(BIG + """
import subprocess
for _ in range(5):
    exuvia.start_collection()
    done = subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, '42\\n')
    exuvia.finish_collection()
assert not fallbacks(), fallbacks()
""")


def test_threads(python):
    python.program("""
import threading
stop = False
errors = []
def work():
    try:
        while not stop:
            references = make_cycles(50)
            kept = [{i: [i]} for i in range(2000)]
            assert sum(d[i][0] for i, d in enumerate(kept)) == 1999000
    except BaseException as error:
        errors.append(error)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for _ in range(20):
    exuvia.collect()
stop = True
for thread in threads:
    thread.join()
assert not errors, errors
""", mode="stress")


def test_asyncio(python):
    python.program("""
import asyncio
async def handle(reader, writer):
    line = await reader.readline()
    writer.write(line.upper())
    await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(handle, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    async def ask(n):
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        cycle = Node(); cycle.peer = [cycle, reader]
        writer.write(b'line %d\\n' % n)
        answer = await reader.readline()
        writer.close()
        assert answer == b'LINE %d\\n' % n
    for _ in range(10):
        exuvia.start_collection()
        await asyncio.gather(*(ask(n) for n in range(50)))
    server.close()
asyncio.run(main())
""", mode="stress")
