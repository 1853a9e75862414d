"""Programs of pyperformance under plain Python and with Exuvia installed, in turn, and the ratios of their times.

    pyperformance.py --exuvia PACKAGE --folder DIR [--rounds N] [--fast] [--benchmarks a,b] [--json FILE]

Runs with an interpreter that has pyperformance. Exuvia is installed at the start of each process by a sitecustomize
module, found over PYTHONPATH; each process says at its end whether it was, so that a comparison of plain with plain is
noticed. A ratio over 1 means slower under Exuvia. Measures; judges nothing.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

import pyperf

BENCHMARKS = ("async_tree", "chameleon", "deepcopy", "deltablue", "django_template", "gc_traversal", "html5lib",
              "json_dumps", "json_loads", "mako", "networkx", "pickle_pure_python", "richards", "sqlglot_v2",
              "tomli_loads", "unpickle_pure_python")
CUSTOMIZE = """
import atexit, os, sys

def install():
    try:
        import exuvia
        exuvia.install()
    except Exception as error:
        note(f"failed {type(error).__name__}: {error}")
    else:
        atexit.register(lambda: note(f"installed {exuvia.stats().started - 1} {exuvia.is_installed():d}"))

def note(line):
    with open(os.environ["EXUVIA_NOTES"], "a") as file:
        file.write(line + "\\n")

if "--worker" in getattr(sys, "orig_argv", ()):
    install()
"""


def run(options, ours, output):
    """One round of one kind; the means of each benchmark in seconds."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    if ours:
        environment.update(PYTHONPATH=os.path.join(options.folder, "customize") + os.pathsep + options.exuvia,
                           EXUVIA_NOTES=os.path.join(options.folder, "notes"))
    if os.path.exists(output):
        os.remove(output)
    command = [sys.executable, "-m", "pyperformance", "run", "-b", options.benchmarks, "-o", output,
               "--inherit-environ", "PYTHONPATH,EXUVIA_NOTES", *(["--fast"] if options.fast else [])]
    with open(output + ".log", "w", encoding="utf-8") as log:
        done = subprocess.run(command, cwd=options.folder, env=environment, stdout=log, stderr=log)
    if done.returncode:
        print(f"== pyperformance ended with status {done.returncode}; see {output}.log", flush=True)
    if not os.path.exists(output):
        sys.exit("bench-pyperformance: nothing was measured")
    return {found.get_name(): found.mean() for found in pyperf.BenchmarkSuite.load(output).get_benchmarks()}


def installed(folder):
    """How many measured processes had Exuvia, and how many snapshots they took."""
    try:
        with open(os.path.join(folder, "notes"), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        lines = []
    bad = [line for line in lines if not line.startswith("installed ") or not line.endswith(" 1")]
    if bad or not lines:
        sys.exit(f"bench-pyperformance: Exuvia was not installed where it was to be measured: {bad[0] if bad else ''}")
    return len(lines), sum(int(line.split()[1]) for line in lines)


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values)))


def report(rounds):
    """A line for each benchmark, then the geometric means: of all, and of each round, which shows the spread."""
    names = sorted(set.intersection(*(set(times) for pair in rounds for times in pair)))
    print(f"{'benchmark':32} {'plain ms':>10} {'exuvia ms':>10} {'ratio':>7}  ratios of the rounds")
    means = []
    for name in names:
        ratios = [ours[name] / plain[name] for plain, ours in rounds]
        plain_ms, ours_ms = (1e3 * statistics.fmean(pair[side][name] for pair in rounds) for side in (0, 1))
        means.append(geometric_mean(ratios))
        print(f"{name:32} {plain_ms:10.3f} {ours_ms:10.3f} {means[-1]:7.4f}  "
              + " ".join(f"{ratio:.3f}" for ratio in ratios))
    of_rounds = [geometric_mean([ours[name] / plain[name] for name in names]) for plain, ours in rounds]
    print(f"geometric mean of {len(names)}: {geometric_mean(means):.4f} "
          f"(rounds {min(of_rounds):.4f} to {max(of_rounds):.4f})")
    return {"geometric_mean": geometric_mean(means), "rounds": of_rounds, "benchmarks": dict(zip(names, means))}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--exuvia", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--benchmarks", default=",".join(BENCHMARKS))
    parser.add_argument("--json")
    options = parser.parse_args()
    os.makedirs(os.path.join(options.folder, "customize"), exist_ok=True)
    with open(os.path.join(options.folder, "customize/sitecustomize.py"), "w", encoding="utf-8") as file:
        file.write(CUSTOMIZE)
    notes = os.path.join(options.folder, "notes")
    if os.path.exists(notes):
        os.remove(notes)
    rounds = []
    for number in range(options.rounds):
        pair = {}
        for ours in ((False, True), (True, False))[number % 2]:  # neither kind always comes first
            began = time.monotonic()
            kind = "exuvia" if ours else "plain"
            pair[ours] = run(options, ours, os.path.join(options.folder, f"{kind}-{number}.json"))
            print(f"== Round {number + 1} of {options.rounds}, {kind}: {time.monotonic() - began:.0f} s", flush=True)
        rounds.append((pair[False], pair[True]))
    found = report(rounds)
    processes, snapshots = installed(options.folder)
    print(f"Exuvia was installed in {processes} processes, which took {snapshots} snapshots")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**found, "processes": processes, "snapshots": snapshots}, file, indent=2)


if __name__ == "__main__":
    main()
