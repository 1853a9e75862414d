"""Questions to heap files: the analyzer answers in JSON, which comes back as data."""
from __future__ import annotations

import json
import os
from typing import Any

from exuvia._host import core as _core
from exuvia.heap.hints import CALLED_BLIND

FOUND, NOT_FOUND, MISASKED = 0, 1, 2  # as exit statuses


def ask(name: str, path: str, *, other: str = "", what: str | None = None, limit: int = 0, retained: bool = False,
        tells: bool = False) -> tuple[int, Any]:
    """The status and the answer; of MISASKED, a text that says what is wrong."""
    status, text = _core.heap_ask(name, os.fsencode(path), os.fsencode(other), what, limit, retained, tells)
    if status == MISASKED:
        return status, text
    answer: Any = json.loads(text) if text else None
    for side in (answer, *(answer.get(key) for key in ("before", "after"))) if isinstance(answer, dict) else ():
        if isinstance(side, dict) and "info" in side:
            side["info"] = _info(side["info"])
    if name == "why" and status == FOUND and answer["held_by_c"]:
        answer["hiding"] = _hiding(path)
    return status, answer


def _hiding(path: str) -> list[dict[str, Any]]:
    """What is there of the types that are known to hide what they hold, the most numerous first."""
    status, census = ask("census", path)
    there = [{"type": of["type"], "count": of["count"]} for of in census["types"] if of["type"] in CALLED_BLIND] \
        if status == FOUND else []
    return sorted(there, key=lambda of: -of["count"])


def _info(text: str) -> dict[str, Any]:
    """What the writer knew of the process. What is none of it, or not of the form, is left out."""
    try:
        info = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(info, dict):
        return {}
    memory = info.get("memory")
    info["memory"] = {name: value for name, value in memory.items() if isinstance(value, int)} \
        if isinstance(memory, dict) else {}
    return info
