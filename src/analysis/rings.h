/*
 * rings: strongly connected components of those objects that a test picks.
 *
 * Tarjan's algorithm (1972) in the form of Pearce (2016): one number for each object, no recursion.
 */
#ifndef EXVI_RINGS_H
#define EXVI_RINGS_H

#include "graph.h"

/* `name[node]` of the picked ones: objects of one component have the same, of 1 .. ; who leads to a component has a
 * larger one than that, so that sources come last. 0 for the others. */
typedef struct exvi_rings {
    uint32_t *name;
    uint32_t count; /* of components */
    size_t bytes;
} exvi_rings;

typedef bool exvi_pick(const exvi_graph *graph, uint32_t node);

/* False: no memory. Dropped by the caller in either case. Uses the graph's file alone, not its tree. */
bool exvi_rings_find(exvi_rings *rings, const exvi_graph *graph, exvi_pick *pick);
void exvi_rings_drop(exvi_rings *rings);

#endif
