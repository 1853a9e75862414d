"""`exuvia bench loads`: every load runs and does the same work on both sides; verdicts, medians and resuming on made-up
numbers. No test looks at a time that was measured.
"""
import json
import signal
import time

import pytest

TINY = ("-m", "exuvia", "bench", "loads", "--sizes", "2000", "--seeds", "1", "--pairs", "1")

MADE_UP = """
from exuvia.bench.loads import matrix, report, verdict
from exuvia.bench.loads.runner import Run

USUAL = {"longest_ms": 100.0, "p50_us": 10.0, "p99_us": 1000.0, "p99_9_us": 4000.0, "seconds": 10.0,
         "cpu_seconds": 10.0, "queued_seconds": 0.1, "peak_mb": 100.0, "waiting": 50_000, "fallbacks": {}}

def result(configuration, load="churn", size=300_000, seed=1, pair=0, limited=False, **values):
    return {**Run(load, size, seed, pair, configuration, limited)._asdict(), **USUAL, **values}

def judged(*results):
    return verdict.judge(results, results[0]["load"], results[0]["size"])
"""


def made_up(python, code):
    python.program(MADE_UP + code, install=False)


def test_every_load_does_the_same_work_on_both_sides(python, tmp_path):
    file = tmp_path / "loads.json"
    done = python.command(*TINY, "--configurations", "stock,exuvia", "--json", str(file), timeout=300)
    assert done.returncode == 0, done.stderr
    runs = json.loads(file.read_text())["runs"]
    sides = {name: {run["load"]: run for run in runs if run["configuration"] == name} for name in ("stock", "exuvia")}
    assert set(sides["stock"]) == set(sides["exuvia"]) and len(sides["stock"]) == 16
    assert not [run for run in runs if "failed" in run]
    for name, stock in sides["stock"].items():
        ours = sides["exuvia"][name]
        if "skipped" in stock:
            assert name == "quota" and "skipped" in ours
            continue
        assert stock["requests"] == ours["requests"] > 0, name
        for run in (stock, ours):
            assert run["waiting"] >= 0 and run["peak_mb"] > 1 and run["samples"] > 0, run
            assert run["longest_ms"] >= run["longest_request_ms"] > 0
            assert 0 < run["p50_us"] <= run["p99_us"] <= run["p99_9_us"] <= 1001 * run["longest_request_ms"]
            assert 0 < run["cpu_seconds"] and 0 < run["seconds"]
            assert run["series"] and run["memory"]
        assert stock["fallbacks"] == {}
    assert "In all: " in done.stdout


def test_every_load_under_the_other_configurations(python, tmp_path):
    file = tmp_path / "loads.json"
    done = python.command(*TINY, "--configurations", "freeze,disable", "--json", str(file), timeout=300)
    assert done.returncode == 0, done.stderr
    assert len([run for run in json.loads(file.read_text())["runs"] if "seconds" in run or "skipped" in run]) == 32
    assert "not both sides were measured" in done.stdout


def test_what_waits_is_counted(python):
    """Without a collector everything that was dropped waits; after a full collection, nothing does."""
    made_up(python, """
from exuvia.bench.loads.kinds import KINDS
gc.disable()
for name, kind in KINDS.items():
    load = kind.load(3000, "seed")
    for steps in (load.build(), *(load.serve(worker) for worker in range(load.threads))):
        for _ in steps:
            assert load.waiting() >= 0, name
    assert (load.waiting() > 0) == load.frees_cycles, (name, load.waiting())
    gc.collect()
    assert load.waiting() == 0, (name, load.waiting())
    del load
""")


def test_a_seed_draws_the_same_load_again(python):
    made_up(python, """
from exuvia.bench.loads.kinds import KINDS
def requests(name, seed):
    load = KINDS[name].load(20_000, seed)
    for _ in load.build():
        pass
    return sum(1 for _ in load.serve(0))
for name in ("churn", "waves", "component", "parse", "loading"):
    assert requests(name, "a") == requests(name, "a")
    assert name == "loading" or len({requests(name, seed) for seed in "abcdefgh"}) > 1, name
""")


