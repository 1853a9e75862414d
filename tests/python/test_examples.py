"""The example programs in Python print under `exuvia run` what they print under the plain interpreter, and what they must."""
import pathlib
import re

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = sorted((SOURCE / "examples/python").glob("*.py"))
MUST_SHOW = {
    "01_counting": ["name a:                    1\n", "    the destructor of thing runs\nnext statement\n"],
    "02_names": ["5\n", "NameError: name 'x' is not defined\n"],
    "03_cycle": ["[8, 9, 10, [...]]\n", "alive\n", "dead\n"],
    "04_thresholds": ["thresholds (900, 15, 15)\n"],
    "05_collect": ["Number of unreachable objects collected by GC: 8\n", "Uncollectable garbage: []\n"],
    "06_by_time_and_event": ["intervals later, is dead\n", "for a while, is dead\n"],
}


def run(python, *words):
    done = python.command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example(python, example):
    shown = run(python, "-m", "exuvia", "run", str(example))
    for text in MUST_SHOW[example.stem]:
        assert text in shown
    if example.stem == "04_thresholds" and python.version < (3, 13):
        assert "thresholds (700, 10, 10)\n" in shown
    # The counts of a young generation depend on an object more or less of what runs the program.
    if "exuvia" not in example.read_text() and example.stem != "04_thresholds":
        assert run(python, str(example)) == shown


def test_the_front_page(python):
    program, = re.findall(r"^```python\n(.*?)^```$", (SOURCE / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    assert program.startswith("import exuvia\nexuvia.install()") and program.count("\n") == 4
    assert re.fullmatch(r"longest stop so far: \d+\.\d ms\n", run(python, "-c", program))
