"""A heap file of this process, written beside it: exuvia.dump()."""
from __future__ import annotations

import os
import time

from exuvia import _install
from exuvia._host import core as _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    import dataclasses
    from typing import Union

    frozen = dataclasses.dataclass(frozen=True)
else:
    from exuvia._frozen import dataclass as frozen


@frozen
class Dump:
    """A heap file that was written."""
    path: str
    objects: int
    references: int
    bytes: int
    """Of the file."""
    stopped_ns: int
    """The clone; the program stood still."""


def _memory() -> dict[str, int]:
    """As far as the system tells; bytes."""
    found = {}
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            for line in file:
                key = {"VmRSS:": "resident", "VmPTE:": "page_tables"}.get(line.partition("\t")[0])
                if key:
                    found[key] = int(line.split()[1]) * 1024
    except OSError:
        pass
    return found


def _info() -> bytes:
    """Not the arguments: they may be secrets, and of `-c` they are the program."""
    import json
    import platform
    import sys

    return json.dumps({
        "format": 1, "pid": os.getpid(), "interpreter": f"CPython {platform.python_version()}",
        "command": f"{sys.executable} {sys.argv[0] if sys.argv else ''}", "time": time.time(), "memory": _memory(),
        "complete": True,
    }).encode()


def dump(path: Union[str, os.PathLike[str]], *, values: bool = False) -> Dump:
    """Write a heap file of this process, mode 0600: every object, what refers to what, and where the roots are.

    The program stops for one clone of the process; a child writes, and the caller waits without the GIL. `values`: also
    the first characters of strings; otherwise a file holds no values but names of attributes, modules and classes.

    Raises FileExistsError: nothing is overwritten; OSError: what the system says of the file; Unsupported: a check of
    this interpreter failed, or no child can be had. A file that is not whole is taken away again.
    """
    import _thread
    import errno

    target = os.path.abspath(os.fspath(path))
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "it is there already, and nothing is overwritten", target)
    part = f"{target}.{os.getpid()}.{_thread.get_ident()}.part"
    file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        written = dump_into(file, values)
        os.link(part, target, follow_symlinks=False)
    except OSError as error:
        error.filename = target
        raise
    finally:
        os.close(file)
        try:
            os.unlink(part)
        except OSError:
            pass
    return Dump(target, *written)


def dump_into(file: int, values: bool) -> tuple[int, int, int, int]:
    """The fields of Dump behind the path. The file is empty, and open for reading and writing."""
    for name, ok, text in _install.checks():
        if not ok:
            raise _install.Unsupported(name, text)
    try:
        return _core.dump(file, _info(), values)
    except RuntimeError as error:
        raise _install.Unsupported("dump", str(error)) from None


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
