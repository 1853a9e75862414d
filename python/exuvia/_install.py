"""Install and uninstall, and collections asked for by the program."""
from __future__ import annotations

import atexit
import gc
import os
import time
from _weakref import ref  # the module weakref brings four others

import _exuvia_variables
from exuvia import _answers, _environment, _log
from exuvia._host import core as _core
from exuvia._options import LARGEST_BUDGET_MS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MODES = {"auto": 0, "background": 1, "inline": 2, "stress": 3}
POLL_SECONDS = 0.001
OTHERS_SECONDS = 1.0
FAILED = 3  # of _core.asked()


class Unsupported(RuntimeError):
    """This interpreter or system failed a check; stock collection goes on. `check` names it."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check


collect_in_place = gc.collect  # whatever a program puts in its place, to have collections in the background

before_uninstall: list[Callable[[], None]] = []  # what stands on an installation and ends with it

_standing = False  # from install() to uninstall(), whatever the program has done to gc.callbacks
_registered = False
_proven = False


class _Trial:
    pass


def checks() -> list[tuple[str, bool, str]]:
    """Every check of this interpreter, in order, up to the first that fails: name, whether it holds, what was found."""
    return _core.probe()


def verify() -> None:
    """Raises Unsupported where a check fails."""
    for name, ok, text in checks():
        if not ok:
            raise Unsupported(name, text)


def prove() -> None:
    """Put one dead cycle through the whole path: it must die, and its weak reference must call back."""
    if _core.in_collection():
        raise Unsupported("trial", "a collection is running: install outside of finalizers")
    died: list[object] = []
    trial = _Trial()
    trial.self = trial  # type: ignore[attr-defined]
    reference = ref(trial, died.append)
    was_enabled = gc.isenabled()
    gc.disable()  # so that no other collection finds it first
    try:
        del trial
        if not _core.start(1):
            raise Unsupported("trial", "no snapshot could be made: " + _reasons())
        _finish(None)
    finally:
        if was_enabled:
            gc.enable()
    has_died = reference() is None and died != []
    died.clear()  # what it holds calls it back: a ring
    if not has_died:
        raise Unsupported("trial", "a dead cycle did not die: " + _reasons())


def _reasons() -> str:
    counted = [f"{name} {count}" for name, count in _core.stats()["fallbacks"].items() if count]
    return ", ".join(counted) or "no reason was counted"


def install(mode: str = "auto", pause_budget_ms: float = 5.0, huge_pages: bool = True,
            log: _log.FilePath | None = None, callbacks: bool = False, answers: bool = True) -> None:
    """Full collections no longer stop the program. Raises Unsupported, naming the check that failed.

    `log` names a file that gets a line of JSON for each full collection, the fields of Collection and the `pid`. It is
    made with mode 0600 or appended to, until uninstall(). OSError: it cannot be written.

    `callbacks`: the program's own gc.callbacks are told of each collection in the background once it is over, as of
    one of generation 2, at the main thread's next safe point.

    `answers`: `exuvia dump PID` and the other commands that ask a process by its number are answered, which takes a
    thread that sleeps until then, and a descriptor.
    """
    global _proven, _standing
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, not {mode!r}")
    if not 0 < pause_budget_ms <= LARGEST_BUDGET_MS:
        raise ValueError(f"pause_budget_ms is above 0 and at most {LARGEST_BUDGET_MS:.0f}, not {pause_budget_ms!r}")
    path = None if log is None else _log.checked(log)
    if _environment.is_disabled():
        return
    if is_installed():
        uninstall()
    verify()
    _core.install(MODES[mode], pause_budget_ms)
    try:
        _log.begin(path)
        if not _proven:
            prove()
    except BaseException:
        _core.uninstall()
        _log.end()
        raise
    _proven = _standing = True
    _register()
    _core.announce(callbacks)
    _core.mailbox_open(_answers.answer if answers else None)
    if huge_pages and not os.environ.get("PYTHONMALLOC"):
        _core.huge_arenas()


def answer_alone() -> str:
    """Open the mailbox without an installation, in a process that did not begin with us. What is wrong, or nothing."""
    if is_installed():
        return "it is installed, with answers=False"
    if _exuvia_variables.value("EXUVIA_DISABLE") == "1":  # said to nobody else
        return "EXUVIA_DISABLE=1"
    try:
        verify()
    except Unsupported as error:
        return str(error)
    _register()
    _core.mailbox_open(_answers.answer)
    return ""


def _register() -> None:
    global _registered
    if not _registered:
        _registered = True
        os.register_at_fork(before=_core.forking, after_in_parent=_core.fork_over, after_in_child=_core.forked)
        atexit.register(uninstall)


def uninstall() -> None:
    """Stock collection again; what is in flight is forgotten."""
    global _standing
    _standing = False
    for stop in before_uninstall:
        stop()
    _core.uninstall()
    _log.end()


def is_installed() -> bool:
    return _core.is_installed()


def is_active() -> bool:
    """Whether there is something to do: not under EXUVIA_DISABLE=1, nor where the program has taken our callback out of
    gc.callbacks; there nothing is wrong either."""
    if not is_installed() and not _standing and not _environment.is_disabled():
        raise RuntimeError("exuvia is not installed")
    return is_installed()


def start_collection() -> bool:
    """A full collection in the background, now. False: one is in flight, or no snapshot could be made."""
    return is_active() and _core.start(3)


class _Patience:
    def __init__(self, timeout: float | None) -> None:
        self.deadline = None if timeout is None else time.monotonic() + timeout
        self.others_deadline: float | None = None  # while another thread collects

    def is_over(self, another_collects: bool) -> bool:
        now = time.monotonic()
        if not another_collects:
            self.others_deadline = None
        elif self.others_deadline is None:
            self.others_deadline = now + OTHERS_SECONDS
        return any(now >= end for end in (self.deadline, self.others_deadline) if end is not None)


def _finish(timeout: float | None) -> int | None:
    patience = _Patience(timeout)
    state, finished, _ = _core.poll()
    now_finished, found = finished, 0
    while state and now_finished == finished:  # in stress mode the next one begins with the end of this one
        if _core.collects_here():
            return None  # a finalizer asks: that collection would wait for itself
        another_collects = _core.in_collection()
        if state == 1 or another_collects:
            if patience.is_over(another_collects):
                return None
            _core.pause(POLL_SECONDS)
        else:
            before = _core.stats()["young_collections"]
            collect_in_place(1)
            if _core.stats()["young_collections"] == before and not _core.in_collection():
                break  # our callback was taken out of gc.callbacks
        state, now_finished, found = _core.poll()
    how, asked_for = _core.asked()
    if now_finished != finished:
        return found
    if state:
        return None
    return collect_in_place() if how == FAILED else asked_for


def finish_collection(timeout: float | None = None) -> int | None:
    """Wait for the collection in flight, without holding the GIL, and free what it found.

    What was dead when that search began is gone then. Returns the number of unreachable objects, also where other
    collections have freed them before; 0 if none was in flight; None if the time was over before, in a finalizer,
    inside a collection, or where a collection in another thread does not end for a second: a finalizer may be waiting
    for this call. If the search failed, a collection in place takes its part.
    """
    return _finish(timeout) if is_active() else 0


def collect() -> int:
    """A full collection in the background, and wait for it: all that was dead before the call is gone after it.

    Returns the number of unreachable objects, those of a collection that was in flight already included; what there is
    of it where finish_collection() would give None.
    """
    if not is_active():
        return collect_in_place()
    earlier = _finish(None)  # it does not see what has died since it began
    if earlier is None:
        return 0
    if _core.start(3) or _core.poll()[0] != 0:
        return earlier + (_finish(None) or 0)
    return earlier + collect_in_place()
