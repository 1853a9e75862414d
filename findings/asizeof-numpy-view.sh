#!/bin/sh
# Pympler's asizeof() gives a view of a numpy array more bytes than there are.
#
# Versions: Pympler 1.1, numpy 2.3.5, CPython 3.13.0.
# Guess: a view owns no elements, so the array and a view of it are the array's 8 MB together.
# What happens: the view's nbytes are counted although they lie in its base, and the base is counted too: half the
#     elements, as a view, are 12 MB where 8 MB exist. The very same array twice is counted once, so it is not a rule
#     about sharing.
# Seen:
#     array 8 MB, view 12 MB, both 12 MB, array twice 8 MB
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Pympler==1.1 numpy==2.3.5
"$folder/venv/bin/python" - <<'END'
import numpy
from pympler.asizeof import asizeof

array = numpy.zeros(1_000_000)
view = array[::2]
array_mb, view_mb, both_mb, twice_mb = (
    round(size / 1e6) for size in (asizeof(array), asizeof(view), asizeof([array, view]), asizeof([array, array])))
print(f"array {array_mb} MB, view {view_mb} MB, both {both_mb} MB, array twice {twice_mb} MB")
raise SystemExit((array_mb, view_mb, both_mb, twice_mb) != (8, 12, 12, 8))
END
