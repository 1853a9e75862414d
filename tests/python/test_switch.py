"""exuvia enable: with EXUVIA=1 each new interpreter of an environment begins with Exuvia, and EXUVIA_DISABLE=1 wins."""
import json
import os
import shutil
import subprocess

import pytest

STATE = ("import sys; print(*sorted(name for name in sys.modules if name.startswith(('exuvia', '_exuvia'))"
         " and '.' not in name), 'exuvia' in sys.modules and sys.modules['exuvia'].is_installed())")
ASKED = "_exuvia_switch _exuvia_variables "
ON, NO, OFF = ASKED + "exuvia True\n", ASKED + "False\n", "False\n"


class Environment:
    """A virtual environment of the interpreter that has the package as pip puts it there."""

    def __init__(self, python, folder):
        subprocess.run([python.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.python = str(folder / "bin/python")
        self.site = self.output("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        shutil.copytree(python.folder, self.site, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__", "objects"))

    def run(self, *words, variables=None, **options):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("EXUVIA") and name != "PYTHONPATH"}
        return subprocess.run([self.python, *words], env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})},
                              text=True, capture_output=True, timeout=120, **options)

    def output(self, *words, **options):
        done = self.run(*words, **options)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def state(self, *words, **variables):
        return self.output(*words, "-c", STATE, variables=variables)


@pytest.fixture(scope="module")
def made(interpreter, tmp_path_factory):
    from conftest import Runner

    return Environment(Runner(interpreter), tmp_path_factory.mktemp("environment"))


@pytest.fixture
def enabled(made):
    made.output("-m", "exuvia", "enable")
    yield made
    made.output("-m", "exuvia", "disable")
    assert not [name for name in os.listdir(made.site) if name.startswith("exuvia.")]


def test_on_and_off(enabled):
    assert enabled.state() == OFF
    for other in "0", "", "yes":
        assert enabled.state(EXUVIA=other) == OFF
    assert enabled.state(EXUVIA="1") == ON
    enabled.output("-m", "exuvia", "enable")
    assert enabled.state(EXUVIA="1") == ON
    assert enabled.output("-m", "exuvia", "disable").endswith("exuvia.pth is gone\n")
    assert enabled.state(EXUVIA="1") == OFF
    assert enabled.output("-m", "exuvia", "disable") == ""


@pytest.mark.parametrize("word, state", [("-I", OFF), ("-E", OFF), ("-S", None), ("-s", ON), ("-B", ON), ("-O", ON)])
def test_where_variables_do_not_count(enabled, word, state):
    if state is not None:
        assert enabled.state(word, EXUVIA="1") == state
    else:
        assert enabled.run(word, "-c", STATE, variables={"EXUVIA": "1"}).stdout == OFF


def test_other_rights_than_the_callers(enabled):
    for change in "getuid", "getegid":
        code = f"import os, _exuvia_switch; os.{change} = lambda: 12345\n_exuvia_switch.begin(); " + STATE
        assert enabled.output("-c", code.replace("import os,", "import os, sys; os.environ['EXUVIA'] = '1'; import"))\
            == NO


def test_the_kill_switch_wins(enabled):
    """No module of ours is loaded by the line; whoever calls us goes on with stock collection, which is said once."""
    assert enabled.state(EXUVIA="1", EXUVIA_DISABLE="1") == OFF
    program = """
import gc, exuvia
exuvia.install()
exuvia.install('background', log='log')
exuvia.collect_every(1)
exuvia.collect_when_idle(1)
a = []
a.append(a)
del a
assert exuvia.collect() >= 1
assert not exuvia.start_collection() and exuvia.finish_collection() == 0 and not exuvia.is_installed()
assert exuvia.stats().started == 0 and gc.callbacks == []
exuvia.uninstall()
print('done')
"""
    for words in (["-c", program], ["-m", "exuvia", "run", "--summary", "--stats", "x", "-c", program]):
        done = enabled.run(*words, variables={"EXUVIA": "1", "EXUVIA_DISABLE": "1"}, cwd=enabled.site)
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "exuvia: EXUVIA_DISABLE=1: stock collection\n")
    done = enabled.run("-E", "-c", program.replace("exuvia.collect_every(1)", "assert exuvia.is_installed(); 1/0"),
                       variables={"EXUVIA_DISABLE": "1"}, cwd=enabled.site)
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_options_of_run(enabled, tmp_path):
    options = f"--mode background --stats '{tmp_path}/all of %p.json' --log {tmp_path}/log --callbacks"
    pid = enabled.output("-c", "import os; print(os.getpid())", variables={"EXUVIA": "1", "EXUVIA_OPTIONS": options})
    assert json.loads((tmp_path / f"all of {pid.strip()}.json").read_text())["completed"] == 1
    assert [json.loads(line)["pid"] for line in open(tmp_path / "log")] == [int(pid)]
    for wrong, cause in (("--mode x", "--mode: one of 'auto'"), ("'", "No closing quotation"), ("app.py", "no such"),
                         ("--stats /nowhere/x", "--stats /nowhere/x: cannot be written")):
        done = enabled.run("-c", "print(1)", variables={"EXUVIA": "1", "EXUVIA_OPTIONS": wrong})
        assert (done.returncode, done.stdout) == (0, "1\n")
        assert done.stderr.count("\n") == 1 and cause in done.stderr and "stock collection" in done.stderr


