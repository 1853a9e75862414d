/*
 * value: see value.h. None; repr, str, print, equality and hash of any object.
 *
 * Invariant: depth == how many repr, equality and hash functions of types are running, and `printing` leads through
 * the containers among them whose repr is being made. Both are 0 whenever the program's own code runs outside of
 * them.
 */
#include "value.h"

#include "error.h"
#include "die.h"
#include "hash.h"
#include "need.h"
#include "number.h"
#include "object.h"
#include "platform.h"
#include "str.h"

#include <stdio.h>
#include <string.h>

/* ----------------------------------------------------------- singletons */

bool exvi_values_init(exv_heap *heap)
{
    exvi_values *values = exvi_heap_values(heap);
    exvi_random(values->hash_key, sizeof values->hash_key);
    exvi_random(&values->slot_key, sizeof values->slot_key);
    values->none = exv_new(heap, &exv_none_type);
    values->truth[false] = exvi_bool_new(heap, false);
    values->truth[true] = exvi_bool_new(heap, true);
    if (!values->none || !values->truth[false] || !values->truth[true])
        return false;
    exvi_make_own(values->none);
    exvi_make_own(values->truth[false]);
    exvi_make_own(values->truth[true]);
    return true;
}

void exvi_values_drop(exv_heap *heap)
{
    exvi_values *values = exvi_heap_values(heap);
    values->none = NULL;
    memset(values->truth, 0, sizeof values->truth);
    memset(values->small, 0, sizeof values->small);
}

exv_none *exv_get_none(exv_heap *heap)
{
    return exvi_heap_values(heap)->none;
}

exv_bool *exv_get_bool(exv_heap *heap, bool value)
{
    return exvi_heap_values(heap)->truth[value];
}

static exv_str *none_repr(void *self)
{
    return exvi_str_new_valid(exv_get_heap(self), "None", 4);
}

const exv_type exv_none_type = {.name = "NoneType", .repr = none_repr};

/* ---------------------------------------------------------------- depth */

exv_status exvi_descend(exv_heap *heap, const char *what)
{
    exvi_values *values = exvi_heap_values(heap);
    if (values->depth >= EXVI_DEPTH_LIMIT)
        return exvi_error(heap, EXV_RECURSION_ERROR, "maximum recursion depth exceeded %s", what);
    values->depth++;
    return EXV_OK;
}

void exvi_ascend(exv_heap *heap)
{
    exvi_heap_values(heap)->depth--;
}

bool exvi_printing_begin(exv_heap *heap, exvi_printing *printing, const void *object)
{
    exvi_values *values = exvi_heap_values(heap);
    for (const exvi_printing *outer = values->printing; outer; outer = outer->outer)
        if (outer->object == object)
            return false;
    *printing = (exvi_printing){object, values->printing};
    values->printing = printing;
    return true;
}

void exvi_printing_end(exv_heap *heap, const exvi_printing *printing)
{
    exvi_heap_values(heap)->printing = printing->outer;
}

/* ------------------------------------------------------- repr and print */

static exv_str *weakref_repr(exv_heap *heap, exv_weakref *ref)
{
    void *target = exv_weakref_incref(ref);
    exvi_text text;
    exvi_text_begin(&text, heap);
    exvi_text_format(&text, "<weakref at %p; ", (void *)ref);
    if (target)
        exvi_text_format(&text, "to '%.99s' at %p>", exvi_type_name(target), target);
    else
        exvi_text_add_string(&text, "dead>");
    exv_decref(target);
    return exvi_text_take(&text);
}

static exv_str *default_repr(exv_heap *heap, void *object)
{
    if (exv_get_type(object) == &exv_weakref_type)
        return weakref_repr(heap, object);
    exvi_text text;
    exvi_text_begin(&text, heap);
    exvi_text_add(&text, "<", 1);
    exvi_text_add_string(&text, exvi_type_name(object));
    exvi_text_format(&text, " object at %p>", object);
    return exvi_text_take(&text);
}

void exvi_text_add_repr(exvi_text *text, void *object)
{
    exv_str *repr;
    if (text->failed)
        return;
    if (exv_repr(object, &repr) != EXV_OK) {
        text->failed = true;
        return;
    }
    exvi_text_add(text, exv_str_data(repr), exv_str_size(repr));
    exv_decref(repr);
}

