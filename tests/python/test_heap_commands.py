"""exuvia summary, census, why, cycles, diff, convert, report: what they print, and what other programs read."""
import gzip
import json
import os
import pty
import stat
import pathlib
import re
import runpy
import signal
import subprocess

import browser
import made_heap
import pytest
from made_heap import DEAD, HIDDEN, INDEX, INTERNAL, LOCAL, SHOWN, ATTRIBUTE, WEAK

SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent


def service(sessions, rings):
    """A cache of sessions in C's hands, and exceptions that hold their own frames."""
    heap = made_heap.Heap()
    module, plain, kind, cache_type, listing, text = (heap.type(name) for name in (
        "module", "dict", "type", "lru", "list", "str"))
    heap.types[cache_type][:2] = ["_lru_cache_wrapper", "functools"]
    session, error = heap.type("Session", "app.sessions", heap=True), heap.type("ConfigError", "app", heap=True)
    frame, rows = heap.type("frame"), heap.type("bytearray")
    app = heap.node(module, 72)
    heap.root("modules", "app", app)
    names = heap.node(plain, 2000)
    heap.edge(app, names, INTERNAL, "__dict__")
    heap.types[session][2] = heap.node(kind, 1064)
    heap.edge(names, heap.types[session][2], SHOWN, "Session")
    cache = heap.node(cache_type, 200)
    heap.edge(names, cache, SHOWN, "find_session")
    table = heap.node(plain, 9000)
    heap.edge(cache, table, INTERNAL, "cache")
    for _ in range(sessions):
        one, cart = heap.node(session, 56), heap.node(listing, 120)
        heap.edge(table, one, HIDDEN, "[tuple]")
        heap.edge(one, cart, ATTRIBUTE, "cart")
        for place in range(2):
            heap.edge(cart, heap.node(text, 80), INDEX, place)
    for _ in range(rings):
        raised, at, held = heap.node(error, 90, flags=DEAD), heap.node(frame, 450, flags=DEAD), heap.node(rows, 5000, flags=DEAD)
        heap.edge(raised, at, INTERNAL, "tb_frame")
        heap.edge(at, raised, LOCAL, "error")
        heap.edge(at, held, LOCAL, "rows")
        heap.edge(at, app, ATTRIBUTE, "f_globals")
        heap.code(at, "/srv/config.py", "reraise", 25)
    heap.edge(names, table, WEAK)
    heap.root("held by C", "1 reference", table)
    return heap


@pytest.fixture
def exuvia(python, tmp_path):
    path = service(30, 4).write(tmp_path / "a.exv")
    service(90, 6).write(tmp_path / "b.exv")

    def run(*words, status=0):
        done = python.command("-m", "exuvia", words[0], path, *words[1:])
        assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr
    run.path, run.later = path, str(tmp_path / "b.exv")
    return run


def words(text):
    return " ".join(text.split())


def test_the_summary_tells_memory_apart(exuvia):
    told = exuvia("summary")
    assert "dead cycles 22.2 kB" in words(told) and "free in malloc not known" in words(told)
    assert "look at first\n  dead cycles hold 22.2 kB: exuvia cycles FILE" in told
    assert "dict at 0x1040 holds 19.1 kB, below a functools._lru_cache_wrapper: a cache of calls" in told
    assert "30 app.sessions.Session keep 10.1 kB alive: exuvia why FILE app.sessions.Session says" in told
    assert told.count("alive: exuvia why FILE") == 1, "what is dead, or told by another line, is not told so"
    assert "nothing visible explains, with" not in told, "what something visible holds, too, is not C's"
    assert "dict 0x1040 modules: app .__dict__ ['find_session'] .cache 9.0 kB 19.1 kB" in words(told)
    answer = json.loads(exuvia("summary", "--json"))
    assert answer["dead_bytes"] == 4 * 5540 and answer["info"]["interpreter"] == "CPython 3.12.1"
    live = answer["bytes"] - answer["dead_bytes"]
    groups = {of["group"]: of["retained"] for of in answer["groups"]}
    assert groups == {"modules": 72 + 2000 + 200, "held by C": 0, "dead cycles": 22160}, "what is dead holds nothing alive"
    assert answer["holders"][0]["retained"] == 9000 + 30 * (56 + 120 + 160) and answer["holders"][0]["retained"] < live


