"""The file that gets a line for each full collection. It is written by _core, outside of collections."""
from __future__ import annotations

import os
import sys

from exuvia._host import core as _core

FilePath = str | os.PathLike[str]

standing: str | None = None  # of `exuvia run --log`: also for a program that installs anew
_path: str | None = None


def checked(path: FilePath) -> str:
    """The absolute path of a file that can be appended to; it is made if it is not there. Raises OSError."""
    absolute = os.path.abspath(path)
    os.close(os.open(absolute, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o600))
    return absolute


def begin(path: str | None) -> None:
    global _path
    _path = path or standing
    if _path is not None:
        _core.log_open(os.fsencode(_path))


def end() -> None:
    """Write what is left, and say so if lines are missing."""
    global _path
    path, _path = _path, None
    written, missing, why = _core.log_close()
    if missing and sys.stderr is not None:
        cause = os.strerror(why) if why else "no memory to keep them"
        print(f"exuvia: {missing} of {written + missing} lines are missing in {path}: {cause}", file=sys.stderr)
