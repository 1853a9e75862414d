"""A running process is watched: its memory and its collections at each refresh, its heap as often as that may cost.

What it costs is the CPU time of this process, of the children that write heap files, and of the thread that answers.
From the beginning of a look at the heap until that of the next it is at most a share of that time: so the next look
comes the later, the more the last one took. What comes between looks has half of the share.
"""
from __future__ import annotations

import os
import time
from typing import Any, Iterable

from exuvia import _dump
from exuvia.heap import process
from exuvia.heap.ask import FOUND, ask

Answer = dict[str, Any]
Counts = dict[str, tuple[int, int]]  # of a type: objects, bytes
TOTALS = ("objects", "references", "bytes", "dead", "dead_bytes")


class Ended(Exception):
    """The process is no more."""


def _counts(types: Iterable[Answer]) -> Counts:
    """By name: several types may have the same."""
    counts: Counts = {}
    for of in types:
        count, size = counts.get(of["type"], (0, 0))
        counts[of["type"]] = count + of["count"], size + of["bytes"]
    return counts


def _growth(now: Counts, before: Counts, first: Counts) -> list[Answer]:
    """What grew most since the first look comes first, of the others the largest."""
    lines = []
    for name, (count, size) in now.items():
        count_before, bytes_before = before.get(name, (0, 0))
        count_first, bytes_first = first.get(name, (0, 0))
        lines.append({"type": name, "count": count, "bytes": size, "count_before": count_before,
                      "bytes_before": bytes_before, "count_first": count_first, "bytes_first": bytes_first})
    return sorted(lines, key=lambda of: (of["bytes_first"] - of["bytes"], -of["bytes"], of["type"]))


class Watch:
    def __init__(self, pid: int, share: float) -> None:
        """Raises process.Refused. `share`: of a processor, at most."""
        self._pid = pid
        self._share = share
        try:
            self._folder = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)  # no other process's, ever
        except OSError:
            raise process.NotFound(f"there is no process {pid}") from None
        self._begin = self._look_began = time.monotonic()
        self._others_ns = self._answering_ns = 0
        self._own_ns = time.process_time_ns()
        self._before_look_ns = self._before_refresh_ns = self._look_ns = 0
        self._number = 0  # of the last collection that was told
        self._info: Answer = {}
        self._heap: Answer | None = None
        self._counts: Counts = {}
        self._first: Counts | None = None

    def _spent_ns(self) -> int:
        return time.process_time_ns() - self._own_ns + self._others_ns

    def _numbers(self) -> Answer:
        numbers = process.numbers(self._pid, self._number)
        answering_ns = numbers.pop("answering_ns")
        if self._answering_ns:  # the first time was not for us
            self._others_ns += answering_ns - (self._answering_ns if self._answering_ns <= answering_ns else 0)
        self._answering_ns = answering_ns
        for collection in numbers["stats"]["collections"]:
            self._number = collection["number"]
        return numbers

    def _is_due(self) -> bool:
        """Where all since the last look began is no more than the share of the time since."""
        if self._heap is None:
            return True
        spent_ns = self._spent_ns() - self._before_look_ns
        return spent_ns <= self._share * (time.monotonic() - self._look_began) * 1e9

    def _look(self) -> list[Answer]:
        self._look_began, self._before_look_ns = time.monotonic(), self._spent_ns()
        try:
            dumped = process.dump(self._pid, False)
        except process.Refused:  # nobody tells what the child did: at most this
            self._others_ns += int((time.monotonic() - self._look_began) * 1e9)
            raise
        self._others_ns += dumped.child_cpu_ns
        try:
            status, answer = ask("census", f"/proc/self/fd/{dumped.file}")
        finally:
            os.close(dumped.file)
        if status != FOUND:
            raise process.Refused(f"process {self._pid}: {answer}")
        self._info = answer["info"]
        self._heap = {name: answer[name] for name in TOTALS}
        self._heap.update(time=self._info.get("time"), memory=self._info.get("memory", {}))
        counts, before = _counts(answer["types"]), self._counts
        if self._first is None:
            self._first = before = counts
        self._counts = counts
        self._look_ns = self._spent_ns() - self._before_look_ns
        return _growth(counts, before, self._first)

    def _memory(self) -> dict[str, int]:
        try:
            with open(os.open("status", os.O_RDONLY, dir_fd=self._folder), encoding="utf-8", errors="replace") as file:
                status = file.readlines()
        except (FileNotFoundError, ProcessLookupError):
            raise Ended from None
        if any(line.startswith(("State:\tZ", "State:\tX")) for line in status):
            raise Ended
        return _dump.told_by(status)

    def refresh(self) -> Answer:
        """All that is known now: `heap` as it was at the last look, `types` only where this was one. Where the process
        does not answer, `note` says why, and what it would have told is None. Raises Ended; process.Refused: it has
        never answered."""
        self._before_refresh_ns = self._spent_ns()
        self._look_ns = 0
        numbers = types = note = None
        try:
            numbers = self._numbers()
            if self._is_due():
                types = self._look()
        except process.Refused as error:
            if self._heap is None:
                raise
            note = str(error)
        memory = self._memory()
        spent_ns, seconds = self._spent_ns() - self._before_look_ns, time.monotonic() - self._look_began
        return {
            "pid": self._pid, "interpreter": self._info.get("interpreter"), "command": self._info.get("command"),
            "time": time.time(), "seconds": time.monotonic() - self._begin, "note": note,
            "memory": memory, "heap": self._heap, "types": types, "numbers": numbers,
            "cost": {"cpu_ns": spent_ns, "seconds": seconds, "percent": spent_ns / seconds / 1e7,
                     "most_percent": self._share * 100},
        }

    def rest(self, interval: float) -> float:
        """Seconds until the next refresh, where one shall come each `interval`; after all that this one cost."""
        spent_ns = self._spent_ns() - self._before_refresh_ns - self._look_ns
        return max(interval, spent_ns / 1e9 / (self._share / 2))
