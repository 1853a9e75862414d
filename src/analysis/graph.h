/*
 * graph: what of a heap file leads to what, from one root down.
 *
 *     root ---> (modules) --------> objects ---> objects
 *          ---> (frames) ---------> ...
 *          ---> (dead cycles) ----> one object of each dead structure that no other dead one leads to
 *          ---> (held by nothing that is known) ---> the same for what no root reaches and is not marked as dead
 *
 * Objects are 0 .. file->nodes - 1, then comes the root, then the groups. So each object is reached from the root, and
 * has a dominator. An instance leads to its class, where that is an object of the heap: such references are not in the
 * file, and come last here. A weak reference leads nowhere, and what is
 * dead holds nothing alive: what a dead object refers to is retained by the living alone.
 *
 * `parent` is a breadth-first tree: a shortest path to each object. Groups that say little about why something is there
 * (interned strings, what only C holds) come after all others: a path through a module is told, even a longer one.
 */
#ifndef EXVI_GRAPH_H
#define EXVI_GRAPH_H

#include "reader.h"

enum exvi_no_string { /* names of groups that are not in the file */
    EXVI_GROUP_DEAD = UINT32_MAX - 1,
    EXVI_GROUP_LOST = UINT32_MAX - 2,
};

typedef struct exvi_graph {
    const exvi_heap_file *file;
    uint32_t root, groups, all; /* root == file->nodes; group g is root + 1 + g; all == root + 1 + groups */
    uint32_t entries;
    uint32_t *group_name;       /* a string, or of exvi_no_string */
    uint32_t *entry_row;        /* first entry of each group; groups + 1 */
    uint32_t *entry, *entry_label;
    uint32_t *parent, *order;   /* of all: in the tree, and in the order it was made in; order[0] is the root */
    size_t group_room, entry_room;
} exvi_graph;

/* False: no memory. Dropped by the caller in either case. What no root reaches and something dead leads to is marked as
 * dead in the file's flags, too: a search knows of objects with a GC header alone, not of the bytes that they hold. */
bool exvi_graph_make(exvi_graph *graph, exvi_heap_file *file);
void exvi_graph_drop(exvi_graph *graph);

/* Places 0 .. degree - 1 of a node; a target of EXVI_NO_NODE is none. */
static inline uint32_t exvi_graph_degree(const exvi_graph *graph, uint32_t node)
{
    if (node < graph->root)
        return (uint32_t)(graph->file->row[node + 1] - graph->file->row[node]) + 1;
    if (node == graph->root)
        return graph->groups;
    return graph->entry_row[node - graph->root] - graph->entry_row[node - graph->root - 1];
}

/* The target of an object's reference, whatever is dead. */
static inline uint32_t exvi_graph_reference(const exvi_heap_file *file, uint32_t node, uint32_t place)
{
    uint64_t edge = file->row[node] + place;
    if (edge == file->row[node + 1]) {
        const exvi_heap_type *type = &file->type[file->type_of[node]];
        return type->flags & EXVI_TYPE_HEAP ? type->node : EXVI_NO_NODE;
    }
    return EXVI_LABEL_KIND(file->label[edge]) == EXVI_LABEL_WEAK ? EXVI_NO_NODE : file->to[edge];
}

static inline uint32_t exvi_graph_target(const exvi_graph *graph, uint32_t node, uint32_t place)
{
    const exvi_heap_file *file = graph->file;
    if (node < graph->root) {
        uint32_t to = exvi_graph_reference(file, node, place);
        bool holds_nothing_alive = file->flags[node] & EXVI_HEAP_DEAD;
        return holds_nothing_alive && to != EXVI_NO_NODE && !(file->flags[to] & EXVI_HEAP_DEAD) ? EXVI_NO_NODE : to;
    }
    if (node == graph->root)
        return graph->root + 1 + place;
    return graph->entry[graph->entry_row[node - graph->root - 1] + place];
}

/* How a reference is called: the edge's label; of a class, EXVI_LABEL_CLASS; of an entry, kind EXVI_LABEL_ROOT and the
 * root's label. Indexes and ordinals are left out, so that what is alike is called alike. */
#define EXVI_LABEL_ROOT 14u
#define EXVI_LABEL_CLASS (15u << 28)
uint32_t exvi_graph_label(const exvi_graph *graph, uint32_t node, uint32_t place);

/* For each node, how the reference from its parent in the tree is called. NULL: no memory; given back by the caller,
 * of graph->all + 1. */
uint32_t *exvi_graph_labels(const exvi_graph *graph);

#endif
