"""The extension `core`; in a sub-interpreter, what stands for it there: one check, which fails, and numbers that are 0.

Anywhere else a missing extension is an ImportError that says what is wrong with the place: the files are the same for
every interpreter, the extension is not.
"""
from __future__ import annotations

import os
import sys

TYPE_CHECKING = False


def is_sub_interpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            current = __import__(name).get_current()
        except ImportError:
            continue
        return int(current[0] if isinstance(current, tuple) else current) != 0
    return False


def _why_missing(error: ImportError) -> str | None:
    """What to say instead of the error, which is right where the extension is there."""
    folder = os.path.dirname(os.path.abspath(__file__))
    try:
        built = sorted(name for name in os.listdir(folder) if name.startswith("_core.") and name.endswith(".so"))
    except OSError:
        return (f"exuvia cannot run from an archive ({folder}): the system loads its extension module from a file "
                "only; install the package beside the archive")
    from importlib.machinery import EXTENSION_SUFFIXES

    if any(name[len("_core"):] in EXTENSION_SUFFIXES for name in built):
        return None
    version = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    return (f"exuvia in {folder} has no extension module for {version} ({EXTENSION_SUFFIXES[0]}): it has "
            + (", ".join(built) or "none at all; a source folder has to be installed first"))


if TYPE_CHECKING:
    from exuvia import _core

    core = _core
else:
    try:
        from exuvia import _core as core
    except ImportError as error:
        if is_sub_interpreter():
            from exuvia import _no_core as core
        else:
            text = _why_missing(error)
            if text is None:
                raise
            raise ImportError(text, name="exuvia._core") from None
