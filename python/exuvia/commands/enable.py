"""exuvia enable, exuvia disable: the line by which new interpreters of this environment begin with Exuvia.

A .pth file in the site folder has one line, which does nothing unless EXUVIA=1. From 3.15 on a start file can stand for
it (PEP 829), which silences the .pth file of the same name; python imports more for that, in every process.
"""
from __future__ import annotations

import argparse
import os
import site
import subprocess
import sys
import sysconfig

import exuvia

LINE = ('import os, sys; os.environ.get("EXUVIA") == "1" != os.environ.get("EXUVIA_DISABLE") '
        'and not sys.flags.ignore_environment and __import__("_exuvia_switch").begin()\n')
FILES = {
    "exuvia.pth": "# made by `exuvia enable`, taken out by `exuvia disable`\n" + LINE,
    "exuvia.start": "# made by `exuvia enable --start-file`, taken out by `exuvia disable`\n_exuvia_switch:begin\n",
}
ASK = "import sys; sys.exit(not ('exuvia' in sys.modules and sys.modules['exuvia'].is_installed()))"


def _site_folders() -> list[str]:
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    return list(dict.fromkeys(os.path.realpath(folder) for folder in folders))


def _folder() -> str:
    """Beside the package, where that is a site folder; else where packages of this environment go."""
    beside = os.path.dirname(os.path.dirname(os.path.realpath(exuvia.__file__)))
    return beside if beside in _site_folders() else os.path.realpath(sysconfig.get_path("purelib"))


def _make(path: str, text: str) -> None:
    """Whole or not at all: every interpreter that starts meanwhile reads it."""
    beside = f"{path}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(beside, 0o644)
    os.replace(beside, path)


def _works() -> str | None:
    """Whether a new interpreter begins with it, in an environment without our other variables. Else what it said."""
    others = {name: value for name, value in os.environ.items()
              if not name.startswith("EXUVIA") and name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", ASK], env={**others, "EXUVIA": "1"}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return None if done.returncode == 0 else done.stderr.strip() or "Exuvia was not installed in it"


def enable(start_file: bool) -> int:
    folder = _folder()
    names = ["exuvia.pth", "exuvia.start"] if start_file else ["exuvia.pth"]
    try:
        for name in names:
            _make(os.path.join(folder, name), FILES[name])
    except OSError as error:
        print(f"exuvia enable: {folder}: {error.strerror}", file=sys.stderr)
        return 1
    print("\n".join(os.path.join(folder, name) for name in names))
    why = _works()
    if why is not None:
        print(f"exuvia enable: a new interpreter does not begin with Exuvia: {why}", file=sys.stderr)
        return 1
    print("With EXUVIA=1 each new interpreter of this environment begins with Exuvia; EXUVIA_OPTIONS has the options\n"
          "of `exuvia run`; EXUVIA_DISABLE=1 wins over everything. `exuvia disable` takes this out.")
    return 0


def disable() -> int:
    """Of each site folder that has them."""
    status = 0
    for path in [os.path.join(folder, name) for folder in dict.fromkeys([_folder(), *_site_folders()])
                 for name in FILES]:
        try:
            os.unlink(path)
            print(f"{path} is gone")
        except FileNotFoundError:
            pass
        except OSError as error:
            print(f"exuvia disable: {path}: {error.strerror}", file=sys.stderr)
            status = 1
    return status


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    enabling = commands.add_parser("enable", help="begin new interpreters with Exuvia where EXUVIA=1",
                                   description="Put a line into this environment by which each of its new interpreters "
                                               "begins with Exuvia where EXUVIA=1 is set; elsewhere it does nothing.")
    enabling.add_argument("--start-file", action="store_true",
                          help="for 3.15 and later a start file as well (PEP 829), instead of the line")
    disabling = commands.add_parser("disable", help="take out what enable put in",
                                    description="Take out what `exuvia enable` put into this environment.")
    enabling.set_defaults(do=lambda options: enable(options.start_file))
    disabling.set_defaults(do=lambda options: disable())
