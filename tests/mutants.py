#!/usr/bin/env python3
"""Take the safety mechanisms out of the library one by one; a test must fail for each.

    tests/mutants.py [NAME]...        all, or those whose names contain one of the words
    tests/mutants.py --list           the table of tests/README.md

A mutant is one replacement in one file below src/. It is built in a temporary folder, in the variant of the library and
with the tests that are named with it. Killed: one of these tests fails, crashes or hangs. A mutant that survives, or
whose text is not found any more, is a failure of this program.
"""
import argparse
import dataclasses
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORACLE = ["mirror", "oracle", "step", "types"]
WORLDS = {"graphs", "background_graphs", "faults"}
VARIANTS = {
    "release": [],
    "checked": ["-DEXVI_CHECKED=1"],
    "stress": ["-DEXVI_CHECKED=1", "-DEXVI_STRESS=1"],
}
FLAGS = ["-std=gnu11", "-O1", "-g", "-w", "-I" + str(ROOT / "include"), "-I" + str(ROOT / "tests/world")]


@dataclasses.dataclass
class Mutant:
    name: str      # the mechanism that is taken out
    file: str      # in src/
    old: str
    new: str
    tests: str     # VARIANT:TEST, separated by blanks; the first that fails is enough


MUTANTS = [
    # one collection
    Mutant("second search after finalizers", "collect.c",
           "        let_resurrected_go(heap, doomed);\n", "", "checked:graphs"),
    Mutant("second search knows the collector's own references", "collect.c",
           ".count = doomed->count, .guards = 1};", ".count = doomed->count, .guards = 0};", "checked:graphs"),
    Mutant("no memory for the second search lets everything go", "collect.c",
           "    size_t still = search(heap, &s, doomed->count) ? cycle->count : 0;\n",
           "    size_t still = cycle->count;\n    if (!search(heap, &s, doomed->count))\n        return;\n"
           "    still = cycle->count;\n", "checked:faults"),
    Mutant("the scratch flag leaves an object before its last reference does", "collect.c",
           """        bool proven = header->flags & EXVI_PROVEN;
        header->flags &= ~(uint32_t)EXVI_PROVEN;
        if (proven)
            doomed->object[kept++] = object;
        else
            release(heap, object);
""", """        bool proven = header->flags & EXVI_PROVEN;
        if (proven)
            doomed->object[kept++] = object;
        else
            release(heap, object);
        header->flags &= ~(uint32_t)EXVI_PROVEN;
""", "checked:faults"),
    Mutant("unreachable objects are held while code of the program runs", "collect.c",
           "        exvi_header_of(found[i])->refcount++;\n", "", "checked:graphs"),
    Mutant("weak references to the unreachable are cut", "collect.c",
           "    hold(heap, doomed);\n    exvi_weakrefs_die_together(heap, doomed->object, doomed->count);\n",
           "    hold(heap, doomed);\n", "checked:graphs"),
    Mutant("weak references that finalizers made are cut too", "collect.c",
           "        exvi_weakrefs_die_together(heap, doomed->object, doomed->count); /* those that finalizers made */\n",
           "", "checked:graphs"),
    Mutant("all weak references are cut before the first callback", "weakref.c",
           "            enqueue(&calls, cut(heap, unreachable[i]));\n    call_all(&calls);\n",
           "            exvi_weakrefs_die(heap, unreachable[i]);\n", "checked:graphs checked:weakref checked:collect"),
    Mutant("callbacks of unreachable weak references are not called", "weakref.c",
           "(EXVI_DYING | EXVI_UNREACHABLE))\n            continue;", "EXVI_DYING)\n            continue;", "checked:graphs"),
    Mutant("a weak reference waits for its callback with a reference of its own", "weakref.c",
           "*calls->end = exv_incref(ref);", "*calls->end = ref;", "checked:graphs"),
    Mutant("an object that its finalizer untracked leaves its generation once", "collect.c",
           "if (!(heap->collector.debug & EXV_DEBUG_SAVEALL) && exvi_header_of(doomed->object[i])->flags & EXVI_TRACKED)",
           "if (!(heap->collector.debug & EXV_DEBUG_SAVEALL))", "checked:graphs release:graphs"),
    Mutant("what lived on comes back under the collector's eyes", "collect.c",
           "    if (heap->collector.unreachable)\n        rescue_survivors(heap, doomed, record);\n", "", "checked:graphs"),
    Mutant("survivors are told from plain memory at their address", "collect.c",
           " || page->kind != EXVI_OBJECT ||\n            !(header", " ||\n            !(header",
           "release:graphs"),
    Mutant("survivors are told from new objects at their address", "collect.c",
           " || page->kind != EXVI_OBJECT ||\n            !(header->flags & EXVI_UNREACHABLE))",
           " || page->kind != EXVI_OBJECT)", "checked:graphs"),
    Mutant("a collection inside a deep death finishes the deaths it causes", "collect.c",
           "    heap->deferred = NULL;\n    heap->depth = 0;\n", "    deferred = NULL;\n    depth = heap->depth;\n",
           "stress:graphs"),
    Mutant("no collection inside a collection", "collect.c", "    if (c->running)\n        return 0;\n", "",
           "checked:graphs"),
    # the background
    Mutant("the child's answer is proven", "collect.c",
           "    bool searched = search(heap, &s, count);\n    uint64_t proven = exvi_clock_ns();\n",
           """    bool searched = search(heap, &s, count);
    if (searched && heap->collector.cycle.found_room >= count) {
        for (size_t i = 0; i < count; i++)
            heap->collector.cycle.found[i] = candidates[i];
        heap->collector.cycle.count = count;
    }
    uint64_t proven = exvi_clock_ns();
""", "checked:background_graphs"),
    Mutant("a candidate is a live block", "background.c",
           "exvi_block_find(&heap->blocks, header, &page, &index) &&\n           page->kind == EXVI_OBJECT && ",
           "", "checked:background_graphs"),
    Mutant("a candidate is an object", "background.c", "page->kind == EXVI_OBJECT && ", "", "checked:background_graphs"),
    Mutant("a candidate is tracked", "background.c",
           "(header->flags & (EXVI_TRACKED | EXVI_FROZEN)) == EXVI_TRACKED", "!(header->flags & EXVI_FROZEN)",
           "checked:background_graphs"),
    Mutant("a candidate is not frozen", "background.c",
           "(header->flags & (EXVI_TRACKED | EXVI_FROZEN)) == EXVI_TRACKED", "header->flags & EXVI_TRACKED",
           "checked:background_graphs checked:background"),
    Mutant("a group is proven as a whole", "background.c", "(looked < most || !group_ends)", "looked < most",
           "checked:background_graphs checked:background"),
    Mutant("a forked process disowns the child", "snapshot.c", "return snapshot->owner != exvi_own_pid();",
           "return false && snapshot;", "checked:background_graphs checked:snapshot"),
    Mutant("a forked process finishes the batch it was in", "background.c",
           "    heap->collector.running = true;\n    exvi_collect_clear(heap, &flight->doomed, UINT64_MAX, &flight->record);\n",
           "    heap->collector.running = true;\n", "checked:background_graphs checked:background"),
    Mutant("a count that does not fit is not believed", "snapshot.c",
           " && answer->count <= answer_room(snapshot->answer_size))", ")", "checked:snapshot"),
    Mutant("an answer counts only when it is whole", "snapshot.c", "if (state == EXVI_ANSWER_DONE &&", "if (",
           "checked:snapshot_faults checked:snapshot"),
    Mutant("a child that failed is replaced by a collection in place", "background.c",
           "    return exvi_collect_generation(heap, EXVI_OLDEST);\n}", "    return 0;\n}", "checked:snapshot_faults"),
    Mutant("a late child is killed", "snapshot.c",
           "        stop_child(snapshot);\n    return snapshot->flight;", "        (void)0;\n    return snapshot->flight;",
           "checked:snapshot_faults checked:snapshot"),
    Mutant("the end of a heap ends its child", "background.c", "    exvi_snapshot_end(&flight->snapshot);\n", "",
           "checked:snapshot_faults"),
    Mutant("policy collects in place when no child can be had", "policy.c",
           "exvi_background_start(heap) == EXV_OK)\n        return 0;", "(exvi_background_start(heap), true))\n        return 0;",
           "checked:snapshot_faults"),
    # detection
    Mutant("a scan writes into no object", "collect.c",
           "    exvi_header_of(object)->type->visit(object, visit, arg);\n",
           "    exvi_header_of(object)->flags |= EXVI_PROVEN;\n    exvi_header_of(object)->type->visit(object, visit, arg);\n"
           "    exvi_header_of(object)->flags &= ~(uint32_t)EXVI_PROVEN;\n", "checked:readonly"),
    Mutant("counts beyond a byte", "cycle.c", "        count_many(s, object, 1);\n    }", "    }",
           "checked:graphs stress:graphs"),
    Mutant("objects that the mark stack had no room for", "cycle.c", "        s->grey = true;\n", "",
           "stress:faults stress:cycle checked:cycle"),
    Mutant("a search without memory finds nothing", "cycle.c",
           "    if (s.failed || s.stopped)\n        cycle->count = 0;\n", "", "checked:cycle stress:faults"),
    # life and death
    Mutant("finalizers are called once", "object.c",
           "    if (!header->type->finalize || header->flags & EXVI_FINALIZED)\n        return;\n",
           "    if (!header->type->finalize)\n        return;\n", "checked:graphs"),
    Mutant("an object resurrected by its finalizer lives", "object.c",
           "    if (header->refcount > 1) {\n        header->refcount -= header->refcount < EXVI_IMMORTAL_COUNT;\n"
           "        return false;\n    }\n", "", "checked:graphs"),
    Mutant("deep deaths are put off", "object.c", "exvi_likely(heap->depth < DEPTH_LIMIT)", "exvi_likely(true)",
           "checked:object"),
    Mutant("an object whose death was put off cannot be had", "weakref.c",
           "!ref->target || exvi_header_of(ref->target)->flags & EXVI_DYING", "!ref->target", "stress:graphs checked:weakref"),
    Mutant("a dying object gets no weak references", "weakref.c", "header->flags & EXVI_DYING", "false",
           "stress:graphs checked:weakref"),
    Mutant("a weak reference that dies leaves the table", "weakref.c", "    .destroy = leave_table,\n", "",
           "checked:graphs"),
    # the end of a heap
    Mutant("at a heap's end nobody looks at what is gone", "heap.c", "    exvi_weakrefs_drop(heap);\n", "",
           "checked:graphs"),
    Mutant("what is left gives up its references before it is forced", "heap.c",
           "        exv_decref(objects[i]);\n",
           "        if (exvi_header_of(objects[i])->refcount > 1)\n            exvi_object_force(objects[i]);\n"
           "        else\n            exv_decref(objects[i]);\n", "checked:graphs"),
    Mutant("what is left is counted without memory", "heap.c", "return count_mortals(heap);", "return 0;",
           "checked:faults"),
]


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more).returncode


