"""exuvia-heap: the questions from a shell, without Python."""
import json
import os
import random
import subprocess
import sys

import pytest

from conftest import SOURCE

sys.path.insert(0, str(SOURCE / "tests/python"))
import made_heap  # noqa: E402

PEAK = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(pid, 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def heap(build, tmp_path):
    made = made_heap.Heap()
    node = made.type("node", "")
    made.root("roots held by the program", "1 reference", made.node(node, 40))
    for number in range(3):
        made.edge(0, made.node(node, 24), made_heap.ATTRIBUTE, "next")
    ring = made.node(node, 100, flags=made_heap.DEAD)
    made.edge(ring, ring, made_heap.ATTRIBUTE, "self")
    path = made.write(tmp_path / "heap.exv")

    def ask(*words, status=0):
        done = subprocess.run([build / "src/exuvia-heap", *words], capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr
    ask.path = path
    return ask


def test_answers_as_lines_and_as_json(heap):
    assert "\n  count 5  bytes 212  type node" in heap("census", heap.path)
    answer = json.loads(heap("summary", heap.path, "--json"))
    assert answer["objects"] == 5 and answer["holders"][0]["retained"] == 112
    assert [step["edge"] for step in json.loads(heap("why", heap.path, "--largest", "--json"))["paths"][0]["steps"][1:]] == \
        ["1 reference"]
    assert json.loads(heap("cycles", heap.path, "--json"))["shapes"][0]["held"] == 100
    assert json.loads(heap("diff", heap.path, heap.path, "--json"))["types"] == []
    assert json.loads(heap("holders", heap.path, "--json", "--limit", "2"))["tree"][0]["retained"] == 212


def test_status_and_usage(heap, tmp_path):
    assert heap("why", heap.path, "nothing", status=1) == f"exuvia-heap: nothing in {heap.path} is nothing\n"
    for words in ([], ["summary"], ["census", heap.path, "more"], ["why", heap.path], ["what", heap.path],
                  ["census", heap.path, "--limit", "x"], ["census", heap.path, "--limit"], ["census", heap.path, "--all"]):
        assert heap(*words, status=2).startswith("usage: exuvia-heap"), words
    assert heap("census", str(tmp_path / "none"), status=2).endswith("none: No such file or directory\n")
    heap("heapsnapshot", heap.path, str(tmp_path / "new"))
    assert "File exists" in heap("heapsnapshot", heap.path, str(tmp_path / "new"), status=2)
    assert json.loads((tmp_path / "new").read_text())["snapshot"]["node_count"] == 2 + 2 + 5


def test_memory_goes_by_the_number_of_objects(build, tmp_path):
    """At most 80 bytes for each, beside the mapped file; with sanitizers there is more."""
    count = 200_000
    path = made_heap.random_heap(random.Random(1), count, 2 * count, 20).write(tmp_path / "large.exv")
    for words in (["summary"], ["cycles"], ["holders", "--json"]):
        # Between this process and the program a small one: a child's peak begins with its parent's.
        done = subprocess.run([sys.executable, "-c", PEAK, build / "src/exuvia-heap", words[0], path, *words[1:]],
                              capture_output=True, text=True, check=True)
        assert int(done.stderr) * 1024 < 80 * count + os.path.getsize(path) + (12 << 20), words
