"""In a sub-interpreter this is the extension: installing fails by name, everything else finds nothing installed."""
from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WHY = "a sub-interpreter: Exuvia is for the main one, whose objects it alone may look at"


def probe() -> list[tuple[str, bool, str]]:
    return [("interpreter", False, WHY)]


def _nothing(*_: object) -> None:
    pass


def _no(*_: object) -> bool:
    return False


install = uninstall = forking = fork_over = forked = log_open = log_write = huge_arenas = _nothing
announce = term_watch = term_taken = mailbox_open = ask_process = _nothing
is_installed = start = in_collection = collects_here = ask_young = _no
pause = time.sleep


def poll() -> tuple[int, int, int]:
    return 0, 0, 0


def log_close() -> tuple[int, int, int]:
    return 0, 0, 0


def heap_ask(*_: object) -> tuple[int, str]:
    return 2, WHY


def stats(since: int = 0) -> dict[str, Any]:
    return {}
