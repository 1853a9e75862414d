/*
 * value: see value.h. None; repr, str, print, equality and hash of any object.
 *
 * Invariant: depth == how many repr, equality, order and hash functions of types are running, and `printing` leads
 * through the objects among them whose repr is being made. Both are 0 whenever the program's own code runs outside of
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

/* Is its repr being made already, by a function that does not show repetitions itself if `unmarked`? */
static bool is_printing(const exvi_printing *printing, const void *object, bool unmarked)
{
    for (; printing; printing = printing->outer)
        if (printing->object == object && !(unmarked && printing->marks))
            return true;
    return false;
}

bool exvi_printing_is_first(exv_heap *heap, const void *object)
{
    exvi_printing *printing = exvi_heap_values(heap)->printing;
    if (printing && printing->object == object) { /* made by exv_repr() for this call */
        printing->marks = true;
        printing = printing->outer;
    }
    return !is_printing(printing, object, false);
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

/* What may contain itself is noted while its repr is made. Only the values mark repetitions themselves; another type's
 * function is not called again for an object that it is showing. */
static exv_str *make_repr(exv_heap *heap, const exv_type *type, void *object)
{
    exvi_values *values = exvi_heap_values(heap);
    if (!type->repr)
        return default_repr(heap, object);
    if (!type->visit && !type->references)
        return type->repr(object);
    if (is_printing(values->printing, object, true))
        return exvi_str_new_valid(heap, "...", 3);
    exvi_printing printing = {object, values->printing, false};
    values->printing = &printing;
    exv_str *repr = type->repr(object);
    values->printing = printing.outer;
    return repr;
}

/* A type's repr says NULL and no more: why is the last failure within it, and memory if there was none. */
exv_status exv_repr(void *object, exv_str **result)
{
    exv_heap *heap = exv_get_heap(object);
    exv_status status = exvi_descend(heap, "while getting the repr of an object");
    if (status != EXV_OK)
        return status;
    uint64_t errors = exvi_error_count(heap);
    exv_str *repr = make_repr(heap, exv_get_type(object), object);
    exvi_ascend(heap);
    if (!repr)
        return exvi_error_count(heap) != errors ? exv_error_status(heap) : exvi_no_memory(heap);
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

/* What the type of `a` says of it and another object of that type. */
static exv_status ask_type(exv_status (*compare)(void *self, void *other, bool *result), const char *what, void *a,
                           void *b, bool *result)
{
    exv_heap *heap = exv_get_heap(a);
    bool said = false;
    exv_status status = exvi_descend(heap, "in comparison");
    if (status != EXV_OK)
        return status;
    uint64_t errors = exvi_error_count(heap);
    status = exvi_told(heap, errors, compare(a, b, &said), what, a);
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = said;
    return status;
}

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
    return ask_type(type->equal, "equality", a, b, result);
}

exv_status exv_less(void *a, void *b, bool *result)
{
    const exv_type *type = exv_get_type(a), *other = exv_get_type(b);
    if (exvi_is_number(type) && exvi_is_number(other)) {
        *result = exvi_number_less(a, b);
        return EXV_OK;
    }
    exv_status status;
    if ((exvi_is_number(type) || exvi_is_number(other)) && exvi_number_ask_less(a, b, result, &status))
        return status;
    if (type != other || !type->less)
        return exvi_error(exv_get_heap(a), EXV_TYPE_ERROR, "'<' not supported between instances of '%.99s' and '%.99s'",
                          exvi_type_name(a), exvi_type_name(b));
    return ask_type(type->less, "order", a, b, result);
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
    uint64_t hash = 0, errors = exvi_error_count(heap);
    exv_status status = exvi_descend(heap, "in hashing");
    if (status != EXV_OK)
        return status;
    status = type->hash ? type->hash(object, &hash) : EXV_TYPE_ERROR;
    exvi_ascend(heap);
    if (status == EXV_OK)
        *result = hash;
    else if (status == EXV_TYPE_ERROR && exvi_error_count(heap) == errors)
        exvi_error(heap, EXV_TYPE_ERROR, "unhashable type: '%s'", exvi_type_name(object));
    return exvi_told(heap, errors, status, "hash", object);
}
