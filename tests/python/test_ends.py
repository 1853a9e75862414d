"""However a program ends, it ends as under plain python, and the reports it was asked for are there and whole."""
import json
import os
import pty
import signal
import subprocess
import time

import pytest

OPTIONS = [[], ["--summary"], ["--stats", "out.json"], ["--log", "out.log"], ["--callbacks"],
           ["--summary", "--stats", "out.json", "--log", "out.log", "--callbacks", "--mode", "background"]]
BEGIN = """
import atexit, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
def ready():
    open('ready', 'w').close()
"""


def named(options):
    return " ".join(options) or "none"


def whole_statistics(folder):
    """All of it, and no other file is left."""
    assert [name for name in os.listdir(folder) if name.startswith(".")] == []
    return json.loads((folder / "out.json").read_text())


def signalled(python, folder, words, number, code):
    """The status of a program that was sent the signal once it was ready."""
    (folder / "program.py").write_text(BEGIN + code)
    environment = {**os.environ, "PYTHONPATH": python.folder}
    process = subprocess.Popen([python.executable, *words, "program.py"], cwd=folder, env=environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + 60
        while not (folder / "ready").exists():
            assert process.poll() is None and time.monotonic() < until, "it does not begin"
            time.sleep(0.005)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    (folder / "ready").unlink()
    return process.returncode, out, err


@pytest.mark.parametrize("options", OPTIONS, ids=named)
@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "os.kill(os.getpid(), 2); time.sleep(9)", "sys.exit(3)",
                                 "sys.exit('no')", "1/0", "os._exit(4)", "os.kill(os.getpid(), 9)", "pass"])
def test_by_itself(python, tmp_path, options, end):
    (tmp_path / "program.py").write_text(BEGIN + end)
    plain = python.command("program.py", cwd=tmp_path)
    ours = python.command("-m", "exuvia", "run", *options, "program.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout), ours.stderr
    assert ours.stderr.startswith(plain.stderr)
    if "--stats" in options and not end.startswith(("os._exit", "os.kill(os.getpid(), 9")):
        assert whole_statistics(tmp_path)["started"] >= 1


@pytest.mark.parametrize("options", OPTIONS, ids=named)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_by_a_signal(python, tmp_path, options, number):
    code = "ready(); time.sleep(60)"
    plain = signalled(python, tmp_path, [], number, code)
    status, out, err = signalled(python, tmp_path, ["-m", "exuvia", "run", *options], number, code)
    assert (status, out) == plain[:2] == (-number, ""), err
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
    assert ("full collections in the background" in err) == ("--summary" in options)
    if "--stats" in options:
        assert whole_statistics(tmp_path)["completed"] == 1


@pytest.mark.parametrize("code", [
    "ready(); sum(range(10 ** 12))",
    "import ctypes; f = ctypes.PyDLL(None).sleep; ready()\nwhile True: f(60)",
    "import threading; threading.Thread(target=lambda: (ready(), sum(range(10 ** 12))), daemon=True).start()\n"
    "while True: time.sleep(60)",
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT]); ready(); sum(range(10 ** 12))",
    "import gc, threading\ndef f(n): ready(); time.sleep(60) if n else 0\n"
    "class A:\n    def __del__(self): f(1)\na = A(); a.a = a; del a; gc.collect()",
    "def deep(n):\n    try:\n        deep(n + 1)\n    except RecursionError:\n        ready()\n        while True: pass\ndeep(0)",
], ids=["in one long call", "the GIL held asleep", "beside a thread in a long call", "signals blocked",
        "in a finalizer", "near the recursion limit"])
def test_terminated_wherever_it_is(python, tmp_path, code):
    """It dies by SIGTERM, with the report where the program comes to a safe point."""
    status, out, err = signalled(python, tmp_path, ["-m", "exuvia", "run", "--stats", "out.json", "--summary"],
                                 signal.SIGTERM, code)
    assert (status, out) == (-signal.SIGTERM, ""), err
    if (tmp_path / "out.json").exists():
        whole_statistics(tmp_path)


