"""A pytest plugin: one line for each test that began and one for its outcome, in the file that EXUVIA_OUTCOMES names.

A line is written at once: where a test kills the process, it is the last that began and has no outcome.
EXUVIA_ONLY names a file with one path a line: only tests below these paths are run. Copied into the environment whose
programs are tested; knows nothing of Exuvia.
"""
import os

import pytest

LINES = open(os.environ["EXUVIA_OUTCOMES"], "w", encoding="utf-8", buffering=1)
HOME = os.getpid()


def pytest_unconfigure():
    LINES.close()


def note(word, test):
    if os.getpid() == HOME:
        LINES.write(f"{word}\t{test!r}\n")


def pytest_collection_modifyitems(items):
    """The same order every time is the suite's own affair; here tests are only left out."""
    if "EXUVIA_ONLY" in os.environ:
        with open(os.environ["EXUVIA_ONLY"], encoding="utf-8") as file:
            wanted = set(file.read().splitlines())
        items[:] = [item for item in items if item.nodeid.split("::")[0] in wanted]


def pytest_collectreport(report):
    if report.failed:
        note("uncollected", report.nodeid)


def pytest_runtest_logstart(nodeid):
    note("began", nodeid)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        expected = "x" if hasattr(report, "wasxfail") else ""
        note(f"{report.when}-{expected}{report.outcome}", report.nodeid)
