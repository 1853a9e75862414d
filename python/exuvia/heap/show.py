"""What the commands print: functions from answers to text. Sizes are rounded for reading; --json has the bytes."""
from __future__ import annotations

import time
from typing import Any, Iterable

from exuvia._summary import Table, milliseconds, plain
from exuvia.heap.hints import CALLED_BLIND, hint

Answer = dict[str, Any]
# A name of the program may hold what would steer the terminal.
_VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\n")}


METACLASSES = ("Meta", "EnumType")  # what classes keep alive is the program itself


def visible(text: str) -> str:
    return text.translate(_VISIBLE)


def size(count: int) -> str:
    """As a person reads it: three digits at least, in steps of a thousand."""
    value, sign = float(abs(count)), "-" if count < 0 else ""
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            break
        value /= 1000
    else:
        unit = "TB"
    return f"{sign}{value:.0f} B" if unit == "B" else f"{sign}{value:.{1 if value < 99.95 else 0}f} {unit}"


def number(count: int) -> str:
    return f"{count:,}"


def objects(count: int) -> str:
    return f"{count:,} object{'s' * (count != 1)}"


def change(count: int) -> str:
    return ("+" if count > 0 else "") + size(count)


def title(answer: Answer) -> str:
    """Whose heap it is, and when."""
    info = answer.get("info", {})
    words = [f"process {info['pid']}"] if "pid" in info else []
    words += [str(info[name]) for name in ("interpreter", "command") if info.get(name)]
    if isinstance(info.get("time"), (int, float)):
        words.append(time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info["time"])))
    if isinstance(info.get("stopped_ms"), (int, float)):
        words.append(f"stopped for {info['stopped_ms']:.1f} ms")
    return ", ".join(words) or "a heap"


# -------------------------------------------------------------------- summary

def memory(answer: Answer) -> list[tuple[str, int | None]]:
    """What is resident, told apart; None: not known."""
    told = answer["info"].get("memory", {})
    parts: list[tuple[str, int | None]] = [
        ("live objects", answer["bytes"] - answer["dead_bytes"]),
        ("dead cycles", answer["dead_bytes"]),
        ("free in Python's arenas", _difference(told, "arenas", "arenas_used")),
        ("code and other files, shared memory", told["files"] + told.get("shared", 0) if "files" in told else None),
    ]
    left = max(0, told.get("resident", 0) - sum(of or 0 for _, of in parts))
    free = told.get("malloc_free")
    if "resident" in told and free is not None:
        free = min(free, left)  # some of it may be no pages: never touched, or given back
    parts.insert(3, ("free in malloc", free))
    if "resident" in told:
        parts.append(("other: memory of C, stacks", left - (free or 0)))
        parts.insert(0, ("resident", told["resident"]))
    parts.append(("page tables, beside that", told.get("page_tables")))
    return parts


def _difference(told: Answer, whole: str, part: str) -> int | None:
    return max(0, told[whole] - told[part]) if whole in told and part in told else None


def suspects(answer: Answer) -> list[str]:
    """What to look at first, each with the next command."""
    parts = dict(memory(answer))
    found, whole = [], max(1, answer["bytes"])
    resident = max(1, parts.get("resident") or 0)
    if answer["dead_bytes"] > whole // 10:
        found.append(f"dead cycles hold {size(answer['dead_bytes'])}: exuvia cycles FILE says which code makes them")
    for part in ("free in Python's arenas", "free in malloc"):
        free = parts.get(part)
        if free and resident > 1 and free > resident // 4:
            found.append(f"{size(free)} are {part}: holes between what lives, or left from a peak; no leak of objects")
    told = set()
    for holder in answer["holders"]:
        known = next(filter(hint, reversed([of.get("type", "") for of in holder["path"]])), None)
        if known and known not in told and holder["retained"] > whole // 20:
            told.add(known)
            below = "" if known == holder["type"] else f", below a {known}"
            found.append(f"{holder['type']} at {holder['address']} holds {size(holder['retained'])}{below}: "
                         f"{hint(known)}")
    for held in answer["held_by_c"]:
        if held["retained"] > whole // 10:
            found.append(f"{number(held['count'])} {held['type']} are held by references that nothing visible explains,"
                         f" with {size(held['retained'])}: exuvia why FILE {held['type']}")
    for of in answer["retaining"]:
        is_told = any(of["type"] in line for line in found) or of.get("dead", 0) > of["count"] // 2
        if "." in of["type"] and not of["type"].endswith(METACLASSES) and of["retained"] > whole // 5 and not is_told:
            found.append(f"{number(of['count'])} {of['type']} keep {size(of['retained'])} alive: exuvia why FILE "
                         f"{of['type']} says what holds them")
    return found


