"""exuvia run --dump-on: heap files that nobody asks for by hand."""
import os
import stat

import pytest


@pytest.fixture
def run(python, tmp_path):
    (tmp_path / "dumps").mkdir()

    def run(events, code, status=0, folder="dumps"):
        (tmp_path / "app.py").write_text("import os, signal, sys, threading, time\n" + code)
        done = python.command("-m", "exuvia", "run", "--dump-on", events, "--dump-dir", folder, "app.py", cwd=tmp_path)
        assert done.returncode == status, done.stderr
        return done.stderr, sorted(os.listdir(tmp_path / "dumps"))
    return run


def test_at_the_end(run, python, tmp_path):
    said, found = run("exit", """
os.chdir('/')
class Session: pass
kept = [Session() for i in range(70)]
print(os.getpid())
""")
    assert said == "" and len(found) == 1 and found[0].startswith("app-") and found[0].endswith("-1.exv")
    path = str(tmp_path / "dumps" / found[0])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert "Session: 70 objects" in python.command("-m", "exuvia", "why", path, "Session").stdout


def test_at_a_signal_beside_the_programs_own_handler(run):
    said, found = run("USR1,SIGUSR2", """
own = []
signal.signal(signal.SIGUSR2, lambda *told: own.append(told))
def there():
    return [name for name in os.listdir('dumps') if name.endswith('.exv')]
open(f'dumps/app-{os.getpid()}-1.exv', 'x').close()
for number in 2, 3:
    os.kill(os.getpid(), signal.SIGUSR1)
    end = time.monotonic() + 60
    while len(there()) < number:
        assert time.monotonic() < end
        time.sleep(0.01)
os.kill(os.getpid(), signal.SIGUSR2)
assert len(own) == 1, 'what the program sets later wins'
assert os.path.getsize(f'dumps/app-{os.getpid()}-1.exv') == 0, 'nothing is overwritten'
os.kill(os.getpid(), signal.SIGUSR1)   # and the end waits for it
""")
    assert said == "" and [name.rpartition("-")[2] for name in found] == ["1.exv", "2.exv", "3.exv", "4.exv"]


def test_at_a_memory_error_that_nobody_catches(run):
    said, found = run("memoryerror", """
def fail(): raise MemoryError('none left')
try:
    fail()
except MemoryError:
    pass
assert os.listdir('dumps') == []
for target in fail, lambda: 1 / 0:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
assert len(os.listdir('dumps')) == 1
before = sys.excepthook
def own(*told):
    print('told', file=sys.stderr)
    before(*told)
sys.excepthook = own
fail()
""", status=1)
    assert len(found) == 2 and said.count("MemoryError: none left") == 2 and "ZeroDivisionError" in said and "told" in said


def test_what_cannot_be(run, tmp_path):
    for events in "TERM", "KILL", "sometimes", "":
        said, _ = run(events, "", status=2)
        assert "--dump-on" in said and "exit, memoryerror" in said
    said, _ = run("exit", "print('not run')", status=2, folder="nowhere")
    assert "--dump-dir nowhere: No such file or directory" in said
