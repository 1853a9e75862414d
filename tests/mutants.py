#!/usr/bin/env python3
"""Take the safety mechanisms out of the library and the extension one by one; a test must fail for each.

    tests/mutants.py [NAME]...        all, or those whose names contain one of the words
    tests/mutants.py --minutes 10     those of the extension, then as many of the library's as come in that time,
                                      beginning at another one each day
    tests/mutants.py --list           a table of them

A mutant is one replacement in one file. It is built in a temporary folder, in the variant of the library and with the
tests that are named with it; `ext` is the extension, for the first interpreter that tools/interpreters.py finds,
`ext12` for one of 3.12 or newer. Killed: one of these tests fails, crashes or hangs. A mutant that survives, or whose
text is not found any more, is a failure of this program; one for which there is no interpreter is left out.
"""
import argparse
import collections
import dataclasses
import math
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORACLE = ["mirror", "oracle", "step", "types"]
WORLDS = {"graphs", "background_graphs", "faults"}
VARIANTS = {
    "release": [],
    "checked": ["-DEXVI_CHECKED=1"],
    "stress": ["-DEXVI_CHECKED=1", "-DEXVI_STRESS=1"],
}
COMPILER = os.environ.get("CC", "gcc").split()
FLAGS = ["-std=gnu11", "-O1", "-g", "-w", "-fPIC", "-fvisibility=hidden", "-I" + str(ROOT / "include"), "-I" + str(ROOT / "tests/world")]


@dataclasses.dataclass
class Mutant:
    name: str      # the mechanism that is taken out
    file: str      # in src/, or python/ext/
    old: str
    new: str
    tests: str     # VARIANT:TEST, or ext:FILE::TEST in tests/python, separated by blanks; the first that fails is enough


