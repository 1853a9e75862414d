"""What `exuvia run` and EXUVIA=1 do before the program begins: make the files that were asked for, and install."""
from __future__ import annotations

import os

from exuvia import _environment, _install, _log, _report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from exuvia._options import Options


class CannotWrite(Exception):
    """A file of an option, and why."""


def start(options: Options) -> None:
    """Raises CannotWrite before anything is done. Where a check fails, it is said, and collection stays stock's."""
    log, stats = _files(options)
    dump_dir = _dump_dir(options)
    if _environment.is_disabled():
        return
    _log.standing = log
    _report.ask(options.summary, stats)
    try:
        _install.install(options.mode, options.pause_budget_ms, callbacks=options.callbacks,
                         answers=not options.no_answers)
    except _install.Unsupported as error:
        _environment.say(f"{error}; the program runs with stock collection")
    if options.dump_on:
        from exuvia import _dump_on

        _dump_on.begin(options.dump_on, dump_dir)


def _dump_dir(options: Options) -> str:
    path = os.path.abspath(options.dump_dir)
    try:
        if options.dump_on:
            os.listdir(path)
    except OSError as error:
        raise CannotWrite(f"--dump-dir {options.dump_dir}: {error.strerror}") from None
    return path


def _files(options: Options) -> tuple[str | None, str | None]:
    """Absolute paths, whatever the program takes for its folder."""
    if options.log and options.stats and os.path.realpath(options.log) == os.path.realpath(options.stats):
        raise CannotWrite("--log and --stats name the same file: give two")
    try:
        log = None if options.log is None else _log.checked(options.log)
    except OSError as error:
        raise CannotWrite(f"--log {options.log}: cannot be written: {error.strerror}") from None
    try:
        stats = None if options.stats is None else _report.checked(options.stats)
    except OSError as error:
        raise CannotWrite(f"--stats {options.stats}: cannot be written: {error.strerror}") from None
    return log, stats
