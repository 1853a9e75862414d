"""One self-contained page: each request's latency over time, stock beside Exuvia, and how long collections stopped.

A function from results to a file. The plots are Bokeh's (the extra `report`), whose scripts are written into the page:
it needs no network and no other file. Knows nothing of how anything was measured.
"""
from __future__ import annotations

import html
import itertools
import math
import os
from typing import Any

from exuvia.bench.figures import COLUMNS, figures

MOST_POINTS = 30_000     # of one configuration
BINS_A_DECADE = 8        # of the histogram
COLOURS = {"stock": "#c8452e", "exuvia": "#1d6fa5", "freeze": "#b58900", "disable": "#7a7a7a", "young": "#6a4fa3"}
NAMES = {"stock": "stock collection", "exuvia": "Exuvia", "freeze": "gc.freeze() after loading",
         "disable": "gc.disable()", "young": "young collections alone"}
DOES = {"write": "reads, allocates, replaces old objects and drops cycles", "read": "reads and allocates"}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1240px; margin: 2em auto; padding: 0 1em; }
h1 { margin-bottom: 0; }
h2 { margin: 1.6em 0 0.3em; font-size: 1.2em; }
.headline { font-size: 1.2em; margin-top: 0.2em; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(520px, 1fr)); gap: 0.5em 1em; }
.numbers { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9em; width: 100%; }
th, td { padding: 0.35em 0.6em; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child { text-align: left; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
.swatch { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.5em; border-radius: 2px; }
.note { color: #555; font-size: 0.9em; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>{style}</style>
{scripts}
</head>
<body>
<h1>{title}</h1>
<p class="headline">{headline}</p>
<p>A service keeps {objects:,} container objects and answers {requests:,} requests, one after another; each {does}.
Everything ran on one machine, one configuration after another.</p>
<h2>Every request's latency over time</h2>
<div class="plots">{latencies}</div>
<p class="note">{thinning}Both axes are the same in all plots; the latency is on a logarithmic scale.</p>
<h2>Stops by their length</h2>
<div class="histogram">{stops}</div>
<p class="note">Each collection of any generation as the program feels it: from before the first callback to after the
last. Both scales are logarithmic. Click on a name to hide or show it.</p>
<h2>Numbers</h2>
<div class="numbers">{numbers}</div>
<p class="note">{interpreter}</p>
{plots}
</body>
</html>
"""


def check_bokeh() -> None:
    """Where it is missing, the program ends now, not after the measuring."""
    try:
        import bokeh.plotting  # noqa: F401
    except ImportError:
        raise SystemExit("exuvia bench: the page is drawn with Bokeh: pip install 'exuvia[report]'") from None


def thinned(latencies: list[int]) -> tuple[list[float], list[float]]:
    """When each request began, in seconds, and how long it took, in ms.

    Where there are too many, the slowest and the middle one of each stretch: a stop is never left out.
    """
    begins = list(itertools.accumulate(latencies, initial=0))
    step = 1 if len(latencies) <= MOST_POINTS else math.ceil(2 * len(latencies) / MOST_POINTS)
    places: list[int] = []
    for begin in range(0, len(latencies), step):
        stretch = sorted(range(begin, min(begin + step, len(latencies))), key=latencies.__getitem__)
        places += sorted({stretch[len(stretch) // 2], stretch[-1]})
    return [begins[place] / 1e9 for place in places], [latencies[place] / 1e6 for place in places]


def histogram(stops_ns: list[int]) -> tuple[list[float], list[float], list[int]]:
    """Lower limits and upper limits in ms, and counts, of the bins that are not empty."""
    counts: dict[int, int] = {}
    for stop in stops_ns:
        place = math.floor(math.log10(max(1, stop) / 1e6) * BINS_A_DECADE)
        counts[place] = counts.get(place, 0) + 1
    places = sorted(counts)
    left, right = ([10.0 ** ((place + side) / BINS_A_DECADE) for place in places] for side in (0, 1))
    return left, right, [counts[place] for place in places]


def write(path: str, results: list[dict[str, Any]]) -> None:
    from bokeh.embed import components
    from bokeh.resources import Resources

    drawn = {"stops": stops_plot(results)}
    for result, plot in zip(results, latency_plots(results)):
        drawn[result["configuration"]] = plot
    script, places = components(drawn)
    sparse = any(len(result["latencies_ns"]) > MOST_POINTS for result in results)
    page = PAGE.format(
        style=STYLE, title=f"Exuvia: {results[0]['objects']:,} live objects", headline=headline(results),
        objects=results[0]["objects"], requests=results[0]["requests"], does=DOES[results[0]["workload"]],
        scripts=Resources(mode="inline", components=["bokeh"]).render(),
        latencies="".join(places[result["configuration"]] for result in results), stops=places["stops"],
        thinning="Of each stretch of requests, the slowest and the middle one are drawn. " if sparse else "",
        numbers=numbers(results), interpreter=machine(), plots=script)
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def headline(results: list[dict[str, Any]]) -> str:
    by_name = {result["configuration"]: result["longest_stop_ns"] / 1e6 for result in results}
    if not {"stock", "exuvia"} <= set(by_name):
        return ""
    return f"Longest stop: {in_ms(by_name['exuvia'])}, with stock collection {in_ms(by_name['stock'])}."


def latency_plots(results: list[dict[str, Any]]) -> list[Any]:
    from bokeh.models import HoverTool, NumeralTickFormatter, Range1d
    from bokeh.plotting import figure

    series = [thinned(result["latencies_ns"]) for result in results]
    seconds = Range1d(start=0, end=1.02 * max(begins[-1] for begins, _ in series))
    fastest = min(min(values) for _, values in series)
    slowest = max(max(values) for _, values in series)
    latencies = Range1d(start=fastest / 1.5, end=slowest * 2)
    plots = []
    for result, (begins, values) in zip(results, series):
        name = result["configuration"]
        plot = figure(title=f"{NAMES[name]}: slowest request {in_ms(max(values))}", height=300,
                      sizing_mode="stretch_width", x_range=seconds, y_range=latencies, y_axis_type="log",
                      x_axis_label="time (s)", y_axis_label="latency (ms)", tools="pan,box_zoom,wheel_zoom,reset")
        plot.scatter(begins, values, size=3, marker="circle", color=COLOURS[name], alpha=0.5, line_alpha=0)
        plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
        tidy(plot)
        plot.add_tools(HoverTool(tooltips=[("after", "@x{0.000} s"), ("took", "@y{0.000} ms")]))
        plots.append(plot)
    return plots


def stops_plot(results: list[dict[str, Any]]) -> Any:
    from bokeh.models import NumeralTickFormatter, Range1d
    from bokeh.plotting import figure

    most = max((max(histogram(result["stops_ns"])[2], default=1) for result in results), default=1)
    plot = figure(height=300, sizing_mode="stretch_width", x_axis_type="log", y_axis_type="log",
                  y_range=Range1d(start=0.7, end=2 * most), x_axis_label="length of a stop (ms)", y_axis_label="stops",
                  tools="pan,box_zoom,wheel_zoom,reset")
    for result in results:
        name = result["configuration"]
        left, right, counts = histogram(result["stops_ns"])
        if counts:
            longest = in_ms(result["longest_stop_ns"] / 1e6)
            bars = plot.quad(left=left, right=right, bottom=0.7, top=counts, fill_color=COLOURS[name], fill_alpha=0.45,
                             line_color=COLOURS[name], legend_label=f"{NAMES[name]}: longest {longest}")
            bars.visible = name in ("stock", "exuvia")
    plot.xaxis.formatter = plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
    if plot.legend:
        plot.legend.click_policy = "hide"
        plot.legend.location = "top_right"
    tidy(plot)
    return plot


def tidy(plot: Any) -> None:
    """The tools show when the mouse is over the plot, and take no room."""
    plot.toolbar.logo = None
    plot.toolbar.autohide = True
    plot.toolbar_inner = True
    plot.grid.grid_line_alpha = 0.6
    plot.outline_line_color = None


def in_ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"


def numbers(results: list[dict[str, Any]]) -> str:
    rows = []
    for result in results:
        values = figures(result)
        name = result["configuration"]
        cells = "".join(f"<td>{form.format(values[key])}</td>" for key, _, form in COLUMNS)
        swatch = f'<span class="swatch" style="background: {COLOURS[name]}"></span>'
        rows.append(f"<tr><th scope=\"row\">{swatch}{html.escape(NAMES[name])}</th>{cells}</tr>")
    titles = "".join(f"<th scope=\"col\">{html.escape(title)}</th>" for _, title, _ in COLUMNS)
    return f"<table><thead><tr><th></th>{titles}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def machine() -> str:
    import platform

    return html.escape(f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} "
                       f"{platform.release()}, {os.cpu_count()} processors.")
