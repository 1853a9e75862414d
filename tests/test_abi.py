"""Programs for an earlier version: what they see of the library is where it was, and they compile as they are."""
import pytest

from conftest import SOURCE
from test_header import PEDANTIC, exported_names

VERSIONS = sorted((SOURCE / "tests/abi").glob("*.txt"))


def entries(version, kind):
    lines = [line.split() for line in version.read_text().splitlines() if not line.startswith("#")]
    return [line[1:] for line in lines if line[0] == kind]


@pytest.fixture(params=VERSIONS, ids=lambda path: path.stem)
def version(request):
    return request.param


def test_no_symbol_is_gone(version, build, run):
    before = {name for name, in entries(version, "symbol")}
    assert len(before) > 100
    assert before - exported_names(build / "src/libexuvia.so", run) == set()


def asserted(version):
    """The layouts, as the compiler checks them: members stand where they were; the last may be longer, more may follow."""
    for name, member, offset, size in entries(version, "member"):
        yield f"offsetof({name}, {member}) == {offset} && sizeof((({name} *)0)->{member}) >= {size}"
    for name, size in entries(version, "struct"):
        yield f"sizeof({name}) >= {size}"
    for name, value in entries(version, "constant"):
        yield f"{name} == {value}"


def test_layouts_and_constants(version, source, run, tmp_path):
    program = tmp_path / "layouts.c"
    checks = "".join(f'_Static_assert({check}, "{check}");\n' for check in asserted(version))
    assert checks.count("\n") > 100
    program.write_text(f"#include <exuvia.h>\n{checks}")
    run("gcc", "-std=c11", *PEDANTIC, "-I", source / "include", "-fsyntax-only", program)


def test_the_layouts_are_looked_at(version, source, run, tmp_path):
    """One byte further is an error."""
    header = (source / "include/exuvia.h").read_text().replace("    size_t size;       /**< payload", "    char more;\n"
                                                               "    size_t size;       /**< payload")
    (tmp_path / "exuvia.h").write_text(header)
    program = tmp_path / "layouts.c"
    program.write_text("#include <exuvia.h>\n" + "".join(f'_Static_assert({check}, "");\n' for check in asserted(version)))
    with pytest.raises(AssertionError, match="static assertion failed"):
        run("gcc", "-std=c11", "-I", tmp_path, "-fsyntax-only", program)


OF_0_1 = """
#include <exuvia.h>

struct pair {
    struct pair *left, *right;
};

static int visit(void *self, exv_visit_fn *each, void *arg)
{
    struct pair *pair = self;
    int end = each(pair->left, arg);
    return end ? end : each(pair->right, arg);
}

static void clear(void *self)
{
    struct pair *pair = self;
    EXV_CLEAR(pair->left);
    EXV_CLEAR(pair->right);
}

static const exv_type pair_type = {.name = "pair", .size = sizeof(struct pair), .visit = visit, .clear = clear};

int main(void)
{
    exv_config config = exv_config_default();
    exv_telemetry telemetry;
    exv_heap *heap = exv_heap_new(&config);
    struct pair *pair = exv_new(heap, &pair_type);
    exv_weakref *weak = exv_weakref_new(pair, NULL, NULL);
    pair->left = exv_incref(pair);
    exv_decref(pair);
    size_t found = exv_collect(heap, 2);
    exv_decref(weak);
    exv_get_telemetry(heap, &telemetry);
    return !(found == 1 && telemetry.collections == 1 && exv_heap_free(heap) == 0);
}
"""


def test_a_program_for_0_1_compiles_without_a_warning_and_runs(source, build, run, tmp_path):
    program = tmp_path / "program.c"
    program.write_text(OF_0_1)
    run("gcc", "-std=c11", *PEDANTIC, "-I", source / "include", program, build / "src/libexuvia-checked.a", "-pthread",
        "-o", tmp_path / "program")
    run(tmp_path / "program")


def test_the_name_of_the_shared_library_tells_versions_apart(source, build, run):
    """Before 1.0 a minor version may need programs to be compiled anew: the loader must not mix them."""
    header = (source / "include/exuvia.h").read_text()
    major, minor = (int(header.split(f"#define EXV_VERSION_{part} ")[1].split()[0]) for part in ("MAJOR", "MINOR"))
    assert f"[libexuvia.so.{major}.{minor}]" in run("readelf", "-d", build / "src/libexuvia.so")