MUTANTS = [
    # foreign objects
    Mutant("a proxy has its foreign object's references", "collect.c",
           "EXVI_HELD : exvi_references_to(object, count - s->guards);", "EXVI_HELD : count - s->guards;",
           "checked:foreign"),
    Mutant("reports count a foreign object's references", "inside.c",
           "    uint64_t count = exvi_references_to(object, header->refcount) -",
           "    uint64_t count = header->refcount -", "checked:foreign"),
    Mutant("the heap's check knows foreign counts", "check.c",
           "EXVI_HELD : exvi_references_to(object, count);", "EXVI_HELD : count;", "checked:foreign"),
    # protocols, numbers and copies of the program's own
    Mutant("a dict that changed is not walked on", "protocol.c",
           "it->walk->version(it->over) != it->version", "false", "checked:protocol"),
    Mutant("an iterator stays at its end", "protocol.c",
           "        EXV_CLEAR(it->over);\n", "        ;\n", "checked:protocol"),
    Mutant("what is called lives until it returns", "protocol.c",
           "    exv_incref(callable); /* the call may drop the last reference to it */\n",
           "    exv_incref(callable);\n    exv_decref(callable);\n", "checked:protocol"),
    Mutant("calls in each other end", "protocol.c",
           'exvi_descend(heap, "while calling an object");', "EXV_OK;\n    exvi_descend(heap, \"\");", "checked:protocol"),
    Mutant("a type's note of its copy ends a ring", "copy.c",
           "    exv_status status = keep(copying, self, !find_copy(copying, self), exv_incref(to), &kept);\n",
           "    exv_status status = keep(copying, self, false, exv_incref(to), &kept);\n", "checked:copy"),
    Mutant("own arithmetic that has no answer is an error of types", "arithmetic.c",
           "    if (*status == EXV_TYPE_ERROR && exvi_error_count(heap) == errors)\n        return false;\n", "",
           "checked:number"),
    # questions of a program to its own heap
    Mutant("nothing comes after what was not taken", "answer.c",
           "answer->failed = answer->failed || !answer->sink", "answer->failed = !answer->sink", "checked:answer"),
    Mutant("a heap file in memory is closed", "ask.c",
           "    exvi_file_close(file);\n", "", "checked:ask"),
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
           "        header->refcount++;\n", "", "checked:graphs"),
    Mutant("weak references to the unreachable are cut", "collect.c",
           "    hold(heap, doomed);\n    exvi_weakrefs_die_together(heap, doomed->object, doomed->count);\n",
           "    hold(heap, doomed);\n", "checked:graphs"),
    Mutant("weak references that finalizers made are cut too", "collect.c",
           "        exvi_weakrefs_die_together(heap, doomed->object, doomed->count); /* those that finalizers made */\n",
           "", "checked:graphs checked:finalize"),
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
           "checked:background"),
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
    Mutant("an answer counts only when it is whole", "snapshot.c", "    if (whole && answer->count <=", "    if (answer->count <=",
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
           "    visit_references(object, visit, arg);\n",
           "    exvi_header_of(object)->flags |= EXVI_PROVEN;\n    visit_references(object, visit, arg);\n"
           "    exvi_header_of(object)->flags &= ~(uint32_t)EXVI_PROVEN;\n", "checked:readonly"),
    Mutant("counts beyond a byte", "cycle.c",
           "    } else if (*to.byte == MANY) {\n        count_many(s, to.object, 1);\n    }", "    }",
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
    Mutant("deep deaths are put off", "object.c", "return heap->depth >= DEPTH_LIMIT;", "return false;",
           "checked:object"),
    Mutant("a cleared weak reference calls nothing", "weakref.c", "(ref->owns && !ref->owned)", "false", "checked:owning"),
    Mutant("an owned argument is given up after the call", "weakref.c", "        EXV_CLEAR(ref->owned);\n", "",
           "checked:owning"),
    Mutant("a class reports what it owns", "class.c", "    int end = visit(self->owned, arg);", "    int end = 0;",
           "checked:owning"),
    Mutant("a listener is there during its call", "collect.c", "exv_incref(heap->listener_owned)", "NULL",
           "checked:owning"),
    Mutant("one portion of deaths ends with its time", "object.c", "ended % SLICE == 0", "false", "checked:step"),
    Mutant("what a death puts off waits, too", "object.c", "    heap->depth = DEPTH_LIMIT;\n", "", "checked:step"),
    Mutant("what finalizers put off is not lost", "object.c",
           "    while (heap->later)\n        put_off(heap, &heap->deferred, take_put_off(heap, &heap->later));\n", "",
           "checked:step"),
    Mutant("a full collection ends deaths put off", "background.c",
           "    (void)exvi_object_end_later(heap, UINT64_MAX);\n", "", "checked:step"),
    Mutant("a step collects in place what fits its time", "step.c", "if (!fits(heap, budget_ns))", "if (false)",
           "checked:step"),
    Mutant("a step has the size of its time", "step.c", "exvi_background_step_for(heap, left_ns, found)",
           "exvi_background_step(heap, true, found)", "checked:step"),
    Mutant("a failed child is not replaced in a step", "step.c",
           "exvi_snapshot_poll(&flight->snapshot) != EXVI_FLIGHT_FAILED", "true", "checked:step"),
    Mutant("a key reports its values", "weakref.c", "        end = visit(ref->value, arg);", "        end = 0;",
           "checked:weaktable"),
    Mutant("an entry without key reports its value", "weakref.c",
           "    return end || ref->target ? end : visit(ref->value, arg);", "    return end;", "checked:weaktable"),
    Mutant("an entry leaves the table with its key", "weaktable.c", "    if (slot)\n        take_out(table, slot);\n",
           "", "checked:weaktable"),
    Mutant("a dying key is not shown", "weakref.c",
           "ref->target && !(exvi_header_of(ref->target)->flags & EXVI_DYING) ? ref->target", "ref->target ? ref->target",
           "checked:weaktable"),
    Mutant("what holds references dies with them", "object.c", "} else if (exvi_holds_nothing(object, type)) {",
           "} else if (true) {", "checked:references"),
    Mutant("a described field is cleared before its object loses a reference", "object.c", "    EXV_CLEAR(*field);",
           "    exv_decref(*field);", "checked:references"),
    Mutant("an object whose death was put off cannot be had", "weakref.c",
           "!ref->target || exvi_header_of(ref->target)->flags & EXVI_DYING", "!ref->target",
           "checked:object stress:object"),
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
    # the extension: an address of an answer
    Mutant("a candidate's block was not freed", "ext/reclaim.c", "exvi_free_log_is_freed((const void *)block) || ", "",
           "ext:test_traps.py::test_an_address_that_was_freed_and_used_again"),
    Mutant("the bases of what looks like a type can be followed", "ext/kinds.c", " && has_bases(type);", ";",
           "ext:test_search.py"),
    Mutant("a block begins before what precedes its object", "ext/reclaim.c",
           "(word & EXVI_WORD_PREHEADER) != 0 ? 32 : 16", "16",
           "ext:test_traps.py::test_an_address_that_was_freed_and_used_again"),
    Mutant("a candidate is tracked", "ext/reclaim.c", " || !exvi_gc_is_listed(head))", " || !head)", "ext:test_traps.py"),
    Mutant("a dying object is no candidate", "ext/gclist.c",
           "    if (Py_REFCNT(exvi_gc_object_of(head)) <= 0)\n        return false;\n", "", "ext:test_gclist.py ext:test_traps.py"),
    Mutant("frozen objects stay where they are", "ext/reclaim.c", "    if (is_frozen_since())\n        return &why[1];\n", "",
           "ext:test_traps.py::test_frozen_in_flight ext:test_frozen.py"),
    Mutant("frozen objects are not brought", "ext/reclaim.c", "    *whole = !is_frozen_since();\n", "    *whole = true;\n",
           "ext:test_frozen.py ext:test_traps.py"),
    Mutant("frees are observed exactly", "ext/reclaim.c", "    if (!exvi_free_log_accurate())\n        return &why[0];\n", "",
           "ext:test_traps.py"),
    Mutant("no search beside interpreters with a GIL of their own", "ext/free_log.c",
           "    watch.lost = false;\n    if (!exvi_free_log_is_alone())\n        return false;\n", "    watch.lost = false;\n",
           "ext12:test_interpreters.py"),
    Mutant("records stay while another interpreter may write them", "ext/free_log.c",
           "    if (exvi_free_log_is_alone())\n        exvi_address_map_drop(&watch.freed);\n",
           "    exvi_address_map_drop(&watch.freed);\n",
           "ext12:test_interpreters.py"),
    Mutant("a component goes whole", "ext/reclaim.c", "if (ends && reclaim.in_range >= RANGE_OBJECTS",
           "if (reclaim.in_range >= RANGE_OBJECTS", "ext:test_traps.py"),
]


