"""What a piece of code leaves behind each time it runs: objects that stay alive, and dead cycles.

Three steps, each on what the one before found. Counts are cheap (what is old is frozen meanwhile, so that a collection
looks at what is new alone) and may deceive: something was replaced, a free list grew. Two heap files tell what is new
and which path holds it. Repetition tells a leak from what fills up: a leak goes on.

Invariant: between two looks the code has run exactly once, and nothing of ours was kept. What calls it: pytest.py.
"""
from __future__ import annotations

import array
import contextlib
import ctypes
import functools
import gc
import os
import sys
import tempfile
import time
import types
from typing import Any, Callable, Iterator, NamedTuple, Optional

import exuvia
from exuvia import _dump, _install
from exuvia.heap import page, show
from exuvia.heap.ask import FOUND, ask

Look = Callable[[], None]
Again = Callable[[Look], None]
"""Ends the last run, calls the look, and runs once more."""
Signature = frozenset[str]

WARM_UP, MEASURED, JUDGED = 2, 3, 5     # runs
YOUNG = 1_000_000                       # objects that collections wait for: what one run made is seen together
MOST_PATHS, MOST_SHAPES = 5, 3
# Types and code of those who run tests: rings through them are not the program's.
RUNNERS = ("_pytest", "pytest", "pluggy", "unittest", "exuvia")  # and pytest_*
# A module and the name in it: bounded, though nothing but their code says so, or one entry for each file there is.
BOUNDED = {("re", "['_cache']"), ("re", "['_cache2']"), ("sys", "['path_importer_cache']"), ("linecache", "['cache']"),
           *(("sys", f"['last_{name}']") for name in ("traceback", "value", "exc", "type"))}


class Bounds(NamedTuple):
    objects: Optional[int]
    """That may stay after each run; None: not judged."""
    cycles: Optional[int]
    """Dead rings that each run may leave; None: not judged."""
    runs: int
    """So often at most, to see whether it goes on."""
    seconds: float
    """So long at most, for the same."""


# --------------------------------------------------------------------- counts

class _Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]


@functools.lru_cache(maxsize=1)
def _mallinfo() -> Optional[Callable[[], Any]]:
    function = getattr(ctypes.CDLL(None), "mallinfo2", None)  # of glibc alone
    if function is not None:
        function.restype = _Mallinfo
    return function


def _malloc_bytes() -> int:
    """In use: of large objects no other count tells."""
    function = _mallinfo()
    info = function() if function else None
    return info.uordblks + info.hblkhd if info else 0


