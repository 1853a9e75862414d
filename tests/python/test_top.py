"""exuvia top PID: what it tells of a process, that it costs no more than it may, and how it ends."""
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios

import pytest
from test_asking import WAITS, program  # noqa: F401

GROWS = """
kept = []
print('ready', flush=True)
for line in sys.stdin:
    kept += [Node() for i in range(1000)]
    gc.collect()
    print('grown', flush=True)
"""


@pytest.fixture
def top(python):
    """`exuvia top` as a process."""
    running = []

    def top(pid, *words, **more):
        more.setdefault("stdout", subprocess.PIPE)
        running.append(subprocess.Popen([python.executable, "-m", "exuvia", "top", str(pid), *words], text=True,
                                        stderr=subprocess.PIPE,
                                        env={**os.environ, "PYTHONPATH": python.folder, "TERM": "xterm"}, **more))
        return running[-1]
    yield top
    for process in running:
        process.kill()
        process.communicate()


def test_what_grows_what_is_collected_and_the_end(program, top):  # noqa: F811
    it = program(GROWS)
    watching = top(it.pid, "--json", "--interval", "0.01", "--cpu", "1600")
    first = json.loads(watching.stdout.readline())
    numbers = [of["number"] for of in first["numbers"]["stats"]["collections"]]
    assert "__main__.Node" not in [of["type"] for of in first["types"]]
    assert first["heap"]["memory"]["resident"] > first["heap"]["bytes"] and first["memory"]["resident"] > 0
    it.process.stdin.write("\n\n")
    it.process.stdin.flush()
    assert it.says() == it.says() == "grown"
    there = 0
    while there < 2000:
        answer = json.loads(watching.stdout.readline())
        numbers += [of["number"] for of in answer["numbers"]["stats"]["collections"]]
        if answer["types"]:
            node = next((of for of in answer["types"] if of["type"] == "__main__.Node"), None)
            there = node["count"] if node else 0
    assert node["count_first"] == 0 and node["bytes"] - node["bytes_first"] > 2000 * 32
    grown = [of["bytes"] - of["bytes_first"] for of in answer["types"]]
    assert grown == sorted(grown, reverse=True)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "each collection is told once"
    assert answer["numbers"]["generations"][2]["collections"] >= 2 and answer["cost"]["cpu_ns"] > 0
    it.end()
    rest, said = watching.communicate()
    assert watching.returncode == 0 and said == f"exuvia top: process {it.pid} has ended\n"
    assert all(json.loads(line) for line in rest.splitlines())


def test_a_screen(program, top):  # noqa: F811
    it = program(WAITS)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    watching = top(it.pid, "--interval", "1000", stdout=slave, stdin=slave)
    os.close(slave)

    def screen():
        seen = b""
        while not seen.endswith(b"\x1b[J\x1b[?7h"):
            seen += os.read(master, 1 << 16)
        return seen.decode().split("\x1b[H")[-1].splitlines()
    lines = screen()
    assert len(lines) == 24 and "live objects" in "".join(lines) and "since the look before" in "".join(lines)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 80, 0, 0))
    watching.send_signal(signal.SIGWINCH)
    assert len(screen()) == 10
    watching.send_signal(signal.SIGINT)
    assert watching.wait() == 0 and watching.stderr.read() == ""
    os.close(master)


def test_into_a_pipe_without_an_installation_and_who_cannot_be_asked(program, top):  # noqa: F811
    it = program("from exuvia import _install\nassert not _install.answer_alone()\n" + WAITS, install=False)
    watching = top(it.pid, "--count", "1")
    out, said = watching.communicate()
    assert watching.returncode == 0 and said == ""
    assert "resident" in out and "not installed" in out and "wrapper_descriptor" in out and "\x1b" not in out
    watching = top(it.pid, "--json", "--interval", "0.01")
    watching.stdout.close()
    assert watching.wait() == -signal.SIGPIPE and watching.stderr.read() == ""
    for pid, status in (2**22 + 1, 1), (os.getpid(), 2):
        watching = top(pid)
        assert watching.wait() == status and str(pid) in watching.stderr.read()


def test_it_costs_no_more_than_it_may(python):
    python.program("""
import types
from exuvia.heap import watch
now, cpu, begun = 0.0, 0, []
class Dumped:
    child_cpu_ns = 0
    def __init__(self): self.file = os.memfd_create('none')
def numbers(pid, since):
    global cpu
    cpu += 1_000_000
    return {'answering_ns': 0, 'stats': {'collections': []}}
def dump(pid, values):
    global now
    now += 0.001
    begun.append((now - 0.001, cpu))
    if len(begun) == 3:
        raise watch.process.Refused('no room')
    return Dumped()
def ask(*of):
    global now, cpu
    cpu += int(look * 1e9)
    now += look
    return 0, {'types': [], 'info': {}, **dict.fromkeys(watch.TOTALS, 0)}
watch.process.numbers, watch.process.dump, watch.ask = numbers, dump, ask
watch.time = types.SimpleNamespace(monotonic=lambda: now, process_time_ns=lambda: cpu, time=time.time)
for look in 0.001, 0.1, 10.0:
    begun.clear()
    it = watch.Watch(os.getpid(), 0.02)
    notes = 0
    for i in range(300):
        notes += it.refresh()['note'] is not None
        now += it.rest(10.0)
    assert notes == 1
    spans = [(b - a, used - before) for (a, before), (b, used) in zip(begun, begun[1:])]
    assert all(used <= 0.02 * seconds * 1e9 for seconds, used in spans), spans
    assert len(spans) >= 2 and max(seconds for seconds, used in spans) < 1.2 * look / 0.0185 + 30, spans
""", install=False)
