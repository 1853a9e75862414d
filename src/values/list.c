/*
 * list: a growing array of references.
 *
 *     items -> | 0 .. size - 1: owned references, never NULL | size .. room - 1: unused |
 *
 * Invariant: size <= room, and items is NULL exactly while room == 0. Dropping an item may run the program's code,
 * which may change this list; so an item is out of the list before it is dropped, and loops look at the list anew
 * each time.
 *
 * Most lists are short, so object and array are as small as they can be: two items take a block of 32 bytes and one
 * of 16. Sizes are counted in 32 bits; a list that would need more is out of memory.
 */
#include "error.h"
#include "need.h"
#include "sort.h"
#include "str.h"
#include "value.h"

#include <string.h>

#ifdef EXVI_STRESS
#define MOST_ITEMS ((size_t)1 << 17)
#else
#define MOST_ITEMS ((size_t)UINT32_MAX)
#endif

struct exv_list {
    void **items;
    uint32_t size;
    uint32_t room;
};

exv_list *exv_list_new(exv_heap *heap)
{
    exv_list *self = exv_new(heap, &exv_list_type);
    if (!self)
        exvi_no_memory(heap);
    return self;
}

size_t exv_list_size(const exv_list *self)
{
    exvi_need_type(__func__, self, &exv_list_type);
    return self->size;
}

/* Move the items to a block for `wanted` of them; there is room for what else fits into it. */
static bool resize(exv_list *self, size_t wanted)
{
    exv_heap *heap = exv_get_heap(self);
    void **items = exv_realloc(heap, self->items, wanted * sizeof *items);
    if (!items)
        return false;
    size_t room = exv_usable_size(heap, items) / sizeof *items;
    self->items = items;
    self->room = (uint32_t)(room < MOST_ITEMS ? room : MOST_ITEMS);
    return true;
}

/* Room for one more, in a list without any. The first steps are 2 and 4; an eighth is added to a long list. */
static bool grow(exv_list *self)
{
    size_t size = self->size;
    if (size >= MOST_ITEMS)
        return false;
    return resize(self, size < 4 ? size + 2 : size + size / 8 + 4);
}

/* After items went: give back what is unused when that is most of it. It may stay if there is no memory to do so. */
static void shrink(exv_list *self)
{
    if (self->room >= 16 && self->size <= self->room / 4)
        (void)resize(self, (size_t)self->size + 4);
}

/* Of what is no list any more. */
static void drop_items(exv_heap *heap, const exv_list *old)
{
    for (size_t i = old->size; i > 0; i--)
        exv_decref(old->items[i - 1]);
    exv_free(heap, old->items);
}

/* The place that `index` means, counted from the end if negative; false: there is none. */
static bool place_of(const exv_list *self, ptrdiff_t index, size_t *place)
{
    size_t size = self->size;
    size_t at = index < 0 ? size - (0 - (size_t)index) : (size_t)index; /* wraps to a large number */
    if (at >= size)
        return false;
    *place = at;
    return true;
}

exv_status exv_list_get(exv_list *self, ptrdiff_t index, void **item)
{
    exvi_need_type(__func__, self, &exv_list_type);
    size_t place;
    if (!place_of(self, index, &place))
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR, "list index out of range");
    *item = self->items[place];
    return EXV_OK;
}

exv_status exv_list_set(exv_list *self, ptrdiff_t index, void *item)
{
    exvi_need_type(__func__, self, &exv_list_type);
    exvi_need_value(__func__, self, item);
    size_t place;
    if (!place_of(self, index, &place))
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR, "list assignment index out of range");
    void *old = self->items[place];
    self->items[place] = exv_incref(item);
    exv_decref(old);
    return EXV_OK;
}

exv_status exv_list_append(exv_list *self, void *item)
{
    exvi_need_type(__func__, self, &exv_list_type);
    exvi_need_value(__func__, self, item);
    if (self->size == self->room && !grow(self))
        return exvi_no_memory(exv_get_heap(self));
    self->items[self->size++] = exv_incref(item);
    return EXV_OK;
}

