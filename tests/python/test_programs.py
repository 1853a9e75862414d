"""The comparison of programs under Exuvia with plain Python finds what differs: a made-up suite, no network."""
import importlib.util

import pytest

import programs
from programs_list import Program

SUITE = """
import gc, os, sys

class Node:
    pass

UNDER_EXUVIA = "exuvia" in sys.modules

def test_is_the_same():
    nodes = [Node() for i in range(100_000)]
    for node in nodes:
        node.me = node

def test_fails_both_ways():
    assert False
"""
DIFFERS = """
def test_differs():
    assert not UNDER_EXUVIA
"""
ONCE = """
def test_differs_once():
    seen = os.path.exists("seen")
    if UNDER_EXUVIA:
        open("seen", "w").close()
    assert seen or not UNDER_EXUVIA
"""
DIES = """
def test_dies():
    if UNDER_EXUVIA and not os.path.exists("died"):
        open("died", "w").close()
        os._exit(1)
"""


@pytest.fixture
def compared(python, tmp_path):
    """What the comparison says of a suite: differences and shaky tests, in short."""
    if python.command("-c", "import pytest").returncode:
        pytest.skip("this interpreter has no pytest")
    (tmp_path / "tests").mkdir()
    plugin = importlib.util.find_spec("programs_outcomes").origin
    (tmp_path / "programs_outcomes.py").write_text(open(plugin, encoding="utf-8").read())

    def compare(suite):
        (tmp_path / "tests/test_suite.py").write_text(suite)
        place = programs.Place(python.executable, str(tmp_path), str(tmp_path / "tests"), f"{python.folder}:{tmp_path}")
        return programs.compare(Program("made-up", ("test_suite.py",)), place, 60)
    return compare


def test_what_is_the_same_is_the_same(compared):
    plain, ours, differences, shaky = compared(SUITE)
    assert (differences, shaky) == ([], [])
    assert plain.outcomes == ours.outcomes and len(plain.outcomes) == 2
    assert "call-failed" in plain.outcomes.values() and ours.snapshots > 0


def test_a_lasting_difference_is_found(compared):
    _, _, differences, shaky = compared(SUITE + DIFFERS)
    assert differences == ["test_suite.py::test_differs: call-passed, under Exuvia call-failed"] and not shaky


def test_what_differs_once_is_shaky(compared):
    _, _, differences, shaky = compared(SUITE + ONCE)
    assert not differences and shaky == ["test_suite.py::test_differs_once: call-passed, under Exuvia call-failed"]


def test_a_process_that_dies_once_is_a_difference_at_once(compared):
    _, _, differences, _ = compared(SUITE + DIES)
    assert differences[-1] == "test_suite.py::test_dies: call-passed, under Exuvia began"


def test_without_a_snapshot_nothing_was_tested(compared, monkeypatch):
    monkeypatch.setattr(programs, "MODE", "inline")
    _, _, differences, _ = compared(SUITE)
    assert differences == ["no snapshot was searched to its end: nothing was tested"]
