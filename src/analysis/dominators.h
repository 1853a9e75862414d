/*
 * dominators: what each object keeps alive.
 *
 * a dominates b when each way from the root to b goes through a: without a, b would be gone. The nearest such a is b's
 * immediate dominator; these form a tree, and what an object retains is the own size of all below it and of itself.
 *
 * Semi-NCA: Georgiadis, "Linear-Time Algorithms for Dominators and Related Problems" (2005), chapter 2, after Lengauer
 * and Tarjan (1979). Time is n log n at worst and linear in practice. All tables go by depth-first number, in which a
 * dominator is smaller than what it dominates. At the most there are 32 bytes for each object and 4 for each
 * reference, afterwards 20 for each object.
 */
#ifndef EXVI_DOMINATORS_H
#define EXVI_DOMINATORS_H

#include "graph.h"

typedef struct exvi_dominators {
    uint32_t count;      /* of the graph's nodes: all are reached */
    uint32_t *node;      /* depth-first number -> node; 0 is the root */
    uint32_t *number;    /* and back */
    uint32_t *dominator; /* number -> number; the root's is itself */
    uint64_t *retained;  /* number -> bytes */
} exvi_dominators;

/* False: no memory. Dropped by the caller in either case. */
bool exvi_dominators_find(exvi_dominators *dominators, const exvi_graph *graph);
void exvi_dominators_drop(exvi_dominators *dominators);

static inline uint64_t exvi_retained(const exvi_dominators *dominators, uint32_t node)
{
    return dominators->retained[dominators->number[node]];
}

/* Bytes retained by all objects of each kind (exvi_heap_kind()) together, no object counted twice: of an instance
 * that another of its kind dominates, nothing is added. `bytes` has room for file->types. False: no memory. */
bool exvi_dominators_by_kind(const exvi_dominators *dominators, const exvi_graph *graph, uint64_t *bytes);

/* For each number, the most that one object right below it retains. NULL: no memory. Given back with its count. */
uint64_t *exvi_dominators_heaviest(const exvi_dominators *dominators);

#endif
