"""One self-contained page of the matrix: the verdicts, and of each load latency and memory over time.

A function from results to a file; drawn like the page of `bench pause`, whose style it shares. Drawn is one run of each
configuration, those of the seed whose longest stall is worst; the tables have all.
"""
from __future__ import annotations

import html
from typing import Any

from exuvia.bench.loads import report, verdict
from exuvia.bench.loads.kinds import CONFIGURATIONS, KINDS
from exuvia.bench.loads.verdict import Result, Verdict
from exuvia.bench.page import COLOURS, NAMES, STYLE, machine, tidy

SHOWN = ("stock", "exuvia")  # at first; a click on a name shows the others
OWN_STYLE = """
.worse { color: #b02a1b; font-weight: 600; }
.better { color: #18703a; }
.over { background: #f8dcd6; }
td.words, th.words { text-align: left; }
section { border-top: 1px solid #ddd; margin-top: 1.5em; }
ul.by { margin: 0.2em 0 0.6em; padding-left: 1.2em; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Exuvia: kinds of load</title>
<style>{style}</style>
{scripts}
</head>
<body>
<h1>Kinds of load under stock collection and Exuvia</h1>
<p class="headline">{headline}</p>
<p class="note">{machine} {count} runs. {disturbance}</p>
<div class="numbers">{verdicts}</div>
<p class="note">Exuvia's figure over stock's, of the seed that is worst: the median of the pairs, and the lowest and
highest. Shaded: over its bound. Below, the slowest request of each stretch over time, on a logarithmic scale, and the
memory of the process with its search; click on a name to hide or show it.</p>
{sections}
{plots}
</body>
</html>
"""


def write(path: str, results: list[Result]) -> None:
    from bokeh.embed import components
    from bokeh.resources import Resources

    found = verdict.judge_all(results)
    runs = {(each.load, each.size): chosen(results, each) for each in found}
    drawn: dict[str, Any] = {}
    for (load, size), each in runs.items():
        if each:
            drawn[f"{load}-{size}-latency"] = latency_plot(each)
            drawn[f"{load}-{size}-memory"] = memory_plot(each)
    script, places = components(drawn) if drawn else ("", {})
    sections = "".join(section(each, results, places) for each in found)
    page = PAGE.format(style=STYLE + OWN_STYLE, scripts=Resources(mode="inline", components=["bokeh"]).render(),
                       headline=html.escape(report.reasons(found)[-1]), machine=machine(), count=len(results),
                       disturbance=" ".join(report.disturbance(results)),
                       verdicts=verdict_table(found), sections=sections, plots=script)
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)


def chosen(results: list[Result], each: Verdict) -> list[Result]:
    """One run of each configuration."""
    seed = each.columns["longest"].seed if each.columns else 1
    found: dict[str, Result] = {}
    for result in results:
        if ((result["load"], result["size"], result["seed"]) == (each.load, each.size, seed) and "series" in result
                and not result["limited"]):
            found.setdefault(result["configuration"], result)
    return [found[name] for name in CONFIGURATIONS if name in found]


def latency_plot(runs: list[Result]) -> Any:
    from bokeh.models import NumeralTickFormatter
    from bokeh.plotting import figure

    plot = figure(title="Slowest requests", height=260, sizing_mode="stretch_width", y_axis_type="log",
                  x_axis_label="time (s)", y_axis_label="latency (ms)", tools="pan,box_zoom,wheel_zoom,reset")
    for run in runs:
        name, begin = run["configuration"], run.get("built_seconds", 0.0)
        times = [begin + end for end, _, _ in run["series"]]
        dots = plot.scatter(times, [slowest for _, _, slowest in run["series"]], size=4, marker="circle",
                            color=COLOURS[name], alpha=0.6, line_alpha=0, legend_label=NAMES[name])
        dots.visible = name in SHOWN
    plot.yaxis.formatter = NumeralTickFormatter(format="0,0.[0000]")
    return finished(plot)


