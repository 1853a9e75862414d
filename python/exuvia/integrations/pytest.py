"""pytest --exuvia-leaks: a test that leaves objects or dead cycles behind each time it runs fails, and is told why.

A test that has passed is run again within its call phase, with its fixtures made anew each time; those of a wider scope
stay.
Without the option and the mark nothing of this is loaded. leaks.py measures and judges.
"""
from __future__ import annotations

import contextlib
import copy
import os
import re
import time
import warnings
from typing import Any, Callable, Iterator, Optional

import pytest

MARK = "exuvia(objects=N, cycles=N): fail when each run leaves more objects alive, or more dead cycles, behind; " \
       "None: let it be"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("exuvia", "what tests leave behind (exuvia)")
    group.addoption("--exuvia-leaks", action="store_true",
                    help="fail a test that leaves objects or dead cycles behind each time it runs")
    group.addoption("--exuvia-objects", type=int, metavar="N", default=0, help="so many may stay after each run")
    group.addoption("--exuvia-cycles", type=int, metavar="N", default=0,
                    help="so many dead cycles may each run leave; -1: they are not judged")
    group.addoption("--exuvia-runs", type=int, metavar="N", default=150,
                    help="what grows is run so often before it is called a leak: caches fill up (default 150)")
    group.addoption("--exuvia-seconds", type=float, metavar="S", default=10.0,
                    help="but for so long at most (default 10)")
    group.addoption("--exuvia-report", metavar="DIR", help="write a page for each failing test, to open in a browser")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARK)
    config.pluginmanager.register(_Checks(config), "exuvia-checks")


class _NotRepeatable(Exception):
    pass


