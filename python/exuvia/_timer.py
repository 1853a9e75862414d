"""Collections by time and by idleness: one helper thread, only while it is asked for.

The periods are the module's, and the thread reads them at each step. It ends by itself when it is no longer the one, or
has nothing to do. `_guard` is held for some lines without waiting, and may be taken again by a finalizer within them.
"""
from __future__ import annotations

import _thread
import os
import resource
import time

from exuvia import _core

IDLE_CPU_SHARE = 0.02
LONGEST_STEP = 0.25
SHORTEST_STEP = 0.01


class _Timer:
    """The thread's own part. The lock `wake` is held but for the moment in which the thread shall look."""

    def __init__(self) -> None:
        self.wake = _thread.allocate_lock()
        self.wake.acquire()
        self.ended = _thread.allocate_lock()
        self.ended.acquire()
        self.thread = 0

    def look(self) -> None:
        with _guard:
            if self.wake.locked():
                self.wake.release()

    def is_over(self) -> bool:
        global _timer
        with _guard:
            if _timer is self and not (_every or _idle):
                _timer = None
            return _timer is not self

    def run(self) -> None:
        self.thread = _thread.get_ident()
        try:
            self._loop()
        finally:
            self.ended.release()

    def _loop(self) -> None:
        every, collected = _every, time.monotonic()
        idle_since, idle_collected = collected, False
        now, cpu = collected, _cpu_seconds()
        while not self.is_over():
            self.wake.acquire(timeout=_step())
            before, now = now, time.monotonic()
            if every != _every:
                every, collected = _every, now
            if every and now - collected >= every:
                collected = now
                self._collect()
            if _idle:
                used, cpu = _cpu_seconds() - cpu, _cpu_seconds()
                if used > IDLE_CPU_SHARE * (now - before):
                    idle_since, idle_collected = now, False
                elif not idle_collected and now - idle_since >= _idle:
                    self._collect()
                    idle_collected, cpu = True, _cpu_seconds()

    def _collect(self) -> None:
        from exuvia import _install

        if not self.is_over():
            _install.collect_unless(self.is_over)


def _step() -> float:
    periods = [period / 4 for period in (_every, _idle) if period > 0]
    return max(SHORTEST_STEP, min([LONGEST_STEP, *periods]))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_guard = _thread.RLock()
_timer: _Timer | None = None
_every = 0.0
_idle = 0.0


def _set(every: float | None, idle: float | None) -> None:
    global _every, _idle, _timer
    with _guard:
        _every = _every if every is None else every
        _idle = _idle if idle is None else idle
        timer, wanted = _timer, bool(_every or _idle)
        if not wanted:
            _timer = None
        elif timer is None:
            _timer = timer = _Timer()
            _thread.start_new_thread(timer.run, ())
    if timer is not None:
        timer.look()
        if not wanted and timer.thread != _thread.get_ident():  # it may be asked by a finalizer of what it found itself
            timer.ended.acquire()


def collect_every(seconds: float) -> None:
    """Collect every so many seconds, in the background; 0 turns it off."""
    _set(_checked(seconds), None)


def collect_when_idle(seconds: float) -> None:
    """Collect when the process has used no CPU for so many seconds; 0 turns it off."""
    _set(None, _checked(seconds))


def _checked(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"seconds must not be negative: {seconds!r}")
    if seconds and not _core.is_installed():
        raise RuntimeError("exuvia is not installed")
    return float(seconds)


def stop() -> None:
    _set(0.0, 0.0)


def _forked() -> None:
    """Threads do not survive a fork: the child has a timer of its own."""
    global _guard, _timer
    _guard, _timer = _thread.RLock(), None
    if _every or _idle:
        _set(None, None)


os.register_at_fork(after_in_child=_forked)
