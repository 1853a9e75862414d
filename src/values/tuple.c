/*
 * tuple: a fixed array of references; the payload is the array.
 *
 * It has no clear: what it holds never changes while it lives, so a hash computed once stays right. A cycle through a
 * tuple goes through something else too, which is cleared; the tuple's references are dropped when it dies.
 *
 * Invariant: tracked exactly if one of its items could be part of a cycle when the tuple was made.
 */
#include "tuple.h"

#include "error.h"
#include "need.h"
#include "hash.h"
#include "str.h"
#include "value.h"

static void **items_of(void *tuple)
{
    return tuple;
}

bool exvi_may_cycle(const void *object)
{
    const exv_type *type = exv_get_type(object);
    return (type->visit || type->references) && (type != &exv_tuple_type || exv_gc_is_tracked(object));
}

exv_tuple *exv_tuple_new(exv_heap *heap, void *const *items, size_t count)
{
    exv_tuple *self = exv_new_var(heap, &exv_tuple_type, count);
    if (!self) {
        exvi_no_memory(heap);
        return NULL;
    }
    bool may_cycle = false;
    for (size_t i = 0; i < count; i++) {
        exvi_need_value(__func__, self, items[i]);
        items_of(self)[i] = exv_incref(items[i]);
        may_cycle = may_cycle || exvi_may_cycle(items[i]);
    }
    if (!may_cycle)
        exv_untrack(self);
    return self;
}

size_t exv_tuple_size(const exv_tuple *self)
{
    exvi_need_type(__func__, self, &exv_tuple_type);
    return exv_get_count(self);
}

exv_status exv_tuple_get(exv_tuple *self, ptrdiff_t index, void **item)
{
    exvi_need_type(__func__, self, &exv_tuple_type);
    size_t count = exv_get_count(self);
    size_t place = index < 0 ? count - (0 - (size_t)index) : (size_t)index; /* wraps to a large number */
    if (place >= count)
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR, "tuple index out of range");
    *item = items_of(self)[place];
    return EXV_OK;
}

void *const *exv_tuple_items(const exv_tuple *self)
{
    exvi_need_type(__func__, self, &exv_tuple_type);
    return (void *const *)self;
}

static int tuple_visit(void *self, exv_visit_fn *visit, void *arg)
{
    size_t count = exv_get_count(self);
    for (size_t i = 0; i < count; i++) {
        int end = visit(items_of(self)[i], arg);
        if (end)
            return end;
    }
    return 0;
}

static void tuple_edge(void *self, size_t index, exv_edge *edge)
{
    (void)self;
    *edge = (exv_edge){.kind = EXV_EDGE_INDEX, .index = index};
}

static exv_str *tuple_repr(void *self)
{
    exv_heap *heap = exv_get_heap(self);
    size_t count = exv_get_count(self);
    exvi_text text;
    exvi_text_begin(&text, heap);
    if (!exvi_printing_is_first(heap, self)) {
        exvi_text_add(&text, "(...)", 5);
        return exvi_text_take(&text);
    }
    exvi_text_add(&text, "(", 1);
    for (size_t i = 0; i < count && !text.failed; i++) {
        exvi_text_add(&text, ", ", i > 0 ? 2 : 0);
        exvi_text_add_repr(&text, items_of(self)[i]);
    }
    exvi_text_add(&text, ",)", count == 1 ? 2 : 0);
    exvi_text_add(&text, ")", count == 1 ? 0 : 1);
    return exvi_text_take(&text);
}

static exv_status tuple_equal(void *self, void *other, bool *result)
{
    size_t count = exv_get_count(self);
    exv_status status = EXV_OK;
    *result = count == exv_get_count(other);
    for (size_t i = 0; status == EXV_OK && *result && i < count; i++)
        status = exvi_is_same(items_of(self)[i], items_of(other)[i], result);
    return status;
}

static exv_status tuple_less(void *self, void *other, bool *result)
{
    size_t count = exv_get_count(self), others = exv_get_count(other);
    for (size_t i = 0; i < count && i < others; i++) {
        bool decided = false;
        exv_status status = exvi_decide_less(items_of(self)[i], items_of(other)[i], &decided, result);
        if (status != EXV_OK || decided)
            return status;
    }
    *result = count < others;
    return EXV_OK;
}

/* Keyed like that of a str: small numbers in tuples cannot be chosen to collide. */
static exv_status tuple_hash(void *self, uint64_t *result)
{
    size_t count = exv_get_count(self);
    exvi_sip sip;
    exvi_sip_begin(&sip, exvi_heap_values(exv_get_heap(self))->hash_key);
    for (size_t i = 0; i < count; i++) {
        uint64_t hash;
        exv_status status = exv_hash(items_of(self)[i], &hash);
        if (status != EXV_OK)
            return status;
        exvi_sip_word(&sip, hash);
    }
    *result = exvi_sip_end(&sip);
    return EXV_OK;
}

const exv_type exv_tuple_type = {
    .name = "tuple",
    .item_size = sizeof(void *),
    .visit = tuple_visit,
    .repr = tuple_repr,
    .edge = tuple_edge,
    .equal = tuple_equal,
    .hash = tuple_hash,
    .less = tuple_less,
};
