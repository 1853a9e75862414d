#!/bin/sh
# Pympler's asizeof() does not look into a numpy array of objects, and does into a list of the same objects.
#
# Versions: Pympler 1.1, numpy 2.3.5, CPython 3.13.0.
# Guess: 100 lists of 1,000 ints in an array are above 500 kB, as they are in a list: the package has a rule for arrays.
# What happens: the rule is for the array's own bytes, so an array of objects is the size of its pointers; the 4 MB that
#     it alone keeps alive belong to nobody.
# Seen:
#     in an array below 2 kB: True, in a list above 2 MB: True
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pympler==1.1 numpy==2.3.5
"$folder/venv/bin/python" - <<'END'
import numpy
from pympler import asizeof

rows = numpy.empty(100, dtype=object)
for place in range(len(rows)):
    rows[place] = list(range(1_000, 2_000))
array, listed = asizeof.asizeof(rows), asizeof.asizeof(list(rows))
print("in an array below 2 kB:", array < 2_000, end=", ")
print("in a list above 2 MB:", listed > 2_000_000)
raise SystemExit(not (array < 2_000 and listed > 2_000_000))
END
