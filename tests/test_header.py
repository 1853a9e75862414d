"""The public header: valid in C11 and C++ of any age, without a warning; and the shared library exports what it declares."""
import itertools
import re
import shutil

import pytest

PEDANTIC = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-pedantic", "-Werror"]
DIALECTS = [("gcc", "c11"), ("gcc", "c2x"), ("clang", "c11"),
            ("g++", "c++98"), ("g++", "c++11"), ("g++", "c++20"), ("clang++", "c++17")]


@pytest.mark.parametrize("compiler,standard", DIALECTS)
def test_compiles(compiler, standard, source, run, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    suffix = "cc" if "++" in standard else "c"
    program = tmp_path / f"program.{suffix}"
    program.write_text("#include <exuvia.h>\n#include <exuvia.h>\nint main(void) { return exv_version() == 0; }\n")
    # C++98 has no <stdint.h> of its own standard and no long long; compilers offer both.
    extra = ["-Wno-long-long", "-Wno-c++11-extensions"] if standard == "c++98" else []
    run(compiler, f"-std={standard}", *PEDANTIC, *extra, "-I", source / "include", "-fsyntax-only", program)


def declared_names(header):
    """The functions and objects that the header declares with EXV_API."""
    text = re.sub(r"/\*.*?\*/", " ", header, flags=re.DOTALL)
    text = re.sub(r"^#.*?(?<!\\)$", " ", text, flags=re.MULTILINE)
    for declaration in re.findall(r"\bEXV_API\b([^;]*);", text):
        if declaration.strip().startswith("extern"):
            yield from re.findall(r"\b(exv_\w+)\b(?=\s*(?:,|$))", declaration)
        else:
            yield re.search(r"\b(exv_\w+)\s*\(", declaration).group(1)


def exported_names(library, run):
    """The symbols that the dynamic loader sees."""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return {line.split()[2] for line in lines if len(line.split()) == 3}


def test_exports_are_the_declarations(source, build, run):
    declared = set(declared_names((source / "include/exuvia.h").read_text()))
    assert len(declared) > 100
    assert exported_names(build / "src/libexuvia.so", run) == declared


def test_links_against_libc_alone(build, run):
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", build / "src/libexuvia.so"))
    assert needed == ["libc.so.6"]


def test_archives_define_nothing_foreign(build, run):
    for archive in ["libexuvia.a", "libexuvia-checked.a"]:
        lines = run("nm", "-g", "--defined-only", build / "src" / archive).splitlines()
        names = [line.split()[2] for line in lines if len(line.split()) == 3]
        assert names
        assert [name for name in names if not name.startswith(("exv_", "exvi_"))] == []


def test_every_public_function_is_tested(source):
    declared = set(declared_names((source / "include/exuvia.h").read_text()))
    words = set()
    for path in itertools.chain(source.glob("tests/**/*.[ch]"), source.glob("examples/*.c")):
        words |= set(re.findall(r"\bexv_\w+", path.read_text()))
    assert sorted(declared - words) == []
