"""The pytest plugin: what leaks is found and named, what only fills up or is made anew is not, and nothing else changes."""
import importlib.util
import os
import pathlib
import re

import pytest

NEEDED = ("pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "attr", "attrs", "py", "exceptiongroup")
PROJECT = pathlib.Path(__file__).resolve().parent.parent.parent / "pyproject.toml"
PLUGIN = re.search(r'^\[project.entry-points.pytest11\]\nexuvia = "(.*)"', PROJECT.read_text(), re.MULTILINE).group(1)


class Outcome:
    def __init__(self, done):
        self.status, self.text = done.returncode, done.stdout
        self.of = dict(reversed(line.split(" - ")[0].split(" ", 1)) for line in re.findall(
            r"^(?:PASSED|FAILED|ERROR|XFAIL|XPASS) .*", done.stdout, re.MULTILINE))
        assert done.stderr == "", done.stderr

    def outcome(self, name):
        return next(said for node, said in self.of.items() if node.endswith("::" + name))

    def told(self, name):
        """What the report of a test says; white space does not count."""
        found = re.search(rf"^_+ (?:\w+\.)?{re.escape(name)} _+\n(.*?)(?=^[_=]{{3}})", self.text, re.MULTILINE | re.DOTALL)
        return " ".join(found.group(1).split())


@pytest.fixture
def suite(python, tmp_path):
    """Runs pytest as this interpreter has it or, where it has none, ours, with a file of tests."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in NEEDED:
        spec = importlib.util.find_spec(name)
        if spec:
            path = pathlib.Path(spec.origin)
            path = path.parent if path.name == "__init__.py" else path
            (packages / path.name).symlink_to(path)
            for told in path.parent.glob(f"{name}-*.*-info"):
                (packages / told.name).symlink_to(told)

    def run(code, *options):
        (tmp_path / "test_it.py").write_text("import gc, pytest\nclass Session:\n    pass\n" + code)
        return Outcome(python.command(
            "-m", "pytest", "-p", PLUGIN, "-rA", "-p", "no:cacheprovider", *options, "test_it.py", cwd=tmp_path,
            environment={"PYTHONPATH": f"{python.folder}:{packages}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200",
                         "PYTEST_ADDOPTS": "", "PYTEST_DEBUG_TEMPROOT": str(tmp_path)}))
    return run


LEAKS = """
import functools, unittest
kept = []
def test_exception():
    try:
        1 / 0
    except ZeroDivisionError as error:
        caught = error
def test_list():
    kept.append(Session())
def make_get():
    cache = {}
    def get(key):
        return cache.setdefault(object(), [key])
    return get
get = make_get()
@pytest.mark.parametrize("key", [1])
def test_closure(key):
    get(key)
def test_large_and_untracked():
    kept.append(bytes(5000))
@functools.lru_cache(maxsize=None)
def find(number):
    return Session()
def test_unbounded():
    find(object())
def test_collector_off():
    gc.disable()
    session = Session()
    session.me = [session]
@pytest.fixture
def resource():
    session = Session()
    yield session
    kept.append(session)
def test_fixture(resource):
    pass
class TestClass:
    @pytest.fixture(scope="class")
    def shared(self):
        return []
    def test_shared(self, shared):
        shared.append(Session())
class TestCase(unittest.TestCase):
    def setUp(self):
        kept.append(Session())
    def test_case(self):
        pass
"""


def test_what_leaks_is_named(suite):
    done = suite(LEAKS, "--exuvia-leaks", "--exuvia-runs=5")
    assert done.status == 1 and set(done.of.values()) == {"FAILED"}, done.text
    assert "leak: 5 runs left 5 test_it.Session" in done.told("test_list")
    assert "modules test_it module .__dict__ dict ['kept'] list [*] test_it.Session" in done.told("test_list")
    assert ".__closure__ tuple [*] cell .cell_contents dict" in done.told("test_closure[1]")
    assert "5 bytes" in done.told("test_large_and_untracked")
    assert "functools._lru_cache_wrapper ^ a cache of calls: cache_clear()" in done.told("test_unbounded")
    for name in ("test_fixture", "test_shared", "test_case"):
        assert "5 test_it.Session" in done.told(name), name
    told = done.told("test_exception")
    assert "dead cycles: each run leaves 1" in told and ".tb_frame frame (test_exception at " in told
    assert "TB" not in told, "a frame's size is not made up"
    told = done.told("test_collector_off")
    assert "dead cycles: each run leaves 1" in told and "1 test_it.Session" in told and "leak:" not in told
    assert "9 tests were looked at, 9 leave something behind" in done.text


FINE = """
import collections, functools, logging, re, typing, warnings
count = [0]
def following():
    count[0] += 1
    return count[0]
def test_re():
    re.compile(f"a{following()}")
def test_typing():
    typing.List[typing.Annotated[int, lambda: 0]]
@functools.lru_cache(maxsize=10_000)
def find(number):
    return Session()
def test_bounded():
    find(following())
recent = collections.OrderedDict()
def test_fills_up():
    recent[following()] = Session()
    if len(recent) > 30:
        recent.popitem(last=False)
def test_replaced():
    recent["last"] = [Session() for _ in range(20)]
def test_imports():
    import wave, colorsys
def test_logs(caplog):
    logging.getLogger("it").warning("number %d", following())
    warnings.warn("it")
    assert len(caplog.records) == 1
def test_raises():
    with pytest.raises(ValueError) as caught:
        int("x")
def test_makes_a_class():
    class Local:
        def get(self):
            return super().__init__()
    Local()
def test_makes_a_namespace():
    exec("def f(): pass", {})
def test_of_the_library():
    import json
    json.dumps({"a": [1]}, indent=1)
def test_fixtures(tmp_path, monkeypatch, capsys, record_property):
    (tmp_path / "new").mkdir()
    monkeypatch.setattr(Session, "value", 1, raising=False)
    record_property("a", 1)
    print("it")
def test_parts(request):
    node = request.node  # as subtests do
    part = pytest.TestReport(node.nodeid, node.location, {}, "passed", None, "part")
    with node.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        node.ihook.pytest_runtest_logreport(report=part)
class TestClass:
    @pytest.fixture(scope="class")
    def shared(self):
        return []
    def test_anew(self, shared):
        assert not hasattr(self, "seen")
        self.seen = True
        shared or shared.append(1)
    def test_stays(self, shared):
        assert shared == [1]
@pytest.mark.xfail
def test_xfail():
    count.append(Session())
@pytest.mark.skip
def test_skip():
    pass
@pytest.mark.exuvia(objects=None, cycles=None)
def test_let_be():
    count.append(Session())
"""


def test_what_fills_up_or_is_made_anew_is_none(suite):
    done = suite(FINE, "--exuvia-leaks", "--exuvia-runs=140", "--exuvia-seconds=600")  # typing keeps 128
    assert done.status == 0 and "0 leave something behind" in done.text, done.text
    assert "not looked at" not in done.text
    assert done.text.count("Captured stdout call") == 1, "of one run"
    assert len(re.findall("PASSED .*::test_parts", done.text)) == 2, "the part and the test, of one run"


MARKED = """
kept = []
@pytest.mark.exuvia
def test_marked():
    kept.append(Session())
def test_unmarked():
    kept.append(Session())
@pytest.mark.exuvia(objects=1)
def test_allowed():
    kept.append(Session())
@pytest.mark.exuvia(cycles=2)
def test_allowed_rings():
    for _ in range(2):
        session = Session()
        session.me = session
@pytest.mark.exuvia(object=1)
def test_misspelt():
    pass
@pytest.mark.exuvia
def test_not_repeatable():
    kept.append(1)
    assert kept.count(1) == 1
@pytest.mark.exuvia
def test_fails():
    assert 0, "as it is"
"""


def test_marks_bounds_and_what_cannot_be_repeated(suite, tmp_path):
    done = suite(MARKED, "--exuvia-runs=5", f"--exuvia-report={tmp_path / 'pages'}")
    outcomes = {node.partition("::")[2]: said for node, said in done.of.items()}
    assert outcomes == {"test_marked": "FAILED", "test_unmarked": "PASSED", "test_allowed": "PASSED", "test_fails": "FAILED",
                        "test_allowed_rings": "PASSED", "test_misspelt": "FAILED", "test_not_repeatable": "PASSED"}
    assert "the mark is exuvia(objects=N, cycles=N)" in done.text and "as it is" in done.told("test_fails")
    assert "test_not_repeatable: fails when it is run again, with AssertionError" in done.text
    page, = (tmp_path / "pages").iterdir()
    assert page.name == "test_it.py-test_marked.html" and "test_it.Session" in page.read_text()
    assert os.stat(page).st_mode & 0o777 == 0o600


def test_nothing_is_done_unasked(suite):
    done = suite("import sys\ndef test_it():\n    assert 'exuvia.integrations.leaks' not in sys.modules\n")
    assert done.status == 0 and "runs more" not in done.text, done.text


def test_pytest_runs_where_the_package_is_loaded_before(suite, python, tmp_path):
    """As a distribution with a plugin, of which pytest rewrites what is not loaded yet, and warns of what is."""
    told = tmp_path / "packages" / "exuvia-1.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Name: exuvia\nVersion: 1\n")
    (told / "entry_points.txt").write_text(f"[pytest11]\nexuvia = {PLUGIN}\n")
    (told / "RECORD").write_text("exuvia/__init__.py,,\n_exuvia_switch.py,,\n_exuvia_variables.py,,\n")
    for name in "exuvia", "_exuvia_switch.py", "_exuvia_variables.py":
        (told.parent / name).symlink_to(pathlib.Path(python.folder) / name)
    (tmp_path / "test_it.py").write_text("import _exuvia_switch, exuvia\ndef test():\n    assert exuvia.is_installed()\n")
    done = python.command("-c", "import _exuvia_switch, sys; sys.argv[1:] = ['run', *sys.argv[1:]]; from exuvia import cli; "
                          "cli.main()", "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "test_it.py", cwd=tmp_path,
                          environment={"PYTHONPATH": str(told.parent), "PYTEST_ADDOPTS": ""})
    assert done.returncode == 0 and " 1 passed" in done.stdout, done.stdout + done.stderr