def path_of(mutant):
    if mutant.file.startswith("ext/"):
        return ROOT / "python" / mutant.file
    return next((ROOT / "src").glob("*/" + mutant.file))


def run(command, **more):
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more).returncode


def compile_file(source, target, flags):
    if subprocess.run([*COMPILER, *FLAGS, *flags, "-c", "-o", target, source]).returncode:
        raise SystemExit(f"{source} does not compile")


class Variant:
    """The objects of one variant of the library and of the oracle, unchanged."""

    def __init__(self, name, folder):
        self.flags = VARIANTS[name] + ["-I" + str(path) for path in (ROOT / "src").iterdir() if path.is_dir()]
        self.folder = folder / name
        self.folder.mkdir(parents=True)
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
        if subprocess.run([*COMPILER, "-o", program, *parts, "-lcmocka", "-lm", "-lpthread"]).returncode:
            raise SystemExit(f"test_{test} does not link")
        environment = dict(os.environ, EXUVIA_TEST_SCALE="0.4", EXUVIA_TEST_SEED=str(random.randrange(10**9)))
        try:
            return run([program], env=environment, timeout=60, cwd=self.folder) == 0
        except subprocess.TimeoutExpired:
            return False


class Extension:
    """The package for one interpreter, built of a copy of the sources in which one file may be changed."""

    def __init__(self, least, folder):
        found = subprocess.run([sys.executable, ROOT / "tools/interpreters.py", "list"], stdout=subprocess.PIPE, text=True,
                               check=True, cwd=ROOT).stdout.split("\n")
        pairs = [line.split() for line in found if " " in line]
        self.python = next((path for path, version in pairs if int(version.split(".")[1]) >= least), None)
        self.tree = folder / f"ext{least}"
        if self.python:
            self.copy(folder)

    def copy(self, folder):
        for name in ("python", "include", "src", "tools", "tests/python"):
            shutil.copytree(ROOT / name, self.tree / name, symlinks=True)
        library = Variant("release", folder / self.tree.name)
        (self.tree / "main/src").mkdir(parents=True)
        subprocess.run(["ar", "rcs", self.tree / "main/src/libexuvia.a", *library.library.values()], check=True)

    def passes(self, test, file, text):
        changed = self.tree / "python" / file
        kept = changed.read_text(encoding="utf-8")
        changed.write_text(text, encoding="utf-8")
        try:
            built = subprocess.run([sys.executable, "tools/interpreters.py", "build", "main", "built", self.python],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.tree)
            if built.returncode:
                raise SystemExit(f"{file} does not build:\n{built.stderr}")
            environment = dict(os.environ, EXUVIA_INTERPRETERS=built.stdout.strip())
            return run([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test], env=environment,
                       timeout=200, cwd=self.tree / "tests/python") == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            changed.write_text(kept, encoding="utf-8")
            shutil.rmtree(self.tree / "built", ignore_errors=True)