def compile_file(source, target, flags):
    if subprocess.run(["gcc", *FLAGS, *flags, "-c", "-o", target, source]).returncode:
        raise SystemExit(f"{source} does not compile")


class Variant:
    """The objects of one variant of the library and of the oracle, unchanged."""

    def __init__(self, name, folder):
        self.flags = VARIANTS[name] + ["-I" + str(path) for path in (ROOT / "src").iterdir() if path.is_dir()]
        self.folder = folder / name
        self.folder.mkdir()
        self.library = {}
        for source in sorted((ROOT / "src").glob("*/*.c")):
            self.library[source.name] = self.folder / (source.stem + ".o")
            compile_file(source, self.library[source.name], self.flags)
        self.oracle = []
        for part in ORACLE:
            self.oracle.append(self.folder / ("world_" + part + ".o"))
            compile_file(ROOT / "tests/world" / (part + ".c"), self.oracle[-1], self.flags)
        self.tests = {}

    def test_object(self, test):
        if test not in self.tests:
            self.tests[test] = self.folder / ("test_" + test + ".o")
            compile_file(ROOT / "tests" / ("test_" + test + ".c"), self.tests[test], self.flags)
        return self.tests[test]

    def passes(self, test, mutated_name, mutated_object):
        objects = dict(self.library)
        objects[mutated_name] = mutated_object
        program = self.folder / "program"
        parts = [self.test_object(test), *(self.oracle if test in WORLDS else []), *objects.values()]
        if subprocess.run(["gcc", "-o", program, *parts, "-lcmocka", "-lm", "-lpthread"]).returncode:
            raise SystemExit(f"test_{test} does not link")
        environment = dict(os.environ, EXUVIA_TEST_SCALE="0.4", EXUVIA_TEST_SEED=str(random.randrange(10**9)))
        try:
            return run([program], env=environment, timeout=240, cwd=self.folder) == 0
        except subprocess.TimeoutExpired:
            return False


