/*
 * copy: values from heap to heap, with what they share and their rings.
 *
 * What is referred to more than once is noted with its copy, to be copied once; what is not cannot be met again.
 * A container is noted before its items are copied, and so a ring ends at it. A tuple can only be made when its items
 * are there: if one of them led back to it, it has been made on the way, and that one is taken.
 *
 * Invariant of the notes: each holds a reference to an object of the one heap and to its copy in the other.
 */
#include "error.h"
#include "need.h"
#include "number.h"
#include "str.h"
#include "value.h"

typedef struct note {
    void *from, *to; /* NULL: free */
} note;

typedef struct exv_copying {
    exv_heap *heap; /* that gets the copies */
    note *notes;    /* a hash table by address; at most half of it is used */
    size_t count;
    unsigned bits;
    const void *root;
} exv_copying;

/* Where an object is noted, or would be. */
static note *find_note(const exv_copying *c, const void *from)
{
    size_t mask = ((size_t)1 << c->bits) - 1;
    size_t slot = (size_t)(((uint64_t)(uintptr_t)from * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - c->bits));
    while (c->notes[slot].from && c->notes[slot].from != from)
        slot = (slot + 1) & mask;
    return &c->notes[slot];
}

static void *find_copy(const exv_copying *c, const void *from)
{
    return c->notes ? find_note(c, from)->to : NULL;
}

static bool grow(exv_copying *c)
{
    exv_copying larger = *c;
    larger.bits = c->notes ? c->bits + 1 : 4;
    larger.notes = exv_calloc(c->heap, (size_t)1 << larger.bits, sizeof(note));
    if (!larger.notes)
        return false;
    for (size_t i = 0; c->notes && i < (size_t)1 << c->bits; i++)
        if (c->notes[i].from)
            *find_note(&larger, c->notes[i].from) = c->notes[i];
    exv_free(c->heap, c->notes);
    *c = larger;
    return true;
}

/* Takes note of a new copy, which is the caller's, if the object can be met again. Gives the copy up on failure. */
static exv_status keep(exv_copying *c, void *from, bool shared, void *to, void **result)
{
    if (!to)
        return EXV_NO_MEMORY;
    if (shared && (!c->notes || c->count >= (size_t)1 << (c->bits - 1)) && !grow(c)) {
        exv_decref(to);
        return exvi_no_memory(c->heap);
    }
    if (shared) {
        *find_note(c, from) = (note){exv_incref(from), exv_incref(to)};
        c->count++;
    }
    *result = to;
    return EXV_OK;
}

/* Giving up references may run code, which finds no notes any more. */
static void forget(exv_copying *c)
{
    for (size_t i = 0; c->notes && i < (size_t)1 << c->bits; i++) {
        exv_decref(c->notes[i].from);
        exv_decref(c->notes[i].to);
    }
    exv_free(c->heap, c->notes);
}

/* ------------------------------------------------------------ each type */

static exv_status copy(exv_copying *c, void *from, void **result);

static exv_status copy_list(exv_copying *c, exv_list *from, exv_list *to)
{
    exv_status status = EXV_OK;
    for (size_t i = 0; status == EXV_OK && i < exv_list_size(from); i++) {
        void *item;
        status = copy(c, exv_list_items(from)[i], &item);
        if (status != EXV_OK)
            break;
        status = exv_list_append(to, item);
        exv_decref(item);
    }
    return status;
}

static exv_status copy_dict(exv_copying *c, exv_dict *from, exv_dict *to)
{
    exv_status status = EXV_OK;
    size_t position = 0;
    for (void *key, *value; status == EXV_OK && exv_dict_next(from, &position, &key, &value);) {
        void *new_key = NULL, *new_value = NULL;
        exv_incref(value);
        status = copy(c, key, &new_key);
        if (status == EXV_OK)
            status = copy(c, value, &new_value);
        if (status == EXV_OK)
            status = exv_dict_set(to, new_key, new_value);
        exv_decref(value);
        exv_decref(new_key);
        exv_decref(new_value);
    }
    return status;
}

static exv_status copy_set(exv_copying *c, exv_set *from, exv_set *to)
{
    exv_status status = EXV_OK;
    size_t position = 0;
    for (void *item; status == EXV_OK && exv_set_next(from, &position, &item);) {
        void *made;
        status = copy(c, item, &made);
        if (status != EXV_OK)
            break;
        status = exv_set_add(to, made);
        exv_decref(made);
    }
    return status;
}

