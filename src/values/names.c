/*
 * names: a namespace, in which names are bound to values. A table whose keys are str.
 *
 * Invariant: keys are str and nothing else, so looking up a name runs no code of the program and allocates nothing.
 */
#include "error.h"
#include "need.h"
#include "str.h"
#include "table.h"
#include "value.h"

#include <string.h>

struct exv_names {
    exvi_table table;
};

exv_names *exv_names_new(exv_heap *heap)
{
    exv_names *self = exv_new(heap, &exv_names_type);
    if (!self)
        exvi_no_memory(heap);
    return self;
}

size_t exv_names_size(const exv_names *self)
{
    exvi_need_type(__func__, self, &exv_names_type);
    return self->table.live;
}

static exvi_entry *find(exv_names *self, const char *name, uint64_t *hash)
{
    exv_heap *heap = exv_get_heap(self);
    size_t size = strlen(name);
    *hash = exvi_str_hash_of(heap, name, size);
    return exvi_table_find_text(heap, &self->table, name, size, *hash);
}

static exv_status name_error(exv_names *self, const char *name)
{
    return exvi_error(exv_get_heap(self), EXV_NAME_ERROR, "name '%s' is not defined", name);
}

exv_status exv_name_get(exv_names *self, const char *name, void **value)
{
    exvi_need_type(__func__, self, &exv_names_type);
    uint64_t hash;
    const exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return name_error(self, name);
    *value = exvi_table_value(&self->table, entry);
    return EXV_OK;
}

exv_status exv_name_set(exv_names *self, const char *name, void *value)
{
    exvi_need_type(__func__, self, &exv_names_type);
    exvi_need_value(__func__, self, value);
    uint64_t hash;
    exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return exvi_table_insert_text(exv_get_heap(self), &self->table, name, hash, value);
    exvi_table_replace(entry, value);
    return EXV_OK;
}

exv_status exv_name_delete(exv_names *self, const char *name)
{
    exvi_need_type(__func__, self, &exv_names_type);
    uint64_t hash;
    exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return name_error(self, name);
    exvi_table_remove(&self->table, entry);
    return EXV_OK;
}

bool exv_name_next(exv_names *self, size_t *position, const char **name, void **value)
{
    exvi_need_type(__func__, self, &exv_names_type);
    const exvi_entry *entry = exvi_table_next(&self->table, position);
    if (!entry)
        return false;
    if (name)
        *name = exv_str_data(entry->key);
    if (value)
        *value = exvi_table_value(&self->table, entry);
    return true;
}

static void names_clear(void *object)
{
    exv_names *self = object;
    exvi_table_clear(exv_get_heap(object), &self->table);
}

static int names_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_names *self = object;
    return exvi_table_visit(&self->table, visit, arg);
}

/* The names are the program's: they are told. */
static void names_edge(void *object, size_t index, exv_edge *edge)
{
    exvi_table_edge(&((const exv_names *)object)->table, index, edge);
    if (edge->kind != EXV_EDGE_VALUE)
        return;
    edge->name = exv_str_data(edge->key);
    edge->name_size = exv_str_size(edge->key);
}

static exv_str *names_repr(void *object)
{
    exv_names *self = object;
    exv_heap *heap = exv_get_heap(object);
    exvi_text text;
    exvi_text_begin(&text, heap);
    if (!exvi_printing_is_first(heap, object)) {
        exvi_text_add(&text, "{...}", 5);
        return exvi_text_take(&text);
    }
    exvi_table_add_repr(&self->table, &text);
    return exvi_text_take(&text);
}

const exv_type exv_names_type = {
    .name = "names",
    .size = sizeof(exv_names),
    .visit = names_visit,
    .clear = names_clear,
    .repr = names_repr,
    .edge = names_edge,
};
