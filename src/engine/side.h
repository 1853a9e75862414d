/*
 * side: one byte of scratch for each object of a scan, outside the objects.
 *
 * A scan writes here and never into an object: no page of the heap is dirtied, a snapshot or a forked worker stays
 * shared. An object's byte is found from its address, a multiple of 16: the tables of an address map have a
 * byte for each 16 bytes of address space.
 *
 * A scan is of most of a heap. It walks over its members by looking through the tables, in the order of memory whatever
 * order the members were entered in: upwards in each table, but from the highest table down, because that is how a
 * system hands out address space, so that older objects tend to come first.
 *
 * A byte of 0 means: not a member of this scan. What the others mean is the scan's affair.
 */
#ifndef EXVI_SIDE_H
#define EXVI_SIDE_H

#include "address_map.h"

#include <string.h>

#define EXVI_SIDE_GRANULE_SHIFT 4
#define EXVI_SIDE_TABLE_SIZE ((size_t)1 << (EXVI_TABLE_SHIFT - EXVI_SIDE_GRANULE_SHIFT))

typedef struct exvi_side {
    size_t members;
    exvi_address_map map;
} exvi_side;

/* Begin a scan; all bytes are 0. False: no memory. A side table may be used for one scan after the other; end()
 * clears the bytes, drop() gives all memory back. */
bool exvi_side_begin(exvi_side *side);
void exvi_side_end(exvi_side *side);
void exvi_side_drop(exvi_side *side);

/* The byte of an object; NULL, or a byte of 0, if it is not a member. */
static inline uint8_t *exvi_side_find(const exvi_side *side, const void *object)
{
    uint8_t *table = exvi_address_map_find(&side->map, (uintptr_t)object);
    return table ? table + ((uintptr_t)object >> EXVI_SIDE_GRANULE_SHIFT & (EXVI_SIDE_TABLE_SIZE - 1)) : NULL;
}

/* Make an object a member, unless it is one; the byte of a new one is `first`, not 0. False: no memory. */
bool exvi_side_add_slow(exvi_side *side, const void *object, uint8_t first);
static inline bool exvi_side_add(exvi_side *side, const void *object, uint8_t first)
{
    uint8_t *byte = exvi_side_find(side, object);
    if (!byte)
        return exvi_side_add_slow(side, object, first);
    if (*byte)
        return true;
    side->members++;
    *byte = first;
    return true;
}

/* Where an object stands in a scan's walk: greater is later. */
static inline uintptr_t exvi_side_position(const void *object)
{
    return (uintptr_t)object ^ ~(((uintptr_t)1 << EXVI_TABLE_SHIFT) - 1);
}

/* The members among the eight objects whose bytes are here: a set, and the index of the first in it. */
static inline uint64_t exvi_side_members(const uint8_t *bytes)
{
    const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (((word & low) + low) | word) & ~low; /* the top bit of each byte that is not 0 */
}

static inline size_t exvi_side_first(uint64_t members)
{
    return (size_t)__builtin_ctzll(members) / 8;
}

#endif
