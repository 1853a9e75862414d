"""Control groups for a run: a limit of memory, a quota of processor time. Versions 1 and 2, whichever can be written.

A group is made below the root that is mounted here or below the own group, and removed when it is left. Where none can
be made, `make` says why, and what needs one is left out.
"""
from __future__ import annotations

import itertools
import os
import time
from typing import Iterator

PERIOD_US = 100_000
_number = itertools.count()


class Unavailable(Exception):
    """No group of this kind can be made here, and why."""


def mounts(lines: list[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Where control groups are mounted, of which version, and with which controllers (of version 1)."""
    for line in lines:
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split()[:3]
        if kind == "cgroup":
            yield fields.split()[4], 1, options.split(",")
        elif kind == "cgroup2":
            yield fields.split()[4], 2, []


def read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def write(path: str, value: object) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


def own_path(version: int, controller: str) -> str:
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if (version == 2 and not controllers) or controller in controllers.split(","):
            return path
    return "/"


class Group:
    """Use it in a `with` statement, which removes it; what ran in it must have ended by then."""

    def __init__(self, path: str, version: int) -> None:
        self.path, self.version = path, version
        self.procs = f"{path}/cgroup.procs"

    def __enter__(self) -> Group:
        return self

    def __exit__(self, *error: object) -> None:
        """A process that was killed leaves its group a moment later."""
        end = time.monotonic() + 5
        while True:
            try:
                return os.rmdir(self.path)
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def limit_memory(self, size: int) -> None:
        if self.version == 2:
            write(f"{self.path}/memory.max", size)
            if os.path.exists(f"{self.path}/memory.swap.max"):
                write(f"{self.path}/memory.swap.max", 0)
        else:
            write(f"{self.path}/memory.limit_in_bytes", size)

    def limit_processors(self, share: float) -> None:
        quota = int(share * PERIOD_US)
        if self.version == 2:
            write(f"{self.path}/cpu.max", f"{quota} {PERIOD_US}")
        else:
            write(f"{self.path}/cpu.cfs_period_us", PERIOD_US)
            write(f"{self.path}/cpu.cfs_quota_us", quota)

    def peak_bytes(self) -> int:
        return int(read(f"{self.path}/memory.peak" if self.version == 2 else f"{self.path}/memory.max_usage_in_bytes"))

    def counted(self, file: str, *names: str) -> int:
        fields = dict(line.split() for line in read(f"{self.path}/{file}").splitlines())
        return max(int(fields.get(name, 0)) for name in names)

    def oom_events(self) -> int:
        if self.version == 2:
            return self.counted("memory.events", "oom", "oom_kill")
        return self.counted("memory.oom_control", "oom_kill")

    def throttled(self) -> int:
        return self.counted("cpu.stat", "nr_throttled")


def candidates(controller: str) -> Iterator[tuple[str, int]]:
    for place, version, controllers in mounts(read("/proc/self/mountinfo").splitlines()):
        if version == 1 and controller not in controllers:
            continue
        for folder in (place, place + own_path(version, controller).rstrip("/")):
            if version == 2 and controller not in read(f"{folder}/cgroup.subtree_control").split():
                if controller not in read(f"{folder}/cgroup.controllers").split():
                    continue
                write(f"{folder}/cgroup.subtree_control", f"+{controller}")
            yield folder, version


def make(controller: str) -> Group:
    """A group with the controller "memory" or "cpu"; Unavailable says why there is none."""
    reason = f"no control group with the controller {controller} is mounted"
    found = candidates(controller)
    while True:
        try:
            folder, version = next(found)
            path = f"{folder}/exuvia-bench-{os.getpid()}-{next(_number)}"
            os.mkdir(path)
            return Group(path, version)
        except StopIteration:
            raise Unavailable(reason) from None
        except OSError as error:
            reason = f"{error.filename}: {error.strerror}"
