"""How many bytes does an object of a graph take? The counterpart of size.c.

Resident memory gained, and what CPython itself says of one object: sys.getsizeof(), which leaves out an instance's
attribute values before 3.13, and the rounding of blocks. Options: kind, objects.
"""
import gc
import sys

import graphs
import host


def measure(kind, count):
    before = host.resident_bytes()
    root = graphs.build(kind, count, False)
    gained = host.resident_bytes() - before
    return {"resident_per_object": gained / count, "sizeof": sys.getsizeof(root)}


def main():
    option = host.options(objects=10_000_000, kind="pair")
    gc.disable()
    graphs.build(option["kind"], 1000, False)  # loads what is loaded once
    host.serve(lambda: measure(option["kind"], option["objects"]))


main()
