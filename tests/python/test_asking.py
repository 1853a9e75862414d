"""exuvia dump PID, and the questions by PID: a running process is asked, and goes on as if it had not been."""
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from conftest import PREAMBLE

ASK = ("import sys\nfrom exuvia import cli\nfrom exuvia.heap import process\nprocess.PATIENCE = float(sys.argv.pop())\n"
       "process.remote.IS_THERE = False  # that is test_remote.py's\ncli.main(sys.argv[1:])\n")
WAITS = "import select\nprint('ready', flush=True)\nselect.select([], [], [], 100)\n"
FORGED = r"""
import ctypes, fcntl, mmap, struct
def forge(offered, pid=None, seal=True):
    '''A mailbox of ours, which offers a file of its own choice.'''
    file = os.memfd_create('exuvia-mailbox', os.MFD_ALLOW_SEALING)
    os.ftruncate(file, 4096)
    page = mmap.mmap(file, 4096)
    struct.pack_into('<8sIiIIIi', page, 0, b'EXVMBOX', 2, pid or os.getpid(), 0, 0, 0, offered)
    if seal:
        fcntl.fcntl(file, 1033, 2)
    print('ready', flush=True)
    while True:
        if page[20] == 1:
            page[20] = 3
        time.sleep(0.01)
"""


@pytest.fixture
def program(python, tmp_path):
    """A running program and its number; `ask` runs a command, and gives its status and what it printed."""
    running = []

    class Program:
        def __init__(self, code, *, install=True, options=()):
            begin = "exuvia.install('background')\n" if install else ""
            self.process = subprocess.Popen(
                [python.executable, *options, "-c", PREAMBLE + begin + code], stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                stderr=subprocess.PIPE, text=True, start_new_session=True,
                env={**os.environ, "PYTHONPATH": python.folder})
            running.append(self.process)
            self.pid = self.process.pid
            assert self.process.stdout.readline() == "ready\n", self.process.stderr.read()

        def ask(self, name, *words, pid=None, patience=60):
            done = python.command("-c", ASK, name, str(pid or self.pid), *words, str(patience), cwd=tmp_path)
            assert "Traceback" not in done.stderr, done.stderr
            return done.returncode, done.stdout + done.stderr

        def says(self):
            return self.process.stdout.readline().strip()

        def end(self):
            out, err = self.process.communicate("\n")
            assert self.process.returncode == 0 and err == "", err
            return out
    yield Program
    for process in running:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it has forked, too
        except ProcessLookupError:
            pass
        process.communicate()


