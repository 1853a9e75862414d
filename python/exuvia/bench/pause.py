"""How long requests wait for the collector: one service under stock, Exuvia, gc.freeze() and gc.disable()."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from typing import Any

CONFIGURATIONS = ("stock", "exuvia", "freeze", "disable")
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


def run_one(configuration: str, objects: int, requests: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="exuvia-bench-") as folder:
        path = os.path.join(folder, "result.json")
        command = [sys.executable, "-m", "exuvia.bench.service", configuration, str(objects), str(requests),
                   str(FULL_COLLECTIONS), path]
        process = subprocess.Popen(command)
        ended = threading.Event()
        most = [0]

        def watch() -> None:
            while not ended.wait(0.05):
                most[0] = max(most[0], child_private_bytes(process.pid))

        watcher = threading.Thread(target=watch)
        if configuration.startswith("exuvia"):
            watcher.start()
        status = process.wait()
        ended.set()
        if watcher.ident:
            watcher.join()
        if status != 0:
            raise SystemExit(f"exuvia bench: the service under {configuration} ended with status {status}")
        with open(path, encoding="ascii") as file:
            result: dict[str, Any] = json.load(file)
    result["child_bytes"] = most[0]
    return result


def percentile(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def figures(result: dict[str, Any]) -> dict[str, float]:
    ordered = sorted(result["latencies_ns"])
    return {
        "requests_per_second": result["requests"] / result["seconds"],
        "p50_us": percentile(ordered, 0.5) / 1e3, "p99_us": percentile(ordered, 0.99) / 1e3,
        "p99_9_us": percentile(ordered, 0.999) / 1e3, "longest_us": ordered[-1] / 1e3,
        "longest_stop_ms": result["longest_stop_ns"] / 1e6, "stops_ms": result["stops_total_ns"] / 1e6,
        "cpu_seconds": result["cpu_seconds"], "full_collections": result["full_collections"],
        "background": result["exuvia"]["completed"] - 1 if "exuvia" in result else 0,
        "peak_mb": result["peak_bytes"] / 1e6, "child_mb": result["child_bytes"] / 1e6,
    }


COLUMNS = (
    ("requests_per_second", "requests/s", "{:.0f}"), ("p50_us", "p50 us", "{:.0f}"), ("p99_us", "p99 us", "{:.0f}"),
    ("p99_9_us", "p99.9 us", "{:.0f}"), ("longest_us", "longest us", "{:.0f}"),
    ("longest_stop_ms", "longest stop ms", "{:.2f}"), ("stops_ms", "stops ms", "{:.0f}"),
    ("cpu_seconds", "CPU s", "{:.2f}"), ("full_collections", "in place", "{:.0f}"),
    ("background", "background", "{:.0f}"),
    ("peak_mb", "peak MB", "{:.0f}"), ("child_mb", "child MB", "{:.0f}"),
)


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
    stock, ours = (by_name[name]["longest_stop_ns"] for name in ("stock", "exuvia"))
    return f"longest stop: 1/{stock / max(1, ours):.0f} of stock's"


def main(objects: int, configurations: list[str], html: str | None, json_file: str | None) -> int:
    unknown = [name for name in configurations if name not in CONFIGURATIONS]
    if unknown or objects < 1000:
        problem = unknown[0] + " is no configuration" if unknown else "at least 1000 objects"
        print(f"exuvia bench: {problem}", file=sys.stderr)
        return 2
    if html:
        from exuvia.bench import page

        page.check(html)
    results: list[dict[str, Any]] = []
    requests = 0
    for name in sorted(configurations, key=CONFIGURATIONS.index):
        print(f"exuvia bench: {objects} objects, {name} ...", file=sys.stderr, flush=True)
        # The first one, stock if it is among them, says how many requests make CPython collect fully three times.
        results.append(run_one(name, objects, requests if results else 0 if name == "stock" else 20000))
        requests = results[0]["requests"]
    print(table(results))
    if ratio(results):
        print(ratio(results))
    if json_file:
        with open(json_file, "w", encoding="ascii") as file:
            json.dump([{**figures(result), "configuration": result["configuration"], "objects": objects,
                        "requests": result["requests"]} for result in results], file, indent=2)
    if html:
        page.write(html, results)
    return 0
