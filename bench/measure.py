"""Run benchmark programs in turn and compare what they report.

A side is a command that speaks the protocol of meter.h. Two ways to measure, both in turn (A B C A B C ...), so that
what the machine does meanwhile meets all sides alike: `resident` sets all sides up once and keeps them side by side;
`fresh` starts a process for each measurement, where a process can be measured only once (cold memory, peaks).

A comparison is made pair by pair, inside one turn; its figure is the median of the pairs' ratios.
"""
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import threading


class Failed(Exception):
    """A program did not answer; the message has its standard error."""


@dataclasses.dataclass(frozen=True)
class Side:
    name: str
    command: tuple
    environment: tuple = ()


class Running:
    """A side's process: facts first, then one answer for each command."""

    def __init__(self, side):
        self.side = side
        self.process = subprocess.Popen(
            [str(word) for word in side.command], env={**os.environ, **dict(side.environment)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.facts = self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise Failed(f"{self.side.name}: {' '.join(map(str, self.side.command))} ended with status "
                         f"{self.process.returncode}: {self.process.stderr.read().strip()}")
        return json.loads(line)

    def ask(self, command="run"):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self):
        # Freeing millions of objects one by one is not part of any question: no orderly end.
        self.process.kill()
        self.process.communicate()


@contextlib.contextmanager
def running(side):
    program = Running(side)
    try:
        yield program
    finally:
        program.close()


def resident(sides, pairs, commands=("run",), progress=lambda: None):
    """{side name: [answer, ...]} of `pairs` turns; with several commands, each answer is {command: answer}."""
    with contextlib.ExitStack() as stack:
        programs = [stack.enter_context(running(side)) for side in sides]
        answers = {side.name: [] for side in sides}
        for _ in range(pairs):
            for program in programs:
                answer = {command: program.ask(command) for command in commands}
                answers[program.side.name].append(answer if len(commands) > 1 else answer[commands[0]])
            progress()
        return answers, {program.side.name: program.facts for program in programs}


def fresh(sides, pairs, progress=lambda: None):
    """The same with a process for each measurement."""
    answers, facts = {side.name: [] for side in sides}, {}
    for _ in range(pairs):
        for side in sides:
            with running(side) as program:
                answers[side.name].append(program.ask())
                facts[side.name] = program.facts
        progress()
    return answers, facts


def _proportional_bytes(pid):
    """Resident memory of a process and its children, shared pages counted once (PSS)."""
    total = 0
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    total = int(line.split()[1]) * 1024
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as children:
                total += sum(_proportional_bytes(int(child)) for child in children.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total


def peak_with_children(side):
    """Peak memory of a side with the children it makes, sampled in a run that is not timed."""
    with running(side) as program:
        done, peak = threading.Event(), [0]

        def sample():
            while not done.wait(0.005):
                peak[0] = max(peak[0], _proportional_bytes(program.process.pid))

        sampler = threading.Thread(target=sample)
        sampler.start()
        try:
            program.ask()
        finally:
            done.set()
            sampler.join()
        return peak[0]


@dataclasses.dataclass(frozen=True)
class Comparison:
    ours: float
    theirs: float
    ratio: float  # medians, all three
    low: float    # of the pairs' ratios
    high: float


def compare(ours, theirs):
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Comparison(statistics.median(ours), statistics.median(theirs), statistics.median(ratios),
                      min(ratios), max(ratios))


def pick(answers, member):
    return [answer[member] for answer in answers]
