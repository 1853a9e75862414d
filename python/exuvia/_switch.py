"""An interpreter that begins with EXUVIA=1: what `exuvia run` does before its program. Called by `_exuvia_switch`."""
from __future__ import annotations

import os

from exuvia import _environment, _host, _options, _start


def begin() -> None:
    """Whatever fails here is said, and the program goes on with stock collection."""
    if _host.is_sub_interpreter():
        return
    try:
        _start.start(_options.parse(_options.words_of(os.environ.get("EXUVIA_OPTIONS", ""))))
    except (ValueError, _start.CannotWrite) as error:
        _environment.say(f"EXUVIA_OPTIONS: {error}; stock collection")
    except Exception as error:
        _environment.say(f"EXUVIA=1: {error!r}; stock collection")
