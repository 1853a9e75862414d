/*
 * pair: the graphs and the garbage that the benchmarks build in a heap of the library.
 *
 * A pair is a collected object with two references, the smallest that can be part of a graph, as its counterpart
 * in cpython/pairmodule.c is there: what is measured is the memory manager, not the object's own work. A graph can
 * also be made of values: lists of two items, or instances with two attributes.
 */
#ifndef BENCH_PAIR_H
#define BENCH_PAIR_H

#include <exuvia.h>
#include <stdbool.h>

struct pair {
    struct pair *left, *right;
};

extern const exv_type pair_type;

/* A graph of graph.h; returns an owned reference to node 0, and in `nodes` all of them in order of creation
 *. */
struct pair *pair_graph_new(exv_heap *heap, size_t count, bool shuffled, struct pair ***nodes);

/* The same, of `kind`: "pair", "list" or "instance". */
void *kind_graph_new(exv_heap *heap, const char *kind, size_t count, bool shuffled);

/* Leave `count` unreachable objects behind, in rings of `ring` objects. */
void pair_make_garbage(exv_heap *heap, size_t count, size_t ring);

#endif
