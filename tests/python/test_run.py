"""`exuvia run` behaves as python does, and says what it did where it was asked to."""
import ctypes
import json
import os
import re
import signal
import stat
import subprocess
import time
import zipfile

import pytest

SHOW = """
import sys, os
print(sys.argv[1:], __name__, os.path.basename(sys.argv[0]), os.path.basename(globals().get('__file__', 'none')))
print(sorted(name for name in globals() if name not in ('sys', 'os')), os.path.basename(sys.path[0]))
print(getattr(__loader__, '__name__', type(__loader__)))
import exuvia
print(exuvia.is_installed(), file=sys.stderr)
"""


def both(python, *words, **options):
    """The same under python and under exuvia run: status, standard output, standard error."""
    plain = python.command(*words, **options)
    ours = python.command("-m", "exuvia", "run", *words, **options)
    return plain, ours


@pytest.mark.parametrize("form", ["script", "module", "code", "folder", "stdin"])
def test_the_program_sees_what_it_always_saw(python, tmp_path, form):
    (tmp_path / "program.py").write_text(SHOW)
    (tmp_path / "__main__.py").write_text(SHOW)
    words = {"script": ["program.py"], "module": ["-m", "program"], "code": ["-c", SHOW], "folder": [str(tmp_path)],
             "stdin": ["-"]}[form]
    plain, ours = both(python, *words, "--stats", "-x", "--", "word", cwd=tmp_path, input=SHOW)
    assert plain.returncode == ours.returncode == 0, ours.stderr
    assert plain.stdout == ours.stdout
    assert (plain.stderr, ours.stderr) == ("False\n", "True\n")


def test_it_leaves_little_in_the_program(python, tmp_path):
    """Neither modules that the program may not want, as argparse and what that loads, nor garbage for its first answer."""
    (tmp_path / "program.py").write_text("import sys; print(*sorted(sys.modules))")
    plain = python.command("program.py", cwd=tmp_path)
    ours = python.command("-c", "from exuvia.cli import main; main()", "run", "program.py", cwd=tmp_path)
    more = {name.partition(".")[0] for name in set(ours.stdout.split()) - set(plain.stdout.split())}
    assert not more & {"argparse", "enum", "locale", "re", "runpy", "shutil", "typing", "weakref"}, more
    told = python.command("-m", "exuvia", "run", "-c", "import exuvia; print(exuvia.cycles())").stdout
    assert "dead" in told and "argparse" not in told and "weakref" not in told, told


@pytest.mark.parametrize("end", ["sys.exit(3)", "sys.exit('no')", "raise ValueError('x')", "1/0", "import nowhere",
                                 "raise SystemExit", "os.kill(os.getpid(), 15)", "raise KeyboardInterrupt",
                                 "def f(): g()\ndef g(): raise OSError(2, 'n')\nf()"])
def test_ends(python, tmp_path, end):
    program = tmp_path / "program.py"
    program.write_text("import sys, os\n" + end + "\n")
    plain, ours = both(python, str(program))
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)


def test_interrupted_it_shows_the_program_only_and_ends_by_the_signal(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("""
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)   # a job in the background begins with it ignored
def hook(kind, error, traceback):
    print(kind.__name__, traceback.tb_frame.f_code.co_name, traceback.tb_next)
if sys.argv[1:]:
    sys.excepthook = hook
os.kill(os.getpid(), signal.SIGINT)
""")
    for words in ([], ["hook"]):
        plain, ours = both(python, str(program), *words)
        assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)
        assert ours.returncode == -signal.SIGINT


@pytest.mark.parametrize("form", ["script", "module", "code", "folder"])
def test_few_frames_below_the_program(python, tmp_path, form):
    """They are taken from its recursion limit."""
    show = ("import sys\nframe, depth = sys._getframe(), 0\n"
            "while frame: frame, depth = frame.f_back, depth + 1\nprint(depth)")
    (tmp_path / "program.py").write_text(show)
    (tmp_path / "__main__.py").write_text(show)
    words = {"script": ["program.py"], "module": ["-m", "program"], "code": ["-c", show],
             "folder": [str(tmp_path)]}[form]
    plain, ours = both(python, *words, cwd=tmp_path)
    started_as_a_module = 2
    package = 2  # __main__, main
    assert int(ours.stdout) - int(plain.stdout) <= started_as_a_module + package


@pytest.mark.parametrize("error", [
    "1/0", "raise SystemExit('no')",
    "import os, signal as s; s.signal(2, s.default_int_handler); os.kill(os.getpid(), 2)"])