def test_the_verdict_follows_the_bounds(python):
    made_up(python, """
stock = result("stock")
assert judged(stock, result("exuvia")).word == "same"
assert judged(stock, result("exuvia", longest_ms=103.0)).word == "same"
worse = judged(stock, result("exuvia", longest_ms=104.0, peak_mb=140.0))
assert worse.word == "worse" and [text.split()[0] for text in worse.by] == ["longest", "memory"]
assert [text.split()[0] for text in worse.check] == ["memory"], "what depends on the clock is not checked"
better = judged(stock, result("exuvia", longest_ms=20.0, waiting=1000))
assert (better.word, better.by) == ("better", ("longest", "waiting")) and better.check == ()

def bound(name, stock=stock, kind="churn", size=300_000, **disable):
    results = [{**stock, "load": kind, "size": size}, result("exuvia", load=kind, size=size)]
    results += [result("disable", load=kind, size=size, **disable)] if disable else []
    return judged(*results).columns[name].bound
slow = result("stock", longest_ms=2000.0)
assert bound("longest", slow) == 100 and bound("longest", slow, longest_ms=200.0) == 205
assert bound("longest", result("stock", longest_ms=300.0)) == 25 and bound("longest", slow, "strong") == 250
assert bound("p99") == 1500 and bound("p99", kind="one") == 4000 and bound("p99.9") == 5000
assert abs(bound("time") - 10.2) < 1e-9 and abs(bound("CPU") - 11.5) < 1e-9
assert bound("memory") == 135 and bound("memory", size=2_000_000) == 135
assert bound("memory", size=10_000_000) == 150 and bound("memory", kind="service", size=10_000_000) == 130
assert bound("waiting") == 75_000 and bound("waiting", result("stock", waiting=0)) == 15_000
""")


def test_the_median_of_the_pairs_and_the_worst_seed_decide(python):
    made_up(python, """
def seconds(seed, *pairs):
    return [result(name, seed=seed, pair=pair, seconds=value)
            for pair, both in enumerate(pairs) for name, value in zip(("stock", "exuvia"), both)]
fine = seconds(1, (10, 10), (10, 10), (10, 30))
assert judged(*fine).word == "same" and judged(*fine).columns["time"].spread == (1, 3)
both = fine + seconds(2, (10, 13), (10, 12), (20, 20))
time_column = judged(*both).columns["time"]
assert judged(*both).word == "worse" and (time_column.seed, time_column.ratio) == (2, 1.2)
assert not judged(*seconds(1, (10, 5), (10, 5), (10, 9.5))).columns["time"].clearly_better
assert judged(*seconds(1, (10, 5), (10, 5), (10, 8))).by == ("time",)
assert judged(*seconds(1, (10, 5)), *seconds(2, (10, 9.5))).word == "same"
lonely = judged(result("exuvia"), result("stock", pair=1))
assert lonely.word == "" and lonely.skipped == "not both sides were measured"
""")


