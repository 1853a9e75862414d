"""Where there is no collector to install into: sub-interpreters, archives, other versions' builds; and forked processes,
which answer for themselves alone."""
import os
import shutil
import subprocess
import zipfile

import pytest

SUB = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
def in_sub(code, isolated=True):
    try:
        name = interpreters.create('isolated' if isolated else 'legacy')
    except (TypeError, ValueError):
        name = interpreters.create(isolated=isolated)
    failed = interpreters.run_string(name, code)
    interpreters.destroy(name)
    assert failed is None, failed
"""
PROGRAM = """
import exuvia, gc
try:
    exuvia.install()
except exuvia.Unsupported as error:
    assert error.check == 'interpreter' and 'sub-interpreter' in str(error), error
else:
    raise AssertionError('installed')
assert not exuvia.is_installed()
for call in exuvia.collect, exuvia.start_collection, exuvia.finish_collection, lambda: exuvia.collect_every(1):
    try:
        call()
    except RuntimeError as error:
        assert 'not installed' in str(error)
    else:
        raise AssertionError(call)
exuvia.collect_every(0)
exuvia.uninstall()
stats = exuvia.stats()
assert stats.completed == stats.started == 0 and stats.last is None and stats.collections == ()
assert stats.sum.examined == 0 and stats.as_dict()
a = []
a.append(a)
del a
assert gc.collect() >= 1
"""


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("install", [False, True])
def test_a_sub_interpreter_is_refused_by_name(python, isolated, install):
    python.program(SUB + f"in_sub({PROGRAM!r}, {isolated})\nexuvia.install()\nexuvia.collect()", install=install)


def test_programs_in_interpreters_run_on(python, tmp_path):
    if python.version < (3, 14):
        pytest.skip("InterpreterPoolExecutor is of 3.14")
    (tmp_path / "work.py").write_text(PROGRAM + "\ndef double(n):\n    return 2 * n\n")
    (tmp_path / "program.py").write_text("""
import concurrent.futures, sys, exuvia
sys.path.insert(0, '.')
import importlib
assert exuvia.is_installed()
def work(n):
    import work
    return work.double(n)
if __name__ == '__main__':
    with concurrent.futures.InterpreterPoolExecutor(2) as pool:
        assert list(pool.map(work, range(20))) == [2 * n for n in range(20)]
    exuvia.collect()
""")
    done = python.command("-m", "exuvia", "run", "program.py", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def copied(python, folder):
    shutil.copytree(python.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_in_an_archive_the_reason_is_said(python, tmp_path):
    folder = copied(python, tmp_path / "package")
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("__main__.py", "import exuvia")
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    done = python.command(str(tmp_path / "app.pyz"), environment={"PYTHONPATH": ""})
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: exuvia cannot run from an archive") and "circular" not in done.stderr


def test_without_an_extension_for_this_version_it_is_said_which_are_there(python, tmp_path):
    folder = copied(python, tmp_path / "package")
    extension = next((folder / "exuvia").glob("_core.*.so"))
    extension.rename(extension.with_name("_core.cpython-39-somewhere.so"))
    done = python.command("-c", "import exuvia", environment={"PYTHONPATH": str(folder)})
    assert done.returncode == 1
    assert "no extension module for cpython 3." in done.stderr.splitlines()[-1]
    assert "_core.cpython-39-somewhere.so" in done.stderr.splitlines()[-1]


def test_a_forked_process_answers_for_itself(python):
    """Counts, sums, records and longest stops begin anew, in the child of a child too; what was learned stays."""
    python.program("""
keep = [[i] for i in range(200000)]
make_cycles(100)
assert exuvia.collect() >= 200
gc.collect()
parent = exuvia.stats()
assert parent.completed >= 2 and parent.pauses['full'].max_ns > 0 and len(parent.collections) >= 3
def zero():
    now = exuvia.stats()
    assert now.started == now.completed == now.full_collections == now.sum.unreachable == 0, now
    assert now.young_collections == 0 and now.collections == () and now.last is None, now
    assert not any(now.fallbacks.values()), now.fallbacks
    for kind, stops in now.pauses.items():
        assert stops.count == stops.max_ns == stops.total_ns == sum(stops.buckets) == 0, (kind, stops)
    assert now.ns_per_object == parent.ns_per_object and now.tracked > 0
