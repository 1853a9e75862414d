/*
 * dict: keys to values, in order of insertion, over a table.
 *
 * Invariant: tracked if a key or value could be part of a cycle when it was put in. A new dict is not tracked: most
 * hold simple values and never need to be, as in CPython.
 */
#include "error.h"
#include "need.h"
#include "table.h"
#include "tuple.h"
#include "str.h"
#include "value.h"

#include <string.h>

struct exv_dict {
    exvi_table table;
};

exv_dict *exv_dict_new(exv_heap *heap)
{
    exv_dict *self = exv_new(heap, &exv_dict_type);
    if (!self) {
        exvi_no_memory(heap);
        return NULL;
    }
    exv_untrack(self);
    return self;
}

size_t exv_dict_size(const exv_dict *self)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    return self->table.live;
}

static exv_status find(exv_dict *self, void *key, uint64_t *hash, exvi_entry **entry)
{
    exv_status status = exv_hash(key, hash);
    return status ? status : exvi_table_find(exv_get_heap(self), &self->table, key, *hash, entry);
}

/* Python shows the key; where its repr fails, the name of the error has to do. */
static exv_status key_error(exv_heap *heap, void *key)
{
    exv_str *repr;
    if (exv_repr(key, &repr) != EXV_OK)
        return exvi_error(heap, EXV_KEY_ERROR, "<%s object>", exvi_type_name(key));
    exvi_error(heap, EXV_KEY_ERROR, "%s", exv_str_data(repr));
    exv_decref(repr);
    return EXV_KEY_ERROR;
}

static exv_status text_key_error(exv_heap *heap, const char *text)
{
    exv_str *key;
    if (exv_str_from(heap, text, &key) != EXV_OK)
        return exvi_error(heap, EXV_KEY_ERROR, "'%s'", text);
    exv_status status = key_error(heap, key);
    exv_decref(key);
    return status;
}

exv_status exv_dict_get(exv_dict *self, void *key, void **value)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, key);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, key, &hash, &entry);
    if (status != EXV_OK)
        return status;
    if (!entry)
        return key_error(exv_get_heap(self), key);
    *value = exvi_table_value(&self->table, entry);
    return EXV_OK;
}

/* It may become tracked and then find no room: no harm. */
static exv_status insert(exv_dict *self, void *key, uint64_t hash, void *value)
{
    if (exvi_may_cycle(key) || exvi_may_cycle(value))
        exv_track(self);
    return exvi_table_insert(exv_get_heap(self), &self->table, key, hash, value);
}

/* Giving up the old value comes last: it may run code. */
static void replace(exv_dict *self, exvi_entry *entry, void *value)
{
    if (exvi_may_cycle(value))
        exv_track(self);
    exvi_table_replace(entry, value);
}

exv_status exv_dict_set(exv_dict *self, void *key, void *value)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, key);
    exvi_need_value(__func__, self, value);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, key, &hash, &entry);
    if (status == EXV_OK && !entry)
        status = insert(self, key, hash, value);
    else if (status == EXV_OK)
        replace(self, entry, value);
    return status;
}

exv_status exv_dict_set_default(exv_dict *self, void *key, void *value, void **result)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, key);
    exvi_need_value(__func__, self, value);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, key, &hash, &entry);
    if (status == EXV_OK && !entry)
        status = insert(self, key, hash, value);
    if (status == EXV_OK)
        *result = entry ? exvi_table_value(&self->table, entry) : value;
    return status;
}

static exvi_entry *find_text(const exv_dict *self, const char *key, uint64_t *hash)
{
    exv_heap *heap = exv_get_heap(self);
    size_t size = strlen(key);
    *hash = exvi_str_hash_of(heap, key, size);
    return exvi_table_find_text(heap, &self->table, key, size, *hash);
}

exv_status exv_dict_get_text(exv_dict *self, const char *key, void **value)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    uint64_t hash;
    exvi_entry *entry = find_text(self, key, &hash);
    if (!entry)
        return text_key_error(exv_get_heap(self), key);
    *value = exvi_table_value(&self->table, entry);
    return EXV_OK;
}

