#!/bin/sh
# Pympler's asizeof() of a cached function is a kilobyte, whatever the cache holds.
#
# Versions: Pympler 1.1, CPython 3.13.0.
# Guess: a cache of 1,000 results of 10 kB each is above 5 MB to asizeof(), since the function refers to them: from its
#     wrapper, gc.get_referents() leads to every one.
# What happens: asizeof() follows attributes and items, not what the collector is told, and a cache's table is neither.
#     So the cache that keeps a program large is the one object that looks small.
# Seen:
#     asizeof below a thousandth of the results: True, within reach of gc.get_referents(): 1000 of 1000
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pympler==1.1
"$folder/venv/bin/python" - <<'END'
import functools
import gc

from pympler import asizeof

COUNT, SIZE = 1_000, 10_000


@functools.lru_cache(maxsize=None)
def page(number):
    return bytes(SIZE)


for number in range(COUNT):
    page(number)

found, reached = 0, {id(page): page}
todo = [page]
while todo:
    for other in gc.get_referents(todo.pop()):
        if id(other) not in reached and not isinstance(other, type) and other is not globals():
            reached[id(other)] = other
            todo.append(other)
            found += type(other) is bytes and len(other) == SIZE
is_small = asizeof.asizeof(page) < COUNT * SIZE // 1000
print("asizeof below a thousandth of the results:", is_small, end=", ")
print("within reach of gc.get_referents():", found, "of", COUNT)
raise SystemExit(not (is_small and found == COUNT))
END
