#!/usr/bin/env python3
"""The picture and the table of the README, from the numbers of `exuvia bench loads --json`.

    bench/picture.py FILE [SVG]

FILE has one load at one size under several configurations, in one or more runs. The picture, docs/latency.svg unless said
otherwise, shows requests under stock collection above and under Exuvia below, on the same axes: of each stretch of requests
the slowest, so that no stop is left out; of the runs of each the one whose longest stop is the middle one. The table of all
configurations, medians of the runs, is printed as Markdown.
"""
import json
import statistics
import sys

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP, BOTTOM = 860, 110, 64, 16, 34, 40, 46
SHOWN = {"stock": ("#b5412b", "stock collection"), "exuvia": ("#1d6fa5", "Exuvia")}
NAMES = {"stock": "stock", "exuvia": "**Exuvia**", "freeze": "`gc.freeze()` after loading", "disable": "`gc.disable()`"}
TABLE = (("longest stop, ms", "longest_ms", "{:,.1f}"), ("p99, ms", "p99_us", "{:,.2f}"),
         ("p99.9, ms", "p99_9_us", "{:,.2f}"), ("time, s", "seconds", "{:.1f}"), ("CPU, s", "cpu_seconds", "{:.1f}"),
         ("peak, MB", "peak_mb", "{:,.0f}"))
STEPS = [digit * 10 ** power for power in range(6) for digit in (1, 2, 5)]


def runs_of_each(data):
    """By configuration, each in the order of its longest stop."""
    found = {}
    for run in data["runs"]:
        if not run["limited"] and "seconds" in run:
            found.setdefault(run["configuration"], []).append(run)
    return {name: sorted(runs, key=lambda run: run["longest_ms"]) for name, runs in found.items()}


def ticks(most, count):
    """Round numbers from 0 to the first one at or beyond the most, some `count` of them."""
    step = next(step for step in STEPS if most / step <= count)
    return list(range(0, int(-(-most // step)) * step + 1, step))


def text(x, y, words, colour="#555", **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{words}</text>'


def panel(run, bottom, across, levels):
    """The lines of the scale, and a bar for each stretch of requests; a list of elements."""
    colour, name = SHOWN[run["configuration"]]
    parts = []

    def up(ms):
        return bottom - PANEL * ms / levels[-1]

    for level in levels:
        parts.append(f'<path d="M{LEFT} {up(level):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, up(level) + 4, f"{level} ms", text_anchor="end"))
    bars = "".join(f"M{across(end):.1f} {bottom}V{min(up(slowest), bottom - 1):.1f}"
                   for end, _, slowest in run["series"])
    at, _, worst = max(run["series"], key=lambda point: point[2])
    told = f"longest: {worst:,.0f} ms" if worst >= 20 else f"longest: {worst:.1f} ms"
    left = across(at) < WIDTH * 0.75
    return parts + [
        f'<path d="{bars}" stroke="{colour}" stroke-width="2.5"/>',
        text(LEFT, bottom - PANEL - 9, name, colour, font_weight="bold"),
        text(across(at) + (8 if left else -8), up(worst) + (9 if worst > levels[-1] / 2 else -6), told, colour,
             text_anchor="start" if left else "end")]


def picture(runs):
    shown = [runs[name][len(runs[name]) // 2] for name in SHOWN]
    seconds = max(run["series"][-1][0] for run in shown)
    levels = ticks(max(point[2] for run in shown for point in run["series"]), 5)
    height = TOP + 2 * PANEL + GAP + BOTTOM

    def across(at):
        return LEFT + at / seconds * (WIDTH - LEFT - RIGHT)

    parts = [f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>']
    for number, run in enumerate(shown):
        parts += panel(run, TOP + PANEL + number * (PANEL + GAP), across, levels)
    for at in ticks(seconds, 12):
        if at <= seconds:
            parts.append(text(across(at), height - 28, f"{at} s", text_anchor="middle"))
    each = shown[0]["requests"] // len(shown[0]["series"])
    parts.append(text(LEFT, height - 8, f'{shown[0]["requests"]:,} requests to a service with '
                                        f'{shown[0]["size"] / 1e6:g} million live objects, the same for both; '
                                        f'a bar: the slowest of each {each}'))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" font-family="system-ui, sans-serif" font-size="13">\n' + "\n".join(parts) + "\n</svg>\n")


def table(runs):
    lines = ["| | " + " | ".join(title for title, _, _ in TABLE) + " |", "| --- |" + " ---: |" * len(TABLE)]
    for name in NAMES:
        if name not in runs:
            continue
        medians = [(field, form, statistics.median(run[field] for run in runs[name])) for _, field, form in TABLE]
        cells = [form.format(value / 1e3 if field.endswith("_us") else value) for field, form, value in medians]
        lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        data = json.load(file)
    runs = runs_of_each(data)
    with open(sys.argv[2] if len(sys.argv) > 2 else "docs/latency.svg", "w", encoding="utf-8") as file:
        file.write(picture(runs))
    print(table(runs))
    count = max(len(each) for each in runs.values())
    print(f"\nMedians of {count}; CPython {data['machine']['python']}, {data['machine']['processors']} processors")


if __name__ == "__main__":
    main()
