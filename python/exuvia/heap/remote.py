"""A process that has not loaded this package is made to, by sys.remote_exec(), which CPython has from 3.14 on.

A script of ours runs in its main thread, at the next step of Python code there, and opens the mailbox; nothing is
installed. The answer is a file, since what goes wrong in such a script would be written to the program's standard
error.
"""
from __future__ import annotations

import os
import signal
import sys
import tempfile
import time

PATIENCE = 3.0
WAKE = 0.3  # then an event loop that waits for events is woken
IS_THERE = hasattr(sys, "remote_exec")
SCRIPT = """\
def answer():
    import sys
    sys.path.insert(0, {package!r})
    try:
        from exuvia import _install
    finally:
        sys.path.remove({package!r})
    return _install.answer_alone()
try:
    said = answer()
except BaseException as error:
    said = f"{{type(error).__name__}}: {{error}}"
try:
    with open({report!r}, "r+b", 0) as file:
        file.write(said.encode("utf-8", "replace")[:500] or b"ok")
except BaseException:
    pass
"""


class Failed(Exception):
    """Why, and what to do."""


class Silent(Failed):
    """The script may still run."""


def _is_seen(pid: int, path: str) -> bool:
    try:
        return os.path.samefile(path, f"/proc/{pid}/root{path}")
    except OSError:
        return False


def _fields_of(pid: int) -> list[str]:
    """What /proc/PID/stat says behind the name: the state first, the terminal as number 4."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def is_stopped(pid: int) -> bool:
    return _fields_of(pid)[0] in "Tt"


def _wake(pid: int) -> None:
    """A stop and a start end a wait for events, and nothing else. A shell takes note of it, so not at a terminal."""
    if _fields_of(pid)[4] == "0" and not is_stopped(pid):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.01)
        os.kill(pid, signal.SIGCONT)


def _await(pid: int, report: str) -> str:
    begin, woken = time.monotonic(), False
    while time.monotonic() < begin + PATIENCE:
        with open(report, encoding="utf-8", errors="replace") as file:
            said = file.read(500)
        if said:
            return said
        if not woken and time.monotonic() > begin + WAKE:
            woken = True
            _wake(pid)
        time.sleep(0.01)
    return ""


def _write(path: str, text: str, owner: int) -> None:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner, -1)


def _run(pid: int, folder: str, package: str) -> str:
    script, report, owner = f"{folder}/ask.py", f"{folder}/report", os.stat(f"/proc/{pid}").st_uid
    _write(report, "", owner)
    _write(script, SCRIPT.format(package=package, report=report), owner)
    if os.geteuid() == 0:
        os.chown(folder, owner, -1)
    if not _is_seen(pid, script) or not _is_seen(pid, package):
        raise Failed("it has other files than this command: run the command where the process runs, in its container")
    try:
        sys.remote_exec(pid, script)  # type: ignore[attr-defined, unused-ignore]
    except (RuntimeError, OSError, ValueError) as error:
        raise Failed(f"CPython refuses: {error}; it has to be of the same version {sys.version_info[0]}."
                     f"{sys.version_info[1]}, and may not be started with PYTHON_DISABLE_REMOTE_DEBUG") from None
    said = _await(pid, report)
    if not said:
        with open(script, "w", encoding="utf-8"):
            pass  # it may come later, and a file that is gone would be an error in the program
        raise Silent("its main thread does not come to a step of Python code: it waits in C, or Python code in a "
                     f"sub-interpreter does the work; {folder} stays until then")
    return said


def load(pid: int) -> None:
    """Raises Failed."""
    import shutil

    import exuvia

    folder = tempfile.mkdtemp(prefix="exuvia-")
    left = False
    try:
        said = _run(pid, folder, os.path.dirname(os.path.dirname(os.path.abspath(exuvia.__file__))))
    except Silent:
        left = True
        raise
    finally:
        if not left:
            shutil.rmtree(folder)
    if said != "ok":
        raise Failed(f"it cannot load Exuvia: {said}")