def files_of(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"))


def signals(pid):
    return [line for line in open(f"/proc/{pid}/status").read().splitlines() if line.startswith(("SigIgn", "SigCgt"))]


def sleeps(pid):
    """How often threads of a process have gone to sleep."""
    text = "".join(open(f"/proc/{pid}/task/{task}/status").read() for task in os.listdir(f"/proc/{pid}/task"))
    return [line for line in text.splitlines() if line.startswith("voluntary")]


def test_all_its_threads_wait_in_c(program, tmp_path):
    it = program("""
import signal, threading
class Session: pass
kept = {'secret': [Session() for i in range(500)]}
lock = threading.Lock(); lock.acquire()
threading.Thread(target=lock.acquire, daemon=True).start()
handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
""" + WAITS)
    files, before = files_of(it.pid), signals(it.pid)
    status, said = it.ask("dump", "-o", "it.exv")
    assert status == 0 and "objects" in said, said
    assert stat.S_IMODE(os.stat(tmp_path / "it.exv").st_mode) == 0o600
    assert b"secret" not in open(tmp_path / "it.exv", "rb").read()
    for name in "it.exv", "link.exv":
        if name != "it.exv":
            os.symlink("elsewhere", tmp_path / name)
        assert it.ask("dump", "-o", name)[0] == 2
    (tmp_path / f"exuvia-{it.pid}-1.exv").write_text("")
    assert it.ask("dump", "--values", "--json")[0] == 0
    assert b"secret" in open(tmp_path / f"exuvia-{it.pid}-2.exv", "rb").read()
    assert sorted(os.listdir(tmp_path)) == [f"exuvia-{it.pid}-1.exv", f"exuvia-{it.pid}-2.exv", "it.exv", "link.exv"]
    status, said = it.ask("why", "Session")
    assert status == 0 and "Session: 500 objects" in said and "['kept']" in said
    assert it.ask("why", "Nothing")[0] == 1 and it.ask("diff", str(it.pid))[0] == 0
    end = time.monotonic() + 20
    while files_of(it.pid) != files:
        assert time.monotonic() < end
    assert signals(it.pid) == before
    time.sleep(0.1)
    rested = sleeps(it.pid)
    time.sleep(0.3)
    assert sleeps(it.pid) == rested, "what nobody asks costs nothing"


def test_a_copy_that_stands_still(python, tmp_path):
    assert python.program(f"""
from exuvia import _dump
from exuvia.commands import dump
source = os.memfd_create('source')
os.ftruncate(source, 10_000)
os.sendfile = lambda target, source, at, count: 5000 if at == 0 else 0
try:
    _dump.new_file({str(tmp_path / 'it.exv')!r}, dump._fill(source))
except OSError as error:
    print(error.strerror, os.listdir({str(tmp_path)!r}))
""", install=False) == "the file of the process ends before its size says so []\n"


def test_forks_have_a_mailbox_of_their_own_and_no_warning(program):
    it = program("""
import warnings
warnings.simplefilter('always')
keep = [[i, (i, [i])] for i in range(100_000)]
children = []
for i in range(2):
    pid = os.fork()
    if pid == 0:
        own = [Node() for i in range(40)]
        time.sleep(100)
    children.append(pid)
import ctypes
natively = ctypes.CDLL(None).fork()
if natively == 0:
    time.sleep(100)
without = ctypes.CDLL(None).fork()
if without == 0:
    pid = os.fork()   # neither waits for a thread that is the parent's
    exuvia.uninstall()
    os._exit(0 if pid == 0 else os.waitpid(pid, 0)[1])
assert os.waitpid(without, 0)[1] == 0
print('ready', flush=True)
print(*children, natively, flush=True)
forks = 0
import select
while not select.select([sys.stdin], [], [], 0.002)[0]:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    forks += 1
import signal
for pid in *children, natively:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
assert forks > 0
""")
    first, second, natively = map(int, it.says().split())
    for pid in first, second:
        status, said = it.ask("why", "Node", pid=pid)
        assert status == 0 and "Node: 40 objects" in said, said
    status, said = it.ask("why", "Node", pid=natively)
    assert status == 2 and "cannot" not in said, said
    it.end()


def test_a_thread_that_keeps_the_gil_and_a_process_that_is_stopped(program):
    it = program("""
import ctypes
print('ready', flush=True)
ctypes.PyDLL(None).getchar()
time.sleep(100)
""")
    status, said = it.ask("dump", patience=0.3)
    assert status == 2 and "keeps the GIL" in said, said
    it.process.stdin.write("\n")
    it.process.stdin.flush()
    os.kill(it.pid, signal.SIGSTOP)
    end = time.monotonic() + 20
    while "\nState:\tT" not in open(f"/proc/{it.pid}/status").read():
        assert time.monotonic() < end
    status, said = it.ask("dump", patience=0.3)
    assert status == 2 and "is stopped" in said, said
    os.kill(it.pid, signal.SIGCONT)
    assert it.ask("cycles")[0] == 0


def test_within_a_collection_it_is_answered_behind_it(program):
    it = program("""
import threading
def wait(phase, info):
    if phase == 'start' and info['generation'] == 2:
        print('ready', flush=True)
        sys.stdin.readline()
gc.callbacks.append(wait)
gc.collect()
print('over', flush=True)
sys.stdin.read()
""")
    assert "keeps the GIL" in it.ask("cycles", patience=0.3)[1]
    it.process.stdin.write("\n")
    it.process.stdin.flush()
    assert it.says() == "over" and it.ask("cycles")[0] == 0


def test_who_cannot_be_asked(program, python):
    it = program("""
import resource
held = os.open('/dev/null', os.O_RDONLY)
os.closerange(3, 2000)
for number in 1000, 200:
    os.dup2(0, number)
print('ready', flush=True)
sys.stdin.readline()
exuvia.uninstall()
for number in 1000, 200:
    os.fstat(number)
""")
    status, said = it.ask("dump")
    assert status == 2 and "has closed the descriptor" in said, said
    it.end()
    it = program(WAITS, install=False)
    assert it.ask("dump")[0] == 2 and it.ask("dump", pid=2**22 + 1)[0] == 1
    it = program("exuvia.install(answers=False)\n" + WAITS)
    assert "Threads:\t1\n" in open(f"/proc/{it.pid}/status").read() and it.ask("dump")[0] == 2
    it = program("exuvia.uninstall()\n" + WAITS)
    assert "Threads:\t1\n" in open(f"/proc/{it.pid}/status").read() and it.ask("dump")[0] == 2
    it = program(f"os.execv(sys.executable, [sys.executable, '-c', {WAITS!r}])\n")
    assert it.ask("dump")[0] == 2
    assert "the number of a process" in it.ask("dump", pid="x")[1]


def test_no_room_for_its_file(program):
    it = program("import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n" + WAITS)
    status, said = it.ask("census")
    assert status == 2 and "its heap file has no place in its /" in said and "File too large" in said, said


def test_an_asker_that_dies_is_forgotten(program, python):
    it = program("""
keep = [[i, (i, [i])] for i in range(300_000)]
print('ready', flush=True)
sys.stdin.read()
""")
    for wait in 0.05, 0.15, 0.3:
        asker = subprocess.Popen([python.executable, "-m", "exuvia", "census", str(it.pid)], stdout=subprocess.DEVNULL,
                                 env={**os.environ, "PYTHONPATH": python.folder})
        time.sleep(wait)
        asker.kill()
        asker.wait()
    assert it.ask("cycles")[0] == 0
    assert it.end() == ""


def test_what_means_harm_is_not_opened(program, tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "named").write_text("x" * 10_000)
    for name in "fifo", "named":
        it = program(FORGED + f"forge(os.open({str(tmp_path / name)!r}, os.O_RDWR))", install=False)
        status, said = it.ask("census")
        assert status == 2 and "is no answer" in said, said
    nothing = "file = os.memfd_create('nothing')\nos.write(file, b'x' * 10000)\n"
    it = program(FORGED + nothing + "forge(file)", install=False)
    assert it.ask("census")[0] == 2
    for more in "pid=1", "seal=False":
        it = program(FORGED + nothing + f"forge(file, {more})", install=False)
        assert "runs without Exuvia" in it.ask("census")[1]
