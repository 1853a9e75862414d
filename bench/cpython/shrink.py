"""How much memory stays resident after 90 % of a GB of objects are freed? The counterpart of shrink.c.

Options: bytes, span, one_in.
"""
import gc

import host
import pairmodule


def measure(option):
    names = ("objects", "survivors", "full_bytes", "left_bytes", "free_ns_per_object")
    return dict(zip(names, pairmodule.shrink(option["bytes"], option["span"], option["one_in"])))


def main():
    option = host.options(bytes=1 << 30, span=16384, one_in=10)
    gc.disable()
    host.serve(lambda: measure(option))


main()