def test_fallbacks_and_events(python):
    made_up(python, """
stock = result("stock")
fell = judged(stock, result("exuvia", fallbacks={"overtaken": 2}), result("exuvia", pair=1, fallbacks={"overtaken": 1}))
assert fell.word == "same" and fell.fallbacks == {"overtaken": 3} and fell.check == ("fallbacks overtaken 3",)
frozen = judged(result("stock", load="frozen"), result("exuvia", load="frozen", fallbacks={"frozen": 1}))
assert frozen.check == (), "the program itself caused it"
killed = judged(stock, result("exuvia"), result("exuvia", limited=True, oom_events=2))
assert killed.word == "worse" and killed.check == ("2 out-of-memory events 20 % above stock's peak",)
throttled = judged(result("stock", load="quota", throttled=0), result("exuvia", load="quota", throttled=3))
assert throttled.by == ("throttled 3 times, stock never",) and throttled.check == ()
assert judged(result("stock", load="quota", throttled=1), result("exuvia", load="quota", throttled=3)).word == "same"
died = Run("churn", 300_000, 1, 0, "exuvia")._asdict() | {"failed": "ended with status -11"}
assert judged(stock, died).word == "worse" and judged(stock, died).check == ("ended with status -11",)
skipped = Run("quota", 300_000, 1, 0, "exuvia")._asdict() | {"skipped": "no group"}
assert judged(skipped).skipped == "no group" and judged(skipped).word == ""
lines = report.reasons([judged(stock, died), judged(skipped)])
assert lines == ["churn, 0.3 M: worse: ended with status -11", "quota, 0.3 M: left out: no group",
                 "In all: 0 better, 0 same, 1 worse"], lines
assert report.figures([stock, died, skipped]).rows[0][:3] == ["churn", "0.3 M", "stock"]
""")


def test_a_busy_machine_is_said(python):
    made_up(python, """
assert report.disturbance([result("stock"), result("exuvia", queued_seconds=9.0)]) == [], "ours may wait for its search"
assert "for 60% of its time" in report.disturbance([result("stock", queued_seconds=6.0)])[0]
assert report.disturbance([result("stock", load="one", queued_seconds=6.0)]) == []
""")


def test_no_huge_pages(python, tmp_path):
    file = tmp_path / "loads.json"
    few = (*TINY, "--loads", "loading", "--configurations", "stock,exuvia", "--json", str(file))
    assert python.command(*few, "--no-huge-pages").returncode == 0
    assert json.loads(file.read_text())["machine"]["huge_pages"] == "never"
    done = python.command(*few, "--resume")
    assert done.returncode == 1 or json.loads(file.read_text())["machine"]["huge_pages"] == "never"


def test_percentiles_and_series(python):
    made_up(python, """
import array
from exuvia.bench.loads import meter
latencies = array.array("Q", [1000] * 100_000)
latencies[777] = 5_000_000_000
found = meter.percentiles(latencies)
assert found == {"p50_us": 1, "p99_us": 1, "p99_9_us": 1, "longest_request_ms": 5000}, found
points = meter.series(latencies)
assert len(points) <= meter.POINTS and max(slowest for _, _, slowest in points) == 5000
assert abs(points[-1][0] - sum(latencies) / 1e9) < 1e-3
assert meter.series(array.array("Q")) == [] and meter.percentiles(array.array("Q"))["p99_us"] == 0
""")


def test_pairs_are_interleaved_and_the_limited_ones_come_behind(python):
    made_up(python, """
runs = matrix.plan(matrix.Wanted(("churn",), (1000,), 1, 2, ("stock", "exuvia"), True))
assert [(run.pair, run.configuration, run.limited) for run in runs] == [
    (0, "stock", False), (0, "exuvia", False), (1, "exuvia", False), (1, "stock", False),
    (0, "stock", True), (0, "exuvia", True)]
everything = matrix.plan(matrix.Wanted())
assert len(everything) == len(set(everything)) == 16 * 3 * 3 * 3 * 4
""")


def test_resuming(python, tmp_path):
    file = tmp_path / "loads.json"
    few = (*TINY, "--loads", "loading", "--configurations", "stock,exuvia", "--json", str(file))
    assert python.command(*few).returncode == 0
    kept = json.loads(file.read_text())
    kept["runs"][0]["seconds"] = 1234.5
    file.write_text(json.dumps(kept))
    done = python.command(*few, "--resume")
    assert done.returncode == 0 and done.stderr == "", "nothing was left to do"
    assert "1234.5" in done.stdout
    done = python.command(*few[:-4], "--pairs", "2", *few[-4:], "--resume")
    assert "[3/4]" in done.stderr and "[1/4]" not in done.stderr
    assert json.loads(file.read_text())["runs"][0]["seconds"] == 1234.5
    kept["machine"]["python"] = "3.0.0"
    file.write_text(json.dumps(kept))
    done = python.command(*few, "--resume")
    assert done.returncode == 1 and "it was measured with python 3.0.0, not 3." in done.stderr
    file.write_text("{}")
    done = python.command(*few, "--resume")
    assert done.returncode == 1 and "is not a file of this benchmark" in done.stderr


