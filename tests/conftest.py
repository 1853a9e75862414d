"""What the Python tests share: where the sources and the built library are, and how to run a command.

EXUVIA_BUILD is the meson build folder; meson and `make test` set it.
"""
import os
import pathlib
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def source():
    return SOURCE


@pytest.fixture(scope="session")
def build():
    folder = os.environ.get("EXUVIA_BUILD")
    if not folder:
        pytest.skip("EXUVIA_BUILD does not say where the library was built")
    return pathlib.Path(folder)


@pytest.fixture(scope="session")
def run():
    """Run a command that must succeed; its standard output."""
    def run_command(*command, **options):
        done = subprocess.run([str(word) for word in command], text=True, timeout=600,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
        return done.stdout
    return run_command
