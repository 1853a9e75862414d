"""What a question to a running process costs it: Exuvia's commands, and what objgraph, pympler and guppy3 do instead.

Exuvia is asked from outside, by its commands, start of the interpreter included. The others are called in the program,
which stands still for them. Each is asked in turn, in one process; those that are not installed are left out.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

from exuvia._summary import Table, plain
from exuvia.bench.asked import CALLS
from exuvia.bench.pause import check

Answer = dict[str, Any]
IDLE_SECONDS = 3.0
COLUMNS = ["", "answer after", "program stopped", "CPU elsewhere", "memory"]


class Line(NamedTuple):
    what: str
    seconds: float
    stopped: float
    cpu_seconds: float
    """Of other processes than the program, the child that writes included."""
    peak_bytes: int
    """Of the process that asks; of a tool in the program, what the program's peak grew by."""


class _Program:
    def __init__(self, objects: int) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "exuvia.bench.asked", str(objects)], process_group=0,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._answer()["pid"]

    def _answer(self) -> Answer:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"exuvia bench: the program that is asked ended with status {self.process.wait()}")
        answer: Answer = json.loads(line)
        return answer

    def ask(self, question: str) -> Answer:
        assert self.process.stdin
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self._answer()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def _idle(program: _Program) -> Line:
    """What the machine itself does."""
    program.ask("stopped")
    time.sleep(IDLE_SECONDS)
    return Line("nobody asks", IDLE_SECONDS, program.ask("stopped")["stopped"], 0.0, 0)


def _command(program: _Program, what: str, *words: str) -> Line:
    program.ask("stopped")  # what was before is forgotten
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "exuvia", *words], stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise SystemExit(f"exuvia bench: exuvia {words[0]} ended with status {process.returncode}")
    return Line(what, seconds, program.ask("stopped")["stopped"], used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _dump(program: _Program) -> tuple[Line, Answer]:
    """Without a command: how much the child took, and how large the file is for each object."""
    from exuvia.heap import process

    program.ask("stopped")
    begin = time.perf_counter()
    dumped = process.dump(program.pid, False)
    seconds = time.perf_counter() - begin
    size = os.fstat(dumped.file).st_size
    os.close(dumped.file)
    return (Line("exuvia dump", seconds, program.ask("stopped")["stopped"], dumped.child_cpu_ns / 1e9, 0),
            {"nodes": dumped.objects, "references": dumped.references, "file_bytes": size,
             "child_cpu_seconds": dumped.child_cpu_ns / 1e9})


def _call(program: _Program, name: str) -> Line | None:
    answer = program.ask(name)
    if "missing" in answer:
        return None
    return Line(name, answer["seconds"], answer["seconds"], 0.0, answer["peak_bytes"])


def _measure(program: _Program, folder: str) -> tuple[list[Line], list[str], Answer]:
    file, pid = os.path.join(folder, "heap.exv"), str(program.pid)
    searches = program.ask("search")
    first, figures = _dump(program)
    figures["search_cpu_seconds"] = searches["cpu_seconds"]
    figures["tracked"] = searches["objects"]
    lines = [
        _idle(program),
        first,
        _command(program, "exuvia census PID", "census", pid),
        _command(program, "exuvia summary PID", "summary", pid),
        _command(program, "exuvia why PID Target", "why", pid, "Target"),
        _command(program, "exuvia dump PID -o FILE", "dump", pid, "-o", file),
        _command(program, "exuvia summary FILE", "summary", file),
    ]
    missing = []
    for name in CALLS:
        line = _call(program, name)
        if line:
            lines.append(line)
        else:
            missing.append(name.split()[0])
    return lines, list(dict.fromkeys(missing)), figures


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


def _table(lines: list[Line], figures: Answer) -> str:
    title = (f"{figures['nodes']:,} objects, {figures['tracked']:,} of them tracked; "
             f"{figures['file_bytes'] / figures['nodes']:.1f} bytes of file for each; the child's CPU time is "
             f"{figures['child_cpu_seconds'] / figures['search_cpu_seconds']:.2f} of a search's")
    rows = [[line.what, _seconds(line.seconds), _seconds(line.stopped), _seconds(line.cpu_seconds),
             f"{line.peak_bytes / 1e6:,.0f} MB"] for line in lines]
    return plain(Table(title, COLUMNS, rows, 1))


def _ratios(lines: list[Line]) -> list[str]:
    """Of each peer's question to ours of the same kind."""
    ours = {line.what.split()[1]: line for line in lines if line.what.endswith(("census PID", "PID Target"))}
    found = []
    for line in lines:
        if line.what in CALLS:
            tool, kind = line.what.split()
            mine = ours[kind]
            found.append(f"{tool} {kind}: stops the program {line.stopped / mine.stopped:,.0f} times as long, "
                         f"and takes {line.seconds / mine.seconds:.1f} times as long to answer")
    return found


def main(objects: int, json_file: str | None) -> None:
    if json_file:
        check(json_file)
    program = _Program(objects)
    try:
        with tempfile.TemporaryDirectory(prefix="exuvia-bench-") as folder:
            lines, missing, figures = _measure(program, folder)
    finally:
        program.end()
    print(_table(lines, figures), *_ratios(lines), sep="\n")
    if missing:
        print("not installed: " + ", ".join(missing))
    if json_file:
        with open(json_file, "w", encoding="ascii") as file:
            json.dump({**figures, "lines": [line._asdict() for line in lines]}, file, indent=2)
