"""One self-contained page: each request's latency over time, and how often collections stopped for how long.

A function from results to a file; drawn with Bokeh, the extra `report`.
"""
from __future__ import annotations

from typing import Any

MOST_POINTS = 20000


def thinned(latencies: list[int]) -> tuple[list[int], list[float]]:
    """At most so many points, of each stretch of requests the slowest: a stop is never left out."""
    step = max(1, len(latencies) // MOST_POINTS)
    places, values = [], []
    for begin in range(0, len(latencies), step):
        part = latencies[begin:begin + step]
        slowest = max(range(len(part)), key=part.__getitem__)
        places.append(begin + slowest)
        values.append(part[slowest] / 1e6)
    return places, values


def write(path: str, results: list[dict[str, Any]]) -> None:
    try:
        from bokeh.layouts import column
        from bokeh.models import Div
        from bokeh.plotting import figure
        from bokeh.resources import INLINE
        from bokeh.embed import file_html
    except ImportError:
        raise SystemExit("exuvia bench: the page is drawn with Bokeh: pip install 'exuvia[report]'") from None
    from exuvia.bench.pause import ratio, table

    parts: list[Any] = [Div(text=f"<h1>Exuvia: {results[0]['objects']:,} live objects</h1><p>{ratio(results)}</p>"
                                 f"<pre>{table(results)}</pre>")]
    shared = None
    for result in results:
        plot = figure(title=f"{result['configuration']}: each request", width=1100, height=260, y_axis_type="log",
                      x_axis_label="request", y_axis_label="ms", output_backend="canvas",
                      **({"y_range": shared} if shared else {}))
        shared = shared or plot.y_range
        places, values = thinned(result["latencies_ns"])
        plot.scatter(places, values, size=2, marker="circle", alpha=0.6)
        parts.append(plot)
        if "exuvia" in result:
            buckets = result["exuvia"]["pauses"]["all"]["buckets"]
            limits = [2 ** (i + 10) / 1e6 for i in range(len(buckets))]
            bars = figure(title="exuvia: stops by length", width=1100, height=220, x_axis_type="log",
                          x_axis_label="ms", y_axis_label="stops")
            bars.quad(left=[limit / 2 for limit in limits], right=limits, bottom=0, top=list(buckets))
            parts.append(bars)
    with open(path, "w", encoding="utf-8") as file:
        file.write(file_html(column(*parts), INLINE, title="Exuvia: pauses"))
