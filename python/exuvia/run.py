"""Run a program as python would, with Exuvia installed."""
from __future__ import annotations

import atexit
import io
import json
import os
import runpy
import sys
import types
from importlib.machinery import SourceFileLoader
from typing import Any, NamedTuple, NoReturn

import exuvia
from exuvia import _log

STDIN = "<stdin>"


class Options(NamedTuple):
    mode: str
    pause_budget_ms: float
    summary: bool
    stats: str | None
    log: str | None


def run(program: list[str], options: Options) -> None:
    stats_file = _prepare_files(options)
    if options.summary or stats_file:
        atexit.register(_report, os.getpid(), options.summary, stats_file)
    try:
        exuvia.install(options.mode, options.pause_budget_ms)
    except exuvia.Unsupported as error:
        print(f"exuvia: {error}; the program runs with stock collection", file=sys.stderr)
    if program[0] == "-m":
        _run_module(program[1:])
    elif program[0] == "-c":
        _run_code(program[1], ["-c", *program[2:]], "", None)
    else:
        _run_script(program)


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
    main.__builtins__ = sys.modules["builtins"]  # type: ignore[attr-defined]
    return main


def _run_module(words: list[str]) -> None:
    sys.argv[:] = words
    if not sys.flags.safe_path and sys.path:
        sys.path[0] = os.getcwd()
    sys.argv[0] = words[0]
    global _command
    _command = sys.modules["__main__"]
    sys.modules["__main__"] = _new_main()
    with _Frames():
        runpy._run_module_as_main(words[0], alter_argv=True)  # type: ignore[attr-defined]


def _run_script(words: list[str]) -> None:
    path = words[0]
    if os.path.isdir(path) or path.endswith((".zip", ".pyz")):
        sys.argv[:] = words
        if not sys.flags.safe_path and sys.path:
            del sys.path[0]
        with _Frames():
            _run_path(path)
        return
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
        _run_code(source, words, "", STDIN)
    else:
        _run_code(source, words, os.path.dirname(os.path.realpath(path)), os.path.abspath(path))


def _run_path(path: str) -> None:
    try:
        runpy.run_path(path, run_name="__main__")
    except ImportError as error:
        if str(error) != f"can't find '__main__' module in {path!r}":
            raise
        print(f"{sys.executable}: {error}", file=sys.stderr)
        sys.exit(1)


def _run_code(source: bytes | str, argv: list[str], folder: str, file: str | None) -> None:
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
    global _command
    _command = sys.modules["__main__"]
    sys.modules["__main__"] = main
    with _Frames():
        exec(compile(source, name, "exec", dont_inherit=True), main.__dict__)


class _Frames:
    """An uncaught exception is shown as python shows it, without the frames of this package."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: types.TracebackType | None) -> None:
        if error is None or isinstance(error, (SystemExit, KeyboardInterrupt)):
            return
        here = (os.path.dirname(os.path.abspath(__file__)), "<frozen runpy>", runpy.__file__)
        while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(here):
            traceback = traceback.tb_next
        _show(error, traceback)


def _show(error: BaseException, traceback: types.TracebackType | None) -> NoReturn:
    error.__traceback__ = traceback
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
    sys.excepthook(type(error), error, traceback)
    sys.exit(1)
