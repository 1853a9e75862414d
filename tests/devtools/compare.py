"""Retained sizes of random graphs: DevTools' against ours, object by object: compare.py EXUVIA-HEAP FOLDER

FOLDER has load.mjs and the worker that it loads (tools/test-devtools)."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
import made_heap  # noqa: E402

COUNT, ASKED = 1000, 100


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def compare(program, loader, folder, seed):
    chance = random.Random(seed)
    heap = made_heap.random_heap(chance, COUNT, int(COUNT * chance.uniform(0.8, 2.5)), 20)
    seen = made_heap.reached(heap)
    for place, node in enumerate(heap.nodes):
        node["size"] += 1               # DevTools leaves out what has no size
        if place not in seen:
            heap.root("builtins", "rest", place)
            seen = made_heap.reached(heap)
    path, snapshot = heap.write(f"{folder}/{seed}.exv"), f"{folder}/{seed}.heapsnapshot"
    run(program, "heapsnapshot", path, snapshot)
    theirs = json.loads(run("node", loader, snapshot))
    assert theirs["total"] == sum(node["size"] for node in heap.nodes)
    first = len(theirs["retained"]) - COUNT
    for place in chance.sample(range(COUNT), ASKED):
        ours = json.loads(run(program, "why", path, hex(heap.nodes[place]["address"]), "--json", "--limit", "1"))
        assert ours["retained"] == theirs["retained"][first + place], (seed, place)


def main():
    program, tools = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(8):
            compare(program, f"{tools}/load.mjs", folder, seed)
    print(f"DevTools and exuvia-heap agree on {8 * ASKED} objects of 8 random graphs")


if __name__ == "__main__":
    main()