def type_name(kind: type) -> str:
    """As heap files have it."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _is_runners(name: str) -> bool:
    package, dot, _ = name.partition(".")
    return bool(dot) and (package in RUNNERS or package.startswith("pytest_"))


@functools.lru_cache(maxsize=1)
def _runners_folders() -> tuple[str, ...]:
    files = [getattr(sys.modules.get(name), "__file__", None) for name in RUNNERS]
    return tuple(os.path.dirname(file) + os.sep for file in files if file and os.path.basename(file) == "__init__.py")


def _components(things: list[object]) -> Iterator[list[object]]:
    """Strongly connected (Tarjan 1972, without recursion): those that form a ring."""
    place = {id(thing): at for at, thing in enumerate(things)}
    edges = [[place[id(to)] for to in gc.get_referents(thing) if id(to) in place] for thing in things]
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    waiting: set[int] = set()
    for root in range(len(things)):
        todo = [(root, iter(edges[root]))] if root not in index else []
        while todo:
            at, rest = todo[-1]
            if at not in index:
                index[at] = low[at] = len(index)
                stack.append(at)
                waiting.add(at)
            for to in rest:
                if to not in index:
                    todo.append((to, iter(edges[to])))
                    break
                if to in waiting:
                    low[at] = min(low[at], index[to])
            else:
                todo.pop()
                if todo:
                    low[todo[-1][0]] = min(low[todo[-1][0]], low[at])
                if low[at] == index[at]:
                    ring = stack[stack.index(at):] if len(stack) > 1 else stack[:]
                    del stack[len(stack) - len(ring):]
                    waiting.difference_update(ring)
                    if len(ring) > 1 or at in edges[at]:
                        yield [things[each] for each in ring]


def _signature(ring: list[object]) -> Optional[Signature]:
    """The types in it; None of a ring that is not the program's fault.

    Every class and every namespace with a function is one, and some are the runner's or the standard library's."""
    things, files = {id(thing) for thing in ring}, set()
    for thing in ring:
        code = getattr(thing, "f_code", None) or getattr(thing, "__code__", None)
        if isinstance(thing, type) or id(getattr(thing, "__globals__", None)) in things:
            return None
        if isinstance(code, types.CodeType):
            files.add(code.co_filename)
    names = frozenset(type_name(type(thing)) for thing in ring)
    if any(map(_is_runners, names)) or any(file.startswith(_runners_folders()) for file in files):
        return None
    return None if files and all(map(_is_standard, files)) else names


def _is_standard(file: str) -> bool:
    return file.startswith(os.path.dirname(os.__file__) + os.sep) and "-packages" + os.sep not in file


class _Counts:
    """Of several looks, in room that is there from the start: what is counted is not to grow by counting."""

    def __init__(self, looks: int) -> None:
        self.room = array.array("q", [0] * (3 * looks))
        self.looks = 0

    def take(self) -> None:
        at = 3 * self.looks
        self.room[at] = gc.get_freeze_count() + len(gc.get_objects())
        self.room[at + 1] = sys.getallocatedblocks()
        self.room[at + 2] = _malloc_bytes() // 16  # no block is smaller
        self.looks += 1

    def grew(self, least: int) -> bool:
        """Whether one of the counts grew by that much from each look to the next."""
        return any(all(new - old >= least for old, new in zip(of, of[1:]))
                   for of in (self.room[kind::3] for kind in range(3)))


class _Counter:
    """Collections are ours while it is entered."""

    def __init__(self) -> None:
        self.counts = _Counts(MEASURED + 1)
        self.signatures: set[Signature] = set()
        self.fewest_rings = sys.maxsize

    def __enter__(self) -> _Counter:
        self._threshold = gc.get_threshold()
        gc.set_threshold(YOUNG, *self._threshold[1:])
        return self

    def __exit__(self, *_: object) -> None:
        gc.unfreeze()
        if gc.get_threshold()[0] == YOUNG:
            gc.set_threshold(*self._threshold)

    def collect(self) -> None:
        """And only what comes from now on is looked at by the next."""
        gc.collect()
        gc.freeze()

    def whole(self) -> None:
        gc.unfreeze()
        gc.collect()

    def look(self) -> None:
        rings = self._dead_rings()
        self.signatures.update(rings)
        self.fewest_rings = min(self.fewest_rings, len(rings))
        del rings
        self.collect()
        self.counts.take()

    def _dead_rings(self) -> list[Signature]:
        flags, there = gc.get_debug(), len(gc.garbage)
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            gc.collect()
        finally:
            gc.set_debug(flags)
        dead = gc.garbage[there:]
        del gc.garbage[there:]
        found = [_signature(ring) for ring in _components(dead)]
        return [names for names in found if names is not None]


# ----------------------------------------------------------------- heap files

def _question(name: str, path: str, **more: Any) -> Any:
    status, answer = ask(name, path, **more)
    if status != FOUND:
        raise RuntimeError(f"{name}: {answer}")
    return answer


def _is_excused(path: dict[str, Any], file: str) -> bool:
    """Whether what the path leads to is the runner's, or held by a cache with a bound and by nothing else."""
    edges = [step.get("edge", "") for step in path["steps"]]
    group = path["steps"][0].get("group")
    if len(edges) > 3 and group == "modules" and (edges[1], edges[3]) in BOUNDED:
        return True
    if group == "frames" and len(edges) == 2 and any(folder in edges[1] for folder in _runners_folders()):
        return True
    if any(_is_runners(step.get("type", "")) for step in path["steps"][-4:-1]):
        return True
    if not any(step.get("type") == "functools._lru_cache_wrapper" for step in path["steps"]):
        return False
    bounded = {id(thing) for thing in gc.get_objects()
               if isinstance(thing, functools._lru_cache_wrapper) and thing.cache_info().maxsize is not None}
    above = _question("why", file, what=path["example"]["address"]).get("kept_by", ())
    return any(int(of["address"], 16) in bounded for of in above)


def _growth(before: str, after: str, bounds: Bounds) -> Optional[str]:
    """What grew with each run, and what holds it."""
    answer = _question("diff", before, other=after)
    grew = {of["type"]: of["count_after"] - of["count_before"] for of in answer["types"]}
    found: dict[str, list[dict[str, Any]]] = {}
    for path in answer["paths"]:
        kind = path["steps"][-1].get("type", "")
        if grew.get(kind, 0) >= JUDGED and not _is_runners(kind) and path["steps"][0].get("group") != "dead cycles":
            found.setdefault(kind, []).append(path)
    leaks = []
    for paths in found.values():
        if sum(of["count"] for of in paths) >= JUDGED:
            paths = [of for of in paths if not _is_excused(of, after)]
            leaks += paths if sum(of["count"] for of in paths) >= JUDGED else []
    total = sum(of["count"] for of in leaks)
    if bounds.objects is None or total < JUDGED * (bounds.objects + 1):
        return None
    kinds = [f"{show.number(of['count_after'] - of['count_before'])} {of['type']}" for of in answer["types"]
             if of["count_after"] - of["count_before"] >= JUDGED]
    lines = [f"leak: {JUDGED} runs left {', '.join(kinds[:MOST_PATHS])}"
             + (f" and {len(kinds) - MOST_PATHS} types more" if len(kinds) > MOST_PATHS else "")]
    leaks.sort(key=lambda of: (-of["count"], -of["retained"]))
    told = [of for of in leaks if of["count"] >= JUDGED] or leaks
    for of in told[:MOST_PATHS]:
        lines += ["", f"  {show.objects(of['count'])} new, retaining {show.size(of['retained'])}",
                  *show.path(of["steps"])]
    return "\n".join(lines)


