/*
 * shapes: a tree over objects, with what is alike put together.
 *
 *     (modules) -> app -> .sessions dict -> [*] Session -> .cart list        a thousand sessions, one path
 *
 * Two objects have one shape when their parents have and they are of one kind and are called alike from there. What
 * repeats itself on the way down, with a period of one to six, is folded: a linked list of any length has one shape.
 * What lies deeper than EXVI_SHAPE_DEPTH is counted there.
 * The tree is either the shortest paths or the dominators.
 */
#ifndef EXVI_SHAPES_H
#define EXVI_SHAPES_H

#include "dominators.h"

enum { EXVI_SHAPE_DEPTH = 200 };
#define EXVI_SHAPE_GROUP (UINT32_MAX - 1024) /* kinds from here on: groups; the root is UINT32_MAX */

typedef struct exvi_shape {
    uint32_t parent; /* a smaller number; the root's, 0, is itself */
    uint32_t kind, label;
    uint32_t count;  /* of objects */
    uint64_t bytes;  /* their own */
    uint32_t example, depth;
    bool repeats;
} exvi_shape;

typedef struct exvi_shapes {
    exvi_shape *shape;
    uint32_t count;
    uint32_t *of;    /* node -> shape */
    size_t room, nodes;
} exvi_shapes;

/* With dominators, their tree; with NULL, the shortest paths. At most so many shapes: the rest is counted where they
 * would hang. False: no memory. Dropped by the caller in either case. */
bool exvi_shapes_make(exvi_shapes *shapes, const exvi_graph *graph, const exvi_dominators *dominators, uint32_t most);
void exvi_shapes_drop(exvi_shapes *shapes);

#endif
