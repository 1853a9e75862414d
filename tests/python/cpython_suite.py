"""CPython's own tests, under plain Python and under `exuvia run --mode stress`: the results must be the same.

    EXUVIA_INTERPRETERS=interpreter=folder:... python3 cpython_suite.py --results FOLDER [--resume] [module ...]

Without modules: the whole suite, what touches the collector first. Each module runs in a process of its own, both ways,
and is compared test by test. What differs is run both ways three times more: a test counts as different when Exuvia
gives in two or more of the four runs what plain Python never gave, or once dies of a signal. A test that plain Python
itself decides now so, now so, is said to be unsteady. FOLDER keeps results.json and the output of what differed. Ends
with 0 if nothing differs and all modules came to an end.
"""
from __future__ import annotations

import argparse
import collections
import concurrent.futures
import glob
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Any, NamedTuple

# First come those that the collector can spoil; the others follow in their own order.
FIRST = """
test_gc test_weakref test_weakset test_finalization test_generators test_coroutines test_asyncgen test_asyncio
test_descr test_class test_dict test_list test_set test_tuple test_functools test_threading test_thread
test_threading_local test_fork1 test_subprocess test_multiprocessing_fork test_multiprocessing_spawn
test_multiprocessing_forkserver test_multiprocessing_main_handling test_sqlite3 test_ctypes test_json test_pickle
test_capi test_concurrent_futures test_threadsignals test_signal test_atexit test_tracemalloc test_sys
""".split()
THRESHOLD = ["--threshold", "200"]  # for those, both ways: many more collections, and so snapshots
REPEATS = 3
MODES = ("plain", "exuvia")
STRESS = ["-m", "exuvia", "run", "--mode", "stress"]
TIMED_OUT = -1000
LINE = re.compile(r"^(\w+) \(([A-Za-z_][\w.<>]*)\)")  # not a program's own "Child (4711)"
END = re.compile(r"(ok|FAIL|ERROR|skipped.*|expected failure|unexpected success)$")


class Interpreter(NamedTuple):
    path: str
    folder: str  # where the package is, as built for it
    name: str  # its version
    build: str  # what the extension is: results of another one are not taken up again


class Run(NamedTuple):
    """One module, one way."""

    status: int
    outcomes: dict[str, str]
    snapshots: int
    seconds: float
    text: str


def family(module: str) -> str:
    """test_asyncio for test.test_asyncio.test_ssl."""
    return module.removeprefix("test.").split(".")[0]


def outcomes_in(text: str) -> dict[str, str]:
    """Test by test; a test whose output runs over several lines ends with the next line that ends as a verdict."""
    found: dict[str, str] = {}
    current = None
    for line in text.splitlines():
        start = LINE.match(line)
        if start:
            current = f"{start[1]} ({start[2]})"
        end = END.search(line)
        if current and end and ("..." in line or not start):
            found[current] = end[1].split(" ")[0]
            current = None
    return found


def snapshots_in(path: str) -> int:
    """How many there were. A program that ends by a signal or by os._exit() leaves no statistics."""
    try:
        with open(path, encoding="utf-8") as file:
            return int(json.load(file)["started"])
    except (OSError, ValueError):
        return 0


def run(interpreter: Interpreter, module: str, mode: str, limit: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="exuvia-suite-", ignore_cleanup_errors=True) as folder:
        stats = os.path.join(folder, "stats.json")
        often = THRESHOLD if family(module) in FIRST else []
        prefix = [*STRESS, "--stats", stats] if mode == "exuvia" else []
        command = [interpreter.path, *prefix, "-m", "test", "-v", "-u", "none", *often, "--tempdir", folder,
                   module]
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TMPDIR=folder, PYTHONPATH=interpreter.folder)
        began = time.monotonic()
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", cwd=folder, env=environment,
                              start_new_session=True) as process:
            try:
                text, _ = process.communicate(timeout=limit)
                status = process.returncode
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                text, _ = process.communicate()
                status = TIMED_OUT
        return Run(status, outcomes_in(text), snapshots_in(stats), round(time.monotonic() - began, 1), text)


def ending(status: int) -> str:
    if status == TIMED_OUT:
        return "timed out"
    return f"died of signal {-status}" if status < 0 else f"status {status}"