def _dead(file: str, signatures: set[Signature], bounds: Bounds) -> Optional[str]:
    answer = _question("cycles", file)
    shapes = [of for of in answer["shapes"] if frozenset(at["type"] for at in of["types"]) in signatures]
    rings = sum(of["rings"] for of in shapes)
    if bounds.cycles is None or rings <= bounds.cycles:
        return None
    told = {"dead": sum(of["objects"] for of in shapes), "dead_bytes": sum(of["bytes"] for of in shapes),
            "different_shapes": len(shapes), "shapes": shapes[:MOST_SHAPES]}
    return f"dead cycles: each run leaves {rings}, which only a full collection frees\n{show.cycles(told)}"


# -------------------------------------------------------------------- verdict

class _Judge:
    def __init__(self, again: Again, bounds: Bounds, counter: _Counter, folder: str) -> None:
        self.again, self.bounds, self.counter, self.folder = again, bounds, counter, folder
        _install.checks()  # with a collection, the first time
        self.files = 0

    def _dump(self) -> str:
        self.files += 1
        path = os.path.join(self.folder, f"{self.files}.exv")
        exuvia.dump(path)
        return path

    def growth(self) -> Optional[tuple[str, str]]:
        """The text and the heap file."""
        files: list[str] = []

        def look() -> None:
            self.counter.whole()
            files.append(self._dump())
        self.again(look)
        for _ in range(JUDGED - 1):
            self.again(self.counter.collect)
        self.again(look)
        text = _growth(files[0], files[1], self.bounds)
        return (text, files[1]) if text else None

    def goes_on(self) -> bool:
        """Whether it grows still after many runs: whatever has a bound is full then."""
        end = time.monotonic() + self.bounds.seconds
        for _ in range(0, self.bounds.runs, JUDGED):
            counts = _Counts(2)
            for run in range(JUDGED + 1):
                self.again(self.counter.collect)
                if run in (0, JUDGED):
                    counts.take()
            if not counts.grew(JUDGED):
                return False
            if time.monotonic() > end:
                break
        return True

    def cycles(self, signatures: set[Signature]) -> Optional[tuple[str, str]]:
        files: list[str] = []
        self.again(self.counter.whole)
        self.again(lambda: files.append(self._dump()))
        text = _dead(files[0], signatures, self.bounds)
        return (text, files[0]) if text else None


def examine(again: Again, bounds: Bounds, report: Optional[Callable[[str], None]] = None) -> Optional[str]:
    """What each run leaves behind, in words; None: nothing. The code has run once, and is not ended.

    Report: called with the heap file that shows it, which is gone afterwards. Raises what `again` raises,
    exuvia.Unsupported where no heap file can be had, OSError where it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        counter = stack.enter_context(_Counter())
        for _ in range(WARM_UP - 1):
            again(counter.collect)
        for _ in range(MEASURED + 1):
            again(counter.look)
        grows = bounds.objects is not None and counter.counts.grew(1)
        makes_rings = bounds.cycles is not None and counter.fewest_rings > bounds.cycles
        if not grows and not makes_rings:
            return None
        judge = _Judge(again, bounds, counter, stack.enter_context(tempfile.TemporaryDirectory(prefix="exuvia-")))
        found = []
        if grows and judge.growth() and judge.goes_on():
            found.append(judge.growth())
        if makes_rings:
            found.append(judge.cycles(counter.signatures))
        told = [of for of in found if of]
        if told and report:
            report(told[0][1])
        return "\n\n".join(text for text, _ in told) or None


def write_page(file: str, path: str) -> None:
    """A new page of a heap file, that only the user reads. Raises FileExistsError, OSError."""
    text = page.page(*(_question(name, file, limit=limit) for name, limit in page.QUESTIONS))

    def fill(target: int) -> None:
        with open(target, "w", encoding="utf-8", errors="replace", closefd=False) as opened:
            opened.write(text)
    _dump.new_file(os.path.abspath(path), fill)
