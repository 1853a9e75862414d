/*
 * collect: how long does a full collection in place take when all objects are live?
 *
 * The counterpart is cpython/collect.py, on the same graph (graph.h). Automatic collection is off while the graph
 * is built, in both. The first collection is reported with the facts and not measured, in both: it meets objects
 * that were created a moment ago, which is kind to caches and unlike a collection in a service's life.
 *
 * Options: objects, order (memory or shuffled), kind.
 */
#include "meter.h"
#include "pair.h"

#include <string.h>

int main(int argc, char **argv)
{
    size_t objects = meter_option(argc, argv, "objects", 10000000);
    bool shuffled = strcmp(meter_option_text(argc, argv, "order", "memory"), "shuffled") == 0;
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    void *root = kind_graph_new(heap, meter_option_text(argc, argv, "kind", "pair"), objects, shuffled);
    uint64_t first = meter_now_ns();
    if (exv_collect(heap, 2) != 0)
        meter_fail("live objects were found unreachable");
    first = meter_now_ns() - first;
    meter_open();
    meter_text("name", "exuvia");
    meter_text("version", exv_version());
    meter_number("first_ns", first);
    meter_close();

    char command[64];
    while (meter_command(command, sizeof command)) {
        uint64_t start = meter_now_ns();
        size_t found = exv_collect(heap, 2);
        uint64_t ns = meter_now_ns() - start;
        meter_open();
        meter_number("ns", ns);
        meter_real("ns_per_object", (double)ns / (double)objects);
        meter_number("found", found);
        meter_number("resident_bytes", meter_status_bytes("VmRSS"));
        meter_number("page_table_bytes", meter_status_bytes("VmPTE"));
        meter_close();
    }
    exv_decref(root);
    return 0;
}
