"""`exuvia bench loads`: measure what is missing, show the tables, say the verdict."""
from __future__ import annotations

import sys

from exuvia import _summary
from exuvia.bench.loads import matrix, report, verdict
from exuvia.bench.pause import check

UNNAMED = "exuvia-loads.json"  # where an interrupted matrix is kept that has no file
INTERRUPTED = 130
PR_SET_THP_DISABLE = 41


def measure(wanted: matrix.Wanted, kept: matrix.Kept) -> None:
    runs = matrix.plan(wanted)
    progress = report.progress(runs)
    try:
        matrix.execute(runs, kept, progress.begun, progress.ended)
    except KeyboardInterrupt:
        kept.path = kept.path or UNNAMED
        kept.save()
        progress.stop()
        print(f"exuvia bench: interrupted; {len(kept.results)} runs are kept in {kept.path}: --resume goes on",
              file=sys.stderr)
        sys.exit(INTERRUPTED)
    progress.stop()


def no_huge_pages() -> None:
    """For this process and all that it starts, as on a system that has none."""
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0:
        raise SystemExit("exuvia bench: huge pages cannot be turned off here")


def main(wanted: matrix.Wanted, json_file: str | None, html: str | None, resume: bool, check_bounds: bool) -> None:
    if html:
        from exuvia.bench.page import check_bokeh

        check_bokeh()
    for path in (json_file, html):
        if path:
            check(path)
    kept = matrix.Kept(json_file or (UNNAMED if resume else None))
    if resume:
        try:
            kept.load()
        except ValueError as error:
            raise SystemExit(f"exuvia bench: cannot go on from {kept.path}: {error}") from None
    measure(wanted, kept)
    asked = set(matrix.plan(wanted))
    results = [result for run, result in kept.results.items() if run in asked]
    found = verdict.judge_all(results)
    _summary.draw([report.figures(results), report.verdicts(found)], sys.stdout)
    print("\n".join(report.reasons(found) + report.disturbance(results)))
    if html:
        from exuvia.bench.loads import page

        page.write(html, results)
    if check_bounds:
        failed = [f"{each.load}, {report.size_in_words(each.size)}: {'; '.join(each.check)}"
                  for each in found if each.check]
        for line in failed:
            print(f"FAILED {line}")
        sys.exit(1 if failed else 0)
