"""CPython's own tests, under plain Python and under `exuvia run --mode stress`: the results must be the same.

    python cpython_suite.py [--jobs N] [--all] [module ...]

Runs with the interpreter that runs it, which must be able to import exuvia. Each module of the test suite is run in a
process of its own, both ways; outcomes are compared test by test. Prints the differences; ends with 0 if
there are none.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile

DECISIVE = set("""
test_gc test_weakref test_weakset test_finalization test_generators test_generator_stop test_coroutines test_asyncgen
test_asyncio test_descr test_class test_dict test_list test_set test_tuple test_functools test_threading test_thread
test_threading_local test_threadsignals test_fork1 test_subprocess test_multiprocessing_fork test_multiprocessing_spawn
test_multiprocessing_forkserver test_multiprocessing_main_handling test_concurrent_futures test_sqlite3 test_ctypes
test_json test_pickle test_capi test_tracemalloc test_sys test_atexit test_signal test_exceptions test_contextlib
test_collections test_io test_copy test_deque test_ordered_dict test_weakref test_itertools test_typing test_types
test_frame test_traceback test_with test_yield_from test_super test_property test_dataclasses test_enum test_socket
test_selectors test_ssl test_xml_etree test_re test_ast test_code test_contextvars test_context test_unittest
""".split())

# Where a difference cannot be avoided, the reason stands in docs/cpython.md.
TIMED_OUT = -1000
LINE = re.compile(r"^(\w+) \(([\w.<>]+)\)")
END = re.compile(r"(ok|FAIL|ERROR|skipped.*|expected failure|unexpected success)$")


def outcomes(text: str) -> dict[str, str]:
    """Test by test; a test whose output runs over several lines ends with the next line that ends as a verdict."""
    found: dict[str, str] = {}
    current = None
    for line in text.splitlines():
        start = LINE.match(line)
        if start:
            current = f"{start[1]} ({start[2]})"
        end = END.search(line)
        if current and end and ("..." in line or not start):
            found[current] = end[1].split(" ")[0]
            current = None
    return found


def run(module: str, prefix: list[str], timeout: int) -> tuple[int, dict[str, str], str]:
    with tempfile.TemporaryDirectory(prefix="exuvia-suite-") as folder:
        command = [sys.executable, *prefix, "-m", "test", "-v", "-u", "none", "--tempdir", folder, module]
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TMPDIR=folder)
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", cwd=folder, env=environment,
                              start_new_session=True) as process:
            try:
                output, _ = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, _ = process.communicate()
                return TIMED_OUT, {}, output
        return process.returncode, outcomes(output), output


def compare(module: str, timeout: int, log: str | None) -> tuple[int, list[str]]:
    """How many tests gave an outcome under plain Python, and the differences."""
    plain_status, plain, plain_text = run(module, [], timeout)
    for attempt in range(2):  # what fails once in a while under plain Python may do so under Exuvia, but not twice
        status, ours, text = run(module, ["-m", "exuvia", "run", "--mode", "stress"], 2 * timeout)
        if status == plain_status and ours == plain:
            return len(plain), []
    if log:
        for name, content in (("plain", plain_text), ("exuvia", text)):
            with open(os.path.join(log, f"{module}.{name}"), "w", encoding="utf-8") as file:
                file.write(content)
    lines = [] if status == plain_status else [f"{module}: exit status {plain_status}, under Exuvia {status}"]
    for test in sorted(plain.keys() | ours.keys()):
        if plain.get(test) != ours.get(test):
            lines.append(f"{module}: {test}: {plain.get(test, 'missing')}, under Exuvia {ours.get(test, 'missing')}")
    return len(plain), lines


def all_modules() -> list[str]:
    listed = subprocess.run([sys.executable, "-m", "test", "--list-tests"], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=int, default=600)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--log", help="a folder for the output of modules that differ")
    parser.add_argument("modules", nargs="*")
    options = parser.parse_args()
    available = all_modules()
    modules = options.modules or available
    if not options.modules and not options.all:
        modules = [name for name in available if name.removeprefix("test.").split(".")[0] in DECISIVE]
    differing = total = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        compared = pool.map(lambda name: compare(name, options.timeout, options.log), modules)
        for module, (tests, lines) in zip(modules, compared):
            differing += bool(lines)
            total += tests
            print(f"{'DIFFERS' if lines else 'same   '} {module} ({tests} tests)", *lines, sep="\n    ", flush=True)
    print(f"{len(modules) - differing} modules the same, {differing} differ; {total} tests")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
