/*
 * tally: how many of each, and how many bytes, by a key of two numbers.
 */
#ifndef EXVI_TALLY_H
#define EXVI_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct exvi_tally_item {
    uint64_t key, more; /* any two numbers */
    uint64_t count, bytes;
    uint64_t example;   /* given with the first */
} exvi_tally_item;

typedef struct exvi_tally {
    exvi_tally_item *item; /* count of them, in the order of their firsts, or as sorted */
    size_t count, room;
    uint32_t *table;       /* item + 1; 0: free */
    size_t table_room;
    bool failed;           /* there was no memory: nothing of it holds */
    exvi_tally_item nowhere; /* what is added to then */
} exvi_tally;

exvi_tally_item *exvi_tally_add(exvi_tally *tally, uint64_t key, uint64_t more, uint64_t bytes, uint64_t example);
exvi_tally_item *exvi_tally_get(const exvi_tally *tally, uint64_t key, uint64_t more); /* or NULL */

/* The largest first; afterwards nothing can be added or got. */
void exvi_tally_sort(exvi_tally *tally, bool by_bytes);
void exvi_tally_drop(exvi_tally *tally);

static inline uint64_t exvi_mix(uint64_t value, uint64_t more)
{
    uint64_t mixed = (value ^ more * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);
    return mixed ^ mixed >> 29;
}

#endif
