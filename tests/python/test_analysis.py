"""The analyzer of heap files against naive ways to the same answers, and against files that are damaged."""
import os
import pathlib

HERE = str(pathlib.Path(__file__).parent)
BEGIN = """
import json, os, random, struct, sys, zlib
from exuvia import _core
from made_heap import *

def ask(name, path, other=None, what=None, limit=0, retained=False):
    status, text = _core.heap_ask(name, os.fsencode(path), os.fsencode(other or ""), what, limit, retained, False)
    return status, text

def answer(*words, **more):
    status, text = ask(*words, **more)
    assert status == 0, (status, text)
    return json.loads(text)
"""


def run(python, tmp_path, code, **more):
    done = python.command("-c", BEGIN + code, str(tmp_path), environment={"PYTHONPATH": f"{python.folder}:{HERE}"}, **more)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}"
    return done.stdout


def test_retained_sizes_are_what_goes_with_an_object(python, tmp_path):
    """The oracle: take the object out, and see what is not reached any more."""
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
for seed in range(25):
    chance = random.Random(seed)
    count = chance.choice([1, 2, 30, 200, 300])
    heap = random_heap(chance, count, int(count * chance.uniform(0.5, 3)), chance.randint(1, max(1, count // 20)))
    for node in range(count):
        if node not in reached(heap):
            heap.root("builtins", "rest", node)
    heap.write(path)
    whole = reached(heap)
    told = {}
    for node in whole:
        lost = whole - reached(heap, node)
        told[node] = sum(heap.nodes[other]["size"] for other in lost)
    for node in sorted(whole)[:60]:
        found = answer("why", path, what=hex(heap.nodes[node]["address"]))
        assert found["retained"] == told[node], (seed, node, found["retained"], told[node])
    # By type: what no instance is above of is lost with one of them at least.
    names = {}
    for node in whole:
        kind = heap.types[heap.nodes[node]["type"]]
        names.setdefault((kind[1], kind[0]), []).append(node)
    for line in answer("census", path, retained=True)["types"]:
        members = names.get((line["module"], line["type"].removeprefix(line["module"] + ".")), [])
        lost = set().union(*(whole - reached(heap, node) for node in members))
        expected = sum(heap.nodes[node]["size"] for node in lost)
        assert line["retained"] == expected, (seed, line, expected)
""", timeout=300)


def test_paths_are_made_of_references_that_are_there(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
SHOW = {0: "", INDEX: "[*]", KEY: "(key)", WEAK: "(weak)"}
AROUND = {ATTRIBUTE: ".%s", SHOWN: "['%s']", HIDDEN: "%s", INTERNAL: ".%s", LOCAL: "local %s", CELL: "cell %s"}

def type_name(heap, node):
    name, module = heap.types[heap.nodes[node]["type"]][:2]
    return name if module == "builtins" else f"{module}.{name}"

checked = 0
for seed in range(40):
    chance = random.Random(1000 + seed)
    heap = random_heap(chance, 60, 90, 4)
    heap.write(path)
    texts = list(heap.strings)
    whole, steps_to = reached(heap), {}
    for node in sorted(whole)[:20]:
        found = answer("why", path, what=hex(heap.nodes[node]["address"]))
        group, first, *rest = found["paths"][0]["steps"]
        if any(step.get("repeats") for step in [first, *rest]):
            continue                        # folded: there are more references than steps
        checked += 1
        here = {n for g, l, n in heap.roots if texts[g] == group["group"] and texts[l] == first["edge"]
                and type_name(heap, n) == first["type"]}
        assert here, (seed, node, first)
        for step in rest:
            following = set()
            for source in here:
                for target, label in heap.nodes[source]["edges"]:
                    kind, value = label >> 28, label & 0xFFFFFFF
                    shown = AROUND[kind] % texts[value] if kind in AROUND else SHOW[kind]
                    if shown == step["edge"] and kind != WEAK:
                        following.add(target)
                if step["edge"] == "(class)":
                    following |= set(targets(heap, source)[len([e for e in heap.nodes[source]["edges"] if e[1] >> 28 != WEAK]):])
            following = {n for n in following if type_name(heap, n) == step["type"]}
            assert following, (seed, node, step)
            here = following
        assert node in here, (seed, node)
assert checked > 300, checked
""", timeout=300)


def test_the_census_counts_all(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = random_heap(random.Random(5), 500, 900, 5)
heap.node(0, size=5 << 32, flags=16 | 4 | 2)
heap.node(0, size=7, flags=4 | 3)
heap.write(path)
found = answer("census", path)
assert found["objects"] == 502 and found["dead"] == 1 and found["dead_bytes"] == 5 << 32
assert found["bytes"] == sum(node["size"] for node in heap.nodes)
assert sum(line["count"] for line in found["types"]) == 502
assert sum(line["bytes"] for line in found["types"]) == found["bytes"]
assert [line["bytes"] for line in found["types"]] == sorted((line["bytes"] for line in found["types"]), reverse=True)
assert found["types"][0]["old"] == 1 and found["types"][0]["frozen"] == 1
assert len(answer("census", path, limit=1)["types"]) == 1
assert json.loads(found["info"])["pid"] == 7
""")


def test_a_damaged_file_is_a_message(python, tmp_path):
    """Cut at every place, and bytes changed at random; with the checksums made good again, too."""
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
chance = random.Random(3)
heap = random_heap(chance, 40, 80, 6)
heap.code(3, "app.py", "main", 7)
heap.values[5] = "a value"
heap.nodes[7]["size"] = 5 << 32
whole = heap.bytes()

def try_all(data):
    with open(path, "wb") as file:
        file.write(data)
    statuses = set()
    for name in ("summary", "cycles", "holders"):
        status, text = ask(name, path, limit=5)
        assert status in (0, 2)
        assert status == 0 and json.loads(text) or status == 2 and text.startswith(path + ": ")
        statuses.add(status)
    return statuses

assert try_all(whole) == {0}
for size in [*range(0, 200), *range(200, len(whole), 37)]:
    assert try_all(whole[:size]) == {2}, size
changed = 0
for _ in range(1500):
    data = bytearray(whole)
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    changed += try_all(bytes(data)) == {2}
assert changed > 1300, changed      # the rest changed what no checksum covers: padding

def with_good_checksums(data):
    offset, count = struct.unpack_from("<QI", data, 32)
    for place in range(offset, offset + 32 * count, 32):
        start, size = struct.unpack_from("<QQ", data, place + 8)
        struct.pack_into("<I", data, place + 24, zlib.crc32(data[start:start + size]))
    struct.pack_into("<I", data, 44, zlib.crc32(data[offset:offset + 32 * count]))

refused = 0
for _ in range(3000):
    data = bytearray(whole)
    table = struct.unpack_from("<Q", data, 32)[0]
    at = chance.randrange(64, table) & ~3
    struct.pack_into("<I", data, at, chance.choice([0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 1 << 31, chance.randrange(1 << 32), 300]))
    with_good_checksums(data)
    refused += try_all(bytes(data)) == {2}
assert refused > 500, refused
""", timeout=300)


def test_what_is_wrong_with_a_file_is_said(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = random_heap(random.Random(3), 4, 4, 1)
def said(data):
    with open(path, "wb") as file:
        file.write(data)
    status, text = ask("census", path)
    assert status == 2
    return text.removeprefix(path + ": ")
whole = heap.bytes()
assert said(b"") == "the file is empty"
assert said(b"x" * 100).startswith("this is no heap file of Exuvia")
assert said(whole[:8] + struct.pack("<I", 2) + whole[12:]).startswith("the heap file is of version 2, and this program reads 1")
assert "not whole" in said(whole[:32] + bytes(8) + whole[40:])
assert "was it copied whole" in said(whole[:-1])
assert said(whole[:70] + b"?" + whole[71:]) == \\
    "the file is damaged: section naddr has another checksum than it was written with; write it anew"
assert ask("census", sys.argv[1] + "/none")[1].endswith("/none: No such file or directory")
os.mkfifo(sys.argv[1] + "/pipe")
assert ask("census", sys.argv[1] + "/pipe")[0] == 2 and ask("census", sys.argv[1])[0] == 2
""")


def test_dead_rings_are_told_by_shape(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = Heap()
plain, node, frame, data = heap.type("dict"), heap.type("Node", "app", heap=True), heap.type("frame"), heap.type("bytearray")
heap.root("modules", "app", heap.node(plain))
for number in range(10):                       # Node -> dict -> Node, and 1000 bytes that the first holds
    first, second = heap.node(plain, 100, flags=DEAD), heap.node(node, 50, flags=DEAD)
    held = heap.node(data, 1000, flags=DEAD if number % 2 else 0)   # a search does not see what has no GC header
    heap.edge(second, first, INTERNAL, "__dict__")
    heap.edge(first, second, SHOWN, "me")
    heap.edge(second, held, ATTRIBUTE, "rows")
for number in range(3):                        # frame -> itself
    ring = heap.node(frame, 400, flags=DEAD)
    heap.edge(ring, ring, LOCAL, "error")
    heap.code(ring, "app.py", "handle", 41 if number else 52)
heap.node(plain, 5, flags=DEAD)                # dead, and no ring
heap.write(path)
found = answer("cycles", path)
assert (found["dead"], found["dead_bytes"]) == (34, 10 * 1150 + 3 * 400 + 5)
big, small, other = found["shapes"]
assert (big["rings"], big["objects"], big["bytes"], big["held"]) == (10, 20, 1500, 11500)
assert [(step["edge"], step["type"]) for step in big["ring"]] == [("", "app.Node"), (".__dict__", "dict"), ("['me']", "app.Node")]
assert (small["rings"], small["objects"], small["held"]) == (2, 2, 800), "by line, too"
assert other["code"][0]["line"] == 52
census = answer("census", path)
assert (census["dead"], census["dead_bytes"]) == (found["dead"], found["dead_bytes"])
assert small["code"] == [{"count": 1, "type": "frame", "name": "handle", "file": "app.py", "line": 41}]
assert [(step["edge"], step["type"]) for step in small["ring"]] == [("", "frame"), ("local error", "frame")]
groups = {line["group"]: line["retained"] for line in answer("summary", path)["groups"]}
assert groups["dead cycles"] == found["dead_bytes"]

heap = Heap()                                  # a ring that is held at two places by what is dead and no ring
plain, node = heap.type("dict"), heap.type("Node", "app", heap=True)
first, second, held = heap.node(node, 10, flags=DEAD), heap.node(node, 20, flags=DEAD), heap.node(plain, 300, flags=DEAD)
for source, target in ((first, second), (second, first), (second, held)):
    heap.edge(source, target, ATTRIBUTE, "peer")
for target in (first, second):
    heap.edge(heap.node(plain, 1000, flags=DEAD), target)
heap.write(path)
ring, = answer("cycles", path)["shapes"]
assert (ring["bytes"], ring["held"]) == (30, 330), "not what holds it"
""")


def test_growth_is_told_by_type_and_by_holder(python, tmp_path):
    run(python, tmp_path, """
first, second = sys.argv[1] + "/a.exv", sys.argv[1] + "/b.exv"
def make(sessions, extra):
    heap = Heap()
    plain, session, text = heap.type("dict"), heap.type("Session", "app", heap=True), heap.type("str")
    if extra:
        heap.type("Late", "app")
    module = heap.node(plain, 100)
    heap.root("modules", "app", module)
    table = heap.node(plain, 1000)
    heap.edge(module, table, SHOWN, "sessions")
    for number in range(sessions):
        one = heap.node(session, 50, address=0x100000 + 64 * number)
        heap.edge(table, one, HIDDEN, "[str]")
        heap.edge(one, heap.node(text, 500, address=0x100000 + 64 * number + 16), ATTRIBUTE, "cart")
    if extra:
        heap.edge(module, heap.node(3, 7, address=0x900000), ATTRIBUTE, "late")
    return heap
make(10, False).write(first)
make(110, True).write(second)
found = answer("diff", first, second)
lines = {line["type"]: line for line in found["types"]}
assert found["types"][0]["type"] == "str"
assert (lines["app.Session"]["count_before"], lines["app.Session"]["count_after"], lines["app.Session"]["new"]) == (10, 110, 100)
assert lines["str"]["bytes_after"] - lines["str"]["bytes_before"] == 50000 == lines["str"]["new_bytes"]
assert lines["app.Late"]["count_before"] == 0 and "dict" not in lines
path, late = found["paths"]
assert late["count"] == 1
assert path["count"] == 100 and path["retained"] == 55000, "with what they hold, and nothing twice"
assert [step.get("edge", step.get("group")) for step in path["steps"]] == ["modules", "app", "['sessions']", "[str]"]
back = answer("diff", second, first)
assert back["paths"] == [] and back["types"][-1]["type"] == "str" and back["types"][-1]["bytes_after"] == 5000
""")


def test_what_is_asked_for_is_found(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = Heap()
one, other, inner, plain = (heap.type("Node", "app"), heap.type("Node", "lib"), heap.type("Outer.Inner", "app"),
                            heap.type("dict"))
again = heap.type("Node", "app")
nodes = [heap.node(kind, 10 * (place + 1)) for place, kind in enumerate([plain, one, other, inner, again])]
heap.root("modules", "app", nodes[0])
for node in nodes[1:]:
    heap.edge(nodes[0], node, ATTRIBUTE, "x")
heap.root("held by C", "2 references", nodes[2])
heap.edge(nodes[3], nodes[1], WEAK)
heap.write(path)
assert answer("why", path, what="app.Node")["count"] == 2, "two types of one name are one to a person"
assert answer("why", path, what="Inner")["type"] == "app.Outer.Inner"
status, text = ask("why", path, what="Node")
assert status == 1 and json.loads(text)["fits"] == ["app.Node", "lib.Node"]
assert ask("why", path, what="Nothing") == (1, "") and ask("why", path, what="0x9") == (1, "")
assert ask("why", path, what="") == (1, "") and ask("why", path, what="0x") == (1, "")
found = answer("why", path, what="lib.Node")
assert found["held_by_c"] == [{"count": 1, "label": "2 references"}]
assert [step.get("edge") for step in found["paths"][0]["steps"]] == [None, "app", ".x"], "not the one that says nothing"
found = answer("why", path, what="0x1010")
assert found["type"] == "app.Node" and found["kept_by"][0]["type"] == "dict"
assert {(line["edge"], line["count"]) for line in found["referrers"]} == {(".x", 1), ("(weak)", 1)}
assert answer("why", path, what="--largest")["type"] == "dict"
""")


def test_what_holds_most_is_where_it_spreads(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = Heap()
plain = heap.type("dict")
above = heap.node(plain)
heap.root("modules", "app", above)
for _ in range(10):                            # a long way down to where it is
    below = heap.node(plain)
    heap.edge(above, below, INTERNAL, "__dict__")
    above = below
for _ in range(100):
    heap.edge(above, heap.node(plain, 100), HIDDEN, "[int]")
heap.write(path)
holder = answer("summary", path, limit=1)["holders"][0]
assert holder["address"] == hex(heap.nodes[above]["address"]) and holder["retained"] == 64 + 10000, holder
""")


def test_ways_that_never_repeat_have_an_end(python, tmp_path):
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = Heap()
plain = heap.type("dict")
nodes = [heap.node(plain) for _ in range(5000)]
for place in range(4999):
    heap.edge(nodes[place], nodes[place + 1], ATTRIBUTE, f"name{place}")
heap.root("modules", "app", nodes[0])
heap.write(path)
found = answer("why", path, what="dict")
assert max(len(line["steps"]) for line in found["paths"]) <= 200
assert sum(line["count"] for line in found["paths"]) == 5000
tree = answer("holders", path)["tree"]
assert len(tree) <= 201 and tree[0]["retained"] == 5000 * 64
""")


def test_a_list_of_a_million_is_one_path(python, tmp_path):
    """Nothing recurses, and what repeats itself is folded."""
    if "EXUVIA_PRELOAD" in os.environ:
        return
    run(python, tmp_path, """
path = sys.argv[1] + "/heap.exv"
heap = Heap()
node, plain = heap.type("Node", "app", heap=True), heap.type("dict")
count = 200_000
nodes = [heap.node((node, plain)[place % 2]) for place in range(count)]
for place in range(count - 1):
    heap.edge(nodes[place], nodes[place + 1], *((INTERNAL, "__dict__"), (SHOWN, "next"))[place % 2])
heap.root("modules", "app", nodes[0])
heap.write(path)
found = answer("why", path, what="app.Node")
assert len(found["paths"]) <= 3 and max(len(line["steps"]) for line in found["paths"]) < 8, found
assert sum(line["count"] for line in found["paths"]) == count // 2
assert answer("why", path, what=hex(heap.nodes[0]["address"]))["retained"] == 64 * count
for place in range(count):
    heap.nodes[place]["flags"] = DEAD
heap.roots.clear()
heap.edge(nodes[-1], nodes[0])
heap.write(path)
shape, = answer("cycles", path)["shapes"]
assert shape["objects"] == count and shape["held"] == 64 * count
""", timeout=300)
