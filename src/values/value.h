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

/* Integers of which a heap keeps one immortal object each; the range is CPython's. */
#define EXVI_SMALL_INT_MIN (-5)
#define EXVI_SMALL_INT_MAX 256
#define EXVI_SMALL_INTS (EXVI_SMALL_INT_MAX - EXVI_SMALL_INT_MIN + 1)

/* How deep values may be nested for repr, equality and hashing; Python's recursion limit. */
#define EXVI_DEPTH_LIMIT 1000

/* A container whose repr is being made; they form a chain through the C stack. */
typedef struct exvi_printing {
    const void *object;
    struct exvi_printing *outer;
} exvi_printing;

/* Objects of this type have a name of their own for messages; NULL: not this one. Their file says so. */
typedef struct exvi_naming {
    const exv_type *type;
    const char *(*name_of)(const void *object);
} exvi_naming;

typedef struct exvi_values {
    exv_none *none;
    exv_bool *truth[2];
    exv_int *small[EXVI_SMALL_INTS]; /* each made when first asked for */
    uint64_t hash_key[2];            /* secret, for str and bytes */
    uint64_t slot_key;               /* secret, for the slots of tables */
    exvi_printing *printing;
    unsigned depth;                  /* 0 outside of repr, equality and hashing */
    bool hash_refused;               /* the hash asked for last is of an object that has none */
    exvi_naming naming;
    exv_status repr_failure;         /* why the innermost repr that failed did */
} exvi_values;

/* At the end of exv_heap_new(); false: no memory, and the heap may be dropped as it is. */
bool exvi_values_init(exv_heap *heap);

/* Before the last objects are destroyed: the singletons are objects too and go with them. */
void exvi_values_drop(exv_heap *heap);

/* One level deeper, or EXV_RECURSION_ERROR, worded with `what`. */
exv_status exvi_descend(exv_heap *heap, const char *what);
void exvi_ascend(exv_heap *heap);

/* The same object, or equal: how containers compare, so that a NaN is found again. */
exv_status exvi_is_same(void *a, void *b, bool *result);

/* Add the repr of any object to a text; a failure of it sticks. */
void exvi_text_add_repr(exvi_text *text, void *object);

/* Begin the repr of a container; false if it is being made already, further out: it contains itself. */
bool exvi_printing_begin(exv_heap *heap, exvi_printing *printing, const void *object);
void exvi_printing_end(exv_heap *heap, const exvi_printing *printing);

#endif
