"""Collections by time and by idleness: one helper thread, only while it is asked for.

The thread begins searches and sees to it that the program's main thread frees what they find, at its own next safe
points: no finalizer runs here, and none comes by a timer while gc.disable() is in force. Where that thread sits in one
long call, what was found waits for its end.

The periods are the module's, and the thread reads them at each step; it ends when `_timer` is another, or none. There
is no lock: finalizers and signal handlers run between any two lines, and may call these functions. So each change of
a period is followed by _fit(), which looks until `_timer` fits, whatever others changed meanwhile; and nobody waits
for the thread without end.
"""
from __future__ import annotations

import _thread
import gc
import os
import resource
import time

from exuvia import _install
from exuvia._host import core as _core

IDLE_CPU_SHARE = 0.02
PATIENCE_SECONDS = 1.0
LONGEST_STEP = 0.25
SHORTEST_STEP = 0.01
SEARCHING, FOUND = 1, 2  # of _core.poll()
LOOK = 0.005
WHOLE = 3  # generations


class _Timer:
    """The thread's own part. The lock `wake` is held but for the moment in which the thread shall look."""

    def __init__(self) -> None:
        self.wake = _thread.allocate_lock()
        self.wake.acquire()
        self.ended = _thread.allocate_lock()
        self.ended.acquire()
        self.thread = 0
        self.brings = False  # a search of ours is up, or what it found is not yet freed
        self.wait = LOOK

    def is_over(self) -> bool:
        return _timer is not self

    def look(self) -> None:
        try:
            self.wake.release()
        except RuntimeError:
            pass  # it is about to

    def wait_for_end(self) -> None:
        if self.thread != _thread.get_ident():
            self.ended.acquire(timeout=PATIENCE_SECONDS)

    def run(self) -> None:
        self.thread = _thread.get_ident()
        try:
            self._loop()
        finally:
            self.ended.release()

    def _loop(self) -> None:
        now, cpu = time.monotonic(), _cpu_seconds()
        every, collected = _every, now
        idle, idle_since, idle_collected = _idle, now, False
        while not self.is_over():
            brought = self.brings  # the time that takes is not the program's
            self.wake.acquire(timeout=self._bring_in() or _step())
            before, now = now, time.monotonic()
            used, cpu = 0.0 if brought else _cpu_seconds() - cpu, _cpu_seconds()
            if every != _every:
                every, collected = _every, now
            if idle != _idle or used > IDLE_CPU_SHARE * (now - before):
                idle, idle_since, idle_collected = _idle, now, False
            if every and now - collected >= every and self._collect():
                collected = now
            elif idle and not idle_collected and now - idle_since >= idle:
                idle_collected = self._collect()

    def _collect(self) -> bool:
        """False: a collection is running, in some thread."""
        if self.is_over() or not gc.isenabled():
            return True
        self.brings = _core.start(WHOLE) or _core.poll()[0] != 0
        return self.brings or not _core.in_collection()

    def _bring_in(self) -> float:
        """How long to wait for the next step of what a search of ours has found; 0: there is none."""
        state = _core.poll()[0] if self.brings and not self.is_over() else 0
        if state == SEARCHING:
            return LOOK
        if state == FOUND and not gc.isenabled():
            return _step()
        if state == FOUND:
            self.wait = LOOK if _core.ask_young() else min(2 * self.wait, LONGEST_STEP)
            return self.wait
        self.brings = False
        return 0.0


def _step() -> float:
    periods = [period / 4 for period in (_every, _idle) if period > 0]
    return max(SHORTEST_STEP, min([LONGEST_STEP, *periods]))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_timer: _Timer | None = None
_every = 0.0
_idle = 0.0


def _start(timer: _Timer) -> None:
    global _every, _idle, _timer
    try:
        _thread.start_new_thread(timer.run, ())
    except RuntimeError:
        _every, _idle, _timer = 0.0, 0.0, None
        raise


def _fit() -> None:
    """A thread if there is a period, and none if not."""
    global _timer
    while bool(_every or _idle) != (_timer is not None):
        old = _timer
        if old is None:
            _timer = new = _Timer()
            _start(new)
        else:
            _timer = None
            old.look()
            old.wait_for_end()


def _look() -> None:
    timer = _timer
    if timer is not None:
        timer.look()


def collect_every(seconds: float) -> None:
    """Collect every so many seconds, in the background; 0 turns it off. RuntimeError: no thread could be started."""
    global _every
    _every = _checked(seconds)
    _fit()
    _look()


def collect_when_idle(seconds: float) -> None:
    """Collect when the process has used no CPU for so many seconds; 0 turns it off. RuntimeError: as above."""
    global _idle
    _idle = _checked(seconds)
    _fit()
    _look()


def _checked(seconds: float) -> float:
    if not seconds >= 0:
        raise ValueError(f"seconds must not be negative: {seconds!r}")
    return float(seconds) if not seconds or _install.is_active() else 0.0


def stop() -> None:
    global _every, _idle
    _every = _idle = 0.0
    _fit()


def _forked() -> None:
    """Threads do not survive a fork: the child has a timer of its own."""
    global _timer
    _timer = None
    _fit()


_install.before_uninstall.append(stop)
os.register_at_fork(after_in_child=_forked)
