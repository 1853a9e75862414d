/*
 * The frame around statements of the documentation: a heap, and the node type that the documents use throughout.
 * tests/test_snippets.py puts a snippet in the marked place.
 */
#include <assert.h>
#include <exuvia.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
    int number;
};

static int visit_node(void *self, exv_visit_fn *visit, void *arg)
{
    struct node *node = self;
    return visit(node->next, arg);
}

static void clear_node(void *self)
{
    struct node *node = self;
    EXV_CLEAR(node->next);
}

static const exv_type node_type = {
    .name = "node", .size = sizeof(struct node), .visit = visit_node, .clear = clear_node};

static void statements(exv_heap *heap)
{
/* SNIPPET */
}

int main(void)
{
    exv_heap *heap = exv_heap_new(NULL);
    if (!heap)
        return 1;
    statements(heap);
    return exv_heap_free(heap) == 0 ? 0 : 1;
}
