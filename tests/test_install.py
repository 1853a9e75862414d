"""What a new user does: make install into a folder, then build a program of twenty lines by pkg-config and by CMake."""
import os
import re
import shutil
import textwrap

import pytest

PROGRAM = textwrap.dedent("""\
    #include <exuvia.h>
    #include <stdio.h>

    struct node {
        struct node *next;
    };

    static int visit_node(void *self, exv_visit_fn *visit, void *arg)
    {
        struct node *node = self;
        return visit(node->next, arg);
    }

    static void clear_node(void *self)
    {
        struct node *node = self;
        EXV_CLEAR(node->next);
    }

    static const exv_type node_type = {.name = "node", .size = sizeof(struct node), .visit = visit_node,
                                       .clear = clear_node};

    int main(void)
    {
        exv_heap *heap = exv_heap_new(NULL);
        struct node *a = exv_new(heap, &node_type);
        a->next = exv_incref(a);
        exv_decref(a);
        printf("%s %zu\\n", exv_version(), exv_collect(heap, 2));
        return (int)exv_heap_free(heap);
    }
    """)

CMAKE = textwrap.dedent("""\
    cmake_minimum_required(VERSION 3.16)
    project(user C)
    find_package(exuvia 0.2 REQUIRED)
    foreach(kind exuvia static checked)
        add_executable(with_${kind} program.c)
        target_link_libraries(with_${kind} exuvia::${kind})
    endforeach()
    """)


@pytest.fixture(scope="module")
def installed(source, run, tmp_path_factory):
    """A prefix with Exuvia in it, installed by the command of the README."""
    place = tmp_path_factory.mktemp("installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    output = run("make", "-C", source, "install", f"PREFIX={place / 'prefix'}", f"BUILD={place / 'build'}",
                 env=environment)
    hint = re.search(r"PKG_CONFIG_PATH=(\S+) LD_LIBRARY_PATH=(\S+)", output)
    assert hint, output
    return {"prefix": place / "prefix", "PKG_CONFIG_PATH": hint.group(1), "LD_LIBRARY_PATH": hint.group(2)}


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.c"
    path.write_text(PROGRAM)
    return path


def flags(run, installed, package, *options):
    environment = {**os.environ, "PKG_CONFIG_PATH": installed["PKG_CONFIG_PATH"]}
    return run("pkg-config", *options, "--cflags", "--libs", package, env=environment).split()


@pytest.mark.parametrize("package,static", [("exuvia", False), ("exuvia", True), ("exuvia-checked", False)])
def test_pkg_config(package, static, installed, program, run):
    libraries = flags(run, installed, package, *(["--static"] if static else []))
    options = ["-static"] if static else []
    run("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", *options, program, *libraries, "-o", program.with_suffix(""))
    environment = {**os.environ, "LD_LIBRARY_PATH": installed["LD_LIBRARY_PATH"]}
    assert run(program.with_suffix(""), env=environment) == "0.2.0 1\n"


def test_cpp(installed, source, run, tmp_path):
    libraries = flags(run, installed, "exuvia-checked")
    run("g++", "-std=c++17", source / "tests/program.cc", *libraries, "-o", tmp_path / "program")
    run(tmp_path / "program")


def test_shared_is_what_pkg_config_gives(installed, program, run):
    run("gcc", program, *flags(run, installed, "exuvia"), "-o", program.with_suffix(""))
    assert "[libexuvia.so.0.2]" in run("readelf", "-d", program.with_suffix(""))


def test_cmake(installed, program, run):
    (program.parent / "CMakeLists.txt").write_text(CMAKE)
    run("cmake", "-S", program.parent, "-B", program.parent / "out", f"-DCMAKE_PREFIX_PATH={installed['prefix']}")
    run("cmake", "--build", program.parent / "out")
    environment = {**os.environ, "LD_LIBRARY_PATH": installed["LD_LIBRARY_PATH"]}
    for kind in ["exuvia", "static", "checked"]:
        assert run(program.parent / "out" / f"with_{kind}", env=environment) == "0.2.0 1\n"


def test_cmake_refuses_another_version(installed, program, run):
    (program.parent / "CMakeLists.txt").write_text(CMAKE.replace("exuvia 0.2", "exuvia 0.1"))
    with pytest.raises(AssertionError, match="compatible"):
        run("cmake", "-S", program.parent, "-B", program.parent / "out", f"-DCMAKE_PREFIX_PATH={installed['prefix']}")


def test_uninstall(source, run, tmp_path):
    """Everything that was installed goes, and nothing else, also from a build folder made anew."""
    prefix = tmp_path / "prefix"
    (prefix / "lib" / "pkgconfig").mkdir(parents=True)
    (prefix / "lib" / "pkgconfig" / "other.pc").touch()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    build = f"BUILD={tmp_path / 'build'}"
    run("make", "-C", source, "install", f"PREFIX={prefix}", build, env=environment)
    assert (prefix / "include" / "exuvia.h").exists()
    shutil.rmtree(tmp_path / "build")
    run("make", "-C", source, "uninstall", f"PREFIX={prefix}", build, env=environment)
    left = [str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()]
    assert left == ["lib/pkgconfig/other.pc"]
    assert not (prefix / "lib" / "cmake" / "exuvia").exists()


def test_meson_subproject(source, run, tmp_path):
    """A part of somebody's project: the library is built, and no test, example or checked build."""
    (tmp_path / "subprojects").mkdir()
    (tmp_path / "subprojects" / "exuvia").symlink_to(source)
    (tmp_path / "program.c").write_text(PROGRAM)
    (tmp_path / "meson.build").write_text("project('user', 'c')\nexecutable('program', 'program.c', dependencies: "
                                          "dependency('exuvia', fallback: ['exuvia', 'exuvia_dependency']))\n")
    run("meson", "setup", tmp_path / "build", tmp_path, "--wrap-mode=nodownload", "--force-fallback-for=exuvia")
    run("ninja", "-C", tmp_path / "build")
    built = run("ninja", "-C", tmp_path / "build", "-t", "targets", "all")
    linked = [line.split(":")[0] for line in built.splitlines() if re.search(r": \S*(LINKER|STATIC_LINKER)", line)]
    made = sorted(os.path.basename(name) for name in linked if (tmp_path / "build" / name).exists())
    assert made == ["libexuvia.a", "libexuvia.so.0.2.0", "program"]
    assert len(list((tmp_path / "build").rglob("*.o"))) == len(list((source / "src").glob("*/*.c"))) + 1
    assert run(tmp_path / "build" / "program").split()[1] == "1"


def test_installed_files(installed, run):
    prefix = installed["prefix"]
    names = {path.name for path in prefix.rglob("*") if not path.is_dir()}
    assert names == {"exuvia.h", "exuvia.hpp", "exuvia-heap", "libexuvia.a", "libexuvia-checked.a", "libexuvia.so",
                     "libexuvia.so.0.2", "libexuvia.so.0.2.0", "exuvia.pc", "exuvia-checked.pc", "exuvia-config.cmake",
                     "exuvia-config-version.cmake"}