def test_the_census_is_whole_in_a_pipe(exuvia, tmp_path, python):
    heap = made_heap.Heap()
    for place in range(100):
        heap.node(heap.type("T" * 200 + str(place), "a.module"))
    heap.root("modules", "m", 0)
    heap.write(tmp_path / "many.exv")
    done = python.command("-m", "exuvia", "census", str(tmp_path / "many.exv"))
    assert done.stdout.count("a.module." + "T" * 200) == 100
    assert "app.sessions.Session 30 1.7 kB 10.1 kB" in words(exuvia("census", "--retained"))
    assert len(json.loads(exuvia("census", "--json", "--limit", "3"))["types"]) == 3


def test_why_tells_the_path_and_what_ends_it(exuvia):
    told = exuvia("why", "Session")
    assert told.startswith("app.sessions.Session: 30 objects, own 1.7 kB\n")
    steps = [line.strip() for line in told.splitlines() if line.startswith("    ")]
    assert steps[:3] == ["modules", "app  module", ".__dict__  dict"]
    assert steps[3] == "['find_session']  functools._lru_cache_wrapper" and "cache_clear()" in steps[4]
    assert steps[-1] == "[tuple]  app.sessions.Session x 30"
    told = exuvia("why", "--largest")
    assert told.startswith("dict at 0x1040\n") and "1 object with 1 reference that nothing visible explains" in told
    assert "1 from dict (weak)" in told
    assert "\n  60 from list [*], as " in exuvia("why", "str")


def test_statuses_and_what_is_said(exuvia, tmp_path):
    assert "nothing in" in exuvia("why", "Nothing", status=1)
    assert "one of them" in exuvia("why", status=2) and "one of them" in exuvia("why", "x", "--largest", status=2)
    assert "a number of lines" in exuvia("census", "--limit", "-1", status=2)
    assert "Is a directory" in exuvia("diff", str(tmp_path), status=2)
    assert "cannot write" in exuvia("report", "-o", exuvia.later, status=2), "nothing is written over"
    assert "File exists" in exuvia("convert", "--to", "heapsnapshot", "-o", exuvia.later, status=2)


def test_an_answer_that_nobody_reads_or_that_has_no_room(exuvia, python):
    environment = {**os.environ, "PYTHONPATH": python.folder}

    def run(*shell, words=("census", exuvia.path), **options):
        done = subprocess.run([*shell, python.executable, "-m", "exuvia", *words], env=environment,
                              stderr=subprocess.PIPE, text=True, **options)
        return done.returncode, done.stderr

    reader, writer = os.pipe()
    os.close(reader)
    assert run(stdout=writer) == (-signal.SIGPIPE, "")
    os.close(writer)
    with open("/dev/full", "wb") as full:
        for command, *more in ("census", exuvia.path), ("doctor",):
            said = f"exuvia {command}: cannot write the answer: No space left on device\n"
            assert run(words=(command, *more), stdout=full) == (2, said)
    assert run("sh", "-c", 'exec "$@" <&- >&-', "") == (0, "")
    assert run("sh", "-c", 'exec "$@" 2>&-', "", stdout=subprocess.DEVNULL) == (0, "")
    environment["PYTHONIOENCODING"] = "ascii"
    assert run(stdout=subprocess.DEVNULL) == (0, ""), "a terminal that cannot show a name"


def test_what_holds_them_unseen_may_be_one_of_these(python, tmp_path):
    heap = made_heap.Heap()
    row, array, listing = heap.type("Row", "app"), heap.type("ndarray", "numpy"), heap.type("list")
    for _ in range(3):
        heap.root("held by C", "1 reference", heap.node(row, 5000))
    tables = heap.node(listing)
    heap.root("modules", "app", tables)
    heap.edge(tables, heap.node(array), INDEX, 0)
    heap.write(tmp_path / "rows.exv")

    def told(*words):
        return python.command("-m", "exuvia", words[0], str(tmp_path / "rows.exv"), *words[1:]).stdout

    assert "look at first\n  3 app.Row are held by references that nothing visible explains, with 15.0 kB" in told("summary")
    assert "perhaps one of 1 numpy.ndarray: an array of objects" in told("why", "Row")
    assert "perhaps" not in told("why", "ndarray"), "what is seen to hold them is enough"


