"""One run: a load under one configuration in a process of its own, with its memory looked at from outside."""
from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from typing import IO, Any, Iterator, NamedTuple

from exuvia.bench.loads import groups
from exuvia.bench.loads.kinds import KINDS
from exuvia.bench.loads.sampler import Sampler

TIME_LIMIT_SECONDS = 1200


class Run(NamedTuple):
    """What is to be measured. Two runs are the same measurement if all of it is the same."""
    load: str
    size: int
    seed: int
    pair: int
    configuration: str
    limited: bool = False   # in a control group of so much more than stock's peak


class Failed(Exception):
    """The process did not end as it should."""


@contextlib.contextmanager
def started(wanted: dict[str, Any], path: str, errors: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """The process, which is gone afterwards with all that it forked. It leads a session of its own, out of the reach of
    a Ctrl-C."""
    process = subprocess.Popen([sys.executable, "-m", "exuvia.bench.loads.program", json.dumps(wanted), path],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                               start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def execute(run: Run, procs: list[str]) -> dict[str, Any]:
    kind = KINDS[run.load]
    wanted = {"load": run.load, "size": run.size, "seed": run.seed, "configuration": run.configuration,
              "processors": kind.processors, "groups": procs}
    with tempfile.TemporaryDirectory(prefix="exuvia-bench-") as folder:
        path = os.path.join(folder, "result.json")
        with open(os.path.join(folder, "errors"), "w+", encoding="utf-8") as errors:
            with started(wanted, path, errors) as process:
                sampler = Sampler(process.pid, kind.load.forks > 0)
                assert process.stdout
                try:
                    in_time = select.select([process.stdout], [], [], TIME_LIMIT_SECONDS)[0]
                    done = bool(in_time) and process.stdout.readline() == "done\n"
                finally:
                    sampler.stop()
            if not in_time:
                raise Failed(f"not done after {TIME_LIMIT_SECONDS} s")
            if not done:
                errors.seek(0)
                said = errors.read().strip().splitlines()
                raise Failed(f"ended with status {process.returncode}" + (f": {said[-1]}" if said else ""))
        with open(path, encoding="ascii") as file:
            result: dict[str, Any] = json.load(file)
    result.update(sampler.figures())
    result["peak_mb"] = max(result["peak_mb"], result.pop("own_peak_mb"))
    return result


def measure(run: Run) -> dict[str, Any]:
    """Raises Failed, and groups.Unavailable where the load needs a control group and there is none."""
    quota = KINDS[run.load].quota
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(groups.make("cpu")) if quota else None
        if group:
            group.limit_processors(quota)
        result = execute(run, [group.procs] if group else [])
        if group:
            result["throttled"] = group.throttled()
    return {**run._asdict(), **result}


def measure_limited(run: Run, limit: int | None) -> dict[str, Any]:
    """In a control group with so much memory: how often its limit was an out-of-memory event. None: no limit."""
    with groups.make("memory") as group:
        if limit is not None:
            group.limit_memory(limit)
        try:
            result = execute(run, [group.procs])
        except Failed as error:
            if not group.oom_events():
                raise
            result = {"died": str(error)}
        return {**run._asdict(), **result, "oom_events": group.oom_events(), "group_peak": group.peak_bytes(),
                "limit": limit}
