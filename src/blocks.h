/*
 * blocks: blocks of memory in size classes, over the regions of an arena.
 *
 * A region is cut into 512 units of 64 KiB; the first EXVI_META_UNITS hold the region's own table.
 * A page is a run of units whose blocks are all of one size and one kind:
 *
 *     region  | table of 512 exvi_page | unit | unit | unit ...
 *     small page (1 unit):   blocks of 16 bytes to 8 KiB
 *     medium page (8 units): blocks up to 64 KiB
 *     large page (n units):  one block up to 16 MiB
 *     a block beyond that:   a region of its own with one page
 *
 * All that is known of a block lies in its page's table entry, none of it in the block: which blocks
 * are free (bitmap `free`), and for objects which are young (bitmaps `young`). So a scan of live blocks,
 * a free, and a check for misuse touch no cold block.
 *
 * Invariants of a page: used + popcount(free) == capacity; bits from capacity on are 0 in `free`;
 * used == 0 only for the page a bin is allocating from.
 */
#ifndef EXVI_BLOCKS_H
#define EXVI_BLOCKS_H

#include "arena.h"
#include "die.h"

#define EXVI_UNIT_SHIFT 16
#define EXVI_UNIT_SIZE ((size_t)1 << EXVI_UNIT_SHIFT)
#define EXVI_UNITS 512
#define EXVI_SMALL_MAX ((size_t)8 << 10)
#define EXVI_MEDIUM_MAX ((size_t)64 << 10)
#define EXVI_LARGE_MAX ((size_t)16 << 20)
#define EXVI_BINS 48
#define EXVI_BIN_LARGE 0xff

typedef enum exvi_kind { EXVI_RAW, EXVI_OBJECT, EXVI_KINDS } exvi_kind;

typedef struct exvi_page {
    char *start;             /* the first block; NULL: the unit is free or inside another page */
    size_t block_size;       /* a multiple of 16; objects: at least 32 */
    uint32_t reciprocal;     /* index == (offset >> 4) * reciprocal >> 32, exact inside the page */
    uint32_t capacity;       /* blocks in the page */
    uint32_t used;
    uint16_t cursor;         /* the word of `free` that allocation looks at */
    uint8_t kind;            /* exvi_kind */
    uint8_t bin;             /* size class, or EXVI_BIN_LARGE */
    uint16_t lead;           /* units back to the page's first unit, for units inside a page */
    uint16_t units;          /* of the page; 0 for a free unit */
    bool current;            /* a bin is allocating from it */
    bool listed;             /* in its bin's list of pages with free blocks */
    bool young_listed;       /* in blocks->young */
    struct exvi_page *next, *prev; /* bin list */
    struct exvi_page *young_next;
    uint64_t free[64];       /* 1: free */
    uint64_t young[2][32];   /* objects only. [g]: in generation g; neither: oldest or untracked */
} exvi_page;

typedef struct exvi_bin {
    exvi_page *page;         /* allocated from; never NULL (an empty page of capacity 0 at first) */
    exvi_page *partial;      /* others with free blocks */
} exvi_bin;

struct exvi_blocks;

typedef struct exvi_region {
    uint64_t magic;
    struct exvi_blocks *blocks;
    struct exvi_region *next, *prev;
    size_t size;
    uint32_t free_units;
    uint64_t dirty[EXVI_UNITS / 64]; /* free units that may be resident */
    exvi_page page[EXVI_UNITS];
} exvi_region;

typedef struct exvi_blocks {
    exvi_arena arena;
    exvi_bin bin[EXVI_KINDS][EXVI_BINS];
    exvi_page *young;        /* object pages that may have young bits */
    exvi_region *regions;    /* in address order */
    void *owner;             /* the exv_heap */
    size_t used_bytes;       /* in live blocks of large pages; small ones are counted by page */
    size_t dirty_units;      /* free but resident */
    uint64_t allocations, frees; /* as of the slow paths; see exvi_blocks_count() */
} exvi_blocks;

void exvi_blocks_init(exvi_blocks *blocks, void *owner, size_t limit_bytes, bool huge_pages);
void exvi_blocks_drop(exvi_blocks *blocks);                 /* all memory goes back */

/* Not zeroed. NULL: no memory. `size` > 0. */
void *exvi_block_new_slow(exvi_blocks *blocks, exvi_kind kind, size_t size);
void exvi_block_free_slow(exvi_blocks *blocks, exvi_page *page, void *block);
unsigned exvi_bin_of(size_t size);                          /* for size <= EXVI_MEDIUM_MAX */
size_t exvi_bin_size(unsigned bin);

/* The live block that starts at `address`: its page and index. False for anything else: foreign, free,
 * inside a block. Safe for any address, if slower: it looks the region up in a list. */
bool exvi_block_find(const exvi_blocks *blocks, const void *address, exvi_page **page, uint32_t *index);

/* Walk over live blocks of a kind in address order, from a zeroed cursor. Fills `out` with up to `room` block
 * addresses and returns how many; 0 at the end. A block freed behind the cursor does no harm. */
typedef struct exvi_block_cursor {
    exvi_region *region;
    uint32_t unit;
    uint32_t word;
    bool started;
} exvi_block_cursor;
size_t exvi_blocks_next(exvi_blocks *blocks, exvi_kind kind, exvi_block_cursor *cursor, void **out, size_t room);

size_t exvi_blocks_trim(exvi_blocks *blocks);               /* free units and regions go back; bytes */
void exvi_blocks_settle(exvi_blocks *blocks);               /* trim if more is free than worth keeping */
const char *exvi_blocks_check(exvi_blocks *blocks);         /* NULL, or which invariant is broken */

typedef struct exvi_blocks_sum {
    size_t held_bytes, used_bytes, free_bytes, metadata_bytes, live[EXVI_KINDS];
} exvi_blocks_sum;
void exvi_blocks_count(const exvi_blocks *blocks, exvi_blocks_sum *sum); /* walks the pages */

static inline exvi_page *exvi_page_of(const void *address)
{
    exvi_region *region = exvi_region_of(address);
    exvi_page *page = &region->page[((uintptr_t)address >> EXVI_UNIT_SHIFT) & (EXVI_UNITS - 1)];
    return page - page->lead;
}

static inline uint32_t exvi_block_index(const exvi_page *page, const void *block)
{
    size_t offset = (size_t)((const char *)block - page->start);
    return (uint32_t)(((offset >> 4) * (uint64_t)page->reciprocal) >> 32);
}

#endif