def seen(runs: list[Run]) -> dict[str, list[str]]:
    """What each test gave, run by run; the module's exit status is the test ''."""
    names = {name for one in runs for name in one.outcomes}
    found = {name: [one.outcomes.get(name, "missing") for one in runs] for name in names}
    found[""] = [ending(one.status) for one in runs]
    return found


def tally(outcomes: list[str]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in collections.Counter(outcomes).most_common())


def judge(plain: list[Run], ours: list[Run]) -> tuple[list[str], list[str]]:
    """Differences, and what is unsteady: a line for each test."""
    differ, unsteady = [], []
    missing = ["missing"]
    by_plain, by_ours = seen(plain), seen(ours)
    for test in sorted(by_plain.keys() | by_ours.keys()):
        usual = by_plain.get(test, missing * len(plain))
        got = by_ours.get(test, missing * len(ours))
        odd = [outcome for outcome in got if outcome not in usual]
        line = f"{test or 'the module'}: {tally(usual)}; under Exuvia {tally(got)}"
        if len(odd) >= 2 or any(outcome.startswith("died") for outcome in odd):
            differ.append(line)
        elif odd or len(set(usual)) > 1:
            unsteady.append(line)
    return differ, unsteady


def compare(interpreter: Interpreter, module: str, limit: float, log: str) -> dict[str, Any]:
    plain = [run(interpreter, module, "plain", limit)]
    if plain[0].status == TIMED_OUT:
        return entry(interpreter, "unfinished", plain, [], [f"plain Python takes more than {limit:.0f} s"])
    patience = 300 + 10 * plain[0].seconds
    ours = [run(interpreter, module, "exuvia", patience)]
    if ours[0].status == plain[0].status and ours[0].outcomes == plain[0].outcomes:
        return entry(interpreter, "same", plain, ours, [])
    for _ in range(REPEATS):
        if sum(one.status == TIMED_OUT for one in ours) == 2:
            break
        plain.append(run(interpreter, module, "plain", limit))
        ours.append(run(interpreter, module, "exuvia", patience))
    for mode, runs in zip(MODES, (plain, ours)):
        for number, one in enumerate(runs, 1):
            with open(f"{log}/{interpreter.name}-{module}-{mode}-{number}", "w", encoding="utf-8") as file:
                file.write(one.text)
    differ, unsteady = judge(plain, ours)
    return entry(interpreter, "differs" if differ else "unsteady", plain, ours, differ + unsteady)


def entry(interpreter: Interpreter, verdict: str, plain: list[Run], ours: list[Run],
          lines: list[str]) -> dict[str, Any]:
    """One result as it is kept; of several runs the first gives the figures."""
    good = [sum(outcome == "ok" for outcome in runs[0].outcomes.values()) if runs else 0 for runs in (plain, ours)]
    return {"build": interpreter.build, "verdict": verdict, "tests": len(plain[0].outcomes), "ok": good,
            "seconds": [runs[0].seconds if runs else 0 for runs in (plain, ours)],
            "snapshots": ours[0].snapshots if ours else 0, "lines": lines}


def interpreters_given() -> list[Interpreter]:
    """Those of EXUVIA_INTERPRETERS that have CPython's tests."""
    found = []
    for pair in os.environ["EXUVIA_INTERPRETERS"].split(":"):
        path, folder = pair.split("=")
        if subprocess.run([path, "-c", "import test.test_gc"], capture_output=True).returncode:
            print(f"== {path} comes without CPython's tests (Debian: libpython3.X-testsuite); left out")
            continue
        digest = hashlib.sha256()
        for name in sorted(glob.glob(folder + "/exuvia/*.so") + glob.glob(folder + "/exuvia/*.py")):
            with open(name, "rb") as file:
                digest.update(file.read())
        found.append(Interpreter(path, folder, os.path.basename(folder), digest.hexdigest()[:16]))
    return found


