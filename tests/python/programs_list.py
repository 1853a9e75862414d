"""Which programs from PyPI are tested with their own test suites, and which part of a suite that is too long.

`needs` is what their tests import besides. A suite that wheels do not carry comes from the source package. A part is
chosen so that it takes a few minutes under plain Python, and several times that with a snapshot after every collection
of generation 1; `chosen` says which.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    arguments: tuple
    needs: tuple = ()
    from_source: bool = False
    chosen: str = "all"
    whole: tuple = ()  # where `arguments` are for a part: the whole suite in parts, each its name and arguments


# All at once are several million objects, which each snapshot would search.
PANDAS = ("frame", "groupby", "reshape", "indexing", "copy_view", "generic", "apply", "resample", "window", "series",
          "base", "dtypes", "indexes", "arrays", "arithmetic", "computation", "strings", "scalar", "tseries", "tools",
          "reductions", "libs", "tslibs", "util", "internals", "interchange", "extension", "io")

PROGRAMS = (
    Program("attrs", ("tests",), ("hypothesis", "cloudpickle", "pympler"), from_source=True),
    Program("starlette", ("tests",),
            ("starlette[full]", "trio", "httpx2[zstd]", "blockbuster", "importlib-metadata", "opentelemetry-sdk",
             "pytest-codspeed"), from_source=True),
    Program("networkx", ("--pyargs", "networkx"), ("numpy", "scipy", "pandas")),
    Program("sqlalchemy", ("test/base", "test/engine/test_pool.py", "test/orm/test_cycles.py",
                           "test/orm/test_session.py", "test/orm/test_unitofwork.py", "--db", "sqlite"),
            ("greenlet", "aiosqlite"), from_source=True, chosen="base, pool, sessions, units of work, cycles",
            whole=(("all but what its tox leaves out", "test", "--db", "sqlite", "-m",
                    "not memory_intensive and not mypy"),)),
    Program("numpy", ("--pyargs", "numpy._core.tests.test_dtype", "numpy._core.tests.test_nditer",
                      "numpy._core.tests.test_regression", "numpy._core.tests.test_records"),
            ("hypothesis",), chosen="dtype, nditer, regression, records", whole=(("all", "--pyargs", "numpy"),)),
    Program("pandas", ("--pyargs", "pandas.tests.frame.test_constructors", "pandas.tests.groupby.test_groupby"),
            ("hypothesis",), chosen="constructors of frames, groupby", 
            whole=tuple((folder, "--pyargs", f"pandas.tests.{folder}") for folder in PANDAS)),
)
