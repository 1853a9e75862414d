"""The variables of the environment that are ours: EXUVIA, EXUVIA_DISABLE, EXUVIA_OPTIONS.

They count where python's own do: not under -E or -I, and not in a process that runs with other rights than those of
whoever set them. Beside the package, not within, since `_exuvia_switch` asks before it loads any of it.
PYTEST_DONT_REWRITE: it may be there before pytest, which else warns that it has not rewritten it.
"""
import os
import sys


def value(name: str) -> "str | None":
    heeded = not sys.flags.ignore_environment and os.getuid() == os.geteuid() and os.getgid() == os.getegid()
    return os.environ.get(name) if heeded else None
