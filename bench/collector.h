/*
 * collector: what a program on trees needs of a collector, from the library or (BENCH_BDWGC) from bdwgc.
 *
 * bdwgc is used as its README and its own GCBench use it: GC_INIT(), GC_MALLOC() for nodes, GC_MALLOC_ATOMIC() for
 * numbers, no explicit collections, its defaults for heap growth and for the number of marker threads (one per
 * core). `interior=0` tells it that objects are pointed to at their start only, which lets a 16-byte node take 16
 * bytes instead of 32. The library runs with its default configuration, automatic collection on.
 *
 * tree_new() gives an owned reference; tree_drop() gives one up, which for bdwgc is nothing but forgetting it.
 */
#ifndef BENCH_COLLECTOR_H
#define BENCH_COLLECTOR_H

#include "meter.h"

#include <stdint.h>

#ifdef BENCH_BDWGC

#define GC_NO_THREAD_REDIRECTS
#include <gc/gc.h>
#include <stdio.h>

#define COLLECTOR_NAME "bdwgc"

static inline void collector_open(int argc, char **argv)
{
    GC_set_all_interior_pointers((int)meter_option(argc, argv, "interior", 1));
    GC_INIT();
}

static inline const char *collector_version(void)
{
    static char text[16];
    unsigned version = GC_get_version();
    snprintf(text, sizeof text, "%u.%u.%u", version >> 16, version >> 8 & 255, version & 255);
    return text;
}

static inline void collector_report(void)
{
    meter_number("collections", GC_get_gc_no());
    meter_number("heap_bytes", GC_get_heap_size());
}

#define TREE_TYPE(node) /* bdwgc needs no description of a type */
#define tree_new(node) ((struct node *)GC_MALLOC(sizeof(struct node)))
#define tree_drop(node) ((void)(node))
#define numbers_new(count) ((double *)GC_MALLOC_ATOMIC((count) * sizeof(double)))
#define numbers_drop(numbers) ((void)(numbers))

#else

#include <exuvia.h>

#define COLLECTOR_NAME "exuvia"

static exv_heap *collector_heap;

static inline void collector_open(int argc, char **argv)
{
    exv_config config = exv_config_default();
    size_t threshold = meter_option(argc, argv, "threshold", 0);
    if (threshold)
        config.threshold[0] = (uint32_t)threshold;
    collector_heap = exv_heap_new(&config);
}

static inline const char *collector_version(void)
{
    return exv_version();
}

static inline void collector_report(void)
{
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_telemetry telemetry;
    exv_heap_stats heap;
    exv_gc_get_stats(collector_heap, stats);
    exv_get_telemetry(collector_heap, &telemetry);
    exv_get_heap_stats(collector_heap, &heap);
    meter_number("collections", stats[0].collections + stats[1].collections + stats[2].collections);
    meter_number("full_collections", stats[2].collections);
    meter_number("background_collections", telemetry.background_collections);
    meter_number("pause_max_ns", telemetry.pause_max_ns);
    meter_number("heap_bytes", heap.held_bytes);
}

#define TREE_TYPE(node)                                                                            \
    static int node##_visit(void *self, exv_visit_fn *visit, void *arg)                            \
    {                                                                                              \
        struct node *parent = self;                                                                \
        int result = visit(parent->left, arg);                                                     \
        return result ? result : visit(parent->right, arg);                                        \
    }                                                                                              \
    static void node##_clear(void *self)                                                           \
    {                                                                                              \
        struct node *parent = self;                                                                \
        EXV_CLEAR(parent->left);                                                                   \
        EXV_CLEAR(parent->right);                                                                  \
    }                                                                                              \
    static const exv_type node##_type = {                                                          \
        .name = #node, .size = sizeof(struct node), .visit = node##_visit, .clear = node##_clear};
static const exv_type numbers_type = {.name = "numbers", .item_size = sizeof(double)};
#define tree_new(node) ((struct node *)exv_new(collector_heap, &node##_type))
#define tree_drop(node) exv_decref(node)
#define numbers_new(count) ((double *)exv_new_var(collector_heap, &numbers_type, count))
#define numbers_drop(numbers) exv_decref(numbers)

#endif

static inline void collector_facts(void)
{
    meter_open();
    meter_text("name", COLLECTOR_NAME);
    meter_text("version", collector_version());
    meter_close();
}

static inline void collector_result(uint64_t start_ns, uint64_t start_cpu_ns, uint64_t check)
{
    uint64_t ns = meter_now_ns() - start_ns;
    meter_open();
    meter_number("ns", ns);
    meter_number("cpu_ns", meter_cpu_ns() - start_cpu_ns);
    meter_number("peak_bytes", meter_status_bytes("VmHWM"));
    meter_number("check", check);
    collector_report();
    meter_close();
}

#endif
