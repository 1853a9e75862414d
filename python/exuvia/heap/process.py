"""A running process is asked: through its mailbox, which the extension keeps (mailbox.h)."""
from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from exuvia._answers import HEAP, HEAP_WITH_VALUES, NUMBERS
from exuvia._host import core as _core
from exuvia.heap import remote

PATIENCE = 2.0  # seconds until a process begins to answer
MAILBOX = "/memfd:exuvia-mailbox (deleted)"
START = ("start it with `exuvia run`, or with EXUVIA=1 after `exuvia enable`, or let it call exuvia.install(); from "
         "CPython 3.14 on, a command of the same version asks any process")
REFUSALS = {
    1: "somebody else is asking it",
    2: "it does not begin to answer: a thread of it is in C and keeps the GIL; try again",
    3: "it has ended, or replaced itself, or closed the descriptor by which it is asked",
    4: "what it offers is no answer",
}
MOST_BYTES = 1 << 24  # of what is no heap file


class Refused(Exception):
    """Why there is no answer, and what to do."""


class NotFound(Refused):
    """There is no such process."""


class Dumped(NamedTuple):
    file: int
    """A descriptor: a file without a name, whole."""
    objects: int
    references: int
    bytes: int
    stopped_ns: int
    child_cpu_ns: int


def is_process(text: str) -> bool:
    """A number, unless there is a file of that name."""
    return text.isascii() and text.isdigit() and not os.path.lexists(text)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _own_number(pid: int) -> int:
    """As the process itself sees it: it may live in a namespace."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    return pid


def _descriptors(folder: str) -> list[int]:
    found = []
    for name in os.listdir(folder):
        try:
            if os.readlink(f"{folder}/{name}") == MAILBOX:
                found.append(int(name))
        except FileNotFoundError:
            pass
    return found


def _why_silent(pid: int) -> str:
    if remote.is_stopped(pid):
        return "it is stopped, by a signal or a debugger: it answers when it goes on"
    return REFUSALS[2]


def _has_closed(pid: int) -> bool:
    return not _descriptors(f"/proc/{pid}/fd") and MAILBOX in _read(f"/proc/{pid}/maps")


def _why_none(pid: int) -> str:
    if _has_closed(pid):
        return ("it has closed the descriptor by which it is asked, as daemons do with all that they have not opened: "
                "let it call exuvia.install() after that, or exuvia.dump()")
    return f"it runs without Exuvia, or not so that it can be asked: {START}"


def _ask(pid: int, question: int, since: int) -> object:
    folder = f"/proc/{pid}/fd"
    own = _own_number(pid)
    for number in _descriptors(folder):
        answer = _core.ask_process(folder, number, own, question, since, PATIENCE)
        if answer is not None:
            return answer
    return None


def _answer(pid: int, question: int, since: int = 0) -> tuple[int, ...]:
    """Of Dumped."""
    try:
        answer = _ask(pid, question, since)
        if answer is None and remote.IS_THERE and not _has_closed(pid):
            remote.load(pid)
            answer = _ask(pid, question, since)
        if isinstance(answer, tuple):
            return answer
        why = answer if isinstance(answer, str) else _why_none(pid) if answer is None else \
            _why_silent(pid) if answer == 2 else REFUSALS[int(str(answer))]
    except remote.Failed as error:
        raise Refused(f"process {pid}: {error}") from None
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"there is no process {pid}") from None
    except PermissionError:
        raise Refused(f"process {pid}: the system does not let you look into it: it is another user's, or has changed "
                      "its user; ask as root") from None
    except OSError as error:
        raise Refused(f"process {pid}: {error.strerror}") from None
    raise Refused(f"process {pid}: {why}")


def dump(pid: int, values: bool) -> Dumped:
    """Raises Refused. The descriptor is the caller's."""
    return Dumped(*_answer(pid, HEAP_WITH_VALUES if values else HEAP))


def numbers(pid: int, since: int) -> dict[str, Any]:
    """What _answers tells of its collections, but of those only the ones numbered above `since`. Raises Refused."""
    with open(_answer(pid, NUMBERS, since)[0], "rb") as file:
        try:
            told = json.loads(file.read(MOST_BYTES))
        except ValueError:
            told = None
    if not isinstance(told, dict):
        raise Refused(f"process {pid}: {REFUSALS[4]}")
    return told
