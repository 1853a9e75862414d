"""Each test runs a short program of its own under each interpreter that the extension was built for.

EXUVIA_INTERPRETERS names them: interpreter=folder pairs, separated by colons, where the folder holds the package as
built for it. Without it, the interpreter of the test run is taken, if it has the package.
"""
import importlib.util
import os
import subprocess
import sys

import pytest

PREAMBLE = """
import gc, os, sys, time, weakref
import exuvia
from exuvia import _core

class Node:
    pass

def age():
    '''What lives is old now: a young collection does not look at it.'''
    gc.collect(1)

def make_cycles(count, old=True):
    '''Dead cycles of two objects, and the weak references to them. Old: only a full collection finds them, or we.'''
    nodes = [Node() for i in range(count)]
    for node in nodes:
        node.peer = [node, count]
    if old:
        age()
    return [weakref.ref(node) for node in nodes]

def dead(references):
    return sum(reference() is None for reference in references)

def wait_for_answer(seconds=30):
    '''Until the child has answered or failed; gc must be off, so that nothing is reclaimed yet.'''
    end = time.monotonic() + seconds
    while _core.poll()[0] == 1:
        assert time.monotonic() < end, 'the child does not answer'
        time.sleep(0.001)
    return _core.poll()[0]

def children():
    found = []
    for name in os.listdir('/proc'):
        if name.isdigit():
            try:
                with open(f'/proc/{name}/stat') as file:
                    fields = file.read().rpartition(')')[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid():
                found.append(int(name))
    return found

def tasks():
    '''Threads, as the system counts them, but for the one that answers other processes.'''
    with open('/proc/self/maps') as file:
        return len(os.listdir('/proc/self/task')) - ('exuvia-mailbox' in file.read())

def fallbacks():
    return {name: count for name, count in exuvia.stats().fallbacks.items() if count}
"""


def interpreters():
    listed = os.environ.get("EXUVIA_INTERPRETERS", "")
    if listed:
        return [tuple(pair.split("=", 1)) for pair in listed.split(":")]
    spec = importlib.util.find_spec("exuvia")
    if spec is None or not spec.origin:
        return []
    return [(sys.executable, os.path.dirname(os.path.dirname(spec.origin)))]


def pytest_generate_tests(metafunc):
    if "interpreter" in metafunc.fixturenames:
        found = interpreters()
        none = pytest.param(None, marks=pytest.mark.skip("exuvia is not built"))
        metafunc.parametrize("interpreter", found or [none],
                             ids=[os.path.basename(path) for path, _ in found] or ["none"], scope="session")


class Runner:
    def __init__(self, interpreter):
        self.executable, self.folder = interpreter

    def command(self, *words, environment=None, **options):
        settings = {**os.environ, "PYTHONPATH": self.folder, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        if "EXUVIA_PRELOAD" in os.environ:  # the runtime of a sanitizer (tools/test-variant)
            settings.setdefault("LD_PRELOAD", os.environ["EXUVIA_PRELOAD"])
        options.setdefault("timeout", 120)
        return subprocess.run([self.executable, *words], env=settings, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **options)

    def program(self, code, *, install=True, mode="background", status=0, environment=None, options=(), **more):
        """Run the code after the preamble; it must end with this status, and with nothing left of it. Its output."""
        begin = f"exuvia.install({mode!r})\n" if install else ""
        done = self.command(*options, "-c", PREAMBLE + begin + code, environment=environment, **more)
        assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @property
    def version(self):
        done = self.command("-c", "import sys; print(*sys.version_info[:3])")
        return tuple(map(int, done.stdout.split()))


@pytest.fixture
def python(interpreter):
    return Runner(interpreter)


FOREIGN = r"""
#include <Python.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static int mode; static pid_t home;
static int traverse(PyObject *self, visitproc visit, void *arg)
{
    if (getpid() != home && mode == 1) for (;;) pause();
    if (getpid() != home && mode == 2) *(volatile int *)0 = 1;
    if (getpid() != home && mode == 3)
        for (;;) {
            void *more = mmap(0, 1 << 24, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (more == MAP_FAILED) break;
            memset(more, 1, 1 << 24);
        }
    Py_VISIT(Py_TYPE(self));
    return 0;
}
static PyType_Slot slots[] = {{Py_tp_traverse, traverse}, {0, 0}};
static PyType_Spec spec = {"foreign.Type", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
static PyObject *make(PyObject *self, PyObject *number)
{
    mode = (int)PyLong_AsLong(number); home = getpid();
    PyObject *type = PyType_FromSpec(&spec);
    return type ? PyType_GenericAlloc((PyTypeObject *)type, 0) : NULL;
}
static PyMethodDef methods[] = {{"make", make, METH_O, 0}, {0, 0, 0, 0}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "foreign", 0, -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_foreign(void) { return PyModule_Create(&definition); }
"""


@pytest.fixture
def foreign(python, tmp_path):
    done = python.command("-c", "import sysconfig; print(sysconfig.get_paths()['include'])")
    (tmp_path / "foreign.c").write_text(FOREIGN)
    subprocess.run(["cc", "-shared", "-fPIC", "-I", done.stdout.strip(), "-o", tmp_path / "foreign.so",
                    tmp_path / "foreign.c"], check=True)
    return str(tmp_path)