def _deduplicate(finalizers: list[Any]) -> None:
    """Of the ends of one fixture the first: pytest notes one more for each run, as long as what they hang on lives."""
    seen: set[int] = set()
    kept = []
    for finalizer in finalizers:
        function = getattr(finalizer, "func", finalizer)
        owners = [getattr(function, "__self__", None)]
        owners += [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        fixture = next((id(of) for of in owners if hasattr(of, "cached_result")), None)
        is_end = getattr(function, "__name__", "") == "finish" or "_schedule_finalizers" in getattr(
            function, "__qualname__", "")
        if fixture is None or not is_end or fixture not in seen:
            kept.append(finalizer)
        if fixture is not None and is_end:
            seen.add(fixture)
    finalizers[:] = kept


@contextlib.contextmanager
def _untold(config: pytest.Config) -> Iterator[None]:
    """Parts of a test (subtests) report by themselves as they end: not those of our runs."""
    caller: Any = config.hook.pytest_runtest_logreport
    told = caller._hookexec
    caller._hookexec = lambda *_: []
    try:
        yield
    finally:
        caller._hookexec = told


class _Runs:
    """The runs of one test after its first."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self.sibling = copy.copy(item)  # the next item, so that what siblings share stays
        self.count = 0
        self._marks, self._sections = len(item.own_markers), len(item._report_sections)
        self._properties = len(item.user_properties)

    def again(self, look: Callable[[], None]) -> None:
        self.count += 1
        with warnings.catch_warnings(record=True), _untold(self.item.config):
            self._end()
            look()
            self._anew()
            self._phase("setup", self.item.ihook.pytest_runtest_setup)
            self._phase("call", self.item.ihook.pytest_runtest_call)

    def _phase(self, when: Any, hook: Any, **more: Any) -> None:
        """With the report that other plugins wait for, which is told to nobody."""
        call = pytest.CallInfo.from_call(lambda: hook(item=self.item, **more), when=when,
                                         reraise=(pytest.exit.Exception, KeyboardInterrupt))
        report = self.item.ihook.pytest_runtest_makereport(item=self.item, call=call)
        if not report.passed:
            raise _NotRepeatable(_words(call.excinfo.value) if call.excinfo else report.outcome)

    def _end(self) -> None:
        try:
            self._phase("teardown", self.item.ihook.pytest_runtest_teardown, nextitem=self.sibling)
        except _NotRepeatable:
            self._anew()
            self._phase("setup", self.item.ihook.pytest_runtest_setup)  # what is ended once more is to be begun
            raise
        finally:
            self.restore()

    def _anew(self) -> None:
        if self.item.cls is not None:
            for name in ("_instance", "_obj"):
                self.item.__dict__.pop(name, None)
        self.item._initrequest()

    def restore(self) -> None:
        """What a run adds to the item and to fixtures that stay."""
        item = self.item
        del item.own_markers[self._marks:], item._report_sections[self._sections:]
        del item.user_properties[self._properties:]
        for finalizers, _ in item.session._setupstate.stack.values():
            _deduplicate(finalizers)
        for fixture in getattr(item._request, "_fixture_defs", {}).values():
            _deduplicate(getattr(fixture, "_finalizers", []))


def _words(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class _Checks:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.all: bool = config.getoption("--exuvia-leaks")
        self.running = False
        self.told: dict[str, dict[str, Any]] = {}      # node -> what its report shall say
        self.results: dict[str, dict[str, Any]] = {}   # node -> what its report said, from other processes, too

    # ------------------------------------------------------------- in a worker

    def _bounds(self, item: pytest.Item) -> Any:
        from exuvia.integrations.leaks import Bounds

        option = self.config.getoption
        mark = item.get_closest_marker("exuvia")
        wanted = {"objects": option("--exuvia-objects"), "cycles": option("--exuvia-cycles"),
                  **(mark.kwargs if mark else {})}
        if set(wanted) != {"objects", "cycles"} or mark and mark.args:
            raise pytest.UsageError(f"{item.nodeid}: the mark is {MARK.partition(':')[0]}")
        objects, cycles = (None if wanted[name] is None or wanted[name] < 0 else wanted[name]
                           for name in ("objects", "cycles"))
        return Bounds(objects, cycles, option("--exuvia-runs"), option("--exuvia-seconds"))

    def _is_checked(self, item: pytest.Item) -> bool:
        return (not self.running and isinstance(item, pytest.Function)
                and (self.all or item.get_closest_marker("exuvia") is not None)
                and item.get_closest_marker("xfail") is None)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        outcome: Any = yield
        if outcome.excinfo is None and not getattr(item, "_excinfo", None) and self._is_checked(item):
            bounds = self._bounds(item)
            if bounds.objects is not None or bounds.cycles is not None:
                self.running = True
                try:
                    self.told[item.nodeid] = self._check(item, bounds)
                finally:
                    self.running = False

    def _check(self, item: pytest.Item, bounds: Any) -> dict[str, Any]:
        from exuvia import Unsupported
        from exuvia.integrations import leaks

        runs, begin, note, text, page = _Runs(item), time.monotonic(), "", None, None
        folder = self.config.getoption("--exuvia-report")
        if folder:
            os.makedirs(folder, exist_ok=True)
            page = os.path.join(folder, re.sub(r"[^\w.-]+", "-", item.nodeid)[-200:] + ".html")
        try:
            text = leaks.examine(runs.again, bounds, (lambda file: leaks.write_page(file, page)) if page else None)
        except (_NotRepeatable, Unsupported, OSError) as error:
            note = f"fails when it is run again, with {error}" if isinstance(error, _NotRepeatable) else _words(error)
        finally:
            runs.restore()
        if text and page:
            text += f"\n\nthe heap as a page: {page}"
        return {"runs": runs.count, "seconds": time.monotonic() - begin, "note": note, "leak": text}

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Iterator[None]:
        outcome: Any = yield
        told = self.told.pop(item.nodeid, None) if call.when == "call" else None
        if told:
            report = outcome.get_result()
            report.exuvia = told
            if told["leak"] and report.passed:
                report.outcome, report.longrepr = "failed", told["leak"]

    # ------------------------------------------------- where reports are gathered

    def pytest_runtest_logreport(self, report: Any) -> None:
        told = getattr(report, "exuvia", None)
        if told:
            self.results[report.nodeid] = told

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.results:
            return
        terminalreporter.section("exuvia")
        results = self.results.values()
        left = [node for node, of in self.results.items() if of["note"]]
        terminalreporter.write_line(
            f"{len(self.results) - len(left)} tests were looked at, {sum(bool(of['leak']) for of in results)} leave "
            f"something behind; {sum(of['runs'] for of in results)} runs more, "
            f"{sum(of['seconds'] for of in results):.1f} s")
        for node in left:
            terminalreporter.write_line(f"not looked at: {node}: {self.results[node]['note']}")
