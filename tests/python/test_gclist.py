"""The rules for list headers, in C: see gclist_check.c."""
import os
import pathlib
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def test_headers(python, tmp_path):
    include = python.command("-c", "import sysconfig; print(sysconfig.get_paths()['include'])").stdout.strip()
    program = tmp_path / "check"
    subprocess.run([*os.environ.get("CC", "cc").split(), "-O1", "-g", "-isystem", include, "-I", SOURCE / "python/ext",
                    "-I", SOURCE / "src/engine", SOURCE / "tests/python/gclist_check.c", SOURCE / "python/ext/gclist.c", "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
