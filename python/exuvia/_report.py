"""What `--summary` and `--stats` ask for: a report when the process ends, by itself or by SIGTERM left at its default.

The process ends as it would without us. So whatever the report needs is loaded when it is asked for: in code that is
executed from a text at the very end, as a named tuple is made, CPython forgets that it was a Ctrl-C that ended the
program. SIGTERM is handled only where it would have ended the process at once; its handler reports, and then it does.

A file of statistics is there whole or not at all: it is written under another name, then renamed.
"""
from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import atexit
import os
import stat
import sys

from exuvia import _environment, _stats
from exuvia._host import core as _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import TextIO


class _Wish:
    def __init__(self, summary: bool, path: str | None) -> None:
        self.pid = os.getpid()
        self.summary = summary
        self.path = path

    def is_ours(self) -> bool:
        """A forked process is not the program that was asked about."""
        return (self.summary or self.path is not None) and self.pid == os.getpid()


_wish: _Wish | None = None
_registered = False


def ask(summary: bool, path: str | None) -> None:
    """From now on these, whatever was asked for before; the path is one that checked() gave."""
    global _registered, _wish
    _wish = _Wish(summary, path)
    if not _wish.is_ours():
        return
    if path is not None:
        import json  # noqa: F401
    if summary:
        from exuvia import _summary

        _summary.load(sys.stderr)
    if not _registered:
        _registered = True
        atexit.register(_at_exit)
        _handle_term()


def _at_exit() -> None:
    if _wish is not None and _wish.is_ours():
        _report(_wish, sys.stderr)
    if _signal.getsignal(_signal.SIGTERM) is _on_term:
        _signal.signal(_signal.SIGTERM, _signal.SIG_DFL)  # from here on no handler is called any more


def _report(wish: _Wish, screen: TextIO | None) -> None:
    """On the screen that sys.stderr is; None: on the descriptor, whoever is in the middle of writing."""
    stats = _stats.stats()
    if wish.path is not None:
        import json

        try:
            _write(wish.path, json.dumps(stats.as_dict(), indent=2) + "\n")
        except OSError as error:
            _environment.say(f"--stats {wish.path}: cannot be written: {error.strerror}")
    if not wish.summary:
        return
    from exuvia import _summary

    if screen is not None:
        _summary.show(stats, screen)
    elif sys.stderr is not None:
        os.write(2, _summary.text(stats).encode("utf-8", "replace") + b"\n")


# ------------------------------------------------------------------- SIGTERM

def _handle_term() -> None:
    try:
        if _signal.getsignal(_signal.SIGTERM) is _signal.SIG_DFL:
            _signal.signal(_signal.SIGTERM, _on_term)
            _core.term_watch()
    except (ValueError, OSError):
        pass  # not the main thread: what SIGTERM does stays as it is


def _on_term(number: int, frame: types.FrameType | None) -> None:
    global _wish
    _core.term_taken()
    wish, _wish = _wish, None
    try:
        if wish is not None and wish.is_ours():
            _report(wish, None)
    finally:
        _signal.signal(number, _signal.SIG_DFL)
        os.kill(os.getpid(), number)
        _wish = wish  # the first process of a container does not die by it


# --------------------------------------------------------------------- a file

def checked(name: str) -> str:
    """The absolute path of a file that can be written, %p in its name replaced by the process's number. What was there
    is removed, so that what is there later is of this process. Raises OSError."""
    path = os.path.abspath(name.replace("%p", str(os.getpid())))
    if _is_special(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(13, os.strerror(13))
        return path
    path = os.path.realpath(path)
    try:
        beside = _beside(path)
        os.close(_open_new(beside))
        os.unlink(beside)
    except OSError:
        if not os.access(path, os.W_OK):
            raise
        return path  # in a folder that takes no new file
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    return path


def _is_special(path: str) -> bool:
    """A device, a pipe, the standard output by whatever name: not to be replaced."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(21, os.strerror(21))
    return not stat.S_ISREG(mode) or path.startswith(("/dev/", "/proc/"))


def _beside(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name[:200]}.{os.getpid()}")


def _open_new(path: str) -> int:
    try:
        os.unlink(path)  # of a process that had the same number
    except FileNotFoundError:
        pass
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _write_all(file: int, text: str) -> None:
    data = text.encode()
    try:
        while data:
            data = data[os.write(file, data):]
    finally:
        os.close(file)


def _write(path: str, text: str) -> None:
    if _is_special(path):
        _write_all(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY), text)
        return
    beside = _beside(path)
    try:
        file = _open_new(beside)
    except OSError:
        if not os.path.exists(path):
            raise
        _write_all(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), text)
        return
    try:
        _write_all(file, text)
        os.replace(beside, path)
    except OSError:
        os.unlink(beside)
        raise