def test_a_second_signal_ends_it_at_once(python, tmp_path):
    code = """
import threading
def again():
    ready()
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=again).start()
import ctypes
while True: ctypes.CDLL(None).usleep(1000)
"""
    status, _, err = signalled(python, tmp_path, ["-m", "exuvia", "run", "--stats", "out.json"], signal.SIGURG, code)
    assert status == -signal.SIGTERM, err


def test_a_handler_of_the_program_wins(python, tmp_path):
    """Set, set back as servers do once they have stopped, or ignored; and what others see of the default."""
    (tmp_path / "program.py").write_text(BEGIN + """
before = signal.signal(signal.SIGTERM, lambda *_: print('mine', flush=True))
signal.raise_signal(signal.SIGTERM)
signal.signal(signal.SIGTERM, before)
signal.raise_signal(signal.SIGTERM)
print('not here')
""")
    plain = python.command("program.py", cwd=tmp_path)
    ours = python.command("-m", "exuvia", "run", "--stats", "out.json", "program.py", cwd=tmp_path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (-15, "mine\n", "")
    assert (plain.returncode, plain.stdout) == (-15, "mine\n")
    assert whole_statistics(tmp_path)["completed"] == 1


def test_without_a_report_nothing_is_changed(python):
    for options in ([], ["--callbacks"]):
        done = python.command("-m", "exuvia", "run", *options, "-c",
                              "import signal; print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)")
        assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_forked_processes_die_at_once(python, tmp_path):
    (tmp_path / "program.py").write_text(BEGIN + """
pid = os.fork()
if pid == 0:
    sum(range(10 ** 12))
time.sleep(0.1)
began = time.monotonic()
os.kill(pid, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.path.exists('out.json'))
""")
    done = python.command("-m", "exuvia", "run", "--stats", "out.json", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "-15 False\n"), done.stderr
    whole_statistics(tmp_path)


def test_killed_it_leaves_no_empty_file(python, tmp_path):
    (tmp_path / "out.json").write_text("of an earlier run")
    status, _, _ = signalled(python, tmp_path, ["-m", "exuvia", "run", "--stats", "out.json"], signal.SIGKILL,
                             "ready(); time.sleep(60)")
    assert status == -signal.SIGKILL
    assert sorted(os.listdir(tmp_path)) == ["program.py"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "link", "out-%p.json"])
def test_special_files_are_written_not_replaced(python, tmp_path, name):
    (tmp_path / "there.json").write_text("old")
    (tmp_path / "link").symlink_to("there.json")
    done = python.command("-m", "exuvia", "run", "--stats", name, "-c", "import os; print(os.getpid(), flush=True)",
                          cwd=tmp_path)
    pid, _, rest = done.stdout.partition("\n")
    assert done.returncode == 0, done.stderr
    if name.startswith("/dev"):
        text = rest
    else:
        text = (tmp_path / name.replace("%p", pid)).read_text()
        assert (tmp_path / "link").is_symlink() and rest == ""
    assert json.loads(text)["started"] == 1


def test_on_a_terminal(python, tmp_path):
    """There rich draws, if it is installed, and loads what it needs; the interrupted program still dies by the signal."""
    master, slave = pty.openpty()
    (tmp_path / "program.py").write_text(BEGIN + "raise KeyboardInterrupt")
    process = subprocess.Popen([python.executable, "-m", "exuvia", "run", "--summary", "program.py"], cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": python.folder}, stdout=slave, stderr=slave)
    os.close(slave)
    text = b""
    try:
        while part := os.read(master, 1 << 16):
            text += part
    except OSError:
        pass  # the other side is closed
    os.close(master)
    assert process.wait() == -signal.SIGINT, text
    assert b"full collections in the background" in text
