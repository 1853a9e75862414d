"""Run a program as python would, with Exuvia installed."""
from __future__ import annotations

import functools
import io
import os
import runpy
import sys
import types
from importlib.machinery import BuiltinImporter, SourceFileLoader
from typing import Any, Callable

from exuvia import _options, _start

STDIN = "<stdin>"


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
        here = os.path.dirname(os.path.abspath(__file__))
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
