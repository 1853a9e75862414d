"""Rules that the sources keep: who may call whom, where system calls live, how long files and lines are."""
import ast
import os
import pathlib
import re
import subprocess
import sys
import sysconfig

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent

SOURCES = sorted((SOURCE / "src").glob("*/*.[ch]"))
INSTALLED = [path for folder in ("src", "include", "python") for path in sorted((SOURCE / folder).rglob("*"))
             if path.suffix in (".c", ".h", ".py", ".pyi")]
SYSTEM_CALL = re.compile(
    r"\b(mmap|munmap|madvise|mprotect|mremap|syscall|clone|fork|waitpid|wait4|kill|prctl|setitimer|timer_create|"
    r"sigaction|signal|futex|EXVI_RAW|pthread_\w+|open|read|write|close|fopen|getenv|clock_gettime|nanosleep|getpid)\s*\(")
ASKS_THE_SYSTEM = {"raw.c", "raw.h", "platform.c", "files.c", "child.c"}
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
    if path.name not in ASKS_THE_SYSTEM:
        calls = {call.group(1) for call in SYSTEM_CALL.finditer(code)} - OF_THE_LIBC.get(path.name, set())
        assert calls == set(), "system calls live in " + ", ".join(sorted(ASKS_THE_SYSTEM))
    assert LIBC_ALLOCATION.findall(code) == [], "memory comes from the heap or from platform.c"


@pytest.mark.parametrize("path", INSTALLED, ids=lambda path: path.name)
def test_what_is_installed_is_set_alike(path):
    text = path.read_text()
    assert [number for number, line in enumerate(text.splitlines(), 1) if len(line) > 120] == []
    assert "\t" not in text
    if path.parent.name != "include":
        assert len(text.splitlines()) <= 700


def layers():
    """The modules of each folder, lowest first, as src/meson.build lists them."""
    listing = (SOURCE / "src/meson.build").read_text()
    lists = re.findall(r"^    '(\w+)': \[(.*?)\]", listing, re.DOTALL | re.MULTILINE)
    return {layer: re.findall(r"'(\w+)'", names) for layer, names in lists}


