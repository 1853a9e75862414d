#!/bin/sh
# sys.getsizeof() of a FrozenList is the same for 10 items and for 20,000; a MultiDict's grows.
#
# Versions: frozenlist 1.8.0, multidict 7.2.1, CPython 3.13.0.
# Guess: both containers of the aio-libs family report their tables, as list and dict do.
# What happens: the FrozenList answers its wrapper's size and hides the list inside; the MultiDict's size grows with its
#     entries. So a census by getsizeof() sees the one and misses the other.
# Seen:
#     FrozenList the same: True MultiDict grows with its entries: True
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check frozenlist==1.8.0 multidict==7.2.1
"$folder/venv/bin/python" - <<'END'
import sys

import frozenlist
import multidict

few, many = (sys.getsizeof(frozenlist.FrozenList(range(size))) for size in (10, 20_000))
small, large = (sys.getsizeof(multidict.MultiDict((str(i), i) for i in range(size))) for size in (10, 20_000))
print("FrozenList the same:", few == many, "MultiDict grows with its entries:", large > 20_000 * 8 > small)
raise SystemExit(not (few == many and large > 20_000 * 8 > small))
END
