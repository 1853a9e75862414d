"""One self-contained page of a heap: what holds what, to walk into, and tables to sort and to search.

A function from answers to a text. It needs no network and no other file, and holds what a person can look at: of a heap
of any size, the largest.
"""
from __future__ import annotations

import html
import json
from typing import Any

from exuvia.heap import pprof, show

MOST_NODES = 6000    # of the tree
MOST_TYPES = 2000
MOST_HOLDERS = 300
MOST_SHAPES = 60
QUESTIONS = (("summary", MOST_TYPES), ("holders", MOST_NODES), ("cycles", MOST_SHAPES))  # with their limits
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 1.5em auto; padding: 0 1.2em; max-width: 1400px; }
h1 { font-size: 1.5em; margin: 0; } h2 { font-size: 1.15em; margin: 1.6em 0 .4em; }
.note { color: #555; font-size: .9em; margin: .2em 0 .6em; }
.parts { display: flex; height: 26px; border-radius: 3px; overflow: hidden; margin: .4em 0; }
.parts div { min-width: 1px; }
.legend span { margin-right: 1.2em; white-space: nowrap; } .legend i { display: inline-block; width: .8em; height: .8em;
  margin-right: .4em; border-radius: 2px; }
#icicle { position: relative; border: 1px solid #bbb; overflow: hidden; background: #fafafa; }
#icicle div { position: absolute; box-sizing: border-box; height: 22px; border: 1px solid #fff;
  border-width: 0 1px 1px 0;
  font-size: 12px; line-height: 21px; overflow: hidden; white-space: nowrap; padding-left: 3px; cursor: pointer; }
