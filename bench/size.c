/*
 * size: how many bytes does an object of a graph take?
 *
 * Of the three kinds of pair.h, each with its counterpart in cpython/size.py, on the same graph: `pair`, a type in
 * C with two references; `list`, a list of two items; `instance`, an instance of a user-defined class with two
 * attributes. What is counted is what a process gains in resident memory; beside it, what the heap says of itself.
 *
 * Options: kind, objects.
 */
#include "meter.h"
#include "pair.h"

int main(int argc, char **argv)
{
    size_t objects = meter_option(argc, argv, "objects", 10000000);
    const char *kind = meter_option_text(argc, argv, "kind", "pair");
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    meter_open();
    meter_text("name", "exuvia");
    meter_text("version", exv_version());
    meter_close();

    char command[64];
    while (meter_command(command, sizeof command)) {
        uint64_t resident = meter_status_bytes("VmRSS");
        exv_heap_stats before, after;
        exv_get_heap_stats(heap, &before);
        void *root = kind_graph_new(heap, kind, objects, false);
        exv_get_heap_stats(heap, &after);
        meter_open();
        meter_real("resident_per_object", (double)(meter_status_bytes("VmRSS") - resident) / (double)objects);
        meter_real("used_per_object", (double)(after.used_bytes - before.used_bytes) / (double)objects);
        meter_real("held_per_object", (double)(after.held_bytes - before.held_bytes) / (double)objects);
        meter_close();
        meter_keep(root);
    }
    return 0;
}