def step(of: Answer) -> str:
    if "group" in of:
        return str(of["group"])
    name = f" ({of['name']})" if of.get("name") and of["name"] != of["edge"] else ""
    many = f" x {number(of['count'])}" if of.get("count", 1) > 1 else ""
    again = ", and so on" if of.get("repeats") else ""
    return f"{of['edge'] or '->'}  {of['type']}{name}{many}{again}"


def short(steps: list[Answer]) -> str:
    """A path in one line."""
    return " ".join(of["group"] + ":" if "group" in of else (of["edge"] or of["type"]) + " ..." * ("repeats" in of)
                    for of in steps)


def _types(heading: str, lines: Iterable[Answer], retained: bool) -> Table:
    columns = ["type", "objects", "own", *(["retained"] if retained else [])]
    rows = [[of["type"], number(of["count"]), size(of["bytes"]), *([size(of["retained"])] if retained else [])]
            for of in lines]
    return Table(heading, columns, rows, 1)


def summary(answer: Answer) -> str:
    tables = [
        Table("memory", ["", ""], [[name, "not known" if of is None else size(of)] for name, of in memory(answer)], 1),
        _types("types by their own bytes", answer["types"], True),
        _types("types by what they keep alive (an object below another of its type is counted once)",
               answer["retaining"], True),
        Table("what single objects keep alive, where it spreads", ["object", "path", "own", "retained"],
              [[f"{of['type']} {of['address']}", short(of["path"]), size(of["bytes"]), size(of["retained"])]
               for of in answer["holders"]], 2),
        Table("where it hangs from", ["group", "entries", "retained by it alone"],
              [[of["group"], number(of["entries"]), size(of["retained"])] for of in answer["groups"]], 1),
    ]
    if answer["held_by_c"]:
        tables.append(Table("references that nothing visible explains: held by C, or by what no collector looks into",
                            ["type", "objects", "retained by these alone"],
                            [[of["type"], number(of["count"]), size(of["retained"])] for of in answer["held_by_c"]], 1))
    first = f"{title(answer)}\n{number(answer['objects'])} objects, {number(answer['references'])} references"
    looks = ["look at first", *("  " + line for line in suspects(answer))]
    return "\n\n".join([first, *(["\n".join(looks)] if len(looks) > 1 else []), *map(plain, tables)])


# --------------------------------------------------------------------- census

def census(answer: Answer) -> str:
    retained = any("retained" in of for of in answer["types"])
    ages_told = ("young", "middle", "old", "frozen", "dead")
    columns = ["type", "objects", "own", *(["retained"] if retained else []), *ages_told]
    rows = []
    for of in answer["types"]:
        ages = [number(of[age]) if age in of else "" for age in ages_told]
        rows.append([of["type"], number(of["count"]), size(of["bytes"]),
                     *([size(of["retained"])] if retained else []), *ages])
    heading = f"{title(answer)}\n{number(answer['objects'])} objects, {size(answer['bytes'])}"
    return heading + "\n" + plain(Table("", columns, rows, 1)).lstrip("\n")


# ------------------------------------------------------------------------ why

def path(steps: list[Answer], indent: str = "    ") -> list[str]:
    lines = []
    for depth, of in enumerate(steps):
        lines.append(f"{indent}{'  ' * depth}{step(of)}")
        known = hint(of.get("type", ""))
        if known:
            lines.append(f"{indent}{'  ' * depth}    ^ {known}")
    return lines