def test_run_in_an_enabled_environment_has_its_own_options(enabled, tmp_path):
    done = enabled.run("-m", "exuvia", "run", "--stats", "ours.json", "-c", "print(1)", cwd=tmp_path,
                       variables={"EXUVIA": "1", "EXUVIA_OPTIONS": "--stats theirs.json --summary"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert os.listdir(tmp_path) == ["ours.json"]


def test_a_check_that_fails_is_one_line(enabled):
    code = "import gc; gc.get_threshold = lambda: (1, 2, 3)"
    with open(os.path.join(enabled.site, "a_broken.pth"), "w") as file:
        file.write(code + "\n")
    try:
        done = enabled.run("-c", "print(1)", variables={"EXUVIA": "1"})
    finally:
        os.unlink(os.path.join(enabled.site, "a_broken.pth"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "1\n", 1), done.stderr
    assert "stock collection" in done.stderr


def test_a_package_that_is_gone_is_said_by_python(enabled):
    """As pip leaves it: the line is not pip's."""
    os.rename(os.path.join(enabled.site, "exuvia"), os.path.join(enabled.site, "gone"))
    try:
        assert enabled.run("-c", "print(1)").stderr == ""
        done = enabled.run("-c", "print(1)", variables={"EXUVIA": "1"})
    finally:
        os.rename(os.path.join(enabled.site, "gone"), os.path.join(enabled.site, "exuvia"))
    assert (done.returncode, done.stdout) == (0, "1\n") and "exuvia: EXUVIA=1: No module named" in done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_are_new_interpreters(enabled, tmp_path, method):
    (tmp_path / "program.py").write_text(f"""
import multiprocessing, subprocess, sys
def work(n):
    import exuvia
    a = [n]
    a.append(a)
    return exuvia.is_installed()
if __name__ == '__main__':
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        print(set(pool.map(work, range(50))))
    print(subprocess.run([sys.executable, '-c', {STATE!r}], capture_output=True, text=True).stdout, end='')
""")
    out = enabled.output("program.py", cwd=tmp_path, variables={"EXUVIA": "1"})
    assert out == "{True}\n" + ON


def test_sub_interpreters_begin_without_a_word(enabled):
    from test_elsewhere import SUB

    code = SUB + "in_sub('import gc; assert gc.callbacks == []')\nin_sub('import exuvia', isolated=False)\nprint(1)"
    assert enabled.output("-c", code, variables={"EXUVIA": "1"}) == "1\n"


def test_a_start_file(made):
    """From 3.15 on it stands for the line; before, the line goes on."""
    made.output("-m", "exuvia", "enable", "--start-file")
    assert sorted(name for name in os.listdir(made.site) if name.startswith("exuvia.")) == ["exuvia.pth", "exuvia.start"]
    later = made.output("-c", "import sys; print(sys.version_info >= (3, 15))") == "True\n"
    assert made.state(EXUVIA="1") == ON
    assert made.state() == (NO if later else OFF)
    assert made.state(EXUVIA="1", EXUVIA_DISABLE="1") == (NO if later else OFF)
    made.output("-m", "exuvia", "disable")
    assert made.state(EXUVIA="1") == OFF


def test_where_nothing_can_be_written(made):
    if os.geteuid() == 0:
        pytest.skip("root writes anywhere")
    os.chmod(made.site, 0o555)
    try:
        done = made.run("-m", "exuvia", "enable")
    finally:
        os.chmod(made.site, 0o755)
    assert done.returncode == 1 and "Permission denied" in done.stderr


def test_what_a_start_loads(enabled):
    """Each module more is time in every process."""
    code = "import sys; print(*sorted(sys.modules))"
    plain = set(enabled.output("-c", code).split())
    on = set(enabled.output("-c", code, variables={"EXUVIA": "1"}).split())
    assert {name for name in on - plain if "exuvia" not in name} <= {
        "__future__", "_interpreters", "_weakref", "_xxsubinterpreters", "atexit", "gc", "resource"}, on - plain
    assert not {"exuvia._questions", "exuvia.heap", "exuvia.commands"} & on


def test_what_is_loaded_later_is_there_from_the_start(enabled):
    assert enabled.output("-c", """
import exuvia, pydoc, sys
assert set(exuvia.__all__) <= set(dir(exuvia))
assert 'exuvia._questions' not in sys.modules
assert exuvia.why is exuvia.why and exuvia.Dump.__name__ == 'Dump'
try:
    exuvia.nothing
except AttributeError as error:
    assert 'nothing' in str(error)
text = pydoc.plain(pydoc.render_doc(exuvia))
assert all(name in text for name in exuvia.__all__)
space = {}
exec('from exuvia import *', space)
print(set(exuvia.__all__) <= set(space))
""") == "True\n"
