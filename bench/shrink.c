/*
 * shrink: how much memory stays resident after 90 % of a GB of objects are freed?
 *
 * `bytes` of objects with two references are created; then all are dropped but those in every tenth stretch of
 * `span` bytes of address space, chosen at random (graph_survives). The span is 16 KiB by default: the size of
 * CPython's pools, the pages of its allocator; the counterpart, cpython/shrink.py, is given the same number of
 * bytes of its own objects and the same rule. Resident memory is what the process gained since the start, scratch
 * excluded; before and after exv_heap_trim().
 *
 * Options: bytes, span, one_in.
 */
#include "graph.h"
#include "meter.h"
#include "pair.h"

static uint64_t gained(uint64_t start)
{
    uint64_t now = meter_status_bytes("VmRSS");
    return now > start ? now - start : 0;
}

int main(int argc, char **argv)
{
    enum { BLOCK = 32 }; /* header and payload of a pair */
    size_t objects = meter_option(argc, argv, "bytes", (uint64_t)1 << 30) / BLOCK;
    size_t span = meter_option(argc, argv, "span", 16384);
    uint64_t one_in = meter_option(argc, argv, "one_in", 10);
    exv_heap *heap = exv_heap_new(NULL);
    meter_open();
    meter_text("name", "exuvia");
    meter_text("version", exv_version());
    meter_close();

    char command[64];
    if (!meter_command(command, sizeof command))
        return 0;
    struct pair **all = meter_map(objects * sizeof *all);
    uint64_t start = meter_status_bytes("VmRSS");
    for (size_t i = 0; i < objects; i++) {
        all[i] = exv_new(heap, &pair_type);
        if (!all[i])
            meter_fail("out of memory");
    }
    uint64_t full = gained(start);
    size_t survivors = 0;
    uint64_t begin = meter_now_ns();
    for (size_t i = 0; i < objects; i++) {
        if (graph_survives(all[i], span, one_in))
            survivors++;
        else
            exv_decref(all[i]);
    }
    uint64_t free_ns = meter_now_ns() - begin;
    uint64_t left = gained(start);
    exv_heap_trim(heap);
    meter_open();
    meter_number("objects", objects);
    meter_number("survivors", survivors);
    meter_number("full_bytes", full);
    meter_number("left_bytes", left);
    meter_number("trimmed_bytes", gained(start));
    meter_real("free_ns_per_object", (double)free_ns / (double)objects);
    meter_close();
    return 0;
}