def killer(mutant, variants, folder):
    """The first named test that fails with the mutant, or None."""
    text = next((ROOT / "src").glob("*/" + mutant.file)).read_text(encoding="utf-8")
    if text.count(mutant.old) < 1:
        raise LookupError(mutant.name)
    changed = folder / mutant.file
    changed.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    for place in mutant.tests.split():
        name, test = place.split(":")
        if name not in variants:
            variants[name] = Variant(name, folder)
        compile_file(changed, folder / "mutant.o", variants[name].flags)
        if not variants[name].passes(test, mutant.file, folder / "mutant.o"):
            return place
    return None


def main():
    parser = argparse.ArgumentParser(description="Take each safety mechanism out; a test must fail.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if not arguments.names or any(name in m.name for name in arguments.names)]
    if arguments.list:
        for mutant in chosen:
            print(f"| {mutant.name} | `{mutant.file}` | {mutant.tests.replace(' ', ', ')} |")
        return 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mutants-"))
    survivors = []
    try:
        variants = {}
        for mutant in chosen:
            try:
                place = killer(mutant, variants, folder)
            except LookupError:
                place = None
                print(f"LOST      {mutant.name}: its text is not in {mutant.file}", flush=True)
            else:
                print(f"{'killed' if place else 'SURVIVED':9} {mutant.name} ({place or mutant.tests})", flush=True)
            if not place:
                survivors.append(mutant.name)
    finally:
        shutil.rmtree(folder)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
