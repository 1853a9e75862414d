"""Run a program as python would, with Exuvia installed."""
from __future__ import annotations

import atexit
import functools
import io
import json
import os
import runpy
import sys
import types
from importlib.machinery import BuiltinImporter, SourceFileLoader
from typing import Any, Callable, NamedTuple

import exuvia
from exuvia import _log

STDIN = "<stdin>"


class Options(NamedTuple):
    mode: str
    pause_budget_ms: float
    summary: bool
    stats: str | None
    log: str | None


def prepare(program: list[str], options: Options) -> Callable[[], object]:
    """Install Exuvia and make the program's `__main__`. What comes back runs it, within Frames, and is no function of
    this package: the fewer frames below a program, the more of the recursion limit is its own."""
    stats_file = _prepare_files(options)
    if options.summary or stats_file:
        atexit.register(_report, os.getpid(), options.summary, stats_file)
    try:
        exuvia.install(options.mode, options.pause_budget_ms)
    except exuvia.Unsupported as error:
        print(f"exuvia: {error}; the program runs with stock collection", file=sys.stderr)
    if program[0] == "-m":
        return _module(program[1:])
    if program[0] == "-c":
        return _code(_dedented(program[1]), ["-c", *program[2:]], "", None)
    return _script(program)


def _prepare_files(options: Options) -> str | None:
    """Both files are made before the program begins, or it does not; the path of the statistics, whatever the program
    takes for its folder."""
    if options.log and options.stats and os.path.realpath(options.log) == os.path.realpath(options.stats):
        print("exuvia run: --log and --stats name the same file: give two", file=sys.stderr)
        sys.exit(2)
    option, name = "--log", options.log
    try:
        if name is not None:
            _log.standing = _log.checked(name)
        option, name = "--stats", options.stats
        if name is not None:
            path = os.path.abspath(name)
            os.close(_open_new(path))
            return path
    except OSError as error:
        _complain(option, name, error)
        sys.exit(2)
    return None


def _complain(option: str, name: str | None, error: OSError) -> None:
    if sys.stderr is not None:
        print(f"exuvia run: {option} {name}: cannot be written: {error.strerror}", file=sys.stderr)


def _open_new(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _report(pid: int, summary: bool, stats_file: str | None) -> None:
    if os.getpid() != pid:
        return  # a forked process is not the program that was asked about
    stats = exuvia.stats()
    if stats_file:
        try:
            with open(_open_new(stats_file), "w", encoding="utf-8") as file:
                json.dump(stats.as_dict(), file, indent=2)
                file.write("\n")
        except OSError as error:
            _complain("--stats", stats_file, error)
    if summary and sys.stderr is not None:
        from exuvia import _summary

        _summary.show(stats, sys.stderr)


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
        code = compile(source, name, "exec", dont_inherit=True)
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
