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

#include "side.h"

typedef int exvi_visit_fn(void *child, void *arg); /* the same as exv_visit_fn */

typedef struct exvi_graph {
    void *host;
    bool dense;              /* the set is most of a heap: see side.h */

    /* Hand out the members of the set, up to `room` a call, 0 at the end; and likewise objects known to be alive, which
     * need not be members (NULL: none are known). An object may be handed out twice. */
    size_t (*next)(void *host, void **objects, size_t room);
    size_t (*next_root)(void *host, void **objects, size_t room);

    /* The object's references, from wherever; EXVI_HELD when it is alive whatever the count says. */
    uint64_t (*refcount)(void *host, void *object);

    /* Call visit for each object it refers to; members and others, NULL is ignored. */
    void (*visit)(void *host, void *object, exvi_visit_fn *visit, void *arg);

    /* More references from inside than the count has: a visit function lies, or a reference is borrowed. Always noticed
     * in the checked build, where it may be said twice, and mostly in others. NULL: take the object as if nothing
     * outside referred to it. */
    void (*excess)(void *host, void *object, uint64_t refcount, uint64_t inside);

    /* Asked every few thousand objects: true ends the search. May be NULL. */
    bool (*stop)(void *host);
} exvi_graph;

#define EXVI_HELD UINT64_MAX

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

/* Reorder `found` so that the members of a weakly connected component stand together, and set bit 0 of the last
 * address of each component. Objects of different components do not refer to each other, so each can be proven and
 * freed by itself. */
exvi_cycle_end exvi_cycle_group(exvi_cycle *cycle, const exvi_graph *graph);

void exvi_cycle_drop(exvi_cycle *cycle);

/* Keep no more than a small search needs. */
void exvi_cycle_shrink(exvi_cycle *cycle);

#endif
