"""The variables of the environment that are ours: EXUVIA, EXUVIA_DISABLE, EXUVIA_OPTIONS.

They count where python's own do: not under -E or -I, and not in a process that runs with other rights than those of
whoever set them. `_exuvia_switch` asks the same before any module of this package is loaded.
"""
from __future__ import annotations

import _exuvia_switch
import os
import sys

_said = False


def variable(name: str) -> str | None:
    return os.environ.get(name) if _exuvia_switch.are_heeded() else None


def is_disabled() -> bool:
    """EXUVIA_DISABLE=1 wins over everything; said once in a process, to its standard error."""
    global _said
    if _disabled and not _said:
        _said = True
        say("EXUVIA_DISABLE=1: stock collection")
    return _disabled


def say(text: str) -> None:
    if sys.stderr is not None:
        print(f"exuvia: {text}", file=sys.stderr)


_disabled = variable("EXUVIA_DISABLE") == "1"  # as this process found it