void *const *exv_list_items(const exv_list *self)
{
    exvi_need_type(__func__, self, &exv_list_type);
    return self->items;
}

/* The items may be the list's own, which move when it grows. */
exv_status exv_list_extend(exv_list *self, void *const *items, size_t count)
{
    exvi_need_type(__func__, self, &exv_list_type);
    for (size_t i = 0; i < count; i++)
        exvi_need_value(__func__, self, items[i]);
    size_t offset = (uintptr_t)items - (uintptr_t)self->items;
    bool own = self->items && offset < self->size * sizeof(void *);
    if (count > MOST_ITEMS - self->size ||
        (count > self->room - self->size && !resize(self, (size_t)self->size + count)))
        return exvi_no_memory(exv_get_heap(self));
    if (own)
        items = (void *const *)((const char *)self->items + offset);
    for (size_t i = 0; i < count; i++)
        self->items[self->size + i] = exv_incref(items[i]);
    self->size += (uint32_t)count;
    return EXV_OK;
}

exv_status exv_list_slice(exv_list *self, ptrdiff_t start, ptrdiff_t stop, exv_list **result)
{
    exvi_need_type(__func__, self, &exv_list_type);
    exv_list *slice = exv_list_new(exv_get_heap(self)); /* may collect, and so run code that changes this list */
    if (!slice)
        return EXV_NO_MEMORY;
    size_t from = exvi_slice_place(start, self->size), to = exvi_slice_place(stop, self->size);
    exv_status status = from < to ? exv_list_extend(slice, self->items + from, to - from) : EXV_OK;
    if (status == EXV_OK)
        *result = slice;
    else
        exv_decref(slice);
    return status;
}

/* As in Python, an index beyond either end means that end. */
exv_status exv_list_insert(exv_list *self, ptrdiff_t index, void *item)
{
    exvi_need_type(__func__, self, &exv_list_type);
    exvi_need_value(__func__, self, item);
    size_t place = index < 0 ? 0 : self->size;
    (void)place_of(self, index, &place);
    if (self->size == self->room && !grow(self))
        return exvi_no_memory(exv_get_heap(self));
    memmove(self->items + place + 1, self->items + place, (self->size - place) * sizeof(void *));
    self->items[place] = exv_incref(item);
    self->size++;
    return EXV_OK;
}

/* Out of the list, whose reference is the caller's now. */
static void *take_out(exv_list *self, size_t place)
{
    void *item = self->items[place];
    self->size--;
    memmove(self->items + place, self->items + place + 1, (self->size - place) * sizeof(void *));
    shrink(self);
    return item;
}

exv_status exv_list_delete(exv_list *self, ptrdiff_t index)
{
    exvi_need_type(__func__, self, &exv_list_type);
    size_t place;
    if (!place_of(self, index, &place))
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR, "list assignment index out of range");
    exv_decref(take_out(self, place));
    return EXV_OK;
}

exv_status exv_list_pop(exv_list *self, ptrdiff_t index, void **item)
{
    exvi_need_type(__func__, self, &exv_list_type);
    size_t place;
    if (!place_of(self, index, &place))
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR,
                          self->size == 0 ? "pop from empty list" : "pop index out of range");
    *item = take_out(self, place);
    return EXV_OK;
}

static exv_status less_by_type(void *a, void *b, bool *result, void *arg)
{
    (void)arg;
    return exv_less(a, b, result);
}

/* The list is empty meanwhile, as in Python: the order is the program's code, and may look at it or change it. What is
 * sorted is a copy, so that a failure leaves the list as it was. */