gc.disable()
def in_child(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
def work():
    zero()
    references = make_cycles(50, old=False)
    exuvia.collect()
    assert dead(references) == 50
    now = exuvia.stats()
    assert now.completed == 1 and now.collections[0].number == 1 and now.sum.unreachable >= 100
in_child(lambda: (zero(), in_child(zero), work(), in_child(zero)))
exuvia.start_collection()
in_child(zero)
exuvia.finish_collection()
exuvia.uninstall()
in_child(zero)
after = exuvia.stats()
assert after.completed == parent.completed + 1 and after.collections[-2:-1] == parent.collections[-1:]
""")


def test_a_forked_process_has_lines_of_its_own_in_the_log(python, tmp_path):
    log = tmp_path / "log"
    python.program(f"""
import json
exuvia.install('background', log={str(log)!r})
exuvia.collect()
pid = os.fork()
exuvia.collect()
exuvia.uninstall()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
lines = [json.loads(line) for line in open({str(log)!r})]
assert [line['number'] for line in lines if line['pid'] == pid] == [1], lines
assert [line['number'] for line in lines if line['pid'] == os.getpid()] == [1, 2, 3], lines
""", install=False)


FILTER = """
import ctypes, platform, struct
CLONE = {'x86_64': 56, 'aarch64': 220}[platform.machine()]
KILL = 0x80000000
def put_on(number=CLONE, action=KILL):
    '''From here on the system answers this call so.'''
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *step) for step in steps))
    whole = struct.pack('HxxxxxxQ', len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, whole, 0, 0) == 0
"""


def test_a_filter_that_may_kill_is_refused_by_name(python):
    """The next clone would end the program."""
    python.program(FILTER + """
put_on()
for _ in range(2):
    try:
        exuvia.install()
    except exuvia.Unsupported as error:
        assert error.check == 'seccomp', error
    else:
        raise AssertionError('installed')
from exuvia.commands import doctor
assert doctor.main() == 1
""", install=False)


def test_pages_of_a_size_that_nobody_tried_are_refused_by_name(python, tmp_path):
    (tmp_path / "pages.c").write_text("""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <unistd.h>
        long sysconf(int name)
        {
            long (*real)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
            return name == _SC_PAGESIZE ? 8 << 10 : real(name);
        }""")
    library = str(tmp_path / "pages.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "pages.c"], check=True)
    python.program("""
try:
    exuvia.install()
except exuvia.Unsupported as error:
    assert error.check == 'page_size' and 'pages of 8 KiB' in str(error), error
else:
    raise AssertionError('installed')
""", install=False, environment={"LD_PRELOAD": library})


def test_a_filter_that_comes_later_ends_searches_not_the_program(python):
    python.program(FILTER + """
references = make_cycles(1000)
put_on()
assert not exuvia.start_collection() and exuvia.collect() >= 1000 and dead(references) == 1000
assert set(fallbacks()) == {'clone-refused'}, fallbacks()
exuvia.uninstall()
try:
    exuvia.install()
except exuvia.Unsupported as error:
    assert error.check == 'seccomp', error
""")


def test_a_filter_that_the_parent_has_is_no_hindrance(python):
    python.program(FILTER + """
import subprocess
put_on(1000)
subprocess.run([sys.executable, '-c', 'import exuvia; exuvia.install(); assert exuvia.start_collection()'], check=True)
""", install=False)


def test_offsets_that_contradict_what_was_found_are_refused_by_name(python):
    """Each word of what CPython publishes for debuggers is forged in turn; four of them bear on the collector."""
    if python.version < (3, 13):
        pytest.skip("published from 3.13 on")
    python.program("""
import ctypes
words = (ctypes.c_uint64 * {13: 73, 14: 95, 15: 111}[sys.version_info[1]]).in_dll(ctypes.pythonapi, '_PyRuntime')
def is_refused(i):
    pid = os.fork()
    if pid == 0:
        words[i] = 1
        os._exit(_core.probe()[-1][:2] == ('published', False))
    return os.waitpid(pid, 0)[1] != 0
refused = [i for i in range(1, len(words)) if is_refused(i)]
assert len(refused) == 4 and refused[0] == 1, refused
assert ('published', True, "CPython's offsets for debuggers agree with what was found") in _core.probe()
exuvia.install()
""", install=False)
