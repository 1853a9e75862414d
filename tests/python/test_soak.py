"""The soak: mixed work for SOAK_SECONDS, 20 if that is not said; memory stays flat, nothing is lost or left.

Half of the time goes to the same work under stock collection, which is what is compared with. `make soak SECONDS=180`.
"""
import json
import os
import pathlib
import statistics

SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))
PROGRAM = str(pathlib.Path(__file__).with_name("soak.py"))

# The program itself calls gc.collect() and gc.freeze() now and then, with a search in flight or not. On a busy machine
# a search may be overtaken. Nothing else may go wrong.
EXPECTED = {"full-collection", "frozen", "overtaken"}


def soak(python, *command):
    """What the work has printed, after the checks that hold for either collector."""
    done = python.command(*command, PROGRAM, str(SECONDS / 2), timeout=SECONDS / 2 + 120)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    report = json.loads(done.stdout)
    assert report["alive"] == 0 and report["died"] == report["born"] > 1000, "each weak reference called back"
    assert report["finalized"] == report["to_finalize"] > 100, "each finalizer ran, once"
    assert report["after"] == report["before"], "descriptors, threads, children"
    assert report["blocks"][1] < report["blocks"][0] + 20000, "blocks of Python objects"
    assert report["garbage"] == 0
    return report


TIME, SIZE, RESIDENT, LIVING = range(4)  # of a sample


def parts(report, field, count):
    """The medians of so many parts of the time."""
    values = [sample[field] for sample in report["samples"]]
    return [statistics.median(values[at * len(values) // count:(at + 1) * len(values) // count]) for at in range(count)]


def growth(report, field):
    """From quarter to quarter of the time, in parts of itself: the lesser of the last two. A high-water mark moves in
    steps; what leaks goes on."""
    quarters = parts(report, field, 4)
    return min(quarters[2] / quarters[1], quarters[3] / quarters[2]) - 1


def middle(report, field):
    return statistics.median(sample[field] for sample in report["samples"])


def test_soak(python):
    stock = soak(python)
    report = soak(python, "-m", "exuvia", "run", "--mode", "auto", "--pause-budget", "1")
    ours = report["exuvia"]
    failures = {name: count for name, count in ours["fallbacks"].items() if count}
    assert set(failures) <= EXPECTED, failures
    assert report["collections"] >= 2 + SECONDS / 120, "full ones during the work, of either kind"
    assert ours["completed"] >= 3
    if min(len(stock["samples"]), len(report["samples"])) >= 4: # otherwise there is no telling
        grown = growth(report, RESIDENT), growth(stock, RESIDENT)
        fills_up = 0.1 if SECONDS >= 120 else 0.3  # a short one still does
        assert grown[0] <= fills_up + max(0, grown[1]), (grown, parts(report, RESIDENT, 8), parts(report, LIVING, 8))
    assert report["memory"][0] < report["samples"][0][SIZE] + 200e6, "address space: a search needs 50 MB of it"
    assert middle(report, RESIDENT) <= 1.6 * middle(stock, RESIDENT)
    assert middle(report, LIVING) <= 2 * middle(stock, LIVING), "objects that live, or wait to be found dead"
