"""What other processes ask this one through its mailbox: a heap file, or the numbers of its collections."""
from __future__ import annotations

import gc
import os
import time

from exuvia import _dump
from exuvia._host import core as _core

HEAP, HEAP_WITH_VALUES, NUMBERS = range(3)
_NOT_WRITTEN = (0, 0, 0, 0, 0)  # what _dump.write() gives of a heap file


def _write_numbers(file: int, since: int) -> tuple[int, ...]:
    import json

    told = {"installed": _core.is_installed(), "stats": _core.stats(since), "enabled": gc.isenabled(),
            "generations": gc.get_stats(), "answering_ns": time.thread_time_ns()}
    os.write(file, json.dumps(told).encode())
    return _NOT_WRITTEN


def answer(question: int, since: int) -> tuple[int, ...] | str:
    """A descriptor of a new file without a name, and what _dump.write() gives; or why there is none. In NUMBERS are of
    the collections those numbered above `since`."""
    try:
        file = os.memfd_create("exuvia") if question == NUMBERS else _dump.nameless_file()
        try:
            if question == NUMBERS:
                return (file, *_write_numbers(file, since))
            return (file, *_dump.write(file, question == HEAP_WITH_VALUES, True))
        except OSError as error:
            folder = os.path.dirname(os.readlink(f"/proc/self/fd/{file}"))
            os.close(file)
            return f"its heap file has no place in its {folder} (TMPDIR): {error.strerror}"
        except BaseException:
            os.close(file)
            raise
    except BaseException as error:  # this thread has nobody else to tell
        return str(error) or type(error).__name__