/* A type's repr says NULL and no more; what an inner exv_repr() failed of is passed on, else it was memory. */
exv_status exv_repr(void *object, exv_str **result)
{
    exv_heap *heap = exv_get_heap(object);
    exvi_values *values = exvi_heap_values(heap);
    const exv_type *type = exv_get_type(object);
    values->repr_failure = exvi_descend(heap, "while getting the repr of an object");
    if (values->repr_failure)
        return values->repr_failure;
    exv_str *repr = type->repr ? type->repr(object) : default_repr(heap, object);
    exvi_ascend(heap);
    if (!repr) {
        if (values->repr_failure == EXV_OK)
            values->repr_failure = exvi_no_memory(heap);
        return values->repr_failure;
    }
    values->repr_failure = EXV_OK;
    *result = repr;
    return EXV_OK;
}

exv_status exv_to_str(void *object, exv_str **result)
{
    if (exv_get_type(object) != &exv_str_type)
        return exv_repr(object, result);
    *result = exv_incref(object);
    return EXV_OK;
}

exv_status exv_print(void *object)
{
    exv_str *text;
    exv_status status = exv_to_str(object, &text);
    if (status != EXV_OK)
        return status;
    fwrite(exv_str_data(text), 1, exv_str_size(text), stdout);
    putchar('\n');
    exv_decref(text);
    return EXV_OK;
}

/* ----------------------------------------------------- equality and hash */

exv_status exv_equal(void *a, void *b, bool *result)
{
    const exv_type *type = exv_get_type(a), *other = exv_get_type(b);
    if (type != other) {
        *result = exvi_is_number(type) && exvi_is_number(other) && exvi_number_equal(a, b);
        return EXV_OK;
    }
    if (!type->equal) {
        *result = a == b;
        return EXV_OK;
    }
    exv_heap *heap = exv_get_heap(a);
    bool equal = false;
    exv_status status = exvi_descend(heap, "in comparison");
    if (status != EXV_OK)
        return status;
    status = type->equal(a, b, &equal);
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = equal;
    return status;
}

exv_status exv_less(void *a, void *b, bool *result)
{
    const exv_type *type = exv_get_type(a), *other = exv_get_type(b);
    exv_heap *heap = exv_get_heap(a);
    if (exvi_is_number(type) && exvi_is_number(other)) {
        *result = exvi_number_less(a, b);
        return EXV_OK;
    }
    if (type != other || !type->less)
        return exvi_error(heap, EXV_TYPE_ERROR, "'<' not supported between instances of '%.99s' and '%.99s'",
                          exvi_type_name(a), exvi_type_name(b));
    bool less = false;
    exv_status status = exvi_descend(heap, "in comparison");
    if (status != EXV_OK)
        return status;
    status = type->less(a, b, &less);
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = less;
    return status;
}

exv_status exvi_decide_less(void *a, void *b, bool *decided, bool *result)
{
    bool same = false;
    exv_status status = exvi_is_same(a, b, &same);
    *decided = !same;
    return status == EXV_OK && !same ? exv_less(a, b, result) : status;
}

exv_status exvi_is_same(void *a, void *b, bool *result)
{
    if (a != b)
        return exv_equal(a, b, result);
    *result = true;
    return EXV_OK;
}

/* A type whose objects hash what they contain passes on the refusal of that, with its message. */
exv_status exv_hash(void *object, uint64_t *result)
{
    exv_heap *heap = exv_get_heap(object);
    const exv_type *type = exv_get_type(object);
    if (!type->hash && !type->equal) {
        *result = exvi_hash_address(object);
        return EXV_OK;
    }
    exvi_values *values = exvi_heap_values(heap);
    uint64_t hash = 0;
    exv_status status = exvi_descend(heap, "in hashing");
    if (status != EXV_OK)
        return status;
    values->hash_refused = false;
    status = type->hash ? type->hash(object, &hash) : EXV_TYPE_ERROR;
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = hash;
    else if (status == EXV_TYPE_ERROR && !values->hash_refused)
        exvi_error(heap, EXV_TYPE_ERROR, "unhashable type: '%s'", exvi_type_name(object));
    values->hash_refused = status == EXV_TYPE_ERROR;
    return status;
}
