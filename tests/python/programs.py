"""Programs from PyPI with their own test suites, under plain Python and under `exuvia run --mode stress`.

    python programs.py --python INTERPRETER --exuvia FOLDER --build FOLDER [--whole] [program ...]

FOLDER holds the package as built for this interpreter. Each program (see programs_list.py) gets a virtual environment
of its own below --build, which is kept. Outcomes are compared test by test; files with tests that differ run twice
more both ways: what then differs each time, or kills the process once, is a difference, the rest is shaky. A run in
which no snapshot was searched to its end has tested nothing, and counts as a difference too. Ends with 0 if there are
none.
"""
from __future__ import annotations

import argparse
import ast
import collections
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

from programs_list import PROGRAMS, Program

HERE = os.path.dirname(os.path.abspath(__file__))
PLUGIN = "programs_outcomes"
ADDRESS = re.compile(r"0x[0-9a-f]+")
TIMED_OUT = -1000
MODE = "stress"
MORE = 2  # further runs, both ways, of files that differ


@dataclasses.dataclass
class Place:
    """Where the tests of one program run, and with what."""

    python: str
    folder: str
    tests: str
    exuvia: str


@dataclasses.dataclass
class Run:
    status: int
    outcomes: dict[str, str]
    seconds: float
    snapshots: int = 0

    @property
    def broken(self) -> bool:
        return self.status < 0 or self.status > 5 or "began" in self.outcomes.values()


def call(command: list[str], **options: object) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}")