def why(answer: Answer) -> str:
    if "address" in answer:
        lines = [f"{answer['type']} at {answer['address']}" + (f" ({answer['name']})" if "name" in answer else ""),
                 f"  own {size(answer['bytes'])}, keeps alive {size(answer['retained'])}"
                 + (f", reference count {answer['references']}" if "references" in answer else "")]
        if answer["dead"]:
            lines.append("  dead: the next full collection finds it")
    else:
        lines = [f"{answer['type']}: {objects(answer['count'])}, own {size(answer['bytes'])}"
                 + (f", {number(answer['dead'])} of them dead" if answer["dead"] else "")]
    told, there = len(answer["paths"]), answer["different_paths"]
    lines += ["", f"by {number(there)} different path{'s' * (there != 1)} from a root"
              + (f", of which {told} are shown (--limit)" if told < there else "")]
    for of in answer["paths"]:
        example = of["example"]
        lines += [f"  {objects(of['count'])}, own {size(of['bytes'])}; one of them {example['address']} keeps "
                  f"{size(example['retained'])} alive", *path(of["steps"])]
    if answer.get("kept_by"):
        lines += ["", "without any one of these it would be gone (the nearest first)"]
        lines += [f"  {of['type']} {of['address']}" + (f" ({of['name']})" if "name" in of else "")
                  + f", keeps {size(of['retained'])} alive" for of in answer["kept_by"]]
    lines += ["", "referred to by"]
    for of in answer["referrers"]:
        example = of["example"]
        lines.append(f"  {number(of['count'])} from {' '.join(filter(None, (example['type'], of['edge'])))}, as "
                     f"{example['address']}" + (f" ({example['name']})" if "name" in example else ""))
    for of in answer["held_by_c"]:
        lines.append(f"  {objects(of['count'])} with {of['label']} that nothing visible explains: from C, or from a "
                     "type that no collector looks into")
    for of in answer.get("hiding", ()):
        kind = of["type"]
        lines.append(f"    perhaps one of {number(of['count'])} {kind}: {CALLED_BLIND[kind]}; who holds them says "
                     f"exuvia why FILE {kind}")
    return "\n".join(lines)


def fits(answer: Answer, what: str) -> str:
    return "\n".join([f"{what} fits several types; say one of them:", *("  " + name for name in answer["fits"])])


# --------------------------------------------------------------------- cycles

def cycles(answer: Answer, whole: bool = False) -> str:
    if not answer["dead"]:
        return "no dead cycles: nothing waits for a collection"
    lines = [f"{number(answer['dead'])} dead objects, {size(answer['dead_bytes'])}, in rings of "
             f"{number(answer['different_shapes'])} shape{'s' * (answer['different_shapes'] != 1)}"]
    for of in answer["shapes"]:
        lines += ["", f"{number(of['rings'])} ring{'s' * (of['rings'] != 1)} of {number(of['objects'] // of['rings'])} "
                      f"objects; all together {size(of['bytes'])}, with what they hold {size(of['held'])}"]
        ring = of["ring"] if whole else _folded(of["ring"])
        lines += ["  for example", *("    " + "  " * depth + _ring_step(at) for depth, at in enumerate(ring))]
        if of["code"]:
            lines.append("  code in it")
            lines += [f"    {at['file']}:{at['line']}  {at['name']} ({at['type']}"
                      + (f" x {at['count']}" if at["count"] > 1 else "") + ")" for at in of["code"]]
        lines.append("  types in it")
        lines += [f"    {number(at['count'])} {at['type']}, {size(at['bytes'])}" for at in of["types"]]
    return "\n".join(lines)


def _ring_step(of: Answer) -> str:
    if "skipped" in of:
        return f"... {number(of['skipped'])} more steps like these"
    name = f" ({of['name']})" if "name" in of else ""
    return f"{of['edge']}{'  ' * bool(of['edge'])}{of['type']}{name} {of['address']}"


def _folded(ring: list[Answer]) -> list[Answer]:
    """Of a long ring, the beginning and the end: what is between is of the same types over and over."""
    return ring if len(ring) <= 40 else [*ring[:20], {"skipped": len(ring) - 30}, *ring[-10:]]


# ----------------------------------------------------------------------- diff

