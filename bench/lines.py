"""The eight questions: which programs answer each, on what sizes, against which target.

Each function takes a Bench (where programs are, how large, how many pairs) and gives rows. docs/benchmarks.md argues
for sizes and settings.
"""
import dataclasses
import statistics
from typing import Callable

import measure
from measure import Side, compare, pick
from report import Row

MB = 1e6


@dataclasses.dataclass
class Bench:
    build: str                    # folder of the C programs
    scripts: str                  # folder of the CPython programs
    pythons: list                 # interpreters to compare with; the first is judged
    pairs: int
    objects: int                  # lines 4, 5, 6
    largest: int                  # line 8
    shrink_bytes: int             # line 7
    depth: int                    # line 3
    steps: int                    # lines 1, 2
    progress: Callable = lambda *_: None
    raw: list = dataclasses.field(default_factory=list)

    def ours(self, program, name="exuvia", **options):
        return self.side(program, "exuvia", name, **options)

    def side(self, program, side, name=None, environment=(), **options):
        words = tuple(f"{key}={value}" for key, value in options.items())
        return Side(name or side, (f"{self.build}/bench/{program}-{side}",) + words, tuple(environment))

    def cpython(self, python, script, name=None, **options):
        words = tuple(f"{key}={value}" for key, value in options.items())
        return Side(name or python.name, (python.path, f"{self.scripts}/{script}.py") + words,
                    (("PYTHONPATH", python.modules),))

    def resident(self, what, sides, **more):
        return self._keep(what, measure.resident(sides, self.pairs, progress=self._tick(what), **more))

    def fresh(self, what, sides):
        return self._keep(what, measure.fresh(sides, self.pairs, progress=self._tick(what)))

    def _tick(self, what):
        self.progress(what)
        return lambda: self.progress(None)

    def _keep(self, what, answers_and_facts):
        answers, facts = answers_and_facts
        self.raw.append({"what": what, "facts": facts, "answers": answers})
        return answers