def prepare(program: Program, interpreter: str, exuvia: str, build: str) -> Place:
    """The environment and the tests, made once: a stamp says for what."""
    folder = os.path.join(build, program.name)
    place = Place(os.path.join(folder, "venv/bin/python"), folder, os.path.join(folder, "tests"), exuvia)
    stamp, wanted = os.path.join(folder, "stamp"), repr((interpreter, program.name, program.needs))
    if not (os.path.exists(stamp) and pathlib.Path(stamp).read_text(encoding="utf-8") == wanted):
        print(f"== Installing {program.name} and what its tests need", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(place.tests)
        call([interpreter, "-m", "venv", os.path.join(folder, "venv")])
        call([place.python, "-m", "pip", "install", "-q", "pytest", program.name, *program.needs])
        if program.from_source:
            fetch_source(program.name, place)
    site = subprocess.run([place.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    shutil.copy(os.path.join(HERE, PLUGIN + ".py"), site)
    with open(stamp, "w", encoding="utf-8") as file:
        file.write(wanted)
    return place


def version(place: Place, name: str) -> str:
    ask = f"import importlib.metadata as m; print(m.version({name!r}))"
    return subprocess.run([place.python, "-c", ask], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def fetch_source(name: str, place: Place) -> None:
    wanted = f"{name}=={version(place, name)}"
    call([place.python, "-m", "pip", "download", "-q", "--no-binary", name, "--no-deps", "-d", place.folder, wanted])
    archive = next(entry for entry in os.listdir(place.folder) if entry.endswith(".tar.gz"))
    with tarfile.open(os.path.join(place.folder, archive)) as packed:
        packed.extractall(place.folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    os.rmdir(place.tests)
    os.rename(os.path.join(place.folder, archive.removesuffix(".tar.gz")), place.tests)


def read_outcomes(path: str) -> dict[str, str]:
    """What became of each test. Later lines are worse: a test that passed may fail when its fixtures end."""
    found: dict[str, str] = {}
    times: collections.Counter[str] = collections.Counter()
    with open(path, encoding="utf-8") as file:
        for line in file:
            word, _, quoted = line.rstrip("\n").partition("\t")
            test = ADDRESS.sub("0x", ast.literal_eval(quoted))
            times[test] += word == "began"
            name = f"{test} #{times[test]}" if times[test] > 1 else test
            found[name] = word
    return found


def run(program: Program, place: Place, stress: bool, timeout: float, only: list[str]) -> Run:
    kind = "exuvia" if stress else "plain"
    files = {name: os.path.join(place.folder, f"{kind}.{name}") for name in ("outcomes", "stats", "output", "only")}
    scratch = os.path.join(place.folder, "scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    os.makedirs(scratch)
    prefix = ["-m", "exuvia", "run", "--mode", MODE, "--stats", files["stats"]] if stress else []
    command = [place.python, *prefix, "-m", "pytest", "-q", "-p", PLUGIN, "-p", "no:cacheprovider",
               "-p", "no:faulthandler", "--basetemp", os.path.join(scratch, "base"), *program.arguments]
    environment = dict(os.environ, PYTHONPATH=place.exuvia, PYTHONHASHSEED="0", PYTHONNOUSERSITE="1", TMPDIR=scratch,
                       EXUVIA_OUTCOMES=files["outcomes"])
    if only:
        with open(files["only"], "w", encoding="utf-8") as file:
            file.write("\n".join(only))
        environment["EXUVIA_ONLY"] = files["only"]
    for name in ("outcomes", "stats"):
        with open(files[name], "w", encoding="utf-8"):
            pass
    began = time.monotonic()
    status = run_group(command, place.tests, environment, files["output"], timeout)
    snapshots = 0
    if stress and os.path.exists(files["stats"]) and os.path.getsize(files["stats"]):
        with open(files["stats"], encoding="utf-8") as file:
            snapshots = max(0, json.load(file)["completed"] - 1)  # the first is that of the installation
    return Run(status, read_outcomes(files["outcomes"]), time.monotonic() - began, snapshots)


def run_group(command: list[str], folder: str, environment: dict[str, str], output: str, timeout: float) -> int:
    """Run it, and let nothing of it outlive its time."""
    with open(output, "wb") as file, subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                                                      stdout=file, stderr=file, start_new_session=True) as process:
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return TIMED_OUT


def differing(plain: Run, ours: Run) -> set[str]:
    return {test for test in plain.outcomes.keys() | ours.outcomes.keys()
            if plain.outcomes.get(test) != ours.outcomes.get(test)}


def describe(test: str, plain: Run, ours: Run) -> str:
    return f"{test}: {plain.outcomes.get(test, 'missing')}, under Exuvia {ours.outcomes.get(test, 'missing')}"


def compare(program: Program, place: Place, timeout: float) -> tuple[Run, Run, list[str], list[str]]:
    """Both first runs, the differences, and the tests that are shaky."""
    plain = run(program, place, False, timeout, [])
    ours = run(program, place, True, 4 * timeout, [])
    tests = differing(plain, ours)
    lines = [] if plain.status == ours.status or tests else [f"exit status {plain.status}, under Exuvia {ours.status}"]
    if plain.broken or ours.broken:
        lines.append(f"did not end by itself: status {plain.status}, under Exuvia {ours.status}")
        return plain, ours, lines + [describe(test, plain, ours) for test in sorted(tests)][:20], []
    if not ours.snapshots:
        lines.append("no snapshot was searched to its end: nothing was tested")
    described = {test: describe(test, plain, ours) for test in tests}
    lasting = set(tests)
    for _ in range(MORE if tests else 0):
        only = sorted({test.split("::")[0] for test in lasting})
        again = [run(program, place, stress, timeout * (4 if stress else 1), only) for stress in (False, True)]
        if again[1].broken:
            lines.append(f"did not end by itself when repeated: status {again[1].status}")
            break
        lasting &= differing(*again)
        if not lasting:
            break
    return (plain, ours, lines + [described[test] for test in sorted(lasting)],
            [described[test] for test in sorted(tests - lasting)])


def count(outcomes: dict[str, str], *words: str) -> int:
    return sum(any(word in outcome for word in words) for outcome in outcomes.values())


def parts(program: Program, whole: bool) -> list[Program]:
    """What is run and compared by itself."""
    if not whole or not program.whole:
        return [program]
    return [dataclasses.replace(program, arguments=tuple(arguments), chosen=name) for name, *arguments in program.whole]


DIFFER = 4  # the column of the table


def compare_and_show(program: Program, place: Place, timeout: float) -> tuple:
    """A row of the table; what differs is shown at once."""
    title = f"{program.name} {version(place, program.name)}"
    print(f"== {title}, {program.chosen}", flush=True)
    plain, ours, lines, shaky = compare(program, place, timeout)
    print(f"    {len(plain.outcomes)} tests, {ours.snapshots} snapshots", flush=True)
    for kind, found in (("differs", lines), ("shaky", shaky)):
        print(*(f"    {kind}: {line}" for line in found), sep="\n", end="\n" if found else "", flush=True)
    return (title, len(plain.outcomes), count(plain.outcomes, "-passed", "-xpassed"),
            count(plain.outcomes, "-failed", "uncollected"), len(lines), len(shaky), ours.snapshots,
            f"{plain.seconds:.0f}", f"{ours.seconds:.0f}", program.chosen)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--python", required=True)
    parser.add_argument("--exuvia", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--timeout", type=float, help="seconds for a suite under plain Python (900; 3600 with --whole)")
    parser.add_argument("--whole", action="store_true", help="suites to their end where a part is chosen; takes hours")
    parser.add_argument("programs", nargs="*", metavar="program")
    options = parser.parse_args()
    timeout = options.timeout or (3600 if options.whole else 900)
    known = {program.name: program for program in PROGRAMS}
    unknown = [name for name in options.programs if name not in known]
    if unknown:
        parser.error(f"{unknown[0]} is not in programs_list.py; there are {', '.join(known)}")
    table, bad = [], 0
    for name in options.programs or known:
        place = prepare(known[name], options.python, options.exuvia, os.path.abspath(options.build))
        for part in parts(known[name], options.whole):
            row = compare_and_show(part, place, timeout)
            bad += row[DIFFER] > 0
            table.append(row)
    titles = ("program", "tests", "passed", "failed", "differ", "shaky", "snapshots", "plain s", "stress s", "chosen")
    rows = [titles, *(tuple(map(str, row)) for row in table)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(titles))]
    print(*("  ".join(word.ljust(width) for word, width in zip(row, widths)).rstrip() for row in rows), sep="\n")
    print(f"{len(table) - bad} suites the same under Exuvia, {bad} differ; {sum(row[1] for row in table)} tests, "
          f"{sum(row[6] for row in table)} snapshots")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