def memory_plot(runs: list[Result]) -> Any:
    from bokeh.models import Range1d
    from bokeh.plotting import figure

    most = max(run["peak_mb"] for run in runs if run["configuration"] in SHOWN or len(runs) == 1)
    plot = figure(title="Memory of process and search", height=260, sizing_mode="stretch_width",
                  y_range=Range1d(start=0, end=1.3 * most), x_axis_label="time (s)", y_axis_label="memory (MB)",
                  tools="pan,box_zoom,wheel_zoom,reset")
    for run in runs:
        name = run["configuration"]
        line = plot.line([at for at, _, _ in run["memory"]], [own + child for _, own, child in run["memory"]],
                         color=COLOURS[name], line_width=2, legend_label=NAMES[name])
        line.visible = name in SHOWN
    return finished(plot)


def finished(plot: Any) -> Any:
    from bokeh.models import HoverTool

    plot.add_tools(HoverTool(tooltips=[("after", "@x{0.00} s"), ("", "@y{0,0.[000]}")]))
    plot.legend.click_policy = "hide"
    plot.legend.location = "left"
    plot.legend.border_line_alpha = 0
    plot.legend.label_text_font_size = "11px"
    plot.legend.orientation = "horizontal"
    plot.legend.padding = 0
    plot.add_layout(plot.legend[0], "above")  # not over the longest stops
    tidy(plot)
    return plot


def table(titles: list[str], rows: list[list[str]], words: int) -> str:
    """Cells are HTML already."""
    def sides(cells: list[str], tag: str) -> str:
        begins = [f'<{tag} class="words">' if place < words else f"<{tag}>" for place in range(len(cells))]
        return "".join(cell if cell.startswith("<td") else f"{begin}{cell}</{tag}>"
                       for begin, cell in zip(begins, cells))

    body = "".join(f"<tr>{sides(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{sides(titles, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def verdict_table(found: list[Verdict]) -> str:
    rows = []
    for each in found:
        cells = []
        for column in verdict.COLUMNS:
            judged = each.columns.get(column.name)
            text = html.escape(report.ratio(judged).lstrip("!")) if judged else "-"
            cells.append(f"<td class=\"over\">{text}</td>" if judged and judged.excess > 1 else text)
        name = f"<a href=\"#{each.load}-{each.size}\">{each.load}</a>"
        rows.append([name, report.size_in_words(each.size), f"<span class=\"{each.word}\">{each.word or '-'}</span>",
                     *cells])
    return table(["load", "objects", "verdict", *(column.name for column in verdict.COLUMNS)], rows, 3)


def section(each: Verdict, results: list[Result], places: dict[str, str]) -> str:
    mine = [result for result in results if (result["load"], result["size"]) == (each.load, each.size)]
    numbers = report.figures(mine)
    rows = [[f"<span class=\"swatch\" style=\"background: {COLOURS[row[2]]}\"></span>{html.escape(NAMES[row[2]])}",
             *map(html.escape, row[3:])] for row in numbers.rows]
    by = "".join(f"<li>{html.escape(text)}</li>" for text in (*each.by, *([each.skipped] if each.skipped else ())))
    names = [f"{each.load}-{each.size}-{what}" for what in ("latency", "memory")]
    plots = "".join(places.get(name, "") for name in names)
    return (f"<section id=\"{each.load}-{each.size}\"><h2>{each.load}, {report.size_in_words(each.size)}: "
            f"<span class=\"{each.word}\">{each.word or 'not judged'}</span></h2>"
            f"<p class=\"note\">{html.escape(KINDS[each.load].what)}</p><ul class=\"by\">{by}</ul>"
            f"<div class=\"plots\">{plots}</div>"
            f"<div class=\"numbers\">{table(['configuration', *numbers.columns[3:]], rows, 1)}</div></section>\n")
