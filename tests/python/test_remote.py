"""exuvia commands by PID where the process has not loaded us: from CPython 3.14 on it is made to."""
import os
import signal
import subprocess

import pytest

LOADED = "import sys\nsys.exit(not hasattr(sys, 'remote_exec'))\n"
IDLE = """
import asyncio, sys
class Session: pass
kept = [Session() for i in range(60)]
async def wait():
    print('ready', flush=True)
    await asyncio.Event().wait()
asyncio.run(wait())
"""
BUSY = """
import sys
class Session: pass
kept = [Session() for i in range(60)]
print('ready', flush=True)
while True:
    for i in range(1000): [].append([])
"""


@pytest.fixture
def started(python, tmp_path):
    """A program without a terminal and without us; its own environment only."""
    running = []

    def started(code, **more):
        process = subprocess.Popen([python.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True, env={"PATH": os.environ["PATH"], **more})
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process
    yield started
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def ask(python, tmp_path):
    def ask(*words):
        return python.command("-m", "exuvia", *words, environment={"TMPDIR": str(tmp_path)}, cwd=tmp_path)
    ask.is_there = python.command("-c", LOADED).returncode == 0
    return ask


@pytest.mark.parametrize("code", [IDLE, BUSY], ids=["idle", "busy"])
def test_it_is_made_to_answer(started, ask, tmp_path, code):
    process = started(code)
    done = ask("why", str(process.pid), "Session")
    if not ask.is_there:
        assert done.returncode == 2 and "exuvia run" in done.stderr and "3.14" in done.stderr
        return
    assert done.returncode == 0 and "Session: 60 objects" in done.stdout, done.stderr
    assert ask("census", str(process.pid)).returncode == 0
    assert os.listdir(tmp_path) == []
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == ""


def test_refusals_are_explained(started, ask, tmp_path):
    if not ask.is_there:
        pytest.skip("nothing is asked of it")
    done = ask("dump", str(started(BUSY, PYTHON_DISABLE_REMOTE_DEBUG="1").pid))
    assert done.returncode == 2 and "PYTHON_DISABLE_REMOTE_DEBUG" in done.stderr and "Traceback" not in done.stderr
    done = ask("dump", str(started(BUSY, EXUVIA_DISABLE="1").pid))
    assert done.returncode == 2 and "EXUVIA_DISABLE" in done.stderr
    assert os.listdir(tmp_path) == []
