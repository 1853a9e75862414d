/*
 * set: members in order of insertion, over a table without values.
 *
 * Python shows the members of a set in an order of its own; here it is that of their insertion.
 */
#include "error.h"
#include "need.h"
#include "table.h"
#include "str.h"
#include "value.h"

struct exv_set {
    exvi_table table;
};

exv_set *exv_set_new(exv_heap *heap)
{
    exv_set *self = exv_new(heap, &exv_set_type);
    if (!self)
        exvi_no_memory(heap);
    return self;
}

size_t exv_set_size(const exv_set *self)
{
    exvi_need_type(__func__, self, &exv_set_type);
    return self->table.live;
}

static exv_status find(exv_set *self, void *item, uint64_t *hash, exvi_entry **entry)
{
    exv_status status = exv_hash(item, hash);
    return status ? status : exvi_table_find(exv_get_heap(self), &self->table, item, *hash, entry);
}

exv_status exv_set_add(exv_set *self, void *item)
{
    exvi_need_type(__func__, self, &exv_set_type);
    exvi_need_value(__func__, self, item);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, item, &hash, &entry);
    if (status != EXV_OK || entry)
        return status;
    return exvi_table_insert(exv_get_heap(self), &self->table, item, hash, NULL);
}

exv_status exv_set_discard(exv_set *self, void *item, bool *was_there)
{
    exvi_need_type(__func__, self, &exv_set_type);
    exvi_need_value(__func__, self, item);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, item, &hash, &entry);
    if (status != EXV_OK)
        return status;
    if (was_there)
        *was_there = entry != NULL;
    if (entry)
        exvi_table_remove(&self->table, entry);
    return EXV_OK;
}

exv_status exv_set_contains(exv_set *self, void *item, bool *result)
{
    exvi_need_type(__func__, self, &exv_set_type);
    exvi_need_value(__func__, self, item);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, item, &hash, &entry);
    if (status == EXV_OK)
        *result = entry != NULL;
    return status;
}

bool exv_set_next(exv_set *self, size_t *position, void **item)
{
    exvi_need_type(__func__, self, &exv_set_type);
    const exvi_entry *entry = exvi_table_next(&self->table, position);
    if (entry && item)
        *item = entry->key;
    return entry != NULL;
}

uint32_t exv_set_version(const exv_set *self)
{
    exvi_need_type(__func__, self, &exv_set_type);
    return self->table.version;
}

static void set_clear(void *object)
{
    exv_set *self = object;
    exvi_table_clear(exv_get_heap(object), &self->table);
}

static int set_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_set *self = object;
    return exvi_table_visit(&self->table, visit, arg);
}

static void set_edge(void *object, size_t index, exv_edge *edge)
{
    exvi_table_edge(&((const exv_set *)object)->table, index, edge);
}

static exv_str *set_repr(void *object)
{
    exv_set *self = object;
    exv_heap *heap = exv_get_heap(object);
    exvi_text text;
    exvi_text_begin(&text, heap);
    if (self->table.live == 0) {
        exvi_text_add(&text, "set()", 5);
        return exvi_text_take(&text);
    }
    if (!exvi_printing_is_first(heap, object)) {
        exvi_text_add(&text, "set(...)", 8);
        return exvi_text_take(&text);
    }
    exvi_table_add_repr(&self->table, &text);
    return exvi_text_take(&text);
}

/* Is each member of `a`, as far as *result is true at first, one of `b`? */
static exv_status is_subset(exv_set *a, exv_set *b, bool *result)
{
    exv_status status = EXV_OK;
    size_t position = 0;
    for (exvi_entry *entry; status == EXV_OK && *result && (entry = exvi_table_next(&a->table, &position));) {
        void *key = exv_incref(entry->key);
        exvi_entry *counterpart;
        status = exvi_table_find(exv_get_heap(b), &b->table, key, exvi_table_hash(&a->table, entry), &counterpart);
        if (status == EXV_OK)
            *result = counterpart != NULL;
        exv_decref(key);
    }
    return status;
}

static exv_status set_equal(void *object, void *other, bool *result)
{
    exv_set *a = object, *b = other;
    *result = a->table.live == b->table.live;
    return is_subset(a, b, result);
}

/* As in Python: a proper subset. */
static exv_status set_less(void *object, void *other, bool *result)
{
    exv_set *a = object, *b = other;
    *result = a->table.live < b->table.live;
    return is_subset(a, b, result);
}

exv_status exv_set_members(exv_set *self, exv_list **result)
{
    exvi_need_type(__func__, self, &exv_set_type);
    return exvi_table_list(exv_get_heap(self), &self->table, false, result);
}

const exv_type exv_set_type = {
    .name = "set",
    .size = sizeof(exv_set),
    .visit = set_visit,
    .clear = set_clear,
    .repr = set_repr,
    .equal = set_equal,
    .less = set_less,
    .edge = set_edge,
};
