"""`exuvia bench`: its figures are there and plausible, and what it cannot write it says before it measures."""
import json

import pytest

SMALL = ("-m", "exuvia", "bench", "pause", "--objects", "3000")


@pytest.mark.parametrize("workload", ["write", "read"])
def test_pause(python, tmp_path, workload):
    numbers = tmp_path / "numbers.json"
    done = python.command(*SMALL, "--workload", workload, "--json", str(numbers))
    assert done.returncode == 0, done.stderr
    assert "longest stop: 1/" in done.stdout and "CPU of a full collection: " in done.stdout
    by_name = {figures["configuration"]: figures for figures in json.loads(numbers.read_text())}
    assert set(by_name) == {"stock", "exuvia", "freeze", "disable", "young"}
    assert by_name["stock"]["full_collections"] == 3 and by_name["disable"]["full_collections"] == by_name["young"]["full_collections"] == 0
    assert by_name["exuvia"]["background"] > 0 and by_name["exuvia"]["search_ms"] > 0
    assert by_name["exuvia"]["longest_stop_ms"] > 0
    assert len({figures["requests"] for figures in by_name.values()}) == 1


@pytest.mark.parametrize("command", [SMALL, ("-m", "exuvia", "bench", "costs")])
def test_where_the_numbers_cannot_be_written_nothing_is_measured(python, tmp_path, command):
    done = python.command(*command, "--json", str(tmp_path / "nowhere/numbers.json"))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"exuvia bench: cannot write {tmp_path}/nowhere/numbers.json: No such file or directory\n"


def test_costs(python, tmp_path):
    numbers = tmp_path / "numbers.json"
    done = python.command("-m", "exuvia", "bench", "costs", "--objects", "100000", "--json", str(numbers))
    assert done.returncode == 0, done.stderr
    figures = json.loads(numbers.read_text())
    assert 0 < figures["import_ms"] < 1000 and 0 < figures["install_ms"] < 1000
    assert figures["exuvia_written_mb"] < 1 < 5 < figures["stock_written_mb"], figures
    assert figures["stock_written_mb"] < figures["worker_mb"]


def test_insight(python, tmp_path):
    numbers = tmp_path / "numbers.json"
    done = python.command("-m", "exuvia", "bench", "insight", "--objects", "4000", "--json", str(numbers))
    assert done.returncode == 0, done.stderr
    figures = json.loads(numbers.read_text())
    assert figures["nodes"] > 8000 and figures["tracked"] > 4000, figures
    assert 10 < figures["file_bytes"] / figures["nodes"] < 200, figures
    ours = [line for line in figures["lines"] if line["what"].startswith("exuvia")]
    assert len(ours) == 6 and all(line["stopped"] > 0 < line["seconds"] for line in ours), ours
