/*
 * subset: which objects of a small set are unreachable, in one visit of each.
 *
 * The question, and the answer, are those of cycle.h; the set is a small part of a heap: what is young, or a batch of
 * candidates. All memory that it takes goes by the size of the set, wherever in the heap its members lie.
 *
 * Invariant: no object is written to.
 */
#ifndef EXVI_SUBSET_H
#define EXVI_SUBSET_H

#include "cycle.h"

typedef struct exvi_subset {
    void *tables;         /* scratch, kept from search to search */
    size_t tables_bytes;
    uint32_t *edge;
    size_t edge_room;
} exvi_subset;

/* Search, as exvi_cycle_find() does; `answer` gets found, count and examined, in the order the members came in. The
 * graph has no known roots, and its objects keep alive what they are counted for, and nothing else. `subset` is zeroed
 * before its first use. */
exvi_cycle_end exvi_subset_find(exvi_subset *subset, const exvi_graph *graph, exvi_cycle *answer);

/* The scratch that is kept, and its end. */
size_t exvi_subset_bytes(const exvi_subset *subset);
void exvi_subset_drop(exvi_subset *subset);

#endif
