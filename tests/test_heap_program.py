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


OF_C = """
#include <exuvia.h>
#include <fcntl.h>
#include <stddef.h>

struct node { void *next, *value; };
static const uint32_t fields[] = {offsetof(struct node, next), offsetof(struct node, value)};
static const char *const names[] = {"next", "value"};
static const exv_references references = {.fields = fields, .field_count = 2, .field_names = names};
static const exv_type node_type = {.name = "node", .size = sizeof(struct node), .references = &references};
static const char zeros[100000];

int main(int argc, char **argv)
{
    exv_heap *heap = exv_heap_new(NULL);
    struct node *top = exv_new(heap, &node_type), *below = exv_new(heap, &node_type);
    exv_dict *cache = exv_dict_new(heap);
    exv_str *key;
    if (argc != 3 || exv_str_from(heap, "secret", &key) != EXV_OK || exv_dict_set(cache, key, below) != EXV_OK)
        return 1;
    top->next = cache;
    exv_decref(below);
    for (int i = 0; i < 3; i++) {
        struct node *ring = exv_new(heap, &node_type);
        ring->next = ring;
    }
    int status = exv_heap_dump(heap, open(argv[1], O_WRONLY | O_CREAT, 0600));
    below->value = exv_bytes_new(heap, zeros, sizeof zeros);
    return status + (int)exv_heap_dump(heap, open(argv[2], O_WRONLY | O_CREAT, 0600));
}
"""


def test_every_question_to_a_heap_of_c(heap, build, source, run, tmp_path):
    (tmp_path / "program.c").write_text(OF_C)
    run("gcc", "-I", source / "include", tmp_path / "program.c", build / "src/libexuvia-checked.a", "-pthread", "-lm",
        "-o", tmp_path / "program")
    file, later = tmp_path / "c.exv", tmp_path / "later.exv"
    run(tmp_path / "program", file, later)
    ask = lambda *words: json.loads(heap(*words, "--json"))  # noqa: E731
    assert b"secret" not in file.read_bytes()
    summary = ask("summary", file)
    assert {group["group"] for group in summary["groups"]} >= {"held by the program", "held by the heap"}
    types = {line["type"]: line for line in ask("census", file, "--retained")["types"]}
    assert types["node"]["count"] == 5 and types["node"]["dead"] == 3
    (below,) = [path for path in ask("why", file, "node")["paths"] if len(path["steps"]) == 4]
    assert [step.get("edge") for step in below["steps"]] == [None, "1 reference", ".next", "[str]"]
    (shape,) = ask("cycles", file)["shapes"]
    assert shape["rings"] == 3 and shape["held"] == 3 * 32
    (grown,) = [line for line in ask("diff", file, later)["types"] if line["type"] == "bytes"]
    assert grown["new_bytes"] >= 100000
    assert ask("why", later, "--largest")["type"] == "bytes"
    assert "dict" in heap("holders", file)
    heap("heapsnapshot", file, tmp_path / "new")
