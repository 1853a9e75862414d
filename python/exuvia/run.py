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
from typing import Any, NoReturn

import exuvia

STDIN = "<stdin>"


def run(program: list[str], mode: str, pause_budget_ms: float, summary: bool, stats_file: str | None) -> None:
    if summary or stats_file:
        atexit.register(_report, os.getpid(), summary, stats_file)
    try:
        exuvia.install(mode, pause_budget_ms)
    except exuvia.Unsupported as error:
        print(f"exuvia: {error}; the program runs with stock collection", file=sys.stderr)
    if program[0] == "-m":
        _run_module(program[1:])
    elif program[0] == "-c":
        _run_code(program[1], ["-c", *program[2:]], "", None)
    else:
        _run_script(program)


def _report(pid: int, summary: bool, stats_file: str | None) -> None:
    if os.getpid() != pid:
        return  # a forked process is not the program that was asked about
    stats = exuvia.stats()
    if stats_file:
        descriptor = os.open(stats_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(stats.as_dict(), file, indent=2)
            file.write("\n")
    if summary and sys.stderr is not None:
        from exuvia import _summary

        print(_summary.table(stats), file=sys.stderr)


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
            runpy.run_path(path, run_name="__main__")
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
