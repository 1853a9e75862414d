"""The tree of what keeps what alive as a profile for `go tool pprof` and speedscope: a stack is a way down the tree.

A profile.proto by hand: a message is its fields, a field its number, its kind and its bytes. Cumulative figures are
retained sizes, as the stacks are those of dominators.
"""
from __future__ import annotations

import gzip
from typing import Any, Iterable

COMMENT = "stacks are chains of immediate dominators: cum is what would go with it"
SHARED = "(held from several groups)"
_VARINT, _BYTES = 0, 2


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value) if value else b""


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(data)) + data


def _packed(field: int, values: Iterable[int]) -> bytes:
    return _field(field, b"".join(map(_varint, values)))


def frame(node: dict[str, Any]) -> str:
    """What a node of the tree is called."""
    if "group" in node:
        return f"({node['group']})"
    name = f" ({node['name']})" if node.get("name") and node["name"] != node["edge"] else ""
    return f"{node['edge']} {node['type']}{name}".strip()


def own(tree: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Objects and bytes of each node that no child has: its own, and those of children that the tree leaves out."""
    rest = [node["retained"] for node in tree]
    for node in tree[1:]:
        rest[node["parent"]] -= node["retained"]
    return [(node.get("count", 0), left) for node, left in zip(tree, rest)]


def profile(tree: list[dict[str, Any]], time_ns: int) -> bytes:
    strings: dict[str, int] = {"": 0}

    def string(text: str) -> int:
        return strings.setdefault(text, len(strings))

    def kind(type_name: str, unit: str) -> bytes:
        return _number(1, string(type_name)) + _number(2, string(unit))

    out = [_field(1, kind("objects", "count")), _field(1, kind("space", "bytes"))]
    functions: dict[str, int] = {}
    stacks: list[list[int]] = [[]]
    for node, (count, left) in list(zip(tree, own(tree)))[1:]:
        function = functions.setdefault(frame(node), len(functions) + 1)
        above = stacks[node["parent"]]
        if not above and "group" not in node:
            above = [functions.setdefault(SHARED, len(functions) + 1)]
        stack = [function, *above]
        stacks.append(stack)
        if count or left:
            out.append(_field(2, _packed(1, stack) + _packed(2, (count, left))))
    for name, function in functions.items():
        out.append(_field(4, _number(1, function) + _field(4, _number(1, function))))
        out.append(_field(5, _number(1, function) + _number(2, string(name))))
    comment, space = string(COMMENT), string("space")
    out += [_field(6, text.encode("utf-8", "replace")) for text in strings]
    out += [_number(9, time_ns), _number(13, comment), _number(14, space)]
    return gzip.compress(b"".join(out), mtime=0)