exv_status exv_list_sort(exv_list *self, exv_less_fn *less, void *arg)
{
    exvi_need_type(__func__, self, &exv_list_type);
    exv_heap *heap = exv_get_heap(self);
    exv_list old = *self;
    if (old.size < 2)
        return EXV_OK;
    void **sorted = exv_alloc(heap, (old.size + (old.size + 1) / 2) * sizeof *sorted);
    if (!sorted)
        return exvi_no_memory(heap);
    memcpy(sorted, old.items, old.size * sizeof *sorted);
    *self = (exv_list){0};
    exv_incref(self);
    exv_status status = exvi_sort(sorted, sorted + old.size, old.size, less ? less : less_by_type, arg);
    if (status == EXV_OK && self->items)
        status = exvi_error(heap, EXV_VALUE_ERROR, "list modified during sort");
    if (status == EXV_OK)
        memcpy(old.items, sorted, old.size * sizeof *sorted);
    exv_free(heap, sorted);
    exv_list changed = *self;
    *self = old;
    drop_items(heap, &changed);
    exv_decref(self);
    return status;
}

static void list_clear(void *object)
{
    exv_list old = *(exv_list *)object;
    *(exv_list *)object = (exv_list){0};
    drop_items(exv_get_heap(object), &old);
}

void exv_list_clear(exv_list *self)
{
    exvi_need_type(__func__, self, &exv_list_type);
    list_clear(self);
}

static int list_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_list *self = object;
    for (size_t i = 0; i < self->size; i++) {
        int end = visit(self->items[i], arg);
        if (end)
            return end;
    }
    return 0;
}

static void list_edge(void *object, size_t index, exv_edge *edge)
{
    (void)object;
    *edge = (exv_edge){.kind = EXV_EDGE_INDEX, .index = index};
}

static void list_destroy(void *object)
{
    exv_list *self = object;
    exv_free(exv_get_heap(object), self->items);
}

static exv_str *list_repr(void *object)
{
    exv_list *self = object;
    exv_heap *heap = exv_get_heap(object);
    exvi_text text;
    exvi_text_begin(&text, heap);
    if (!exvi_printing_is_first(heap, object)) {
        exvi_text_add(&text, "[...]", 5);
        return exvi_text_take(&text);
    }
    exvi_text_add(&text, "[", 1);
    for (size_t i = 0; i < self->size && !text.failed; i++) {
        void *item = exv_incref(self->items[i]);
        exvi_text_add(&text, ", ", i > 0 ? 2 : 0);
        exvi_text_add_repr(&text, item);
        exv_decref(item);
    }
    exvi_text_add(&text, "]", 1);
    return exvi_text_take(&text);
}

static exv_status list_equal(void *object, void *other, bool *result)
{
    const exv_list *a = object, *b = other;
    exv_status status = EXV_OK;
    *result = a->size == b->size;
    for (size_t i = 0; status == EXV_OK && *result && i < a->size && i < b->size; i++) {
        void *item = exv_incref(a->items[i]), *counterpart = exv_incref(b->items[i]);
        status = exvi_is_same(item, counterpart, result);
        exv_decref(item);
        exv_decref(counterpart);
    }
    *result = *result && a->size == b->size;
    return status;
}

static exv_status list_less(void *object, void *other, bool *result)
{
    const exv_list *a = object, *b = other;
    for (size_t i = 0; i < a->size && i < b->size; i++) {
        bool decided = false;
        void *item = exv_incref(a->items[i]), *counterpart = exv_incref(b->items[i]);
        exv_status status = exvi_decide_less(item, counterpart, &decided, result);
        exv_decref(item);
        exv_decref(counterpart);
        if (status != EXV_OK || decided)
            return status;
    }
    *result = a->size < b->size;
    return EXV_OK;
}

const exv_type exv_list_type = {
    .name = "list",
    .size = sizeof(exv_list),
    .visit = list_visit,
    .clear = list_clear,
    .destroy = list_destroy,
    .edge = list_edge,
    .repr = list_repr,
    .equal = list_equal,
    .less = list_less,
};
