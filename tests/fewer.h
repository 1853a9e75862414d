/*
 * fewer: how often a test repeats what it does, and which calls it lets fail.
 */
#ifndef EXVI_TEST_FEWER_H
#define EXVI_TEST_FEWER_H

#include <stdint.h>
#include <stdlib.h>

/* As often as this, and under valgrind, where all takes some thirty times as long, as often as that. */
static inline int fewer(int usually, int under_valgrind)
{
    return getenv("EXUVIA_VALGRIND") ? under_valgrind : usually;
}

/* The call to let fail after the nth: each of the first ones, and fewer and fewer of the later ones. */
static inline uint64_t next_nth(uint64_t nth)
{
    return nth + 1 + nth / (uint64_t)fewer(80, 4);
}

#endif
