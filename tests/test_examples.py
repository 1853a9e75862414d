"""The example programs print what the article's systems must show: the rows of what Exuvia is for, one by one."""
import re

import pytest

from conftest import SOURCE

PROGRAMS = sorted(path.stem for path in (SOURCE / "examples").glob("*.c"))


@pytest.fixture
def output(build, run):
    return lambda name: run(build / "examples" / name)


def numbers(pattern, text):
    """The groups of the one match of a pattern, as ints."""
    match = re.search(pattern, text)
    assert match, f"{pattern!r} is not in:\n{text}"
    return [int(group) for group in match.groups()]


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_ends_well(output, name):
    assert output(name).strip()


def test_freed_memory_is_handed_out_again(output):
    text = output("01_heap")
    again, = numbers(r"addresses handed out again: (\d+) of 1000", text)
    assert again > 500
    assert numbers(r"died; int number (\d+) lies there now", text)[0] >= 1
    start, = numbers(r"a new heap: +(\d+) live blocks", text)
    assert numbers(r"1000 blocks allocated: +(\d+) live", text) == [start + 1000]
    assert numbers(r"all of them freed: +(\d+) live", text) == [start]
    assert "objects left when the heap was freed: 0" in text


def test_destructors_run_at_the_statement(output):
    lines = output("02_counting").splitlines()
    counts = [int(match.group(1)) for match in (re.search(r"(\d+) references?$", line) for line in lines) if match]
    assert counts == [1, 3, 4, 3, 2, 1]
    for statement, destructor in (("now the last one goes", "thing"), ("a scope ends", "local thing")):
        at = lines.index(statement)
        assert lines[at + 1:at + 3] == [f"    the destructor of {destructor} runs", "next statement"]


def test_names_and_values(output):
    assert output("03_names").splitlines() == [
        "5",
        "now a text",
        "NameError: name 'x' is not defined",
        """{'number': 42, 'real': 0.1, 'text': "it's", 'bytes': b'\\x00\\xff', 'list': ['key', None], """
        "'tuple': ('key',), 'dict': {'key': True}, 'set': {'key'}}",
        "point.x is 3",
        "AttributeError: 'Point' object has no attribute 'y'",
    ]


def test_a_list_in_itself(output):
    assert output("04_cycle").splitlines() == [
        "[8, 9, 10, [...]]",
        "it has 2 references: ours, and its own",
        "after ours is given up, the list is alive",
        "the collector found 1 unreachable object",
        "after that, the list is dead",
    ]


def test_counts_and_generations(output):
    text = output("05_generations")
    assert "thresholds (700, 10, 10)" in text
    seen = range(350, 2101, 350)
    counts = [numbers(rf"after +{lists} lists: counts \((\d+), (\d+), (\d+)\)", text) for lists in seen]
    # the list that keeps the others is the first; the 701st container starts a collection and is the next one's zeroth
    assert counts == [[(lists + 1) % 701, (lists + 1) // 701, 0] for lists in seen]
    young, middle, old = numbers(r"now: +generations of (\d+), (\d+) and (\d+) objects", text)
    assert young < 701 < middle < old
    assert young + middle + old >= 10001
    assert numbers(r"0 is collected: +generations of (\d+), (\d+) and", text)[0] == 0
    assert numbers(r"1 is collected: +generations of (\d+), (\d+) and", text) == [0, 0]
    collections = numbers(r"collections of each generation: (\d+), (\d+), (\d+)", text)
    assert collections[0] > collections[1] > collections[2]


def test_thresholds_and_switches(output):
    lines = output("06_thresholds").splitlines()
    assert lines[:2] == ["(700, 10, 10)", "(900, 15, 15)"]
    assert numbers(r"(\d+) of them left, (\d+) collections", lines[2])[0] <= 901
    assert numbers(r"(\d+) of them left, (\d+) collections", lines[3]) == [5000, 0]
    assert numbers(r"enabled\? no. By hand: (\d+) unreachable", lines[4])[0] >= 5000
    assert numbers(r"(\d+) of them left, (\d+) collections", lines[5])[1] >= 5


def test_eight_cycles(output):
    assert output("07_collect").splitlines() == [f"{{{i}: {{...}}}}" for i in range(1, 9)] + [
        "Number of unreachable objects collected by GC: 8",
        "Uncollectable garbage: []",
    ]


def test_by_time(output):
    text = output("08_by_time")
    freed, collections = numbers(r"30 cycles made, (\d+) of them freed by the interval, (\d+) full collections", text)
    found = [int(count) for count in re.findall(r"generation 2 found (\d+)", text)]
    assert len(found) == collections >= 2  # 60 ms each, in 300 ms and more: a slow machine polls less often
    assert sum(found) == freed >= 15


def test_by_event(output):
    text = output("09_by_event")
    idle, again, end = re.split(r"idle again.*|the program ends:", text)
    assert re.findall(r"destructor of node (\d)", idle) == ["1", "2"] and "found 2" in idle
    assert "found 0" in again and "destructor" not in again
    assert re.findall(r"destructor of node (\d)", end) == ["3", "4"] and "objects left: 0" in end


def test_cost(output):
    text = output("10_cost")
    collections = [numbers(rf"\({re.escape(setting)}\):.* for (\d+) \+ (\d+) \+ (\d+) collections", text)
                   for setting in ("70, 5, 2", "700, 10, 10", "10000, 20, 20")]
    assert sum(collections[0]) > 5 * sum(collections[1]) > 25 * sum(collections[2]) > 0
    times = r"finding \d+\.\d\d ms, freeing \d+\.\d\d ms"
    assert re.search(r"full collection: \d+ objects examined, \d+ found, " + times, text)


def test_background(output):
    text = output("11_background")
    assert "in place:      1000 found" in text
    assert "in background: 1000 found" in text


@pytest.mark.parametrize("variant", ["release", "checked", "stress"])
def test_lisp(variant, source, build, run):
    program = build / "tests" / f"lisp-{variant}"
    if not program.exists():
        pytest.skip("this variant is not built")
    assert run(program, source / "examples/lisp/tour.lisp") == (source / "examples/lisp/tour.txt").read_text()


@pytest.mark.parametrize("text,answer", [
    ("(car", "syntax error: the end comes too soon in line 1"),
    ("\n(print 1))", "1\nsyntax error: one ')' too many in line 2"),
    ("(" * 5000, "syntax error: a list is too long or too deep in line 1"),
    ("'" * 5000, "syntax error: too many quotes in line 1"),
    ("(if)", "error: this form needs more"),
    ("((lambda (a) a))", "error: wrong number of arguments"),
    ("(define p (cons 1 2)) (set-cdr! p (cons p p)) p", "p\n(1 ... ...)"),
    ("(define p (cons 1 2)) (set-cdr! p (cons 3 (cons 4 (cdr p)))) (set-cdr! (cdr (cdr p)) (cdr p)) p",
     "p\n(1 3 4 ...)"),
])
def test_lisp_says_what_is_wrong(text, answer, build, tmp_path, run):
    program = tmp_path / "program.lisp"
    program.write_text(text)
    lines = run(build / "tests/lisp-checked", program).splitlines()
    assert "\n".join(lines[:-1]) == answer
    assert lines[-1].endswith(" are left")
