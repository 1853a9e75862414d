"""`exuvia run` behaves as python does, and says what it did where it was asked to."""
import json
import os
import re
import stat

import pytest

SHOW = """
import sys, os
print(sys.argv[1:], __name__, os.path.basename(sys.argv[0]), os.path.basename(globals().get('__file__', 'none')))
print(sorted(name for name in globals() if name not in ('sys', 'os')), os.path.basename(sys.path[0]))
import exuvia
print(exuvia.is_installed(), file=sys.stderr)
"""


def both(python, *words, **options):
    """The same under python and under exuvia run: status, standard output, standard error."""
    plain = python.command(*words, **options)
    ours = python.command("-m", "exuvia", "run", *words, **options)
    return plain, ours


def own_names(text):
    """Without what the interpreter puts into __main__ when it compiles a whole file itself."""
    return re.sub(r"'__(annotations|conditional_annotations)__', ", "", text)


@pytest.mark.parametrize("form", ["script", "module", "code", "folder", "stdin"])
def test_the_program_sees_what_it_always_saw(python, tmp_path, form):
    (tmp_path / "program.py").write_text(SHOW)
    (tmp_path / "__main__.py").write_text(SHOW)
    words = {"script": ["program.py"], "module": ["-m", "program"], "code": ["-c", SHOW], "folder": [str(tmp_path)],
             "stdin": ["-"]}[form]
    plain, ours = both(python, *words, "--stats", "-x", "--", "word", cwd=tmp_path, input=SHOW)
    assert plain.returncode == ours.returncode == 0, ours.stderr
    assert own_names(plain.stdout) == own_names(ours.stdout)
    assert (plain.stderr, ours.stderr) == ("False\n", "True\n")


@pytest.mark.parametrize("end", ["sys.exit(3)", "sys.exit('no')", "raise ValueError('x')", "1/0", "import nowhere",
                                 "raise SystemExit", "os.kill(os.getpid(), 15)", "raise KeyboardInterrupt",
                                 "def f(): g()\ndef g(): raise OSError(2, 'n')\nf()"])
def test_ends(python, tmp_path, end):
    program = tmp_path / "program.py"
    program.write_text("import sys, os\n" + end + "\n")
    plain, ours = both(python, str(program))
    assert ours.returncode == plain.returncode
    if "Keyboard" not in end:
        assert ours.stderr == plain.stderr


def test_a_program_that_is_not_there(python, tmp_path):
    plain, ours = both(python, str(tmp_path / "nothing.py"))
    assert ours.returncode == plain.returncode == 2
    assert ours.stderr == plain.stderr


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
    assert stats["pauses"]["count"] == sum(stats["pauses"]["buckets"]) > 0
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


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


def test_the_console_says_what_is_missing(python):
    done = python.command("-m", "exuvia", "run")
    assert done.returncode == 2 and "no program" in done.stderr
    done = python.command("-m", "exuvia", "run", "--mode", "nonsense", "x.py")
    assert done.returncode == 2
