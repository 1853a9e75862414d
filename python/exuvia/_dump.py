"""Heap files: how one of this process is written, by a child, and where.

For exuvia.dump() and the questions of _questions, and where another process asks (_answers).
"""
from __future__ import annotations

import atexit
import os
import time

from exuvia._host import core as _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, TypeVar

    T = TypeVar("T")


_STATUS = {"VmRSS:": "resident", "VmPTE:": "page_tables", "RssFile:": "files", "RssShmem:": "shared"}


def told_by(status: Iterable[str]) -> dict[str, int]:
    """What the lines of /proc/PID/status say of memory; bytes."""
    found = {}
    for line in status:
        key = _STATUS.get(line.partition("\t")[0])
        if key:
            found[key] = int(line.split()[1]) * 1024
    return found


def _memory() -> dict[str, int | None]:
    """As far as the system tells; bytes."""
    free = {"malloc_free": _core.malloc_free()}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return {**free, **told_by(file)}
    except OSError:
        return free


def _info() -> bytes:
    """Not the arguments: they may be secrets, and of `-c` they are the program."""
    import json
    import platform
    import sys

    return json.dumps({
        "format": 1, "pid": os.getpid(), "interpreter": f"CPython {platform.python_version()}",
        "command": f"{sys.executable} {sys.argv[0] if sys.argv else ''}", "time": time.time(), "complete": True,
        "memory": _memory(),  # the last one: the child adds to it
    }).encode()


_registered = False


def _at_exit() -> None:
    """By it the child knows what atexit keeps."""


def nameless_file() -> int:
    """A descriptor of a new file of our own that is gone when it is closed: on disk, or where no folder has such, in
    memory."""
    for folder in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp"):
        try:
            if folder:
                return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_EXCL, 0o600)
        except OSError:
            pass
    return os.memfd_create("exuvia")


def write(file: int, values: bool, asked: bool = False) -> tuple[int, int, int, int, int]:
    """Objects, references, bytes of the file, nanoseconds the program stood still, and those of the child's CPU. The
    file is empty, and open for reading and writing. `asked`: through the mailbox, so it ends where nobody waits for it
    any more.

    OSError; RuntimeError: the checks of this interpreter do not hold, or no child can be had.
    """
    global _registered
    if not _registered:
        atexit.register(_at_exit)
        _registered = True
    return _core.dump(file, _info(), values, asked, _at_exit)


def new_file(path: str, fill: Callable[[int], T]) -> T:
    """A file of mode 0600 at an absolute path, made whole by `fill`, which is given a descriptor; or none. No link is
    followed and nothing overwritten."""
    import _thread
    import errno

    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, "it is there already, and nothing is overwritten", path)
    part = f"{path}.{os.getpid()}.{_thread.get_ident()}.part"
    file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        filled = fill(file)
        os.link(part, path, follow_symlinks=False)
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(file)
        try:
            os.unlink(part)
        except OSError:
            pass
    return filled
