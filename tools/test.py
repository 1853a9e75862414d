#!/usr/bin/env python3
"""Run the tests of a meson build folder and count them one by one.

    tools/test.py FOLDER [--label NAME] [--suite NAME]... [--setup NAME] [TEST]...
    tools/test.py --sum TALLY
    tools/test.py --expect INTERPRETERS FOLDER     says how long all will take, with so many interpreters, and what it is

Meson counts test programs; this counts the cases in them: TAP lines of the C tests, the closing line of pytest.
A program that ends badly without a failed case is one failure. The last line is "N passed, N failed", with
", N skipped" when there are any, and the exit status says whether all is well. With TALLY in the environment the
counts are also added to that file, a line for each run, which --sum adds up.
"""
import argparse
import json
import os
import re
import subprocess
import sys

# Processor time in seconds: to build all there is, the library's tests, and the collector's under one interpreter; and how
# much of a processor is had on the way: some tests wait, and the last ones have no others beside them.
BUILD, LIBRARY, INTERPRETER, USED = 70, 200, 165, 0.9

PYTEST_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped|xfailed|xpassed)")
TAP_PLAN = re.compile(r"^1\.\.(\d+)$", re.MULTILINE)
TAP_CASE = re.compile(r"^(not )?ok \d+\b[^#\n]*(#\s*skip)?", re.IGNORECASE | re.MULTILINE)


def count_tap(output):
    """(passed, failed, skipped) of the cases in TAP output. A planned case that never ended has failed."""
    passed = failed = skipped = 0
    for case in TAP_CASE.finditer(output):
        if case.group(2):
            skipped += 1
        elif case.group(1):
            failed += 1
        else:
            passed += 1
    planned = sum(int(plan) for plan in TAP_PLAN.findall(output))
    failed += max(0, planned - passed - failed - skipped)
    return passed, failed, skipped


def count_pytest(output):
    """The same from the closing line of pytest, or None if there is none."""
    for line in reversed(output.splitlines()):
        found = dict((word.rstrip("s"), int(number)) for number, word in PYTEST_COUNT.findall(line))
        if found and " in " in line:
            return (found.get("passed", 0) + found.get("xfailed", 0),
                    found.get("failed", 0) + found.get("error", 0) + found.get("xpassed", 0),
                    found.get("skipped", 0))
    return None


def count_program(record):
    """(passed, failed, skipped) of one test program of meson's log."""
    output = record.get("stdout", "")
    counts = count_pytest(output) if "pytest" in " ".join(record["command"]) else count_tap(output)
    passed, failed, skipped = counts or (0, 0, 0)
    ended_well = record["result"] in ("OK", "SKIP")
    if not ended_well and failed == 0:
        failed = 1
    if ended_well and passed + failed + skipped == 0:
        passed, skipped = (1, 0) if record["result"] == "OK" else (0, 1)
    return passed, failed, skipped


def run(folder, meson_arguments, label, setup):
    """Run meson's tests; returns the counts and the names of the programs with failures."""
    log_name = "testlog-" + label if label else "testlog"
    command = ["meson", "test", "-C", folder, "--no-rebuild", "--print-errorlogs", "--logbase", log_name]
    if setup:
        meson_arguments = ["--setup", setup, *meson_arguments]
        log_name += "-" + setup
    status = subprocess.run(command + meson_arguments).returncode
    totals, bad = [0, 0, 0], []
    log = os.path.join(folder, "meson-logs", log_name + ".json")
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            counts = count_program(record)
            totals = [total + count for total, count in zip(totals, counts)]
            if counts[1]:
                bad.append(f"{record['name']}: {counts[1]} failed ({record['result'].lower()})")
    if status and not totals[1]:
        totals[1] = 1
        bad.append(f"meson test ended with status {status}")
    return totals, bad


def close(totals):
    """Print the closing line; the exit status."""
    passed, failed, skipped = totals
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed or not passed else 0


def add_to_tally(path, label, totals):
    with open(path, "a", encoding="utf-8") as tally:
        tally.write(f"{label} {totals[0]} {totals[1]} {totals[2]}\n")


def expect(interpreters, folder):
    """How long it will take, told beforehand."""
    work = LIBRARY + INTERPRETER * interpreters + (0 if os.path.exists(os.path.join(folder, "tests")) else BUILD)
    processors = len(os.sched_getaffinity(0))
    minutes = max(1, round(work / USED / processors / 60))
    pythons = f"{interpreters} interpreter" + ("s" if interpreters != 1 else "")
    print(f"== The library's tests, and the collector's under {pythons}: some {minutes} minute{'s' if minutes > 1 else ''} "
          f"on {processors} processor{'s' if processors > 1 else ''}", flush=True)


def sum_tally(path):
    totals = [0, 0, 0]
    with open(path, encoding="utf-8") as tally:
        for line in tally:
            label, *counts = line.split()
            print(f"{label:24} {counts[0]:>6} passed {counts[1]:>4} failed {counts[2]:>4} skipped")
            totals = [total + int(count) for total, count in zip(totals, counts)]
    return close(totals)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?")
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--label", default="")
    parser.add_argument("--suite", action="append", default=[])
    parser.add_argument("--setup")
    parser.add_argument("--sum", metavar="TALLY")
    parser.add_argument("--expect", type=int, metavar="INTERPRETERS")
    arguments = parser.parse_intermixed_args()
    if arguments.expect is not None:
        return expect(arguments.expect, arguments.folder)
    if arguments.sum:
        return sum_tally(arguments.sum)
    meson_arguments = list(arguments.tests)
    for suite in arguments.suite:
        meson_arguments += ["--suite", suite]
    totals, bad = run(arguments.folder, meson_arguments, arguments.label, arguments.setup)
    for line in bad:
        print("FAILED", line)
    if os.environ.get("TALLY"):
        add_to_tally(os.environ["TALLY"], arguments.label or arguments.setup or os.path.basename(arguments.folder), totals)
    return close(totals)


if __name__ == "__main__":
    sys.exit(main())
