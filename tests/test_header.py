"""The public header: valid in C11 and C++ of any age, without a warning; and the shared library exports what it declares."""
import itertools
import re
import shutil
import subprocess

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
    program.write_text("#include <exuvia.h>\n#include <exuvia.h>\nstruct pair { struct pair *left; };\n"
                       "int main(void) { struct pair pair = {0}; EXV_SET(pair.left, &pair); EXV_CLEAR(pair.left);\n"
                       "    return exv_version() == 0; }\n")
    # C++98 has no <stdint.h> of its own standard and no long long; compilers offer both.
    extra = ["-Wno-long-long", "-Wno-c++11-extensions"] if standard == "c++98" else []
    run(compiler, f"-std={standard}", *PEDANTIC, *extra, "-I", source / "include", "-fsyntax-only", program)


@pytest.mark.parametrize("compiler,standard", [("g++", "c++17"), ("clang++", "c++17"), ("g++", "c++20")])
def test_cpp(compiler, standard, source, build, run, tmp_path):
    """exuvia.hpp: without a warning, and with the checked build all that tests/program.cc requires."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    run(compiler, f"-std={standard}", *PEDANTIC, "-I", source / "include", source / "tests/program.cc",
        build / "src/libexuvia-checked.a", "-pthread", "-o", tmp_path / "program")
    run(tmp_path / "program")


def test_refuses_32_bits(source, tmp_path):
    program = tmp_path / "program.c"
    program.write_text("#include <exuvia.h>\n")
    # Freestanding: the headers of a 32-bit C library need not be there.
    command = ["gcc", "-m32", "-ffreestanding", "-fsyntax-only", "-I", source / "include", program]
    if subprocess.run(["gcc", "-m32", "-ffreestanding", "-fsyntax-only", "-x", "c", "/dev/null"]).returncode:
        pytest.skip("gcc here knows no 32 bits")
    done = subprocess.run(command, text=True, stderr=subprocess.PIPE)
    assert done.returncode != 0 and "Exuvia needs 64 bits" in done.stderr


def test_addresses_beyond_the_tables_are_refused(source, run, tmp_path):
    """Where programs get addresses with more bits than the tables by address have, there is no memory, and no crash."""
    program = tmp_path / "program.c"
    program.write_text('#include "arena.h"\n#include "platform.h"\n#include <stddef.h>\n'
                       "int main(void) { exvi_arena arena = {0}; return exvi_map(4096, 4096) != NULL\n"
                       "|| exvi_map_shared(4096) != NULL || exvi_region_new(&arena, EXVI_REGION_SIZE, 0) != NULL; }\n")
    parts = [source / "src" / name for name in ("engine/die.c", "engine/raw.c", "engine/files.c", "engine/platform.c",
                                                "memory/arena.c")]
    run("gcc", "-DEXVI_CHECKED=1", "-DEXVI_ADDRESS_BITS=30", *(f"-I{source / 'src' / folder}" for folder in
        ("engine", "memory")), f"-I{source / 'include'}", program, *parts, "-pthread", "-o", tmp_path / "program")
    run(tmp_path / "program")


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