def diff(answer: Answer) -> str:
    before, after = answer["before"], answer["after"]
    rows = [[of["type"], number(of["count_before"]), number(of["count_after"]), number(of["new"]),
             change(of["bytes_after"] - of["bytes_before"]), size(of["bytes_after"])] for of in answer["types"]]
    lines = [f"before: {title(before)}: {number(before['objects'])} objects, {size(before['bytes'])}",
             f"after:  {title(after)}: {number(after['objects'])} objects, {size(after['bytes'])}, "
             f"{change(after['bytes'] - before['bytes'])}"]
    if before["info"].get("pid") != after["info"].get("pid"):
        lines.append("these are two processes: numbers by type compare, what is new does not")
    columns = ["type", "before", "after", "new", "change", "own bytes now"]
    lines += ["", plain(Table("types, what grew most first", columns, rows, 1)), "",
              "what is new, and what holds it: the uppermost of what is new, with all it retains"]
    for of in answer["paths"]:
        lines += [f"  {number(of['count'])} new, retaining {size(of['retained'])}", *path(of["steps"])]
    return "\n".join(lines)


# ------------------------------------------------------------------------ top

def watched(answer: Answer, first: Answer) -> str:
    """One refresh of a watch, but for the types; `first` was the first one."""
    lines = [title({"info": answer})]
    if answer["note"]:
        lines.append(f"  {answer['note']}")
    before = dict(_memory_watched(first))
    rows = []
    for name, of in _memory_watched(answer):
        more = 0 if of is None else of - (before.get(name) or 0)
        rows.append([name, "not known" if of is None else size(of), change(more) if more else ""])
    lines.append(plain(Table("memory, and since the beginning", ["", "", ""], rows, 1)))
    lines += _collections_watched(answer["numbers"]) if answer["numbers"] else []
    cost = answer["cost"]
    lines.append(f"cost  {milliseconds(cost['cpu_ns'])} of processor time in the {cost['seconds']:.1f} s since it last "
                 f"looked at the heap: {cost['percent']:.2g} %, and at {cost['most_percent']:g} % it looks again")
    return "\n".join(lines)


def _memory_watched(answer: Answer) -> list[tuple[str, int | None]]:
    """What the last look told apart, and what has come since."""
    now, then = answer["memory"], answer["heap"]["memory"]
    _, *parts, _ = memory({**answer["heap"], "info": answer["heap"]})
    return [("resident", now.get("resident")), *parts,
            ("come since the last look", now.get("resident", 0) - then.get("resident", 0)),
            ("page tables, beside that", now.get("page_tables"))]


def _collections_watched(numbers: Answer) -> list[str]:
    stats, generations = numbers["stats"], numbers["generations"]
    young, middle, full = (of["collections"] for of in generations)
    collected = sum(of["collected"] for of in generations)
    lines = [f"collections  {number(young + middle)} young, {number(full)} full"
             + (f", {number(stats['completed'])} in the background" if numbers["installed"] else "")
             + f"; {objects(collected)} collected" + ("" if numbers["enabled"] else "; the collector is disabled")
             + (f"; {stats['in_flight']} now" if stats["in_flight"] else "")]
    whole, last = stats["pauses"]["all"], stats["last"]
    if not numbers["installed"]:
        return [*lines, "stops  not known: collections in the background are not installed there"]
    lines.append(f"stops  {number(whole['count'])}: 99 % under {milliseconds(whole['p99_ns'])}, the longest "
                 f"{milliseconds(whole['max_ns'])}, together {milliseconds(whole['total_ns'])}; the longest by kind: "
                 + (", ".join(f"{kind} {milliseconds(of['max_ns'])}" for kind, of in stats["pauses"].items()
                              if kind != "all" and of["count"]) or "none"))
    if stats["completed"]:
        lines.append(f"last in the background  {number(last['examined'])} objects, {number(last['unreachable'])} "
                     f"unreachable; clone {milliseconds(last['clone_ns'])}, search {milliseconds(last['search_ns'])}, "
                     f"longest stop {milliseconds(last['longest_ns'])}")
    return lines


def growing(types: list[Answer], when: float | None, names: int | None = None) -> str:
    """What grew most first; names of at most so many letters."""
    seen = time.strftime(" at %H:%M:%S", time.localtime(when)) if when is not None else ""
    rows = []
    for of in types:
        name = of["type"] if names is None or len(of["type"]) <= names else of["type"][:names - 3] + "..."
        new, more = of["count"] - of["count_before"], of["bytes"] - of["bytes_first"]
        rows.append([name, number(of["count"]), f"{new:+,}" if new else "", size(of["bytes"]),
                     change(more) if more else ""])
    columns = ["type", "objects", "since the look before", "own", "since the first look"]
    return plain(Table(f"types{seen}, what grew most first", columns, rows, 1))