def extension_survives(mutant, changed_text, name, test, worlds, folder):
    """None: there is no interpreter for it."""
    least = int(name.removeprefix("ext") or 11)
    if name not in worlds:
        (folder / f"ext{least}").mkdir()
        worlds[name] = Extension(least, folder)
    return worlds[name].passes(test, mutant.file, changed_text) if worlds[name].python else None


def survives(mutant, changed_text, place, worlds, folder):
    name, test = place.split(":", 1)
    if name.startswith("ext"):
        return extension_survives(mutant, changed_text, name, test, worlds, folder)
    changed = folder / mutant.file
    changed.write_text(changed_text, encoding="utf-8")
    if name not in worlds:
        worlds[name] = Variant(name, folder)
    compile_file(changed, folder / "mutant.o", worlds[name].flags)
    return worlds[name].passes(test, mutant.file, folder / "mutant.o")


def fate(mutant, worlds, folder):
    """"killed", "SURVIVED" or "left out", and by or for which tests."""
    text = path_of(mutant).read_text(encoding="utf-8").replace(mutant.old, mutant.new)
    outcomes = []
    for place in mutant.tests.split():
        outcomes.append(survives(mutant, text, place, worlds, folder))
        if outcomes[-1] is False:
            return "killed", place
    return ("left out" if None in outcomes else "SURVIVED"), mutant.tests


def lost(mutants):
    """Those whose text is not in their file any more."""
    gone = [mutant for mutant in mutants if mutant.old not in path_of(mutant).read_text(encoding="utf-8")]
    for mutant in gone:
        print(f"LOST      {mutant.name}: its text is not in {mutant.file}", flush=True)
    return gone


def rotated(mutants):
    """The extension's, then the library's, beginning at another one each day."""
    ours = [mutant for mutant in mutants if mutant.file.startswith("ext/")]
    others = [mutant for mutant in mutants if not mutant.file.startswith("ext/")]
    first = 7 * int(time.time() // 86400) % max(len(others), 1)
    return ours + others[first:] + others[:first]


def main():
    parser = argparse.ArgumentParser(description="Take each safety mechanism out; a test must fail.")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    chosen = [m for m in MUTANTS if not arguments.names or any(name in m.name for name in arguments.names)]
    if arguments.list:
        for mutant in chosen:
            print(f"| {mutant.name} | `{mutant.file}` | {mutant.tests.replace(' ', ', ')} |")
        return 0
    end = time.monotonic() + 60 * arguments.minutes if arguments.minutes else math.inf
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mutants-"))
    failures = lost(chosen)
    counts = collections.Counter()
    try:
        worlds = {}
        for mutant in rotated([mutant for mutant in chosen if mutant not in failures]):
            if time.monotonic() > end:
                break
            outcome, tests = fate(mutant, worlds, folder)
            counts[outcome] += 1
            print(f"{outcome:9} {mutant.name} ({tests})", flush=True)
    finally:
        shutil.rmtree(folder)
    print(f"{counts['killed']} of {len(chosen)} mutants were killed, {counts['SURVIVED']} survived, {len(failures)} are lost, "
          f"{len(chosen) - counts['killed'] - counts['SURVIVED'] - len(failures)} were not tried")
    return 1 if counts["SURVIVED"] or failures else 0


if __name__ == "__main__":
    sys.exit(main())
