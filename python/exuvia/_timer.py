"""Collections by time and by idleness: one helper thread, only while it is asked for."""
from __future__ import annotations

import _thread
import os
import resource
import time

from exuvia import _core

IDLE_CPU_SHARE = 0.02


class _Timer:
    """What the thread works from; the lock `wake` is held but for the moment in which it shall end."""

    def __init__(self, every: float, idle: float) -> None:
        self.every = every
        self.idle = idle
        self.wake = _thread.allocate_lock()
        self.wake.acquire()
        self.ended = _thread.allocate_lock()
        self.ended.acquire()
        self.pid = os.getpid()
        self.thread = 0

    def run(self) -> None:
        self.thread = _thread.get_ident()
        try:
            self._loop()
        finally:
            self.ended.release()

    def _loop(self) -> None:
        last_collection = idle_since = time.monotonic()
        idle_collected = False
        step = max(0.01, min(0.25, *(period / 4 for period in (self.every, self.idle) if period > 0), 0.25))
        cpu = _cpu_seconds()
        while not self.wake.acquire(timeout=step):
            now = time.monotonic()
            if self.every and now - last_collection >= self.every:
                last_collection = now
                _collect()
            if self.idle:
                used, cpu = _cpu_seconds() - cpu, _cpu_seconds()
                if used > IDLE_CPU_SHARE * step:
                    idle_since, idle_collected = now, False
                elif not idle_collected and now - idle_since >= self.idle:
                    _collect()
                    idle_collected = True
                    cpu = _cpu_seconds()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _collect() -> None:
    from exuvia import _install

    if _core.is_installed():
        _install.collect()


_timer: _Timer | None = None
_every = 0.0
_idle = 0.0


def _restart() -> None:
    global _timer
    if _timer is not None:
        old, _timer = _timer, None
        if old.pid == os.getpid():
            old.wake.release()
            if old.thread != _thread.get_ident():  # it may be asked by a finalizer of what it found itself
                old.ended.acquire()
    if _every or _idle:
        _timer = _Timer(_every, _idle)
        _thread.start_new_thread(_timer.run, ())


def collect_every(seconds: float) -> None:
    """Collect every so many seconds, in the background; 0 turns it off."""
    global _every
    _every = _checked(seconds)
    _restart()


def collect_when_idle(seconds: float) -> None:
    """Collect when the process has used no CPU for so many seconds; 0 turns it off."""
    global _idle
    _idle = _checked(seconds)
    _restart()


def _checked(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"seconds must not be negative: {seconds!r}")
    if seconds and not _core.is_installed():
        raise RuntimeError("exuvia is not installed")
    return float(seconds)


def stop() -> None:
    global _every, _idle
    _every = _idle = 0.0
    _restart()


def _forked() -> None:
    """Threads do not survive a fork: the child has a timer of its own."""
    if _timer is not None:
        _restart()


os.register_at_fork(after_in_child=_forked)