@pytest.mark.parametrize("form", ["module", "folder", "relative folder", "archive without a suffix", "code", "stdin"])
def test_the_traceback_of_each_form(python, tmp_path, form, error):
    (tmp_path / "program.py").write_text(error)
    (tmp_path / "__main__.py").write_text(error)
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.write(tmp_path / "__main__.py", "__main__.py")
    words = {"module": ["-m", "program"], "folder": [str(tmp_path)], "relative folder": ["."],
             "archive without a suffix": ["archive"], "code": ["-c", error], "stdin": ["-"]}[form]
    plain, ours = both(python, *words, cwd=tmp_path, input=error)
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)


def test_a_program_that_is_not_there(python, tmp_path):
    plain, ours = both(python, str(tmp_path / "nothing.py"))
    assert ours.returncode == plain.returncode == 2
    assert ours.stderr == plain.stderr


def test_a_folder_or_file_that_is_no_program(python, tmp_path):
    (tmp_path / "not.zip").write_bytes(b"no such thing")
    for words in ([str(tmp_path)], [str(tmp_path / "not.zip")], ["-m", "no_such_module"]):
        plain, ours = both(python, *words)
        assert ours.returncode == plain.returncode == 1
        assert ours.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]
    plain, ours = both(python, str(tmp_path))
    assert ours.stderr == plain.stderr


def without_privilege():
    """Root loses what lets it read any file, once it has begun another program."""
    libc = ctypes.CDLL(None)
    drop_from_bounding_set, override, read_search = 24, 1, 2
    libc.prctl(drop_from_bounding_set, override, 0, 0, 0)
    libc.prctl(drop_from_bounding_set, read_search, 0, 0, 0)


def test_a_file_that_may_not_be_read(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print(1)")
    program.chmod(0)
    plain, ours = both(python, str(program), preexec_fn=without_privilege)
    assert ours.returncode == plain.returncode == 2 and "Permission denied" in ours.stderr
    assert ours.stderr == plain.stderr


def test_code_and_module_joined_to_their_letter(python, tmp_path):
    (tmp_path / "program.py").write_text("import sys; print(sys.argv[1:])")
    for words in (["-cimport sys; print(sys.argv)", "--mode", "x"], ["-mprogram", "-c"]):
        plain, ours = both(python, *words, cwd=tmp_path)
        assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout) != (0, "")


@pytest.mark.parametrize("code", ["  print(1)\n  print(2)", "\n\n    if 1:\n        print(3)\n", "  print(1)\nprint(2)",
                                  "\tprint('''a\n\t b''')", ""])
def test_indented_code(python, code):
    plain, ours = both(python, "-c", code)
    assert (ours.returncode, ours.stdout, ours.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_a_syntax_error(python, tmp_path):
    program = tmp_path / "program.py"
    program.write_text("x = = 2\n")
    plain, ours = both(python, str(program))
    assert (ours.returncode, ours.stderr) == (plain.returncode, plain.stderr)


def test_statistics_and_summary(python, tmp_path):
    file = tmp_path / "stats.json"
    code = "import exuvia; a = []; a.append(a); del a; exuvia.collect(); print('out')"
    done = python.command("-m", "exuvia", "run", "--stats", str(file), "--summary", "-c", code)
    assert (done.returncode, done.stdout) == (0, "out\n"), done.stderr
    assert "full collections in the background" in done.stderr
    stats = json.loads(file.read_text())
    assert stats["completed"] == 2 and stats["sum"]["unreachable"] >= 2
    assert all(of["count"] == sum(of["buckets"]) for of in stats["pauses"].values())
    assert stats["pauses"]["all"]["count"] > 0 and stats["pauses"]["clone"]["count"] == stats["started"] == 2
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


@pytest.mark.parametrize("code, told", [("gc.disable()", "disabled by the program"), ("pass", None),
                                        ("gc.set_threshold(5000000)", "5000000: cycles wait"),
                                        ("gc.set_threshold(0)", "threshold is 0: nothing")])
def test_the_summary_says_what_keeps_garbage(python, code, told):
    done = python.command("-m", "exuvia", "run", "--summary", "-c", "import gc; " + code)
    assert done.returncode == 0
    assert told in done.stderr if told else "collector  " not in done.stderr


def test_doctor(python):
    done = python.command("-m", "exuvia", "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^ok +trial +a dead cycle died", done.stdout, re.MULTILINE)


def test_where_it_cannot_work_the_program_runs(python, tmp_path):
    """A sub-interpreter is refused with the check's name; `run` goes on with stock collection."""
    python.program("""
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
""", install=False)
    program = tmp_path / "program.py"
    program.write_text("import exuvia; print(exuvia.is_installed())")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "sitecustomize.py").write_text("""
import gc
gc.get_threshold = lambda: (1, 2, 3)    # as if the fields were elsewhere
""")
    path = os.pathsep.join([str(broken), python.folder])
    done = python.command("-m", "exuvia", "run", str(program), environment={"PYTHONPATH": path})
    assert (done.returncode, done.stdout) == (0, "False\n")
    assert "generations" in done.stderr and "stock collection" in done.stderr