def test_an_interruption_is_one_line_and_keeps_what_was_measured(python, tmp_path):
    import os
    import subprocess

    file = tmp_path / "loads.json"
    words = [python.executable, *TINY, "--loads", "loading,churn", "--sizes", "2000,1000000", "--json", str(file)]
    environment = {**os.environ, "PYTHONPATH": python.folder, "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + 60
    while not file.exists() or len(json.loads(file.read_text())["runs"]) < 8:
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=30)
    kept = len(json.loads(file.read_text())["runs"])
    lines = [line for line in errors.splitlines() if not line.startswith("[")]
    assert lines == [f"exuvia bench: interrupted; {kept} runs are kept in {file}: --resume goes on"], errors
    assert process.returncode == 130 and output == "" and kept >= 8


@pytest.mark.parametrize("words, said", [
    (("--loads", "chrun"), "'chrun' is none of service, churn"),
    (("--sizes", "0.3"), "a number of at least 1000"),
    (("--pairs", "0"), "a number from 1 to 100"),
    (("--json", "/nowhere/file"), "cannot write /nowhere/file"),
])
def test_a_wrong_option_is_said_at_once(python, words, said):
    done = python.command("-m", "exuvia", "bench", "loads", *words)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr


def test_the_memory_seen_is_that_of_process_and_child(python):
    """What the sampler adds up without touching the program's lock is the sum of the PSS of both."""
    made_up(python, """
from exuvia.bench.loads import sampler
heap = [bytearray(4000) for _ in range(25_000)]
ready, wrote = os.pipe()
if os.fork() == 0:
    for block in heap[:10_000]:
        block[:] = bytes(4000)
    os.write(wrote, b"1")
    time.sleep(60)
os.read(ready, 1)
own, child = sampler.memory(os.getpid())
for block in heap[:5_000]:
    block[:] = bytes(4000)       # what we write the child no longer shares: it counts as its own
own, child = sampler.memory(os.getpid())
both = sampler.memory_of_workers(os.getpid())[0]
import signal
os.kill(sampler.children_of(os.getpid())[0], signal.SIGKILL)
assert 100e6 < own < 150e6 and 40e6 < child < 60e6, (own, child)
assert abs(own + child - both) < 20e6, (own, child, both)    # the interpreter's file is shared with others
assert sampler.memory(10**9) == (0, 0)
""")


def test_control_groups_are_found_in_both_versions(python):
    made_up(python, """
from exuvia.bench.loads import groups
lines = ["36 25 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory",
         "37 25 0:32 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate",
         "38 25 0:33 / /proc rw - proc proc rw"]
assert list(groups.mounts(lines)) == [("/sys/fs/cgroup/memory", 1, ["rw", "memory"]), ("/sys/fs/cgroup", 2, [])]
try:
    groups.make("nonsense")
except groups.Unavailable as error:
    assert "nonsense" in str(error)
else:
    raise AssertionError
""")


def test_a_limit_counts_out_of_memory_events(python):
    """A program that needs more than its group may have is counted; one that stays below is not."""
    made_up(python, """
from exuvia.bench.loads import groups, runner
run = Run("loading", 300_000, 1, 0, "stock", True)
try:
    groups.make("memory").__exit__()
except groups.Unavailable as error:
    print("left out:", error)
    sys.exit()
peak = runner.measure_limited(run, None)["group_peak"]
assert runner.measure_limited(run, 2 * peak)["oom_events"] == 0
died = runner.measure_limited(run, peak // 2)
assert died["oom_events"] > 0 and died["died"], died
""")
