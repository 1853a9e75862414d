"""The options of `exuvia run`, as its command line and EXUVIA_OPTIONS have them. Loaded in every process that begins
with Exuvia, so nothing heavy is imported here."""
from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

MODES = ("auto", "background", "inline", "stress")
LARGEST_BUDGET_MS = 1e6
EVENTS = ("HUP", "QUIT", "USR1", "USR2", "exit", "memoryerror")  # the first are signals


class Options:
    def __init__(self) -> None:
        self.mode = "auto"
        self.pause_budget_ms = 5.0
        self.summary = False
        self.stats: str | None = None
        self.log: str | None = None
        self.callbacks = False
        self.no_answers = False
        self.dump_on: tuple[str, ...] = ()
        self.dump_dir = "."


def _mode(text: str) -> str:
    if text not in MODES:
        raise ValueError(f"one of {', '.join(map(repr, MODES))}, not {text!r}")
    return text


def _milliseconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= LARGEST_BUDGET_MS:
        raise ValueError(
            f"a number of milliseconds above 0 and at most {LARGEST_BUDGET_MS:.0f}, like 5 or 2.5, not {text!r}")
    return value


def _file(text: str) -> str:
    if not text:
        raise ValueError("a file's name, not ''")
    return text


def _events(text: str) -> tuple[str, ...]:
    events = [name.removeprefix("SIG") for name in text.split(",")]
    for event in events:
        if event not in EVENTS:
            raise ValueError(f"some of {', '.join(EVENTS)}, with commas between, not {text!r}")
    return tuple(events)


FLAGS = {"--summary": "summary", "--callbacks": "callbacks", "--no-answers": "no_answers"}
VALUES: dict[str, tuple[str, Callable[[str], object]]] = {
    "--mode": ("mode", _mode),
    "--pause-budget": ("pause_budget_ms", _milliseconds),
    "--stats": ("stats", _file),
    "--log": ("log", _file),
    "--dump-on": ("dump_on", _events),
    "--dump-dir": ("dump_dir", _file),
}


def parse(words: list[str]) -> Options:
    """ValueError: what is wrong, in a text that names the option."""
    options, rest = Options(), list(words)
    while rest:
        name, joined, value = rest.pop(0).partition("=")
        if name in FLAGS and not joined:
            setattr(options, FLAGS[name], True)
        elif name in VALUES:
            if not joined:
                if not rest or rest[0].startswith("--"):
                    raise ValueError(f"{name}: expected one argument")
                value = rest.pop(0)
            field, checked = VALUES[name]
            try:
                setattr(options, field, checked(value))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        else:
            raise ValueError(f"no such option: {name}")
    return options


def words_of(text: str) -> list[str]:
    """As a shell divides them."""
    if not any(quote in text for quote in "\"'\\"):
        return text.split()
    import shlex

    return shlex.split(text)
