"""The figures of `exuvia bench pause`, from the numbers that the service under measurement has written."""
from __future__ import annotations

from typing import Any


def percentile(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def search_ns(result: dict[str, Any]) -> float:
    """CPU time of a full collection's search, the mean: the child's, or, in place, all of it. 0: there was none."""
    each = result.get("child_cpu_ns", result["full_ns"])
    return float(sum(each) / max(1, len(each)))


def figures(result: dict[str, Any]) -> dict[str, float]:
    ordered = sorted(result["latencies_ns"])
    return {
        "requests_per_second": result["requests"] / result["seconds"],
        "p50_us": percentile(ordered, 0.5) / 1e3, "p99_us": percentile(ordered, 0.99) / 1e3,
        "p99_9_us": percentile(ordered, 0.999) / 1e3, "longest_us": ordered[-1] / 1e3,
        "longest_stop_ms": result["longest_stop_ns"] / 1e6, "stops_ms": result["stops_total_ns"] / 1e6,
        "cpu_seconds": result["cpu_seconds"], "full_collections": len(result["full_ns"]),
        "background": len(result.get("child_cpu_ns", [])),
        "peak_mb": result["peak_bytes"] / 1e6, "child_mb": result["child_bytes"] / 1e6,
        "search_ms": search_ns(result) / 1e6,
    }


COLUMNS = (
    ("requests_per_second", "requests/s", "{:.0f}"), ("p50_us", "p50 us", "{:.0f}"), ("p99_us", "p99 us", "{:.0f}"),
    ("p99_9_us", "p99.9 us", "{:.0f}"), ("longest_us", "longest us", "{:.0f}"),
    ("longest_stop_ms", "longest stop ms", "{:.2f}"), ("stops_ms", "stops ms", "{:.0f}"),
    ("cpu_seconds", "CPU s", "{:.2f}"), ("full_collections", "in place", "{:.0f}"),
    ("background", "background", "{:.0f}"), ("search_ms", "CPU of each ms", "{:.0f}"),
    ("peak_mb", "peak MB", "{:.0f}"), ("child_mb", "child MB", "{:.0f}"),
)
