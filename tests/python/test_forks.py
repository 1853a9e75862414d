"""fork() returns, and both processes work on, whatever fork handlers others have registered before and after ours, and
whoever forks: a thread with the GIL, a native one, a finalizer, a young collection.

Not beside a sub-interpreter that runs: CPython's own fork hangs (3.11, 3.12) or dies (3.13) there. What a fork finds of
a table that is just being changed is tests/test_slots.c's."""
import os
import subprocess

import pytest

# Handlers that take the GIL, let others have it for a while, and use the interpreter: in the parent before the fork and
# after it, as grpc's does. In the child the GIL cannot be let go before CPython has made it anew.
HANDLERS = r"""
#include <Python.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
static void use_interpreter(int microseconds)
{
    PyGILState_STATE state = PyGILState_Ensure();
    if (microseconds > 0) {
        Py_BEGIN_ALLOW_THREADS
        usleep(microseconds);
        Py_END_ALLOW_THREADS
    }
    PyObject *list = PyList_New(0);
    for (int i = 0; list && i < 30000; i++) {
        PyObject *item = PyList_New(1);
        PyList_Append(list, item);
        Py_XDECREF(item);
    }
    Py_XDECREF(list);
    PyGILState_Release(state);
}
static void prepare(void) { use_interpreter(100000); }
static void after_in_parent(void) { use_interpreter(1000); }
static __thread int is_native;
static void after_in_child(void)
{
    if (!is_native)
        use_interpreter(0);
}
static PyObject *add(PyObject *self, PyObject *none)
{
    pthread_atfork(prepare, after_in_parent, after_in_child);
    Py_RETURN_NONE;
}
static void *fork_natively(void *count)
{
    is_native = 1; /* in its children somebody else holds the GIL, who is not there */
    for (int i = 0; i < *(int *)count; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        waitpid(child, NULL, 0);
    }
    return NULL;
}
static PyObject *native(PyObject *self, PyObject *arg)
{
    pthread_t thread;
    int count = (int)PyLong_AsLong(arg);
    pthread_create(&thread, NULL, fork_natively, &count);
    Py_BEGIN_ALLOW_THREADS
    pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}
static PyMethodDef methods[] = {{"add", add, METH_NOARGS, 0}, {"native", native, METH_O, 0}, {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "handlers", 0, -1, methods, 0, 0, 0, 0};
PyMODINIT_FUNC PyInit_handlers(void) { return PyModule_Create(&module); }
"""

PROGRAM = """
import threading
if BEFORE:
    import handlers
    handlers.add()
exuvia.install('background', 0.1)
import handlers
if AFTER:
    handlers.add()

keep = [[i] for i in range(200_000)]
stopped = threading.Event()
def grow():
    '''Arenas come and go.'''
    rows = []
    while not stopped.is_set():
        rows.append([object() for _ in range(20000)])
        if len(rows) > 40:
            rows.clear()
threads = [threading.Thread(target=grow, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()

def forked():
    '''A process that works on: memory comes and goes, cycles are found.'''
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        return
    rows = [[i] for i in range(300_000)]
    del rows
    exuvia.collect()
    os._exit(0)
"""


@pytest.fixture
def handlers(python, tmp_path):
    done = python.command("-c", "import sysconfig; print(sysconfig.get_paths()['include'])")
    (tmp_path / "handlers.c").write_text(HANDLERS)
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-I", done.stdout.strip(), tmp_path / "handlers.c",
                    "-o", tmp_path / "handlers.so"], check=True)
    return {"PYTHONPATH": f"{python.folder}:{tmp_path}"}


def program(python, environment, body, before=True, after=True, **more):
    text = PROGRAM.replace("BEFORE", str(before)).replace("AFTER", str(after)) + body + "\nstopped.set()\n"
    return python.program(text, install=False, environment=environment, timeout=60, **more)


@pytest.mark.parametrize("before, after", [(True, False), (False, True), (True, True)])
def test_fork_beside_threads(python, handlers, before, after):
    program(python, handlers, """
for i in range(4):
    forked()
    keep[i] = []
    exuvia.start_collection()
""", before, after)


def test_native_threads_fork_at_once(python, handlers):
    """Two forks are under way together, one with the GIL. From 3.13 on such handlers hang in plain CPython, too: it holds
    a lock over its forks that PyGILState_Release() wants in another thread."""
    handled = python.version < (3, 13)
    program(python, handlers, """
native = [threading.Thread(target=handlers.native, args=(4,)) for _ in range(2)]
for thread in native:
    thread.start()
for i in range(4):
    forked()
    exuvia.collect()
for thread in native:
    thread.join()
""", handled, handled)


def test_fork_in_a_finalizer(python, handlers):
    program(python, handlers, """
gc.disable()
exuvia.finish_collection()
class Forks:
    def __del__(self):
        forked()
        done.append(1)
done = []
node = Forks()
node.me = node
age()
del node
exuvia.collect()
assert done == [1]
Forks()
assert done == [1, 1]
""")


def test_fork_in_a_young_collection(python, handlers):
    program(python, handlers, """
left = [4]
def fork_in(phase, info):
    if left[0] and threading.current_thread() is threading.main_thread():
        left[0] -= 1
        forked()
gc.callbacks.append(fork_in)
gc.callbacks.insert(0, fork_in)
while left[0]:
    keep.append([[]])
    exuvia.start_collection()
""")