# Peers in their default settings, and with huge pages, which the library asks for by default.
ALLOCATORS = (
    ("mimalloc", "mimalloc", (), 1.0),
    ("mimalloc", "mimalloc, huge pages", (("MIMALLOC_LARGE_OS_PAGES", "1"),), 1.0),
    ("jemalloc", "jemalloc", (), None),
    ("jemalloc", "jemalloc, huge pages", (("MALLOC_CONF", "thp:always"),), None),
    ("glibc", "glibc", (), 1 / 1.5),
    ("glibc", "glibc, huge pages", (("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),), 1 / 1.5),
)


def allocation(bench):
    patterns = (
        ("steady, 5 thousand live", {"pattern": "steady", "steps": 3 * bench.steps}),
        ("steady, 500 thousand live", {"pattern": "steady", "live": 500000, "steps": bench.steps // 4}),
        ("growing to 264 MB", {"pattern": "growing"}),
        ("random lifetime", {"pattern": "lifetime", "steps": bench.steps // 2}),
    )
    for title, options in patterns:
        what = f"malloc and free, {title}"
        sides = [bench.ours("alloc", **options)]
        sides += [bench.side("alloc", side, name, environment, **options) for side, name, environment, _ in ALLOCATORS]
        answers = bench.fresh(what, sides)
        ours = pick(answers["exuvia"], "ns_per_pair")
        for _, name, _, target in ALLOCATORS:
            yield Row(1, what, name, "ns", compare(ours, pick(answers[name], "ns_per_pair")), target)


def small_object(bench):
    cases = (
        ("one at a time", 1, 32, 2.0),
        ("one at a time, payload only", 1, 16, None),
        ("500 at a time", 500, 32, 2.0),
        ("10 thousand at a time, young collections included", 10000, 32, 2.0),
    )
    for title, hold, size, target in cases:
        what = f"two-field object, {title}"
        sides = [bench.ours("object", hold=hold, steps=bench.steps),
                 bench.side("object", "mimalloc", hold=hold, steps=bench.steps, size=size)]
        answers = bench.resident(what, sides)
        result = compare(*(pick(answers[name], "ns_per_object") for name in ("exuvia", "mimalloc")))
        yield Row(2, what, f"mimalloc, {size} bytes", "ns", result, target)


# The first threshold with which the library runs a second time: a program that makes many young objects at once, and
# knows it, says so, as it would in Python.
TUNED_THRESHOLD = 50_000


def trees(bench):
    for program in ("binary_trees", "gcbench"):
        for threshold in (0, TUNED_THRESHOLD):
            yield from _trees(bench, program, threshold)


def _trees(bench, program, threshold):
    title = {"binary_trees": "binary trees", "gcbench": "GCBench"}[program]
    title += f", first threshold {threshold:,}" if threshold else ""
    sides = [bench.ours(program, depth=bench.depth, threshold=threshold),
             bench.side(program, "bdwgc", "bdwgc", depth=bench.depth),
             bench.side(program, "bdwgc", "bdwgc, no interior pointers", depth=bench.depth, interior=0)]
    answers = bench.fresh(title, sides)
    checks = {answer["check"] for side in answers.values() for answer in side}
    if len(checks) != 1:
        raise measure.Failed(f"{title}: the sides did different work: {checks}")
    children = measure.peak_with_children(sides[0])
    peaks = {name: pick(side, "peak_bytes") for name, side in answers.items()}
    peaks["exuvia"] = [max(peak, children) for peak in peaks["exuvia"]]
    full = answers["exuvia"][0]
    note = (f"depth {bench.depth}, {full['full_collections']} full collections, "
            f"{full['background_collections']} in the background, longest stop {full['pause_max_ns'] / 1e6:.2f} ms")
    for name in list(answers)[1:]:
        times = compare(*([ns / 1e6 for ns in pick(answers[side], "ns")] for side in ("exuvia", name)))
        sizes = compare(*([peak / MB for peak in peaks[side]] for side in ("exuvia", name)))
        yield Row(3, f"{title}, time", name, "ms", times, 0.7, note if name == "bdwgc" else "")
        yield Row(3, f"{title}, peak memory", name, "MB", sizes, 0.7)


def _collect_rows(bench, order, kind, python_kind, objects, target):
    label = {"pair": "objects in C", "list": "lists", "instance": "instances"}[kind]
    peer = {"slots": " against instances with __slots__", "pair": " against a type in C"}.get(python_kind, "")
    what = f"full collection in place, {objects / 1e6:g} M {label}{peer}, {order} order"
    options = {"objects": objects, "order": order}
    sides = [bench.ours("collect", kind=kind, **options)]
    sides += [bench.cpython(python, "collect", kind=python_kind, **options) for python in bench.pythons]
    answers = bench.resident(what, sides)
    ours = [ns / 1e6 for ns in pick(answers["exuvia"], "ns")]
    for python in bench.pythons:
        theirs = [ns / 1e6 for ns in pick(answers[python.name], "ns")]
        yield Row(4, what, python.name, "ms", compare(ours, theirs), target)


def full_collection(bench):
    for python_kind in ("slots", "pair"):
        yield from _collect_rows(bench, "memory", "pair", python_kind, bench.objects, 0.5)
        yield from _collect_rows(bench, "shuffled", "pair", python_kind, bench.objects, 0.25)
    fewer = bench.objects // 5
    for kind in ("list", "instance"):
        yield from _collect_rows(bench, "memory", kind, kind, fewer, None)
        yield from _collect_rows(bench, "shuffled", kind, kind, fewer, None)


def _stop_ms(answer):
    return answer["background"]["gap_max_ns"] / 1e6


def background_stop(bench):
    dead = bench.objects // 100
    for title, ring in (("rings of 4", 4), ("one ring", dead)):
        what = f"longest stop in the background, {bench.objects / 1e6:g} M live, {dead:,} dead in {title}"
        side = bench.ours("stop", objects=bench.objects, dead=dead, ring=ring, order="shuffled")
        turns = bench.resident(what, [side], commands=("inplace", "background", "idle"))["exuvia"]
        for turn in turns:
            if turn["background"]["found"] != dead or turn["inplace"]["found"] != dead:
                raise measure.Failed(f"{what}: the dead were not found: {turn}")
        result = compare([_stop_ms(turn) for turn in turns], [turn["inplace"]["ns"] / 1e6 for turn in turns])
        middle = sorted(turns, key=_stop_ms)[len(turns) // 2]
        flight, idle = middle["background"], middle["idle"]
        note = (f"start {flight['start_ns'] / 1e6:.2f} ms, longest poll {flight['poll_max_ns'] / 1e6:.2f} ms, "
                f"all polls {flight['poll_total_ns'] / 1e6:.1f} ms, flight {flight['flight_ns'] / 1e6:.0f} ms, "
                f"{flight['faults']} page faults; without a collection the clock's longest gap is "
                f"{idle['gap_max_ns'] / 1e6:.2f} ms")
        yield Row(5, what, "itself, in place", "ms", result, 1 / 200, note)


def object_size(bench):
    cases = (("object in C against an instance with 2 attributes", "pair", "instance", bench.objects // 5),
             ("object in C against an instance with __slots__", "pair", "slots", bench.objects // 5),
             ("object in C against a type in C", "pair", "pair", bench.objects),
             ("list of 2", "list", "list", bench.objects // 5),
             ("instance with 2 attributes", "instance", "instance", bench.objects // 5))
    for title, kind, python_kind, objects in cases:
        what = f"bytes an object: {title}"
        sides = [bench.ours("size", kind=kind, objects=objects)]
        sides += [bench.cpython(python, "size", kind=python_kind, objects=objects) for python in bench.pythons]
        answers = bench.fresh(what, sides)
        ours = pick(answers["exuvia"], "resident_per_object")
        note = f"by the heap's own statistics {answers['exuvia'][0]['used_per_object']:.1f} bytes"
        for python in bench.pythons:
            theirs = pick(answers[python.name], "resident_per_object")
            yield Row(6, what, python.name, "bytes", compare(ours, theirs), 0.6,
                      note if python is bench.pythons[0] else "")


def shrunken_heap(bench):
    for span, target in ((16384, 0.4), (65536, 0.4), (4096, None)):
        what = (f"resident after 90 % of {bench.shrink_bytes / MB:,.0f} MB is freed, survivors in stretches of "
                f"{span // 1024} KiB")
        options = {"bytes": bench.shrink_bytes, "span": span}
        sides = [bench.ours("shrink", **options)]
        sides += [bench.cpython(python, "shrink", **options) for python in bench.pythons]
        answers = bench.fresh(what, sides)
        trimmed = statistics.median(pick(answers["exuvia"], "trimmed_bytes")) / MB
        ours = [left / MB for left in pick(answers["exuvia"], "left_bytes")]
        for python in bench.pythons:
            theirs = [left / MB for left in pick(answers[python.name], "left_bytes")]
            yield Row(7, what, python.name, "MB", compare(ours, theirs), target,
                      f"{trimmed:.0f} MB after exv_heap_trim()" if python is bench.pythons[0] else "")


def _sizes(largest):
    return [size for size in (100000, 300000, 1000000, 3000000, 10000000, 30000000) if size <= largest]


def _scale_collect(bench, order):
    costs = {}
    for objects in _sizes(bench.largest):
        side = bench.ours("collect", objects=objects, order=order)
        answers = bench.resident(f"scaling, {order} order, {objects / 1e6:g} M", [side])["exuvia"]
        costs[objects] = statistics.median(pick(answers, "ns_per_object"))
    low, high = min(costs.values()), max(costs.values())
    note = ", ".join(f"{objects / 1e6:g} M: {cost:.1f} ns" for objects, cost in costs.items())
    what = f"ns an object as the heap grows to {max(costs) / 1e6:g} M, {order} order, dearest size"
    ratio = high / low
    return Row(8, what, "its cheapest size", "ns", measure.Comparison(high, low, ratio, ratio, ratio), 1.2, note)


def scaling(bench):
    for order in ("memory", "shuffled"):
        yield _scale_collect(bench, order)
    stops = {}
    for objects in _sizes(bench.largest):
        side = bench.ours("stop", objects=objects, dead=1000, order="memory", write=0)
        what = f"background stop, {objects / 1e6:g} M"
        flights = bench.resident(what, [side], commands=("inplace", "background"))["exuvia"]
        flights = [turn["background"] for turn in flights]
        stops[objects] = tuple(statistics.median(pick(flights, member)) for member in
                               ("start_ns", "page_table_bytes", "poll_max_ns"))
    small, large = stops[min(stops)], stops[max(stops)]
    note = ", ".join(f"{objects / 1e6:g} M: start {start / 1e6:.2f} ms, longest poll {poll / 1e6:.2f} ms, "
                     f"page tables {tables / 1e3:.0f} kB" for objects, (start, tables, poll) in stops.items())
    growth, tables = large[0] / small[0], large[1] / small[1]
    ratio = growth / tables
    yield Row(8, f"growth of the background stop from {min(stops) / 1e6:g} to {max(stops) / 1e6:g} M objects",
              "growth of the page tables", "times", measure.Comparison(growth, tables, ratio, ratio, ratio), 1.2, note)


LINES = {1: allocation, 2: small_object, 3: trees, 4: full_collection, 5: background_stop, 6: object_size,
         7: shrunken_heap, 8: scaling}
