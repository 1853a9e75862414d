"""exuvia run: run a program as python would, with Exuvia installed."""
from __future__ import annotations

import functools
import io
import os
import sys
import types
from importlib.machinery import BuiltinImporter, SourceFileLoader

from exuvia import _options, _start

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, Callable

STDIN = "<stdin>"

MODES = """modes:
  auto        a heap that is scanned within the pause budget is left to CPython,
              a larger one is searched in a snapshot
  background  every full collection that is due is done from a snapshot
  inline      none is: stock collection, measured
  stress      a snapshot after every collection of generation 1; for tests
"""


def _parser() -> argparse.ArgumentParser:
    """For what goes wrong, and for help: the program shares the process with whatever is loaded here."""
    import argparse

    parser = argparse.ArgumentParser(prog="exuvia run", allow_abbrev=False,
                                     usage="exuvia run [options] (script.py | folder | file.zip | -m module | -c code "
                                           "| -) [args ...]",
                                     description="Run a program as python does; full collections do not stop it.",
                                     epilog=MODES, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=_options.MODES, default="auto",
                        help="who does full collections (auto), see below")
    parser.add_argument("--pause-budget", default=5.0, metavar="MS",
                        help="the longest stop wished for, in milliseconds (5)")
    parser.add_argument("--summary", action="store_true", help="tables on standard error at exit")
    parser.add_argument("--stats", metavar="FILE",
                        help="all numbers as JSON at exit; %%p in it is the process's number")
    parser.add_argument("--log", metavar="FILE", help="a line of JSON for each full collection, appended as it ends")
    parser.add_argument("--callbacks", action="store_true",
                        help="tell the program's own gc.callbacks of collections in the background, as of generation 2")
    parser.add_argument("--dump-on", metavar="WHAT",
                        help="a heap file at each of these, with commas between: signals (USR1, USR2, HUP, QUIT), "
                             "exit, memoryerror: one that nobody catches, in any thread")
    parser.add_argument("--dump-dir", metavar="DIR", default=".", help="for those files (.): PROGRAM-PID-NUMBER.exv")
    parser.add_argument("--no-answers", action="store_true",
                        help="`exuvia dump PID` and the like are not answered, and no thread sleeps for that")
    return parser


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Our options, and the program with its own: the first word that is not an option of ours begins it."""
    at = 0
    while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "-":
        word = arguments[at]
        if word == "--":
            return arguments[:at], arguments[at + 1:]
        if word[:2] in ("-m", "-c"):
            joined = [word[2:]] if len(word) > 2 else []
            return arguments[:at], [word[:2], *joined, *arguments[at + 1:]]
        at += 2 if word in _options.VALUES else 1
    return arguments[:at], arguments[at:]


def prepared(words: list[str]) -> Callable[[], object]:
    """The program that a command line asks for, ready to be called within Frames."""
    ours, program = _split(words)
    if "-h" in ours or "--help" in ours:
        _parser().parse_args(["--help"])
    try:
        wanted = _options.parse(ours)
    except ValueError as error:
        _parser().error(f"{error}; options of the program stand behind it, ours before")
    if not program or program in (["-m"], ["-c"]):
        _parser().error("no program: give a script, a folder or zip file with a __main__.py, -m module, -c code or - "
                        "for standard input")
    return prepare(program, wanted)


def prepare(program: list[str], options: _options.Options) -> Callable[[], object]:
    """Install Exuvia and make the program's `__main__`. What comes back runs it, within Frames, and is no function of
    this package: the fewer frames below a program, the more of the recursion limit is its own."""
    try:
        _start.start(options)
    except _start.CannotWrite as error:
        if sys.stderr is not None:
            print(f"exuvia run: {error}", file=sys.stderr)
        sys.exit(2)
    if program[0] == "-m":
        return _module(program[1:])
    if program[0] == "-c":
        return _code(_dedented(program[1]), ["-c", *program[2:]], "", None)
    return _script(program)


_command: types.ModuleType | None = None  # the module that started us: kept, or its globals would be cleared


def _new_main() -> types.ModuleType:
    main = types.ModuleType("__main__")
    main.__loader__ = BuiltinImporter
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    return main


def _as_main(name: str, alter_argv: bool) -> Callable[[], object]:
    """As the interpreter itself does for -m, and for a folder or archive."""
    import runpy

    global _command
    _command = sys.modules["__main__"]
    sys.modules["__main__"] = _new_main()
    return functools.partial(runpy._run_module_as_main, name, alter_argv)  # type: ignore[attr-defined]


def _module(words: list[str]) -> Callable[[], object]:
    sys.argv[:] = words
    if not sys.flags.safe_path and sys.path:
        sys.path[0] = os.getcwd()
    return _as_main(words[0], True)


def _has_modules(path: str) -> bool:
    """Whether it is a folder or an archive, whatever its name."""
    for hook in sys.path_hooks:
        try:
            hook(path)
            return True
        except ImportError:
            pass
    return False


def _script(words: list[str]) -> Callable[[], object]:
    path = words[0]
    if path != "-" and _has_modules(path):
        sys.argv[:] = words
        if not sys.flags.safe_path and sys.path:
            del sys.path[0]
        sys.path.insert(0, os.path.abspath(path))
        return _as_main("__main__", False)
    try:
        if path == "-":
            source: bytes | str = sys.stdin.read()
        else:
            with io.open_code(os.path.abspath(path)) as file:
                source = file.read()
    except OSError as error:
        print(f"{sys.executable}: can't open file {os.path.abspath(path)!r}: [Errno {error.errno}] {error.strerror}",
              file=sys.stderr)
        sys.exit(2)
    if path == "-":
        return _code(source, words, "", STDIN)
    return _code(source, words, os.path.dirname(os.path.realpath(path)), os.path.abspath(path))


def _dedented(code: str) -> str:
    """As -c takes its code, from 3.14 on."""
    if sys.version_info < (3, 14) or not code.lstrip("\n").startswith((" ", "\t")):
        return code
    import textwrap

    return textwrap.dedent(code)


def _compiled(source: bytes | str, name: str) -> types.CodeType:
    """What is no text at all is said of the file too."""
    try:
        return compile(source, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        if error.filename is None:
            error.filename, error.lineno = name, 1
        raise
    except ValueError as error:
        raise SyntaxError(str(error), (name, 1, None, None)) from None


def _code(source: bytes | str, argv: list[str], folder: str, file: str | None) -> Callable[[], object]:
    name = "<string>"
    sys.argv[:] = argv
    if not sys.flags.safe_path and sys.path:
        sys.path[0] = folder
    main = _new_main()
    if file is not None:
        main.__file__ = name = file
        if file != STDIN:
            main.__loader__ = SourceFileLoader("__main__", file)
        if sys.version_info < (3, 15):
            setattr(main, "__cached__", None)
    elif sys.version_info >= (3, 13):  # tracebacks show lines of -c
        import linecache

        linecache.cache[name] = (len(source), None, [f"{line}\n" for line in str(source).splitlines()], name)
    global _command
    _command = sys.modules["__main__"]
    sys.modules["__main__"] = main
    with Frames():
        code = _compiled(source, name)
    return functools.partial(exec, code, main.__dict__)


class Frames:
    """An uncaught exception is shown as python shows it, without the frames of this package."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: types.TracebackType | None) -> None:
        if error is None or isinstance(error, SystemExit):
            return
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(here):
            traceback = traceback.tb_next
        if isinstance(error, KeyboardInterrupt):  # the interpreter ends by the signal, once it has shown the exception
            sys.excepthook = functools.partial(_show, sys.excepthook, traceback)
            return
        sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
        _show(sys.excepthook, traceback, type(error), error)
        sys.exit(1)


def _show(hook: Callable[..., object], shown: types.TracebackType | None, kind: type[BaseException],
          error: BaseException, traceback: types.TracebackType | None = None) -> None:
    error.__traceback__ = shown
    hook(kind, error, shown)
