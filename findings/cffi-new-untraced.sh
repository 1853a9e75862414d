#!/bin/sh
# Memory that cffi's new() brings is seen neither by tracemalloc nor by sys.getsizeof().
#
# Versions: cffi 2.1.1, CPython 3.13.0.
# Guess: an owning cdata object is a Python object that holds its bytes, so tracemalloc traces them, as it does for
#     a bytearray of that size.
# What happens: of 16 MB tracemalloc sees a few hundred bytes, and sys.getsizeof() answers the size of a pointer object;
#     ffi.sizeof() alone tells the truth.
# Seen:
#     cffi traced below 1 %: True bytearray traced: True
#     getsizeof 40 ffi.sizeof 16000000
# Ends with 0 while that is so, with 1 where it has changed. Needs PyPI; PYTHON names the interpreter (python3).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check cffi==2.1.1
"$folder/venv/bin/python" - <<'END'
import sys
import tracemalloc

import cffi

SIZE = 16_000_000
ffi = cffi.FFI()
ffi.new("char[]", 8)  # its parser and caches are there before


def traced(make):
    tracemalloc.start()
    made = make()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return made, size


array, of_cffi = traced(lambda: ffi.new("char[]", SIZE))
_, of_bytearray = traced(lambda: bytearray(SIZE))
print("cffi traced below 1 %:", of_cffi < SIZE // 100, "bytearray traced:", of_bytearray >= SIZE)
print("getsizeof", sys.getsizeof(array), "ffi.sizeof", ffi.sizeof(array))
raise SystemExit(not (of_cffi < SIZE // 100 and of_bytearray >= SIZE and sys.getsizeof(array) < 1000))
END
