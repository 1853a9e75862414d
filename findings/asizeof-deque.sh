#!/bin/sh
# Pympler's asizeof() goes into a list's items and not into a deque's or a partial's.
#
# Versions: Pympler 1.1, CPython 3.13.0.
# Guess: asizeof() follows references, so 1 MiB of bytes counts wherever a standard container holds it.
# What happens: a list, a mapping proxy and an exception are followed; collections.deque and
#     functools.partial are not, although gc.get_referents() shows what they hold.
# Seen:
#     {'list': True, 'exception': True, 'mapping proxy': True, 'deque': False, 'partial': False}
#     get_referents() shows it in both: True
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Pympler==1.1
"$folder/venv/bin/python" - <<'END'
import collections
import functools
import gc
import types

from pympler.asizeof import asizeof

big = bytes(1 << 20)
holders = {"list": [big], "exception": ValueError(big), "mapping proxy": types.MappingProxyType({"key": big}),
           "deque": collections.deque([big]), "partial": functools.partial(print, big)}
counted = {name: asizeof(holder) >= len(big) for name, holder in holders.items()}
print(counted)
shown = all(any(big is item or (isinstance(item, tuple) and big in item) for item in gc.get_referents(holders[name]))
            for name in ("deque", "partial"))
print("get_referents() shows it in both:", shown)
expected = {"list": True, "exception": True, "mapping proxy": True, "deque": False, "partial": False}
raise SystemExit(not shown or counted != expected)
END
