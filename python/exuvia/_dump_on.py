"""Heap files that nobody asks for by hand: at a signal, at the end, at a MemoryError that nobody catches.

What the program has set for these is called as ever; what it sets later wins.
"""
from __future__ import annotations

import atexit
import os
import sys

from exuvia import _environment, _install, _questions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_writing: list[int] = []  # a process's number for each of its threads that writes


def begin(events: tuple[str, ...], folder: str) -> None:
    """In the main thread. `events` as _options has them; `folder` is absolute."""
    for event in events:
        if event == "exit":
            atexit.register(_write, folder)
        elif event == "memoryerror":
            _at_memory_error(folder)
        else:
            _at_signal(event, folder)


def _name() -> str:
    name = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0]
    return "python" if not name or name.startswith("-") else name


def _write(folder: str) -> None:
    number = 0
    while True:
        number += 1
        path = os.path.join(folder, f"{_name()}-{os.getpid()}-{number}.exv")
        try:
            _questions.dump(path)
            return
        except FileExistsError:
            pass
        except (OSError, MemoryError, _install.Unsupported) as error:
            _environment.say(f"no heap file {path}: {getattr(error, 'strerror', None) or error or 'no memory'}")
            return


def _write_beside(folder: str, pid: int) -> None:
    try:
        _write(folder)
    finally:
        _writing.remove(pid)


def _wait() -> None:
    import time

    while os.getpid() in _writing:
        time.sleep(0.01)


def _at_signal(name: str, folder: str) -> None:
    import _thread
    import signal

    number = getattr(signal, "SIG" + name)
    before = signal.getsignal(number)

    def on_signal(number: int, frame: Any) -> None:
        pid = os.getpid()
        _writing.append(pid)
        try:
            _thread.start_new_thread(_write_beside, (folder, pid))
        except RuntimeError:  # the system has no thread to give
            _write_beside(folder, pid)
        if callable(before):
            before(number, frame)
    signal.signal(number, on_signal)
    atexit.register(_wait)


def _at_memory_error(folder: str) -> None:
    import json  # noqa: F401  while there is memory
    import platform  # noqa: F401
    import threading

    def after(hook: Callable[..., object], kind_of: Callable[..., Any]) -> Callable[..., object]:
        def told(*told: Any) -> object:
            kind = kind_of(*told)
            if isinstance(kind, type) and issubclass(kind, MemoryError):
                _write(folder)
            return hook(*told)
        return told
    sys.excepthook = after(sys.excepthook, lambda kind, *_: kind)
    threading.excepthook = after(threading.excepthook, lambda thrown: thrown.exc_type)
