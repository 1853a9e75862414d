/*
 * 08_by_time.c: Collecting at an interval: cycles die without any pressure from allocation. The program only polls,
 * as its event loop goes round.
 */
#define _POSIX_C_SOURCE 200809L
#include "must.h"

#include <time.h>

enum { ROUNDS = 30 };

static const uint64_t INTERVAL_NS = 60000000;
static const struct timespec ROUND = {.tv_nsec = 10000000};

static void tell(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)heap;
    printf("  round %2d: collection of generation %d found %llu\n", *(int *)arg, record->generation,
           (unsigned long long)record->found);
}

static void make_cycle(exv_heap *heap)
{
    exv_list *list = made(exv_list_new(heap));
    must(heap, exv_list_append(list, list));
    exv_decref(list);
}

int main(void)
{
    int round = 0;
    exv_heap *heap = made(exv_heap_new(NULL));
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.every_ns = INTERVAL_NS;
    exv_set_policy(heap, &policy);
    exv_set_listener(heap, tell, &round);

    printf("one cycle every 10 ms, a collection every 60 ms:\n");
    for (round = 1; round <= ROUNDS; round++) {
        make_cycle(heap);
        nanosleep(&ROUND, NULL);
        exv_poll(heap);
    }
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    printf("%d cycles made, %llu of them freed by the interval, %llu full collections\n", ROUNDS,
           (unsigned long long)stats[2].collected, (unsigned long long)stats[2].collections);
    exv_set_listener(heap, NULL, NULL);
    exv_heap_free(heap);
    return 0;
}
