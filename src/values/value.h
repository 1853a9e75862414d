/*
 * value: what the value types share: singletons, nesting depth, and the operations on any object.
 *
 * A value is an object; what it can do stands in its exv_type (repr, equal, hash), and these functions choose. Its
 * memory besides the payload (the items of a list, the entries of a dict) is a block of exv_alloc().
 *
 * Rules of the value files:
 *  - A type's functions and every exv_decref() may run the program's code, which may change any container. A container
 *    is therefore brought into its new state first, and what it lost is given up last.
 *  - exv_alloc() and its family run nobody's code, nor does making an object of a simple type.
 *  - A call that fails leaves everything as it was.
 */
#ifndef EXVI_VALUE_H
#define EXVI_VALUE_H

#include "text.h"
#include "values.h"

/* How deep values may be nested for repr, equality and hashing; Python's recursion limit. */
#define EXVI_DEPTH_LIMIT 1000

/* At the end of exv_heap_new(); false: no memory, and the heap may be dropped as it is. */
bool exvi_values_init(exv_heap *heap);

/* Before the last objects are destroyed: the singletons are objects too and go with them. */
void exvi_values_drop(exv_heap *heap);

/* One level deeper, or EXV_RECURSION_ERROR, worded with `what`. */
exv_status exvi_descend(exv_heap *heap, const char *what);
void exvi_ascend(exv_heap *heap);

/* The same object, or equal: how containers compare, so that a NaN is found again. */
exv_status exvi_is_same(void *a, void *b, bool *result);

/* One step of comparing two sequences: items that are not the same decide which is less. */
exv_status exvi_decide_less(void *a, void *b, bool *decided, bool *result);

/* The place in a sequence of `size` that a slice's bound means: counted from the end if negative, and not outside. */
static inline size_t exvi_slice_place(ptrdiff_t bound, size_t size)
{
    size_t from_end = 0 - (size_t)bound;
    if (bound < 0)
        return from_end < size ? size - from_end : 0;
    return (size_t)bound < size ? (size_t)bound : size;
}

/* Add the repr of any object to a text; a failure of it sticks. */
void exvi_text_add_repr(exvi_text *text, void *object);

/* For the repr of a container, which marks repetitions itself: false if it is being made already, further out, since
 * the container contains itself. */
bool exvi_printing_is_first(exv_heap *heap, const void *object);

#endif