#icicle div:hover { filter: brightness(.9); } #icicle .rest { background: #e4e4e4; cursor: default; }
#where { min-height: 2.9em; font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88em; width: 100%; }
th, td { padding: .25em .6em; text-align: right; border-bottom: 1px solid #e2e2e2; }
td.word, th.word { text-align: left; overflow-wrap: anywhere; } th { cursor: pointer; position: sticky; top: 0;
  background: #fff; border-bottom: 2px solid #999; } th[aria-sort=descending]::after { content: " \\2193"; }
th[aria-sort=ascending]::after { content: " \\2191"; }
.scroll { max-height: 480px; overflow: auto; border: 1px solid #ddd; }
input { font: inherit; width: 22em; max-width: 100%; padding: .2em .4em; margin-bottom: .4em; }
pre { background: #f6f6f6; padding: .6em .9em; overflow-x: auto; font-size: .85em; } summary { cursor: pointer; }
"""
SCRIPT = """
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const size = n => { const units = ['B', 'kB', 'MB', 'GB', 'TB']; let at = 0, v = n;
  while (v >= 999.5 && at < 4) { v /= 1000; at++; }
  return (at === 0 ? v.toFixed(0) : v.toFixed(v < 99.95 ? 1 : 0)) + ' ' + units[at]; };
const make = (name, parent, text) => { const node = document.createElement(name);
  if (text !== undefined) node.textContent = text; if (parent) parent.append(node); return node; };

/* ---- the tree ---- */
const [parents, names, retained, counts] = [data.tree.parent, data.tree.name, data.tree.retained, data.tree.count];
const children = names.map(() => []);
for (let i = 1; i < names.length; i++) children[parents[i]].push(i);
for (const list of children) list.sort((a, b) => retained[b] - retained[a]);
const icicle = document.getElementById('icicle'), where = document.getElementById('where');
const ROW = 22, ROWS = 22;
let current = 0;
const hue = text => { let h = 0; for (const c of text) h = (h * 31 + c.codePointAt(0)) % 360; return h; };
const way = i => { const steps = []; for (; i > 0; i = parents[i]) steps.unshift(names[i]);
  return steps.join('  >  '); };
const tell = i => { where.textContent = size(retained[i]) + ' (' + (100 * retained[i] / (retained[0] || 1)).toFixed(1) +
  ' %)' + (counts[i] > 1 ? ', ' + counts[i].toLocaleString('en') + ' objects' : '') + '  ' +
  (way(i) || 'the whole heap'); };
function box(i, left, width, row, wide) {
  const at = make('div', icicle, names[i] + '  ' + size(retained[i]));
  at.style.cssText = `left:${left}px;width:${width}px;top:${row * ROW}px;` +
    `background:hsl(${hue(names[i])} 55% ${wide ? 88 : 78}%)`;
  at.dataset.node = i;
}
function draw() {
  icicle.textContent = '';
  const width = icicle.clientWidth, above = [];
  for (let i = current; i > 0; i = parents[i]) above.unshift(parents[i]);
  above.forEach((i, row) => box(i, 0, width, row, true));
  const todo = [[current, 0, width, above.length]];
  let last = 0;
  while (todo.length) {
    const [i, left, wide, row] = todo.pop();
    box(i, left, wide, row, false);
    last = Math.max(last, row);
    if (row - above.length >= ROWS) continue;
    let at = left;
    for (const child of children[i]) {
      const share = wide * retained[child] / (retained[i] || 1);
      if (share < 2) break;
      todo.push([child, at, share, row + 1]);
      at += share;
    }
  }
  icicle.style.height = (last + 1) * ROW + 'px';
  tell(current);
}
icicle.addEventListener('mouseover', e => { if (e.target.dataset.node) tell(+e.target.dataset.node); });
icicle.addEventListener('click', e => { if (e.target.dataset.node) { current = +e.target.dataset.node; draw(); } });
addEventListener('resize', draw);

/* ---- tables ---- */
for (const place of document.querySelectorAll('.table')) {
  const { columns, rows } = data.tables[place.dataset.table];
  const search = make('input', place);
  search.type = 'search'; search.placeholder = 'search ' + rows.length.toLocaleString('en') + ' lines';
  search.setAttribute('aria-label', 'search');
  const table = make('table', Object.assign(make('div', place), { className: 'scroll' }));
  const head = make('tr', make('thead', table)), body = make('tbody', table);
  let by = columns.findIndex(c => c.first), down = true;
  const heads = columns.map((c, at) => { const th = make('th', head, c.name); th.scope = 'col';
    if (c.kind === 'word') th.className = 'word';
    th.onclick = () => { down = by === at ? !down : c.kind !== 'word'; by = at; fill(); }; return th; });
  function fill() {
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const found = rows.filter(r => words.every(w => r.some(cell => String(cell).toLowerCase().includes(w))));
    const order = (a, b) => a[by] < b[by] ? -1 : a[by] > b[by] ? 1 : 0;
    found.sort((a, b) => down ? order(b, a) : order(a, b));
    heads.forEach((th, at) => at === by ? th.setAttribute('aria-sort', down ? 'descending' : 'ascending')
      : th.removeAttribute('aria-sort'));
    body.textContent = '';
    for (const row of found.slice(0, 500)) {
      const tr = make('tr', body);
      row.forEach((cell, at) => { const kind = columns[at].kind;
        const td = make('td', tr, kind === 'size' ? size(cell) : kind === 'number' ? cell.toLocaleString('en') : cell);
        if (kind === 'word') td.className = 'word'; else td.title = cell.toLocaleString('en'); });
    }
    if (found.length > 500)
      make('td', make('tr', body), 'and ' + (found.length - 500) + ' more: search').colSpan = columns.length;
  }
  search.oninput = fill;
  fill();
}
draw();
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="note">{overview}</p>
{suspects}
<h2>Memory</h2>
<div class="parts">{parts}</div>
<div class="legend">{legend}</div>
<h2>What holds what</h2>
<p class="note">Below each line is what would go with it. What is alike is put together. Click to go into one, and
on a line above to come back.</p>
<div id="where"></div>
<div id="icicle"></div>
<h2>Types</h2>
<p class="note">Retained: what all objects of a type keep alive together, nothing counted twice.</p>
<div class="table" data-table="types"></div>
<h2>Single objects that hold much</h2>
<div class="table" data-table="holders"></div>
<h2>Dead cycles</h2>
{cycles}
<script type="application/json" id="data">{data}</script>
<script>{script}</script>
</body>
</html>
"""
COLOURS = ("#1d6fa5", "#c8452e", "#8bbf6a", "#b58900", "#9a9a9a")


def _word(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "word"}


def _tables(summary: dict[str, Any]) -> dict[str, Any]:
    types = [[of["type"], of["count"], of["bytes"], of["retained"], of.get("dead", 0)] for of in summary["types"]]
    holders = [[f"{of['type']} {of['address']}", show.short(of["path"]), of["bytes"], of["retained"]]
               for of in summary["holders"]]
    numbers = [{"name": "own", "kind": "size"}, {"name": "retained", "kind": "size", "first": True}]
    return {
        "types": {"columns": [_word("type"), {"name": "objects", "kind": "number"}, *numbers,
                              {"name": "dead", "kind": "number"}], "rows": types[:MOST_TYPES]},
        "holders": {"columns": [_word("object"), _word("shortest path"), *numbers], "rows": holders[:MOST_HOLDERS]},
    }


def _columns(tree: list[dict[str, Any]]) -> dict[str, Any]:
    names = ["all", *(pprof.frame(node) for node in tree[1:])]
    return {"parent": [node["parent"] for node in tree], "name": [name[:300] for name in names],
            "retained": [node["retained"] for node in tree], "count": [node.get("count", 0) for node in tree]}


def _memory(summary: dict[str, Any]) -> tuple[str, str]:
    parts = [(name, of) for name, of in show.memory(summary)
             if of and name not in ("resident", "page tables, beside that")]
    whole = sum(of for _, of in parts) or 1
    bars = "".join(f'<div style="width: {100 * of / whole:.3f}%; background: {colour}" '
                   f'title="{html.escape(name)}"></div>' for (name, of), colour in zip(parts, COLOURS))
    legend = "".join(f'<span><i style="background: {colour}"></i>{html.escape(name)} {show.size(of)}</span>'
                     for (name, of), colour in zip(parts, COLOURS))
    unknown = [name for name, of in show.memory(summary) if of is None]
    return bars, legend + (f'<span>not known: {html.escape(", ".join(unknown))}</span>' if unknown else "")


def _cycles(cycles: dict[str, Any]) -> str:
    if not cycles["dead"]:
        return '<p class="note">None: nothing waits for a collection.</p>'
    first, *shapes = show.cycles(cycles).split("\n\n")
    parts = [f"<p class=\"note\">{html.escape(first)}</p>"]
    for shape in shapes:
        heading, _, rest = shape.partition("\n")
        parts.append(f"<details{' open' * (len(parts) < 4)}><summary>{html.escape(heading)}</summary>"
                     f"<pre>{html.escape(rest)}</pre></details>")
    return "".join(parts)


def page(summary: dict[str, Any], holders: dict[str, Any], cycles: dict[str, Any]) -> str:
    """Of the answers to QUESTIONS."""
    found = show.suspects(summary)
    bars, legend = _memory(summary)
    data = json.dumps({"tree": _columns(holders["tree"]), "tables": _tables(summary)}, separators=(",", ":"))
    return PAGE.format(
        title=html.escape(show.title(summary)), style=STYLE, script=SCRIPT, parts=bars, legend=legend,
        overview=f"{show.number(summary['objects'])} objects, {show.size(summary['bytes'])}; of these "
                 f"{show.number(summary['dead'])} dead, {show.size(summary['dead_bytes'])}.",
        suspects="<h2>Look at first</h2><ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in found) + "</ul>"
        if found else "", cycles=_cycles(cycles), data=data.replace("<", "\\u003c"))
