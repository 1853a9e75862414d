/*
 * garbage: which objects of a host are unreachable, in an order in which they can die: the whole search of a snapshot
 * child.
 *
 * Exact, as cycle.h is, and for the same hosts; it takes more memory (an eighth of the heap) and visits each object
 * once, in the order of memory. When the last was visited the host is told, so that the heap's pages can go back while
 * the search goes on: what the program writes from then on is not copied.
 *
 * Invariant: no object is looked at after graph->release().
 */
#ifndef EXVI_GARBAGE_H
#define EXVI_GARBAGE_H

#include "components.h"
#include "cycle.h"

typedef struct exvi_garbage {
    exvi_walk walk;
    exvi_components found;   /* the answer */
    uint64_t examined;       /* members */
} exvi_garbage;

/* `garbage` is zeroed before its first use. On an end other than DONE nothing is found. */
exvi_cycle_end exvi_garbage_find(exvi_garbage *garbage, const exvi_graph *graph);
void exvi_garbage_drop(exvi_garbage *garbage);

#endif