exv_status exv_dict_set_text(exv_dict *self, const char *key, void *value)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, value);
    uint64_t hash;
    exvi_entry *entry = find_text(self, key, &hash);
    if (entry) {
        replace(self, entry, value);
        return EXV_OK;
    }
    if (exvi_may_cycle(value))
        exv_track(self);
    return exvi_table_insert_text(exv_get_heap(self), &self->table, key, hash, value);
}

exv_status exv_dict_delete_text(exv_dict *self, const char *key)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    uint64_t hash;
    exvi_entry *entry = find_text(self, key, &hash);
    if (!entry)
        return text_key_error(exv_get_heap(self), key);
    exvi_table_remove(&self->table, entry);
    return EXV_OK;
}

exv_status exv_dict_keys(exv_dict *self, exv_list **result)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    return exvi_table_list(exv_get_heap(self), &self->table, false, result);
}

exv_status exv_dict_values(exv_dict *self, exv_list **result)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    return exvi_table_list(exv_get_heap(self), &self->table, true, result);
}

uint32_t exv_dict_version(const exv_dict *self)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    return self->table.version;
}

exv_status exv_dict_delete(exv_dict *self, void *key)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, key);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, key, &hash, &entry);
    if (status != EXV_OK)
        return status;
    if (!entry)
        return key_error(exv_get_heap(self), key);
    exvi_table_remove(&self->table, entry);
    return EXV_OK;
}

exv_status exv_dict_contains(exv_dict *self, void *key, bool *result)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    exvi_need_value(__func__, self, key);
    uint64_t hash;
    exvi_entry *entry;
    exv_status status = find(self, key, &hash, &entry);
    if (status == EXV_OK)
        *result = entry != NULL;
    return status;
}

bool exv_dict_next(exv_dict *self, size_t *position, void **key, void **value)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    const exvi_entry *entry = exvi_table_next(&self->table, position);
    if (!entry)
        return false;
    if (key)
        *key = entry->key;
    if (value)
        *value = exvi_table_value(&self->table, entry);
    return true;
}

static void dict_clear(void *object)
{
    exv_dict *self = object;
    exvi_table_clear(exv_get_heap(object), &self->table);
}

void exv_dict_clear(exv_dict *self)
{
    exvi_need_type(__func__, self, &exv_dict_type);
    dict_clear(self);
}

static int dict_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_dict *self = object;
    return exvi_table_visit(&self->table, visit, arg);
}

static void dict_edge(void *object, size_t index, exv_edge *edge)
{
    exvi_table_edge(&((const exv_dict *)object)->table, index, edge);
}

static exv_str *dict_repr(void *object)
{
    exv_dict *self = object;
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

/* The same keys with equal values, in whatever order. */
static exv_status dict_equal(void *object, void *other, bool *result)
{
    exv_dict *a = object, *b = other;
    exv_status status = EXV_OK;
    size_t position = 0;
    *result = a->table.live == b->table.live;
    for (exvi_entry *entry; status == EXV_OK && *result && (entry = exvi_table_next(&a->table, &position));) {
        void *key = exv_incref(entry->key), *value = exv_incref(exvi_table_value(&a->table, entry));
        exvi_entry *counterpart;
        status = exvi_table_find(exv_get_heap(b), &b->table, key, exvi_table_hash(&a->table, entry), &counterpart);
        if (status == EXV_OK && !counterpart)
            *result = false;
        if (status == EXV_OK && counterpart) {
            void *other_value = exv_incref(exvi_table_value(&b->table, counterpart));
            status = exvi_is_same(value, other_value, result);
            exv_decref(other_value);
        }
        exv_decref(key);
        exv_decref(value);
    }
    return status;
}

const exv_type exv_dict_type = {
    .name = "dict",
    .size = sizeof(exv_dict),
    .visit = dict_visit,
    .clear = dict_clear,
    .repr = dict_repr,
    .equal = dict_equal,
    .edge = dict_edge,
};
