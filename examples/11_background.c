/*
 * 11_background.c: A full collection beside the program: the heap is searched in a snapshot while the program works
 * on. The same garbage is collected in place for comparison.
 */
#define _POSIX_C_SOURCE 200809L
#include "must.h"

#include <time.h>

enum { LIVE = 500000, CYCLES = 1000 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static exv_list *make_live(exv_heap *heap)
{
    exv_list *keeper = made(exv_list_new(heap));
    for (int i = 0; i < LIVE; i++) {
        exv_list *list = made(exv_list_new(heap));
        must(heap, exv_list_append(keeper, list));
        exv_decref(list);
    }
    return keeper;
}

static void make_cycles(exv_heap *heap)
{
    for (int i = 0; i < CYCLES; i++) {
        exv_list *list = made(exv_list_new(heap));
        must(heap, exv_list_append(list, list));
        exv_decref(list);
    }
}

/* Something to do between two looks at the collection. */
static void work_a_little(exv_heap *heap)
{
    for (int i = 0; i < 1000; i++)
        exv_decref(made(exv_float_new(heap, i)));
}

static void in_place(exv_heap *heap)
{
    double start = now_ms();
    size_t found = exv_collect(heap, 2);
    printf("in place:      %zu found, the program stood still for %.2f ms\n", found, now_ms() - start);
}

static void in_background(exv_heap *heap)
{
    double longest = 0, start = now_ms();
    size_t found = 0, rounds = 0;
    exv_status status = exv_collect_start(heap);
    if (status != EXV_OK) {
        printf("in background: %s\n", exv_error_message(heap));
        return;
    }
    longest = now_ms() - start;
    for (bool done = false; !done; rounds++) {
        work_a_little(heap);
        double before = now_ms();
        done = exv_collect_poll(heap, &found) == EXV_FINISHED;
        double stop = now_ms() - before;
        longest = stop > longest ? stop : longest;
    }
    printf("in background: %zu found, the longest stop was %.2f ms; meanwhile the program worked %zu rounds\n", found,
           longest, rounds);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_gc_disable(heap);
    exv_list *live = make_live(heap);
    make_cycles(heap);
    in_place(heap);
    make_cycles(heap);
    in_background(heap);
    exv_decref(live);
    exv_heap_free(heap);
    return 0;
}
