"""What a program knows of its own heap: exuvia.dump(), summary(), census(), why(), cycles().

A question writes a heap file without a name, and asks the analyzer, without the GIL. Answers are data; printed they are
what the command of that name prints.
"""
from __future__ import annotations

import os

from exuvia import _dump, _install
from exuvia._frozen import dataclass as frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Union

LINES = 20


@frozen
class Dump:
    """A heap file that was written."""
    path: str
    objects: int
    references: int
    bytes: int
    """Of the file."""
    stopped_ns: int
    """The clone; the program stood still."""
    child_cpu_ns: int
    """CPU time of the child."""


def _write(file: int, values: bool) -> tuple[int, int, int, int, int]:
    _install.verify()
    try:
        return _dump.write(file, values)
    except RuntimeError as error:
        raise _install.Unsupported("dump", str(error)) from None


def dump(path: Union[str, os.PathLike[str]], *, values: bool = False) -> Dump:
    """Write a heap file of this process, mode 0600: every object, what refers to what, and where the roots are.

    The program stops for one clone of the process; a child writes, and the caller waits without the GIL. `values`: also
    the first characters of strings; otherwise a file holds no values but names of attributes, modules and classes.

    Raises FileExistsError: nothing is overwritten; OSError: what the system says of the file; Unsupported: a check of
    this interpreter failed, or no child can be had. A file that is not whole is taken away again.
    """
    target = os.path.abspath(os.fspath(path))
    return Dump(target, *_dump.new_file(target, lambda file: _write(file, values)))


class Answer(dict):  # type: ignore[type-arg]
    """What --json gives, sizes in bytes; as a text, what the command prints."""

    def __init__(self, data: dict[str, Any], text: Callable[[Any], str]) -> None:
        super().__init__(data)
        self._text = text

    def __str__(self) -> str:
        from exuvia.heap.show import visible

        return visible(self._text(self))

    __repr__ = __str__


def _ask(name: str, limit: int, **more: Any) -> tuple[int, Any]:
    from exuvia.heap.ask import MISASKED, ask

    if limit < 0:
        raise ValueError(f"limit is a number of lines, 0 for all, not {limit!r}")
    file = _dump.nameless_file()
    try:
        _write(file, False)
        status, answer = ask(name, f"/proc/self/fd/{file}", limit=limit, **more)
    finally:
        os.close(file)
    if status == MISASKED:
        raise OSError(answer)
    return status, answer


def summary(*, limit: int = LINES) -> Answer:
    """Memory told apart; types by what they have and by what they keep alive; what single objects hold; suspects.

    This and the other questions stop the program as exuvia.dump() does, and raise the same; other threads run on while
    the answer is made, in memory and on disk of some 50 bytes an object each. `limit`: lines in each list; 0: all.
    """
    from exuvia.heap import show

    return Answer(_ask("summary", limit)[1], show.summary)


def census(*, retained: bool = False, limit: int = LINES) -> Answer:
    """Every type: objects, bytes, generations, dead ones. `retained`: also what it keeps alive."""
    from exuvia.heap import show

    return Answer(_ask("census", limit, retained=retained)[1], show.census)


def why(what: object, *, limit: int = LINES) -> Answer:
    """What keeps an object alive, or the instances of a type; a str is a WHAT of `exuvia why`: a type's name, an
    address, or --largest.

    The call itself holds what it is given. LookupError: nothing that can be seen leads there, or several types have
    that name, which the message lists.
    """
    from exuvia.heap import show
    from exuvia.heap.ask import FOUND

    name = what if isinstance(what, str) else f"{what.__module__}.{what.__qualname__}" if isinstance(what, type) \
        else hex(id(what))
    status, answer = _ask("why", limit, what=name)
    if status != FOUND:
        raise LookupError(show.visible(show.fits(answer, name)) if answer else f"nothing in the heap is {name}")
    return Answer(answer, show.why)


def cycles(*, limit: int = LINES) -> Answer:
    """Dead cycles by shape, with code and line; they are not collected by that."""
    from exuvia.heap import show

    return Answer(_ask("cycles", limit)[1], show.cycles)
