"""Rules that the sources keep: who may call whom, where system calls live, how long files and lines are."""
import re
import subprocess

import pytest

from conftest import SOURCE

SOURCES = sorted((SOURCE / "src").glob("*.[ch]"))
SYSTEM_CALL = re.compile(
    r"\b(mmap|munmap|madvise|mprotect|mremap|syscall|clone|fork|waitpid|wait4|kill|prctl|setitimer|timer_create|"
    r"sigaction|signal|futex|pthread_\w+|open|read|write|close|fopen|getenv|clock_gettime|nanosleep|getpid)\s*\(")
OF_THE_LIBC = {"die.c": {"write"}}  # the last words of a program that is being stopped
LIBC_ALLOCATION = re.compile(r"\b(malloc|calloc|realloc|free|strdup|asprintf|alloca)\s*\(")


def without_comments(text):
    text = re.sub(r"/\*.*?\*/", lambda comment: "\n" * comment.group().count("\n"), text, flags=re.DOTALL)
    return re.sub(r'"(\\.|[^"\\])*"', '""', text)


def own_files():
    """The files of the repository, as git knows them; outside of git, all but built ones."""
    listed = subprocess.run(["git", "-C", str(SOURCE), "ls-files", "-co", "--exclude-standard"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        return [SOURCE / name for name in listed.stdout.splitlines() if (SOURCE / name).is_file()]
    return [path for path in SOURCE.rglob("*") if path.is_file() and "build" not in path.parts]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_source_file(path):
    text = path.read_text()
    code = without_comments(text)
    assert "Python.h" not in text
    assert text.startswith("/*\n * " + path.stem + ": "), "opens by saying what it is"
    assert max(len(line) for line in text.splitlines()) <= 120
    assert len(text.splitlines()) <= 700
    assert "\t" not in text
    if path.name != "platform.c":
        calls = {call.group(1) for call in SYSTEM_CALL.finditer(code)} - OF_THE_LIBC.get(path.name, set())
        assert calls == set(), "system calls live in platform.c"
    assert LIBC_ALLOCATION.findall(code) == [], "memory comes from the heap or from platform.c"


def layer_order():
    """The modules in the order of src/meson.build: a file calls what stands before it."""
    listing = (SOURCE / "src/meson.build").read_text()
    names = re.search(r"^names = \[(.*?)^\]", listing, re.DOTALL | re.MULTILINE).group(1)
    return re.findall(r"'(\w+)'", names)


def test_every_source_is_built():
    assert sorted(path.stem for path in SOURCES if path.suffix == ".c") == sorted(layer_order())


def test_no_path_of_a_machine():
    pattern = re.compile(rb"/(?:home|root|work|Users)/\w")
    bad = [str(path.relative_to(SOURCE)) for path in own_files()
           if path.name != "test_structure.py" and pattern.search(path.read_bytes())]
    assert bad == []
