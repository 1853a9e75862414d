/*
 * 06_thresholds.c: Reading and setting the thresholds; turning the collector off and on; collecting by hand.
 */
#include "must.h"

static void print_thresholds(exv_heap *heap)
{
    uint32_t threshold[EXV_GENERATIONS];
    exv_gc_get_threshold(heap, threshold);
    printf("(%u, %u, %u)\n", threshold[0], threshold[1], threshold[2]);
}

static uint64_t count_collections(exv_heap *heap)
{
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    return stats[0].collections + stats[1].collections + stats[2].collections;
}

/* Lists that contain themselves and that nothing else refers to. */
static void make_cycles(exv_heap *heap, int count)
{
    for (int i = 0; i < count; i++) {
        exv_list *list = made(exv_list_new(heap));
        must(heap, exv_list_append(list, list));
        exv_decref(list);
    }
}

static void run(exv_heap *heap, const char *how)
{
    exv_heap_stats before, after;
    uint64_t collections = count_collections(heap);
    exv_get_heap_stats(heap, &before);
    make_cycles(heap, 5000);
    exv_get_heap_stats(heap, &after);
    printf("%s: 5000 cycles made, %zd of them left, %llu collections\n", how,
           (ptrdiff_t)(after.live_objects - before.live_objects),
           (unsigned long long)(count_collections(heap) - collections));
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    print_thresholds(heap);
    exv_gc_set_threshold(heap, (uint32_t[]){900, 15, 15});
    print_thresholds(heap);

    run(heap, "collector enabled ");
    exv_gc_disable(heap);
    run(heap, "collector disabled");
    printf("is it enabled? %s. By hand: %zu unreachable objects found\n", exv_gc_is_enabled(heap) ? "yes" : "no",
           exv_collect(heap, 2));
    exv_gc_enable(heap);
    run(heap, "enabled again     ");
    exv_heap_free(heap);
    return 0;
}
