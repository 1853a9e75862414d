/*
 * protocol: Python's call, iter() and next(): of types that have them, and iterators over the values.
 *
 * An iterator over a value holds it until it has come to the end, and then nothing: it stays at its end, whatever
 * becomes of the value. A list may change meanwhile; a dict or set that got or lost a key is an error.
 */
#include "error.h"
#include "need.h"
#include "object.h"
#include "str.h"
#include "value.h"

/* --------------------------------------------------- walks along the values */

/* An owned item from there on, and *position behind it; nothing is said at the end. */
typedef exv_status next_fn(void *over, size_t *position, void **item);

static exv_status next_of_list(void *over, size_t *position, void **item)
{
    if (*position < exv_list_size(over))
        *item = exv_incref(exv_list_items(over)[(*position)++]);
    return EXV_OK;
}

static exv_status next_of_tuple(void *over, size_t *position, void **item)
{
    if (*position < exv_tuple_size(over))
        *item = exv_incref(exv_tuple_items(over)[(*position)++]);
    return EXV_OK;
}

static exv_status next_of_dict(void *over, size_t *position, void **item)
{
    if (exv_dict_next(over, position, item, NULL))
        exv_incref(*item);
    return EXV_OK;
}

static exv_status next_of_set(void *over, size_t *position, void **item)
{
    if (exv_set_next(over, position, item))
        exv_incref(*item);
    return EXV_OK;
}

static exv_status give(void *made, size_t size, size_t *position, void **item)
{
    if (!made)
        return EXV_NO_MEMORY;
    *position += size;
    *item = made;
    return EXV_OK;
}

static exv_status next_of_str(void *over, size_t *position, void **item)
{
    const char *start = exv_str_data(over) + *position;
    size_t left = exv_str_size(over) - *position, size = 1;
    if (left == 0)
        return EXV_OK;
    while (size < left && ((unsigned char)start[size] & 0xc0) == 0x80)
        size++;
    return give(exvi_str_new_valid(exv_get_heap(over), start, size), size, position, item);
}

static exv_status next_of_bytes(void *over, size_t *position, void **item)
{
    if (*position == exv_bytes_size(over))
        return EXV_OK;
    return give(exv_int_new(exv_get_heap(over), exv_bytes_data(over)[*position]), 1, position, item);
}

static uint32_t version_of_dict(const void *over)
{
    return exv_dict_version(over);
}

static uint32_t version_of_set(const void *over)
{
    return exv_set_version(over);
}

typedef struct walk {
    const exv_type *type;
    next_fn *next;
    uint32_t (*version)(const void *over); /* NULL: it may change */
    const char *name;
} walk;

static const walk walks[] = {
    {&exv_list_type, next_of_list, NULL, "list"},
    {&exv_tuple_type, next_of_tuple, NULL, "tuple"},
    {&exv_dict_type, next_of_dict, version_of_dict, "dictionary"},
    {&exv_set_type, next_of_set, version_of_set, "Set"},
    {&exv_str_type, next_of_str, NULL, "str"},
    {&exv_bytes_type, next_of_bytes, NULL, "bytes"},
};

/* --------------------------------------------------------------- iterators */

typedef struct iterator {
    void *over;              /* NULL: at the end */
    const walk *walk;
    size_t position;
    uint32_t version;
} iterator;

static exv_status iterator_iter(void *self, void **result)
{
    *result = exv_incref(self);
    return EXV_OK;
}

static exv_status iterator_next(void *self, void **item)
{
    iterator *it = self;
    if (!it->over)
        return EXV_OK;
    if (it->walk->version && it->walk->version(it->over) != it->version)
        return exvi_error(exv_get_heap(self), EXV_RUNTIME_ERROR, "%s changed size during iteration", it->walk->name);
    exv_status status = it->walk->next(it->over, &it->position, item);
    if (status == EXV_OK && !*item)
        EXV_CLEAR(it->over);
    return status;
}

static const uint32_t iterator_fields[] = {offsetof(iterator, over)};
static const exv_references iterator_references = {.fields = iterator_fields, .field_count = 1};
static const exv_type iterator_type = {.name = "iterator", .size = sizeof(iterator),
                                       .references = &iterator_references, .iter = iterator_iter,
                                       .next = iterator_next};

static exv_status new_iterator(void *over, const walk *along, void **result)
{
    iterator *it = exv_new(exv_get_heap(over), &iterator_type);
    if (!it)
        return EXV_NO_MEMORY;
    it->over = exv_incref(over);
    it->walk = along;
    it->version = along->version ? along->version(over) : 0;
    *result = it;
    return EXV_OK;
}

/* ------------------------------------------------------------------ public */

static exv_status refuse(const void *object, const char *is_not)
{
    return exvi_error(exv_get_heap(object), EXV_TYPE_ERROR, "'%.99s' object is not %s", exvi_type_name(object), is_not);
}

exv_status exv_call(void *callable, void *const *args, size_t count, void **result)
{
    exv_heap *heap = exv_get_heap(callable);
    const exv_type *type = exv_get_type(callable);
    if (!type->call)
        return refuse(callable, "callable");
    exv_status status = exvi_descend(heap, "while calling an object");
    if (status != EXV_OK)
        return status;
    void *made = NULL;
    uint64_t errors = exvi_error_count(heap);
    exv_incref(callable); /* the call may drop the last reference to it */
    status = exvi_told(heap, errors, type->call(callable, args, count, &made), "call", callable);
    exv_decref(callable);
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = made;
    return status;
}

exv_status exv_iter(void *object, void **result)
{
    exv_heap *heap = exv_get_heap(object);
    const exv_type *type = exv_get_type(object);
    void *made = NULL;
    for (size_t i = 0; i < sizeof walks / sizeof walks[0]; i++)
        if (type == walks[i].type)
            return new_iterator(object, &walks[i], result);
    if (!type->iter)
        return refuse(object, "iterable");
    uint64_t errors = exvi_error_count(heap);
    exv_status status = exvi_told(heap, errors, type->iter(object, &made), "iteration", object);
    if (status == EXV_OK)
        *result = made;
    return status;
}

exv_status exv_next(void *object, void **item)
{
    exv_heap *heap = exv_get_heap(object);
    const exv_type *type = exv_get_type(object);
    void *next = NULL;
    if (!type->next)
        return refuse(object, "an iterator");
    uint64_t errors = exvi_error_count(heap);
    exv_incref(object);
    exv_status status = exvi_told(heap, errors, type->next(object, &next), "next", object);
    exv_decref(object);
    if (status == EXV_OK)
        *item = next;
    return status;
}
