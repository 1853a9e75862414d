/*
 * values: what a heap keeps for Python's values, which are a layer above: singletons, secrets, and how deep they are in
 * each other's functions. value.c and the files beside it give it its meaning.
 */
#ifndef EXVI_VALUES_H
#define EXVI_VALUES_H

#include "exuvia.h"

/* Integers of which a heap keeps one immortal object each; the range is CPython's. */
#define EXVI_SMALL_INT_MIN (-5)
#define EXVI_SMALL_INT_MAX 256
#define EXVI_SMALL_INTS (EXVI_SMALL_INT_MAX - EXVI_SMALL_INT_MIN + 1)

/* An object whose repr is being made; they form a chain through the C stack. */
typedef struct exvi_printing {
    const void *object;
    struct exvi_printing *outer;
    bool marks; /* its type's function shows itself where it is repeated */
} exvi_printing;

typedef struct exvi_values {
    exv_none *none;
    exv_bool *truth[2];
    exv_int *small[EXVI_SMALL_INTS]; /* each made when first asked for */
    uint64_t hash_key[2];            /* secret, for str and bytes */
    uint64_t slot_key;               /* secret, for the slots of tables */
    exvi_printing *printing;
    exv_arithmetic_fn *arithmetic;   /* the program's, or NULL */
    void *arithmetic_arg;
    unsigned depth;                  /* 0 outside of repr, equality and hashing */
} exvi_values;

#endif
