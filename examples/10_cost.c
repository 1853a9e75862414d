/*
 * 10_cost.c: Collecting too often costs: the same work with three settings of the thresholds. Every collection is
 * measured.
 */
#define _POSIX_C_SOURCE 200809L
#include "must.h"

#include <time.h>

enum { LIVE = 100000, WORK = 300000 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* What the listener has seen of each generation. */
typedef struct tally {
    uint64_t collections[EXV_GENERATIONS];
    uint64_t total_ns;
    uint64_t longest_ns;
    bool show;
} tally;

static void tell(exv_heap *heap, const exv_record *record, void *arg)
{
    tally *t = arg;
    (void)heap;
    t->collections[record->generation]++;
    t->total_ns += record->proof_ns + record->free_ns;
    if (record->longest_ns > t->longest_ns)
        t->longest_ns = record->longest_ns;
    if (t->show && record->generation == 2)
        printf("    full collection: %llu objects examined, %llu found, finding %.2f ms, freeing %.2f ms\n",
               (unsigned long long)record->objects, (unsigned long long)record->found, (double)record->proof_ns / 1e6,
               (double)record->free_ns / 1e6);
}

/* Lists that live on, then lists of which every tenth is a cycle; the others die at once. */
static void work(exv_heap *heap)
{
    exv_list *keeper = made(exv_list_new(heap));
    for (int i = 0; i < LIVE; i++) {
        exv_list *list = made(exv_list_new(heap));
        must(heap, exv_list_append(keeper, list));
        exv_decref(list);
    }
    for (int i = 0; i < WORK; i++) {
        exv_list *list = made(exv_list_new(heap));
        if (i % 10 == 0)
            must(heap, exv_list_append(list, list));
        exv_decref(list);
    }
    exv_decref(keeper);
}

static void measure(const uint32_t threshold[EXV_GENERATIONS], bool show)
{
    tally t = {.show = show};
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_gc_set_threshold(heap, threshold);
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.mode = EXV_MODE_INLINE; /* so that every collection is a stop */
    exv_set_policy(heap, &policy);
    exv_set_listener(heap, tell, &t);
    double start = now_ms();
    work(heap);
    double all = now_ms() - start;
    printf("(%u, %u, %u): %7.1f ms of work, %6.1f ms of them for %llu + %llu + %llu collections, the longest %.2f ms\n",
           threshold[0], threshold[1], threshold[2], all, (double)t.total_ns / 1e6,
           (unsigned long long)t.collections[0], (unsigned long long)t.collections[1],
           (unsigned long long)t.collections[2], (double)t.longest_ns / 1e6);
    exv_set_listener(heap, NULL, NULL);
    exv_heap_free(heap);
}

int main(void)
{
    measure((uint32_t[]){70, 5, 2}, false);
    measure((uint32_t[]){700, 10, 10}, true);
    measure((uint32_t[]){10000, 20, 20}, false);
    return 0;
}