def calls_between(objects):
    """(caller, callee, symbol) for each symbol that one object file needs and another has; of (module, path) pairs."""
    owner, needs = {}, []
    for module, path in objects:
        listed = subprocess.run(["nm", path], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            kind, symbol = line.split()[-2:]
            if kind == "U":
                needs.append((module, symbol))
            elif kind.isupper():
                owner[symbol] = module
    return [(module, owner[symbol], symbol) for module, symbol in needs if owner.get(symbol, module) != module]


def library_objects(build):
    return [(module, build / f"src/libexuvia-checked.a.p/{folder}_{module}.c.o")
            for folder, modules in layers().items() for module in modules]


def calls_upward(objects):
    order = [module for module, _ in objects]
    return [call for call in calls_between(objects) if order.index(call[1]) > order.index(call[0])]


def test_every_source_is_built():
    listed = [(folder, module) for folder, modules in layers().items() for module in modules]
    assert sorted((path.parent.name, path.stem) for path in SOURCES if path.suffix == ".c") == sorted(listed)


def test_the_whole_package_is_installed():
    told = re.findall(r"'([\w/]+\.pyi?)'", (SOURCE / "python/meson.build").read_text())
    there = [path for path in (SOURCE / "python").rglob("*.py*") if path.suffix in (".py", ".pyi")]
    assert sorted(told) == sorted(str(path.relative_to(SOURCE / "python")) for path in there)


def test_every_test_under_cpython_is_run():
    told = re.search(r"^long = (.*?)^foreach", (SOURCE / "tests/meson.build").read_text(), re.DOTALL | re.MULTILINE)
    names = re.findall(r"'(\w+)'", told.group(1))
    assert sorted(names) == sorted(path.stem[5:] for path in (SOURCE / "tests/python").glob("test_*.py"))


def test_the_design_names_the_same_layers():
    rows = re.findall(r"^\| `(\w+)` \| (`.*?`) \|", (SOURCE / "docs/design.md").read_text(), re.MULTILINE)
    told = {layer: re.findall(r"`(\w+)`", names) for layer, names in rows if layer in layers()}
    assert told == layers()


# An object's death ends its weak references, and those are objects: the one pair that calls each other.
EXCEPTED = {("object", "weakref")}


def test_a_file_calls_what_stands_before_it(build):
    objects = library_objects(build)
    assert len(calls_between(objects)) > 100
    assert [call for call in calls_upward(objects) if call[:2] not in EXCEPTED] == []


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    """The extension's object files for the interpreter of this run, lowest layer first."""
    include = sysconfig.get_path("include")
    if not os.path.exists(os.path.join(include, "Python.h")):
        pytest.skip("this interpreter has no headers")
    folder = tmp_path_factory.mktemp("extension")
    listed = subprocess.run([sys.executable, SOURCE / "tools/interpreters.py", "objects", include, folder], cwd=SOURCE,
                            capture_output=True, text=True, check=True)
    return [(os.path.basename(path)[:-2], path) for path in listed.stdout.split()]


def test_every_file_of_the_extension_is_listed(extension):
    assert sorted(path.stem for path in (SOURCE / "python/ext").glob("*.c")) == sorted(name for name, _ in extension)


def test_a_file_of_the_extension_calls_what_stands_before_it(extension):
    assert len(calls_between(extension)) > 50
    assert calls_upward(extension) == []


def test_the_extension_calls_the_engine_memory_and_analysis(build, extension):
    """And nothing of what makes the C library's heaps: a host knows no other host."""
    named = [("ext/" + name, path) for name, path in extension]
    used = {callee for caller, callee, _ in calls_between(library_objects(build) + named) if caller.startswith("ext/")}
    assert used - {name for name, _ in named} <= set(layers()["engine"] + layers()["memory"] + layers()["analysis"])


def python_imports():
    """(importer, imported) of the package's modules and those beside it, wherever in a file an import stands."""
    modules = {".".join(path.relative_to(SOURCE / "python").with_suffix("").parts).removesuffix(".__init__"): path
               for path in (SOURCE / "python").rglob("*.py")}
    found = set()
    for module, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names if alias.name != "_core"]
                names = [name if name in modules else node.module for name in names]
            found |= {(module, name) for name in names if name in modules}
    return found


def test_no_circle_of_python_modules():
    """Taking away what imports nothing that is left, again and again, leaves nothing."""
    imports = python_imports()
    assert len(imports) > 50
    while imports:
        importers = {importer for importer, _ in imports}
        rest = {(importer, imported) for importer, imported in imports if imported in importers}
        assert len(rest) < len(imports), sorted(rest)
        imports = rest


def test_policy_and_telemetry_do_not_reach_into_objects(build):
    reached = [call for call in calls_between(library_objects(build)) if call[0] in ("policy", "telemetry")
               and call[1] in ("object", "weakref", "cycle", "side", "list")]
    assert reached == []


def test_files_that_comments_name_exist():
    there = {path.name for path in own_files()} | {"program.c", "pycore_obmalloc.h"}  # a reader's, and CPython's
    told = [*SOURCES, *sorted((SOURCE / "python/ext").glob("*.[ch]")), *sorted((SOURCE / "docs").glob("*.md"))]
    missing = [(path.name, name) for path in told
               for name in re.findall(r"(?<![\w/<.])([a-z_0-9]+\.[ch])\b(?!>)", path.read_text()) if name not in there]
    assert missing == []


def test_no_path_of_a_machine():
    pattern = re.compile(rb"/(?:home|root|work|Users)/\w")
    bad = [str(path.relative_to(SOURCE)) for path in own_files()
           if path.name != "test_structure.py" and pattern.search(path.read_bytes())]
    assert bad == []