@pytest.mark.parametrize("words, cause", [
    (["run"], "no program: give a script"),
    (["run", "-m"], "no program"),
    (["run", "-c"], "no program"),
    (["run", "--mode", "nonsense", "x.py"], "'auto', 'background', 'inline', 'stress'"),
    (["run", "--nonsense", "x.py"], "no such option: --nonsense; options of the program stand behind it"),
    (["run", "--stat", "x.py"], "no such option: --stat"),
    (["run", "--log"], "--log: expected one argument"),
    (["run", "--pause-budget", "-5", "x.py"], "above 0 and at most 1000000, like 5 or 2.5, not '-5'"),
    (["run", "--pause-budget", "0", "x.py"], "not '0'"),
    (["run", "--pause-budget", "nan", "x.py"], "not 'nan'"),
    (["run", "--pause-budget", "inf", "x.py"], "not 'inf'"),
    (["run", "--pause-budget", "5ms", "x.py"], "not '5ms'"),
    (["bench", "pause", "--objects", "abc"], "at least 1000, like 250000 or 1e6, not 'abc'"),
    (["bench", "pause", "--objects", "-5"], "not '-5'"),
    (["bench", "pause", "--objects", "0"], "not '0'"),
    (["bench", "pause", "--objects", "nan"], "not 'nan'"),
    (["bench", "pause", "--objects", "inf"], "not 'inf'"),
    (["bench", "pause", "--configurations", "stock,x"], "'x' is none of stock, exuvia, freeze, disable"),
    (["bench", "pause", "--workload", "x"], "'write', 'read'"),
    (["bench"], "pause | costs"),
    (["nonsense"], "'run', 'doctor', 'enable', 'disable', 'bench'"),
    ([], "no command: give one of run, doctor, enable, disable, bench, dump, top, summary"),
])
def test_the_console_says_cause_and_cure(python, words, cause):
    done = python.command("-m", "exuvia", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: exuvia") and "Traceback" not in done.stderr
    assert cause.replace("'", "") in done.stderr.replace("'", ""), "versions differ in what they quote"


def test_version_and_help(python):
    import_version = python.command("-c", "import exuvia; print(exuvia.__version__)").stdout
    assert python.command("-m", "exuvia", "--version").stdout == f"exuvia {import_version}"
    for words, told in (([], "doctor"), (["run"], "--log FILE"), (["bench", "pause"], "--objects N"),
                        (["bench", "costs"], "forked worker")):
        done = python.command("-m", "exuvia", *words, "--help")
        assert done.returncode == 0 and told in done.stdout


@pytest.mark.parametrize("budget", ["-1", "0", "float('nan')", "float('inf')"])
def test_a_budget_that_is_none(python, budget):
    python.program(f"""
try:
    exuvia.install(pause_budget_ms={budget})
except ValueError as error:
    assert 'pause_budget_ms is above 0' in str(error), error
else:
    assert False
assert not exuvia.is_installed()
""", install=False)


@pytest.mark.parametrize("content", [b"\x7fELF\0\0\1", b"print(1)\nname = '\xe4'\n", b"\xff\xfe\0\0"])
def test_what_is_no_source_is_named(python, tmp_path, content):
    program = tmp_path / "program"
    program.write_bytes(content)
    plain, ours = both(python, str(program))
    assert ours.returncode == plain.returncode == 1
    assert str(program) in ours.stderr and "SyntaxError" in ours.stderr
    assert "exuvia" not in ours.stderr.replace(str(tmp_path), "")


@pytest.mark.parametrize("words", [["pause"], ["costs"]])
def test_an_interrupted_benchmark_says_so_in_one_line(python, tmp_path, words):
    """The Ctrl-C of a terminal goes to the whole group."""
    begin = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    (tmp_path / "program.py").write_text(begin + "import sys; sys.argv[0] = 'exuvia'\nfrom exuvia.cli import main\n"
                                         "print('ready', flush=True)\nmain()\n")
    process = subprocess.Popen([python.executable, "program.py", "bench", *words], cwd=tmp_path, process_group=0,
                               env={**os.environ, "PYTHONPATH": python.folder}, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    lines = [line for line in err.splitlines() if "..." not in line]  # what it was about to measure
    assert (process.returncode, lines) == (-signal.SIGINT, ["exuvia bench: interrupted"])
