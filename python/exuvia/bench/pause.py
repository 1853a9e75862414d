"""How long requests wait for the collector: one service under stock, Exuvia, gc.freeze() and gc.disable(), and with
young collections alone."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from typing import Any

from exuvia.bench import page
from exuvia.bench.figures import COLUMNS, figures, search_ns

CONFIGURATIONS = ("stock", "exuvia", "freeze", "disable", "young")
WORKLOADS = ("write", "read")
FULL_COLLECTIONS = 3


def child_private_bytes(pid: int) -> int:
    """Memory that only the snapshot children of this process have."""
    total = 0
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            children = file.read().split()
    except OSError:
        children = []
    for child in children:
        try:
            with open(f"/proc/{child}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))
        except (OSError, ValueError, ProcessLookupError):
            continue
    return total


def run_one(configuration: str, workload: str, objects: int, requests: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="exuvia-bench-") as folder:
        path = os.path.join(folder, "result.json")
        command = [sys.executable, "-m", "exuvia.bench.service", configuration, workload, str(objects),
                   str(requests), str(FULL_COLLECTIONS), path]
        process = subprocess.Popen(command, process_group=0)  # a Ctrl-C is for us, who then end it
        ended = threading.Event()
        most = [0]

        def watch() -> None:
            while not ended.wait(0.05):
                most[0] = max(most[0], child_private_bytes(process.pid))

        watcher = threading.Thread(target=watch)
        if configuration == "exuvia":
            watcher.start()
        try:
            status = process.wait()
        finally:
            process.kill()
            process.wait()
            ended.set()
            if watcher.ident:
                watcher.join()
        if status != 0:
            raise SystemExit(f"exuvia bench: the service under {configuration} ended with status {status}")
        with open(path, encoding="ascii") as file:
            result: dict[str, Any] = json.load(file)
    result["child_bytes"] = most[0]
    return result


def table(results: list[dict[str, Any]]) -> str:
    lines = [["", *(title for _, title, _ in COLUMNS)]]
    for result in results:
        numbers = figures(result)
        lines.append([result["configuration"], *(form.format(numbers[key]) for key, _, form in COLUMNS)])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(word.rjust(width) for word, width in zip(line, widths)) for line in lines)


def ratio(results: list[dict[str, Any]]) -> str:
    by_name = {result["configuration"]: result for result in results}
    if "stock" not in by_name or "exuvia" not in by_name:
        return ""
    stock, ours = by_name["stock"], by_name["exuvia"]
    lines = [f"longest stop: 1/{stock['longest_stop_ns'] / max(1, ours['longest_stop_ns']):.0f} of stock's"]
    if search_ns(stock) and search_ns(ours):
        lines.append(f"CPU of a full collection: {search_ns(ours) / search_ns(stock):.2f} of stock's")
    added = (ours["peak_bytes"] + ours["child_bytes"]) / stock["peak_bytes"] - 1
    lines.append(f"memory at the peak, the child's with it: {added:+.0%}")
    if "young" in by_name:
        alone = by_name["young"]["requests"] / by_name["young"]["seconds"]
        lines.append(f"requests/s: {ours['requests'] / ours['seconds'] / alone:.2f} of young collections alone")
    return "\n".join(lines)


def check(path: str) -> None:
    """A file that cannot be written ends the program now, not after the measuring."""
    existed = os.path.exists(path)
    try:
        with open(path, "a", encoding="utf-8"):
            pass
    except OSError as error:
        raise SystemExit(f"exuvia bench: cannot write {path}: {error.strerror}") from None
    if not existed:
        os.remove(path)


def main(objects: int, workload: str, configurations: list[str], html: str | None, json_file: str | None) -> None:
    if html:
        page.check_bokeh()
    for path in (html, json_file):
        if path:
            check(path)
    results: list[dict[str, Any]] = []
    requests = 0
    for name in sorted(configurations, key=CONFIGURATIONS.index):
        print(f"exuvia bench: {objects} objects, {name} ...", file=sys.stderr, flush=True)
        # The first one, stock if it is among them, says how many requests make CPython collect fully three times.
        results.append(run_one(name, workload, objects, requests if results else 0 if name == "stock" else 20000))
        requests = results[0]["requests"]
    print(table(results))
    if ratio(results):
        print(ratio(results))
    if json_file:
        with open(json_file, "w", encoding="ascii") as file:
            json.dump([{**figures(result), "configuration": result["configuration"], "workload": workload,
                        "objects": objects, "requests": result["requests"]} for result in results], file, indent=2)
    if html:
        page.write(html, results)
