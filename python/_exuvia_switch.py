"""Whether a new interpreter begins with Exuvia: asked by the line of a .pth file where EXUVIA=1, or by a start file.

It stands beside the package, not within: where the answer is no, no module of the package is loaded. It may be loaded
and called again and again, in any interpreter, and never raises.
PYTEST_DONT_REWRITE: it may be there before pytest, which else warns that it has not rewritten it.
"""
import sys

import _exuvia_variables

_asked = False


def _is_wished() -> bool:
    return _exuvia_variables.value("EXUVIA") == "1" and _exuvia_variables.value("EXUVIA_DISABLE") != "1"


def begin() -> None:
    """Once in a process."""
    global _asked
    if _asked or not _is_wished():
        return
    _asked = True
    try:
        from exuvia import _switch
    except Exception as error:
        if sys.stderr is not None:
            print(f"exuvia: EXUVIA=1: {error}; stock collection", file=sys.stderr)
        return
    _switch.begin()
