/*
 * cycle: which objects of a set are unreachable. Pure detection: it finds, others act.
 *
 * The host describes its objects by an exvi_graph. The answer is exact for the set: an object is unreachable when
 * no reference from outside the set, and no root, leads to it. Method: trial deletion (Christopher 1984; CPython's
 * since 2000), preceded by marking from roots that are known to be alive, with prefetching queues (Cher, Hosking
 * and Vitek 2004) because nearly all of its time is spent waiting for memory.
 *
 * Invariant: no object is written to. All scratch is in the side table and in mappings of its own, so a scan may run
 * in a snapshot child and over read-only memory.
 */
#ifndef EXVI_CYCLE_H
#define EXVI_CYCLE_H

#include "graph.h"
#include "side.h"

typedef enum exvi_cycle_end { EXVI_CYCLE_DONE, EXVI_CYCLE_MEMORY, EXVI_CYCLE_STOPPED } exvi_cycle_end;

typedef struct exvi_cycle {
    exvi_side side;
    void **found;            /* the unreachable members, in the order of the side table's walk */
    size_t count;
    size_t found_room;
    void **stack;            /* scratch, kept from search to search */
    size_t stack_room;
    uint64_t examined;       /* members */
} exvi_cycle;

/* Search. `cycle` is zeroed before its first use and keeps scratch memory between searches; `found` is valid until
 * the next search or exvi_cycle_drop(). On an end other than DONE, count is 0. */
exvi_cycle_end exvi_cycle_find(exvi_cycle *cycle, const exvi_graph *graph);

void exvi_cycle_drop(exvi_cycle *cycle);

#endif
