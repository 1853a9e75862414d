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

exv_status exv_list_delete(exv_list *self, ptrdiff_t index)
{
    exvi_need_type(__func__, self, &exv_list_type);
    size_t place;
    if (!place_of(self, index, &place))
        return exvi_error(exv_get_heap(self), EXV_INDEX_ERROR, "list assignment index out of range");
    void *old = self->items[place];
    self->size--;
    memmove(self->items + place, self->items + place + 1, (self->size - place) * sizeof(void *));
    shrink(self);
    exv_decref(old);
    return EXV_OK;
}

static void list_clear(void *object)
{
    exv_list old = *(exv_list *)object;
    *(exv_list *)object = (exv_list){0};
    for (size_t i = old.size; i > 0; i--)
        exv_decref(old.items[i - 1]);
    exv_free(exv_get_heap(object), old.items);
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

static void list_destroy(void *object)
{
    exv_list *self = object;
    exv_free(exv_get_heap(object), self->items);
}

static exv_str *list_repr(void *object)
{
    exv_list *self = object;
    exv_heap *heap = exv_get_heap(object);
    exvi_printing printing;
    exvi_text text;
    exvi_text_begin(&text, heap);
    if (!exvi_printing_begin(heap, &printing, object)) {
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
    exvi_printing_end(heap, &printing);
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

const exv_type exv_list_type = {
    .name = "list",
    .size = sizeof(exv_list),
    .visit = list_visit,
    .clear = list_clear,
    .destroy = list_destroy,
    .repr = list_repr,
    .equal = list_equal,
};
