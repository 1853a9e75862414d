/*
 * graph: the shape that is built in the library and in CPython alike, so that both are asked about the same graph.
 *
 * Node i refers to nodes 2i+1 and 2i+2, modulo the number of nodes. Every node has two references out and two in,
 * all are reachable from node 0, and all lie on cycles. Node i is made from the object created as number order[i]:
 * in memory order that is i itself; shuffled, it is a random permutation, so that a reference leads to an
 * unrelated place in memory. That is what a heap looks like after a long time of allocating and freeing.
 */
#ifndef BENCH_GRAPH_H
#define BENCH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* To be given back with graph_order_free(). */
uint32_t *graph_order_new(size_t count, bool shuffled);
void graph_order_free(uint32_t *order, size_t count);

static inline size_t graph_left(size_t node, size_t count)
{
    return (2 * node + 1) % count;
}

static inline size_t graph_right(size_t node, size_t count)
{
    return (2 * node + 2) % count;
}

/* Whether the block at `address` survives when 1 in `one_in` stretches of `span` bytes does. */
bool graph_survives(const void *address, size_t span, uint64_t one_in);

#endif