static exv_status copy_tuple(exv_copying *c, exv_tuple *from, bool shared, void **result)
{
    size_t size = exv_tuple_size(from), made = 0;
    void **items = exv_alloc(c->heap, size * sizeof *items);
    exv_status status = items ? EXV_OK : exvi_no_memory(c->heap);
    while (status == EXV_OK && made < size) {
        status = copy(c, exv_tuple_items(from)[made], &items[made]);
        made += status == EXV_OK;
    }
    void *known = status == EXV_OK ? find_copy(c, from) : NULL;
    if (known)
        *result = exv_incref(known);
    else if (status == EXV_OK)
        status = keep(c, from, shared, exv_tuple_new(c->heap, items, size), result);
    while (made > 0)
        exv_decref(items[--made]);
    exv_free(c->heap, items);
    return status;
}

/* A new container, noted, and then filled. */
static exv_status copy_container(exv_copying *c, void *from, bool shared, void **result)
{
    const exv_type *type = exv_get_type(from);
    void *made = type == &exv_list_type   ? (void *)exv_list_new(c->heap)
                 : type == &exv_dict_type ? (void *)exv_dict_new(c->heap)
                                          : (void *)exv_set_new(c->heap);
    exv_status status = keep(c, from, shared, made, &made);
    if (status != EXV_OK)
        return status;
    status = type == &exv_list_type   ? copy_list(c, from, made)
             : type == &exv_dict_type ? copy_dict(c, from, made)
                                      : copy_set(c, from, made);
    if (status == EXV_OK)
        *result = made;
    else
        exv_decref(made);
    return status;
}

/* Numbers and None, which are not worth a note. NULL: no memory. */
static void *copy_simple(exv_copying *c, const void *from, const exv_type *type)
{
    if (type == &exv_int_type)
        return exv_int_new(c->heap, exv_int_value(from));
    if (type == &exv_float_type)
        return exv_float_new(c->heap, exv_float_value(from));
    if (type == &exv_bool_type)
        return exv_get_bool(c->heap, exv_bool_value(from));
    return exv_get_none(c->heap);
}

/* A type of the program's; it may have taken note of the copy. */
static exv_status copy_own(exv_copying *c, void *from, const exv_type *type, bool shared, void **result)
{
    void *made = NULL;
    uint64_t errors = exvi_error_count(c->heap);
    exv_status status = exvi_told(c->heap, errors, type->copy(from, c, &made), "copy", from);
    if (status != EXV_OK)
        return status;
    return keep(c, from, shared && !find_copy(c, from), made, result);
}

static exv_status copy_by_type(exv_copying *c, void *from, bool shared, void **result)
{
    const exv_type *type = exv_get_type(from);
    if (type == &exv_list_type || type == &exv_dict_type || type == &exv_set_type)
        return copy_container(c, from, shared, result);
    if (type == &exv_tuple_type)
        return copy_tuple(c, from, shared, result);
    if (type == &exv_str_type)
        return keep(c, from, shared, exvi_str_new_valid(c->heap, exv_str_data(from), exv_str_size(from)), result);
    if (type == &exv_bytes_type)
        return keep(c, from, shared, exv_bytes_new(c->heap, exv_bytes_data(from), exv_bytes_size(from)), result);
    if (exvi_is_number(type) || type == &exv_none_type)
        return keep(c, from, false, copy_simple(c, from, type), result);
    if (type->copy)
        return copy_own(c, from, type, shared, result);
    return exvi_error(c->heap, EXV_TYPE_ERROR, "a '%.99s' object cannot be copied to another heap",
                      exvi_type_name(from));
}

static exv_status copy(exv_copying *c, void *from, void **result)
{
    void *known = find_copy(c, from);
    if (known) {
        *result = exv_incref(known);
        return EXV_OK;
    }
    exv_status status = exvi_descend(c->heap, "while copying");
    if (status != EXV_OK)
        return status;
    bool shared = from == c->root || exv_refcount(from) > 1;
    exv_incref(from);
    status = copy_by_type(c, from, shared, result);
    exv_decref(from);
    exvi_ascend(c->heap);
    return status;
}

exv_status exv_copy_to(exv_heap *heap, void *value, void **result)
{
    exv_copying c = {.heap = heap, .root = value};
    void *made = NULL;
    exv_status status = copy(&c, value, &made);
    forget(&c);
    if (status == EXV_OK)
        *result = made;
    return status;
}

exv_heap *exv_copying_get_heap(const exv_copying *copying)
{
    return copying->heap;
}

exv_status exv_copying_part(exv_copying *copying, void *part, void **result)
{
    if (part)
        return copy(copying, part, result);
    *result = NULL;
    return EXV_OK;
}

exv_status exv_copying_note(exv_copying *copying, void *self, void *to)
{
    void *kept;
    exv_status status = keep(copying, self, !find_copy(copying, self), exv_incref(to), &kept);
    if (status == EXV_OK)
        exv_decref(kept);
    return status;
}