def test_names_do_not_steer_the_terminal(python, tmp_path):
    heap = made_heap.Heap()
    heap.root("modules", "m", heap.node(heap.type("\x1b[2J\x9bodd", "a")))
    heap.write(tmp_path / "odd.exv")
    done = python.command("-m", "exuvia", "census", str(tmp_path / "odd.exv"))
    assert done.returncode == 0 and "a.\\x1b[2J\\x9bodd" in done.stdout and "\x1b" not in done.stdout


def test_a_terminal_sees_progress_and_short_lists(python, tmp_path):
    heap = made_heap.Heap()
    for place in range(50):
        heap.node(heap.type(f"T{place}", "a.module"))
    heap.root("modules", "m", 0)
    heap.write(tmp_path / "many.exv")
    ours, theirs = pty.openpty()
    done = subprocess.Popen([python.executable, "-m", "exuvia", "census", "--retained", str(tmp_path / "many.exv")],
                            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
                            env={**os.environ, "PYTHONPATH": python.folder, "TERM": "xterm"})
    os.close(theirs)
    seen = b""
    try:
        while more := os.read(ours, 1 << 16):
            seen += more
    except OSError:
        pass                                # the other end is closed
    os.close(ours)
    assert done.wait() == 0
    assert b"working out what keeps what alive ..." in seen and seen.count(b"a.module.T") == 20
    assert seen.index(b"keeps what alive") < seen.index(b"a.module.T"), "told before, and wiped out"


def test_a_number_is_a_process_unless_there_is_a_file_of_that_name(python, tmp_path):
    number = str(2**22 + 1)
    done = python.command("-m", "exuvia", "summary", number, cwd=tmp_path)
    assert done.returncode == 1 and f"there is no process {number}" in done.stderr
    service(3, 0).write(tmp_path / number)
    assert python.command("-m", "exuvia", "summary", number, cwd=tmp_path).returncode == 0


def test_cycles_say_code_and_line(exuvia, python, tmp_path):
    told = exuvia("cycles")
    assert "4 rings of 2 objects; all together 2.2 kB, with what they hold 22.2 kB" in told
    assert "/srv/config.py:25  reraise (frame)" in told and "local error  app.ConfigError" in told
    service(3, 0).write(tmp_path / "none.exv")
    done = python.command("-m", "exuvia", "cycles", str(tmp_path / "none.exv"))
    assert (done.returncode, done.stdout) == (0, "no dead cycles: nothing waits for a collection\n")


def test_diff_says_what_grew(exuvia):
    told = exuvia("diff", exuvia.later)
    assert "app.sessions.Session 30 90 60 +3.4 kB 5.0 kB" in words(told)
    assert json.loads(exuvia("diff", exuvia.later, "--json"))["after"]["info"]["pid"] == 7


# ------------------------------------------------------------ for other viewers

def naive_retained(heap):
    """Of each node: what is not reached without it. Roots are those of the file and of what is dead."""
    def reached(without):
        seen, todo = set(), [node for _, _, node in heap.roots] + [place for place, node in enumerate(heap.nodes)
                                                                  if heap.types[node["type"]][0] == "ConfigError"]
        while todo:
            node = todo.pop()
            if node in seen or node == without:
                continue
            seen.add(node)
            todo += [to for to in made_heap.targets(heap, node) if heap.nodes[to]["flags"] or not heap.nodes[node]["flags"]]
        return seen
    whole = reached(None)
    return [sum(heap.nodes[lost]["size"] for lost in whole - reached(node)) for node in range(len(heap.nodes))]


