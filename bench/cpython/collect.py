"""How long does gc.collect() take when all objects are live? The counterpart of collect.c, on the same graph.

Automatic collection is off while the graph is built. The first collection is reported with the facts and not measured:
it also brings CPython's list of objects into the order in which it meets them, as in a heap that has lived.
Options: objects, order (memory or shuffled), kind.
"""
import gc
import time

import graphs
import host


def collect(objects):
    start = time.perf_counter_ns()
    found = gc.collect()
    ns = time.perf_counter_ns() - start
    return {"ns": ns, "ns_per_object": ns / objects, "found": found, "resident_bytes": host.resident_bytes()}


def main():
    option = host.options(objects=10_000_000, order="memory", kind="pair")
    gc.collect()
    gc.freeze()  # the interpreter's own objects: not part of the graph
    gc.disable()
    root = graphs.build(option["kind"], option["objects"], option["order"] == "shuffled")
    first = collect(option["objects"])
    assert first["found"] == 0 and root is not None
    host.serve(lambda: collect(option["objects"]), first_ns=first["ns"])


main()
