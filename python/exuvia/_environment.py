"""EXUVIA_DISABLE=1, and what is said to standard error while a program begins."""
from __future__ import annotations

import sys

import _exuvia_variables

_said = False


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


_disabled = _exuvia_variables.value("EXUVIA_DISABLE") == "1"  # as this process found it
