/*
 * header: what stands in front of each object, and the ways from an object to what it belongs to.
 *
 *     block start -> | type 8 | refcount 4 | flags 4 | payload ...        <- an object is named by its payload
 *
 * A count from EXVI_IMMORTAL_COUNT on stands still: the object is immortal. A count of 0 is found in freed blocks only,
 * so a reference dropped once too often is seen at no cost.
 *
 * Which generation an object is in lies in its page (blocks.h), not here: moving a generation on touches no object.
 */
#ifndef EXVI_HEADER_H
#define EXVI_HEADER_H

#include "exv_heap.h"

#include <assert.h>

typedef struct exvi_header {
    const exv_type *type;
    uint32_t refcount;
    uint32_t flags;
} exvi_header;

enum {
    EXVI_TRACKED = 1,   /* the collector looks at it */
    EXVI_FINALIZED = 2, /* its finalizer was called */
    EXVI_WEAK = 4,      /* has weak references: in the table of weakref.c */
    EXVI_FROZEN = 8,    /* tracked, in the permanent generation */
    EXVI_DYING = 16,    /* it cannot be had any more; the count may hold a link, see object.c */
    EXVI_UNREACHABLE = 32, /* found so, and held by the collector: see collect.h */
    EXVI_PROVEN = 64,   /* scratch of one function in collect.c */
    EXVI_WAS_TRACKED = 128, /* until its death was put off */
    EXVI_OWN = 256      /* the library's own: see exvi_make_own() */
};

#define EXVI_IMMORTAL_COUNT UINT32_C(0x80000000)

static inline exvi_header *exvi_header_of(const void *object)
{
    return (exvi_header *)((uintptr_t)object - sizeof(exvi_header)); /* of any address: a misuse may bring it */
}

static inline void *exvi_object_of(void *block)
{
    return (exvi_header *)block + 1;
}

/* A heap begins with its blocks. The header lies in the same region, and a death has that at hand. */
static_assert(offsetof(exv_heap, blocks) == 0, "a heap begins with its blocks");

static inline exv_heap *exvi_heap_of(const void *object)
{
    return (exv_heap *)((exvi_region *)exvi_region_of(exvi_header_of(object)))->blocks;
}

/* Of an object of a type with items: their number lies in the last word of the block. */
static inline size_t *exvi_count_place(const void *object)
{
    char *block = (char *)exvi_header_of(object);
    return (size_t *)(void *)(block + exvi_block_size(exvi_page_of(block))) - 1;
}

#endif