def modules_of(interpreter: Interpreter, wanted: list[str]) -> list[str]:
    """A name stands for what is inside, too: test_asyncio for test.test_asyncio.test_ssl."""
    command = [interpreter.path, "-m", "test", "-u", "none", "--list-tests"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return [name for name in listed if not wanted or name in wanted or family(name) in wanted]


def place(module: str) -> tuple[int, str]:
    """Where a module stands in our order."""
    name = family(module)
    return FIRST.index(name) if name in FIRST else len(FIRST), module


class Ledger:
    """The results so far, in a file that is whole at any moment, and the progress lines."""

    def __init__(self, folder: str, resume: bool, total: int) -> None:
        self.path = os.path.join(folder, "results.json")
        self.lock = threading.Lock()
        self.kept: dict[str, dict[str, Any]] = {}
        self.total, self.done = total, 0
        if resume and os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.kept = json.load(file)

    def known(self, interpreter: Interpreter, module: str) -> bool:
        """Steady results of the same build are not asked for again."""
        old = self.kept.get(interpreter.name, {}).get(module)
        return old is not None and old["build"] == interpreter.build and old["verdict"] == "same"

    def put(self, interpreter: Interpreter, module: str, result: dict[str, Any] | None) -> None:
        with self.lock:
            self.done += 1
            if result:
                self.kept.setdefault(interpreter.name, {})[module] = result
                with open(self.path + ".new", "w", encoding="utf-8") as file:
                    json.dump(self.kept, file, indent=1)
                os.replace(self.path + ".new", self.path)
                self.show(interpreter.name, module, result)

    def show(self, name: str, module: str, result: dict[str, Any]) -> None:
        plain, ours = result["seconds"]
        print(f"[{self.done}/{self.total}] {name:8} {module.removeprefix('test.'):45} {result['verdict']:10} "
              f"{result['ok'][0]}/{result['ok'][1]} ok of {result['tests']}, {plain:.1f} s/{ours:.1f} s",
              *result["lines"], sep="\n      ", flush=True)


def table(kept: dict[str, dict[str, Any]], work: list[tuple[Interpreter, str]]) -> int:
    """A line for each interpreter, and a closing one. How many of the comparisons do not show the same."""
    verdicts = ("same", "unsteady", "differs", "unfinished")
    print(f"{'':10}{'tests':>8}{'ok':>8}{'snapshots':>11}" + "".join(f"{verdict:>12}" for verdict in verdicts))
    totals = dict.fromkeys(verdicts, 0)
    idle = 0
    for name in sorted({interpreter.name for interpreter, _ in work}):
        results = [kept[name][module] for interpreter, module in work if interpreter.name == name]
        counts = [sum(result["verdict"] == verdict for result in results) for verdict in verdicts]
        for verdict, count in zip(verdicts, counts):
            totals[verdict] += count
        tests, good, snapshots = (sum(values) for values in
                                  zip(*((one["tests"], one["ok"][1], one["snapshots"]) for one in results)))
        idle += not snapshots
        print(f"{name:10}{tests:>8}{good:>8}{snapshots:>11}" + "".join(f"{count:>12}" for count in counts))
    if idle:
        print(f"{idle} interpreters took no snapshot: nothing was compared")
    print("modules: " + ", ".join(f"{count} {verdict}" for verdict, count in totals.items()), flush=True)
    return totals["differs"] + totals["unfinished"] + idle


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=900, help="seconds that a module may take under plain Python")
    parser.add_argument("--resume", action="store_true", help="leave out what the same build was found to do the same")
    parser.add_argument("--results", required=True, help="the folder of results.json")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    # A shell's background job ignores these, and so would the programs that the tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    os.makedirs(options.results, exist_ok=True)
    work = [(interpreter, module) for interpreter in interpreters_given()
            for module in modules_of(interpreter, options.modules)]
    # Module by module, so that each interpreter has had the most telling ones when the run is cut short.
    work.sort(key=lambda pair: place(pair[1]))
    if not work:
        print("== No interpreter with CPython's tests, or no such module")
        return 1
    ledger = Ledger(options.results, options.resume, len(work))

    def one(item: tuple[Interpreter, str]) -> None:
        interpreter, module = item
        result = None
        if not ledger.known(interpreter, module):
            result = compare(interpreter, module, options.timeout, options.results)
        ledger.put(interpreter, module, result)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(one, work))
    return 1 if table(ledger.kept, work) else 0


if __name__ == "__main__":
    sys.exit(main())