def read_heapsnapshot(path):
    """Strictly: what DevTools would pass over in silence fails here."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert text.startswith('{"snapshot":{"meta":') and text.rstrip().endswith("]}")
    read = json.loads(text)
    assert list(read) == ["snapshot", "nodes", "edges", "strings"]
    head, meta = read["snapshot"], read["snapshot"]["meta"]
    nodes, edges, strings = read["nodes"], read["edges"], read["strings"]
    assert all(isinstance(value, int) and value >= 0 for value in nodes + edges)
    assert len(nodes) == 5 * head["node_count"] and len(edges) == 3 * head["edge_count"]
    rows = [nodes[place:place + 5] for place in range(0, len(nodes), 5)]
    assert len({row[2] for row in rows}) == len(rows), "identities"
    assert sum(row[4] for row in rows) == head["edge_count"]
    place, out = 0, []
    for row in rows:
        out.append([])
        for _ in range(row[4]):
            kind, name, to = edges[3 * place:3 * place + 3]
            assert to % 5 == 0 and to // 5 < len(rows) and kind < len(meta["edge_types"][0])
            kind = meta["edge_types"][0][kind]
            assert kind == "element" or name < len(strings)
            out[-1].append((kind, name if kind == "element" else strings[name], to // 5))
            place += 1
    types = meta["node_types"][0]
    return [(types[row[0]], strings[row[1]], row[3]) for row in rows], out


def test_a_heapsnapshot_is_the_same_graph(exuvia, tmp_path):
    out = tmp_path / "o.heapsnapshot"
    exuvia("convert", "--to", "heapsnapshot", "-o", str(out))
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
    nodes, edges = read_heapsnapshot(out)
    heap = service(30, 4)
    assert nodes[0] == ("synthetic", "", 0) and edges[0] == [("element", 0, 1)] and nodes[1][1] == "(GC roots)"
    groups = [nodes[to][1] for _, _, to in edges[1]]
    assert groups == ["(modules)", "(held by C)", "(dead cycles)"]
    first = 2 + len(groups)
    assert len(nodes) == first + len(heap.nodes)
    for place, node in enumerate(heap.nodes):
        kind, name, size = nodes[first + place]
        assert size == node["size"] and (kind == "string") == (name == "str")
        told = [to - first for kind, _, to in edges[first + place] if kind != "weak"]
        assert told == made_heap.targets(heap, place)
    assert ("weak", "", first + 4) in edges[first + 1]
    assert nodes[first + 4][1] == "dict" and ("property", "find_session", first + 3) in edges[first + 1]
    seen, todo = set(), [0]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += [to for kind, _, to in edges[node] if kind != "weak"]
    assert len(seen) == len(nodes), "every object hangs from a group"


def test_names_that_devtools_would_misread(python, tmp_path):
    heap = made_heap.Heap()
    for name in ("Object", "Array", "<lambda>", "Object(x)", ""):
        heap.root("modules", "m", heap.node(heap.type(name, ""), (9 << 30) if name == "Array" else 8))
    heap.write(tmp_path / "odd.exv")
    done = python.command("-m", "exuvia", "convert", str(tmp_path / "odd.exv"), "--to", "heapsnapshot", "-o",
                          str(tmp_path / "odd.heapsnapshot"))
    assert done.returncode == 0, done.stderr
    nodes, edges = read_heapsnapshot(tmp_path / "odd.heapsnapshot")
    assert [name for _, name, _ in nodes[3:8]] == ["class Object", "class Array", "class <lambda>", "class Object(x)", "class "]
    assert max(size for _, _, size in nodes) < 1 << 32
    assert nodes[4][2] + sum(nodes[to][2] for _, name, to in edges[4] if name == "(buffer)") == 9 << 30


def read_message(data):
    """[(field, value)]: of a protobuf message; numbers, or bytes."""
    out, at = [], 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        key = varint()
        assert key & 7 in (0, 2)
        if key & 7 == 0:
            out.append((key >> 3, varint()))
        else:
            size = varint()
            assert at + size <= len(data)
            out.append((key >> 3, data[at:at + size]))
            at += size
    return out


def packed(data):
    return [value for _, value in read_message(b"".join(b"\x08" + part for part in split_varints(data)))]


def split_varints(data):
    part = b""
    for byte in data:
        part += bytes([byte])
        if byte < 128:
            yield part
            part = b""
    assert part == b""


def test_a_profile_has_retained_sizes_as_cumulative_ones(exuvia, tmp_path):
    out = tmp_path / "o.pb.gz"
    exuvia("convert", "--to", "pprof", "-o", str(out))
    fields = read_message(gzip.decompress(out.read_bytes()))
    strings = [value.decode() for field, value in fields if field == 6]
    assert strings[0] == ""
    kinds = [tuple(strings[value] for _, value in read_message(value)) for field, value in fields if field == 1]
    assert kinds == [("objects", "count"), ("space", "bytes")]
    assert [strings[value] for field, value in fields if field == 14] == ["space"]
    functions = {dict(read_message(value))[1]: strings[dict(read_message(value))[2]] for field, value in fields if field == 5}
    locations = {dict(read_message(value))[1]: dict(read_message(dict(read_message(value))[4]))[1]
                 for field, value in fields if field == 4}
    below, objects, own = {}, 0, 0
    for field, value in fields:
        if field != 2:
            continue
        sample = dict(read_message(value))
        stack = [functions[locations[place]] for place in packed(sample[1])]
        count, size = packed(sample[2])
        objects, own = objects + count, own + size
        for name in set(stack):
            below[name] = below.get(name, 0) + size
        assert stack[-1].startswith("(")
    heap = service(30, 4)
    retained = naive_retained(heap)
    assert (objects, own) == (len(heap.nodes), sum(node["size"] for node in heap.nodes))
    assert below["dict"] == retained[4] == below["(held from several groups)"] - 1064, "C holds the table, too"
    assert below["app.ConfigError"] == below["(dead cycles)"] == 4 * 5540
    assert below["[tuple] app.sessions.Session"] == sum(size for size, node in zip(retained, heap.nodes) if node["type"] == 6)


# ---------------------------------------------------------------------- the page

def test_the_page_needs_nothing_else(exuvia, tmp_path):
    page = tmp_path / "page.html"
    exuvia("report", "-o", str(page))
    text = page.read_text()
    assert stat.S_IMODE(os.stat(page).st_mode) == 0o600 and len(text) < 100_000
    assert "http" not in text and "src=" not in text and "@import" not in text
    assert "reraise" in text and "find_session" in text
    data = text.partition('id="data">')[2].partition("</script>")[0]
    assert "<" not in data and len(json.loads(data)["tables"]["types"]["rows"]) == 10


def test_a_browser_shows_the_page(exuvia, tmp_path):
    if browser.PROGRAM is None:
        pytest.skip("chromium is not installed (make test-page)")
    page = tmp_path / "page.html"
    exuvia("report", "-o", str(page))
    with browser.Browser(str(tmp_path / "profile")) as chromium:
        chromium.open(page)
        if "EXUVIA_HEAP_SHOT" in os.environ:
            chromium.screenshot(os.environ["EXUVIA_HEAP_SHOT"])
        assert chromium.evaluate("document.querySelectorAll('#icicle div').length") > 8
        assert "the whole heap" in chromium.evaluate("document.getElementById('where').innerText")
        chromium.evaluate("[...document.querySelectorAll('#icicle div')].find(d => d.innerText.includes('Session')).click()")
        assert "app.sessions.Session" in chromium.evaluate("document.getElementById('where').innerText")
        rows = "document.querySelectorAll('[data-table=types] tbody tr').length"
        assert chromium.evaluate(rows) == 10
        chromium.evaluate("(() => { const i = document.querySelector('[data-table=types] input'); i.value = 'session';"
                          " i.oninput(); })()")
        assert chromium.evaluate(rows) == 1
        first = "document.querySelector('[data-table=holders] tbody td').innerText"
        before = chromium.evaluate(first)
        chromium.evaluate("(() => { const h = document.querySelectorAll('[data-table=holders] th')[2]; h.click(); h.click(); })()")
        assert chromium.evaluate(first) != before
        assert chromium.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out"
        assert not chromium.problems
        assert chromium.requested == [f"file://{page}"]


def test_the_types_called_blind_are_those_of_the_guide_and_of_the_script():
    known = runpy.run_path(str(SOURCE / "python/exuvia/heap/hints.py"))["CALLED_BLIND"]
    table = (SOURCE / "docs/insight.md").read_text().partition("what it keeps, and what ends it")[2].partition("\n\n")[0]
    rows = [(name, (text, tried)) for name, text, tried in re.findall(r"^\| `(.*)` \| (.*?) \| ?(.*?) ?\|$", table, re.MULTILINE)]
    assert {name: text for name, (text, _) in rows} == known
    tried = runpy.run_path(str(SOURCE / "tests/python/blind_types.py"))["ROWS"]
    assert {name for name, (_, versions) in rows if versions} == set(tried)
