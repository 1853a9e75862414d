/*
 * pair: graphs of pairs, lists or instances, and garbage of pairs; see pair.h.
 */
#include "pair.h"

#include "graph.h"
#include "meter.h"

#include <string.h>

static int pair_visit(void *self, exv_visit_fn *visit, void *arg)
{
    struct pair *object = self;
    int result = visit(object->left, arg);
    return result ? result : visit(object->right, arg);
}

static void pair_clear(void *self)
{
    struct pair *object = self;
    EXV_CLEAR(object->left);
    EXV_CLEAR(object->right);
}

const exv_type pair_type = {.name = "pair", .size = sizeof(struct pair), .visit = pair_visit, .clear = pair_clear};

/* How a kind of object is made, and made to refer to two others. */
struct kind {
    const char *name;
    void *(*make)(exv_heap *heap);
    bool (*link)(void *node, void *left, void *right);
};

static void *pair_make(exv_heap *heap)
{
    return exv_new(heap, &pair_type);
}

static bool pair_link(void *node, void *left, void *right)
{
    struct pair *object = node;
    object->left = exv_incref(left);
    object->right = exv_incref(right);
    return true;
}

static void *list_make(exv_heap *heap)
{
    return exv_list_new(heap);
}

static bool list_link(void *node, void *left, void *right)
{
    return exv_list_append(node, left) == EXV_OK && exv_list_append(node, right) == EXV_OK;
}

static void *instance_make(exv_heap *heap)
{
    static exv_class *cls;
    if (!cls && exv_class_new(heap, "Pair", NULL, NULL, &cls) != EXV_OK)
        return NULL;
    return exv_instance_new(cls);
}

static bool instance_link(void *node, void *left, void *right)
{
    return exv_attr_set(node, "left", left) == EXV_OK && exv_attr_set(node, "right", right) == EXV_OK;
}

static const struct kind kinds[] = {
    {"pair", pair_make, pair_link},
    {"list", list_make, list_link},
    {"instance", instance_make, instance_link},
};

/* Node 0, owned; `created` receives all objects in order of creation, borrowed. */
static void *graph_new(exv_heap *heap, const struct kind *kind, size_t count, bool shuffled, void **created)
{
    uint32_t *order = graph_order_new(count, shuffled);
    for (size_t i = 0; i < count; i++) {
        created[i] = kind->make(heap);
        if (!created[i])
            meter_fail("out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        void *left = created[order[graph_left(i, count)]];
        void *right = created[order[graph_right(i, count)]];
        if (!kind->link(created[order[i]], left, right))
            meter_fail("out of memory");
    }
    void *root = exv_incref(created[order[0]]);
    for (size_t i = 0; i < count; i++)
        exv_decref(created[i]);
    graph_order_free(order, count);
    return root;
}

struct pair *pair_graph_new(exv_heap *heap, size_t count, bool shuffled, struct pair ***nodes)
{
    void **created = meter_map(count * sizeof *created);
    *nodes = (struct pair **)created;
    return graph_new(heap, &kinds[0], count, shuffled, created);
}

void *kind_graph_new(exv_heap *heap, const char *name, size_t count, bool shuffled)
{
    const struct kind *kind = kinds;
    while (strcmp(kind->name, name) != 0) {
        if (++kind == kinds + sizeof kinds / sizeof *kinds)
            meter_fail("kind is pair, list or instance");
    }
    void **created = meter_map(count * sizeof *created);
    void *root = graph_new(heap, kind, count, shuffled, created);
    meter_unmap(created, count * sizeof *created);
    return root;
}

static struct pair *pair_new(exv_heap *heap)
{
    struct pair *object = pair_make(heap);
    if (!object)
        meter_fail("out of memory");
    return object;
}

void pair_make_garbage(exv_heap *heap, size_t count, size_t ring)
{
    for (size_t made = 0; made < count; made += ring) {
        struct pair *first = pair_new(heap);
        struct pair *last = first;
        for (size_t i = 1; i < ring; i++) {
            last->left = pair_new(heap);
            last = last->left;
        }
        last->left = first; /* our reference on it becomes the ring's own */
    }
}
