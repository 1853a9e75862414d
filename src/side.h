/*
 * side: one byte of scratch for each object of a scan, outside the objects.
 *
 * A scan writes here and never into an object: no page of the heap is dirtied, a snapshot or a forked worker
 * stays shared. Objects are known by their address, a multiple of 16.
 *
 * Two forms. Dense: a byte for each 16 bytes of address space, in 2 MiB tables, each for 32 MiB, found through a
 * directory; for scans of whole heaps, walked in address order. Sparse: a hash table; for sets that are small
 * against the heap, walked in the order of entry.
 *
 * A byte of 0 means: not a member of this scan. What the others mean is the scan's affair.
 */
#ifndef EXVI_SIDE_H
#define EXVI_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXVI_SIDE_TABLE_SHIFT 25
#define EXVI_SIDE_GRANULE_SHIFT 4
#define EXVI_SIDE_TABLE_SIZE ((size_t)1 << (EXVI_SIDE_TABLE_SHIFT - EXVI_SIDE_GRANULE_SHIFT))

typedef struct exvi_side {
    bool dense;
    size_t members;
    uint8_t **directory;     /* dense: by address >> 25 */
    uintptr_t *tables;       /* dense: addresses >> 25 that have a table, sorted when walked */
    size_t table_count;
    void **keys;             /* sparse: members in order of entry */
    uint8_t *bytes;          /* sparse: parallel to keys */
    uint32_t *slots;         /* sparse: hash -> index + 1 */
    size_t capacity;         /* sparse: of keys; slots has twice as many */
    size_t mapped_capacity;
} exvi_side;

/* Begin a scan of about `expected` members (a sparse table holds at most that many). False: no memory, nothing
 * is held. A side table may be used for one scan after the other; exvi_side_drop() gives its memory back. */
bool exvi_side_begin(exvi_side *side, size_t expected, bool dense);
void exvi_side_end(exvi_side *side);
void exvi_side_drop(exvi_side *side);

/* The byte of a new or old member. NULL: no memory. */
uint8_t *exvi_side_add(exvi_side *side, const void *object);
uint8_t *exvi_side_find_sparse(const exvi_side *side, const void *object);

/* The byte of `object`, or NULL where there is none (a dense table may also give a byte of 0). */
static inline uint8_t *exvi_side_find(const exvi_side *side, const void *object)
{
    if (!side->dense)
        return exvi_side_find_sparse(side, object);
    uint8_t *table = side->directory[((uintptr_t)object & 0x7fffffffffff) >> EXVI_SIDE_TABLE_SHIFT];
    if (!table)
        return NULL;
    return table + (((uintptr_t)object >> EXVI_SIDE_GRANULE_SHIFT) & (EXVI_SIDE_TABLE_SIZE - 1));
}

/* Walk over the members: fills objects and their bytes, up to `room`; 0 at the end. */
typedef struct exvi_side_cursor {
    size_t table, offset;
} exvi_side_cursor;
size_t exvi_side_next(exvi_side *side, exvi_side_cursor *cursor, void **objects, uint8_t **bytes, size_t room);

#endif
