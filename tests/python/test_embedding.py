"""Where a C program ends Python and begins it anew, Exuvia of the second interpreter keeps nothing of the first."""
import json
import os
import pathlib
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
CODE = """
import exuvia, gc, weakref
exuvia.install('background')
gc.disable()
class Node:
    pass
nodes = [Node() for i in range(100)]
for node in nodes:
    node.me = node
references = [weakref.ref(node) for node in nodes]
keep = [[i] for i in range(10000)]
gc.collect(1)
del node, nodes
assert exuvia.collect() >= 100
assert not any(reference() for reference in references)
gc.enable()
keep += [[i] for i in range(10000)]
exuvia.collect()
"""


@pytest.fixture
def embedded(python, tmp_path):
    """A program that runs code in interpreters of its own, one after another."""
    script = ("import json, sysconfig as s; print(json.dumps([s.get_paths()['include'], s.get_config_var('LIBDIR'), "
              "'python' + s.get_config_var('LDVERSION'), bool(s.get_config_var('Py_ENABLE_SHARED'))]))")
    include, libraries, name, shared = json.loads(python.command("-c", script).stdout)
    program = tmp_path / "embedded"
    built = shared and subprocess.run(
        [os.environ.get("CC", "cc"), "-isystem", include, HERE / "embedded.c", f"-L{libraries}", f"-l{name}",
         f"-Wl,-rpath,{libraries}", "-o", program], capture_output=True).returncode == 0
    if not built:
        pytest.skip("this interpreter has no shared library to build against")
    return program


@pytest.mark.parametrize("uninstall", ["", "\nexuvia.uninstall()", "\nimport atexit; atexit._clear()"])
def test_one_interpreter_after_another(python, embedded, uninstall):
    done = subprocess.run([embedded, *[CODE + uninstall] * 3], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": python.folder})
    assert (done.returncode, done.stderr) == (0, "")
