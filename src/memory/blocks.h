/*
 * blocks: blocks of memory in size classes, over the units of region.h.
 *
 * The blocks of a page are all of one size and one kind:
 *
 *     small page (1 unit):   blocks of 16 bytes to 8 KiB
 *     medium page (8 units): blocks up to 64 KiB
 *     large page (n units):  one block; beyond 16 MiB in a region of its own
 *
 * All that is known of a block lies in its page's table entry, none of it in the block: which blocks are free (bitmap
 * `free`), and for objects which are young (bitmaps `young`). So a scan of live blocks, a free, and a check for misuse
 * touch no cold block.
 *
 * Allocation claims all free blocks of a word at once and hands them out one by one: so an allocation and a free of
 * neighbours do not wait for each other through the word in memory, and blocks just freed, still in the cache, are
 * handed out again first.
 *
 * A page that was full is in no list ("away") until an eighth of it is free again. So that a program that renews its
 * objects here and there does not grow for ever, a bin looks at those that are away before it grows, when so much was
 * allocated since the last look that it costs little: sooner if that one gave some.
 *
 * Invariants of a page: used + popcount(free) + popcount(claimed) == capacity; bits from capacity on are 0 in `free`;
 * only the page a bin is allocating from has claimed blocks, and used == 0 for no other; young bits mean something for
 * live blocks only, those of claimed blocks are set in advance; a page with young blocks, and the current page of every
 * bin of objects, is in the list `young`; a page is current or listed or neither, never both.
 */
#ifndef EXVI_BLOCKS_H
#define EXVI_BLOCKS_H

#include "die.h"
#include "poison.h"
#include "region.h"

#define EXVI_FINE_MAX ((size_t)512) /* up to here size classes are 16 bytes apart, then four for each doubling */
#define EXVI_SMALL_MAX ((size_t)8 << 10)
#define EXVI_MEDIUM_MAX ((size_t)64 << 10)
#define EXVI_BINS 60

typedef struct exvi_bin {
    exvi_page *page;         /* allocated from; never NULL (exvi_page_none at first) */
    exvi_page *partial;      /* others with free blocks */
    size_t pages;            /* of this size and kind */
    size_t capacity;         /* blocks of a page */
    size_t given;            /* blocks that were free in pages that became current, since pages away were looked at */
    bool was_fruitful;       /* and some were found then */
} exvi_bin;

typedef struct exvi_blocks {
    exvi_bin bin[EXVI_KINDS][EXVI_BINS];
    exvi_page *young;        /* object pages that may have young bits */
    void *owner;             /* the exv_heap */
    uint64_t allocated_bytes; /* likewise; see exvi_blocks_allocated_bytes() */
    uint64_t allocations;    /* ever, and those still possible in current pages; see exvi_blocks_count() */
    exvi_regions regions;
} exvi_blocks;

void exvi_blocks_init(exvi_blocks *blocks, void *owner, size_t limit_bytes, bool huge_pages);
void exvi_blocks_drop(exvi_blocks *blocks);                 /* all memory goes back */

/* What the inline functions below leave to do. */
void *exvi_block_new_slow(exvi_blocks *blocks, exvi_kind kind, size_t size);
void exvi_block_free_slow(exvi_page *page);
void exvi_block_free_odd(exvi_page *unit, void *block);

/* Can the block be used with `size` bytes where it is? A large one is made longer or shorter if that helps. */
bool exvi_block_resize(exvi_page *page, size_t size);

/* The list of pages that may have young bits. A page that becomes free leaves it by itself. The list may be walked and
 * pages unlisted on the way, but keep those that are `current`: allocation does not list them again. */
void exvi_page_list_young(exvi_blocks *blocks, exvi_page *page);   /* nothing, if it is in it already */
void exvi_page_unlist_young(exvi_blocks *blocks, exvi_page *page); /* nothing, if it is not in it */

/* The live block that starts at `address`: its page and index. False for anything else: foreign, free, inside a
 * block. Safe for any address. */
bool exvi_block_find(const exvi_blocks *blocks, const void *address, exvi_page **page, uint32_t *index);

/* Walk over live blocks of a kind in address order, from a zeroed cursor. Fills `out` with up to `room` block
 * addresses and returns how many; 0 at the end. Blocks may be freed and allocated between two calls: what was freed
 * before its turn is not handed out, what was allocated behind the cursor is not either. */
typedef struct exvi_block_cursor {
    uintptr_t address;       /* every block below it was handed out */
} exvi_block_cursor;
size_t exvi_blocks_next(const exvi_blocks *blocks, exvi_kind kind, exvi_block_cursor *cursor, void **out, size_t room);

size_t exvi_blocks_trim(exvi_blocks *blocks);               /* free units and regions go back; bytes */
void exvi_blocks_settle(exvi_blocks *blocks);               /* some do, if more is free than worth keeping */
const char *exvi_blocks_check(const exvi_blocks *blocks);   /* NULL, or which invariant is broken */

/* used_bytes + free_bytes + metadata_bytes == held_bytes; allocations == frees + live[EXVI_RAW] + live[EXVI_OBJECT] */
typedef struct exvi_blocks_sum {
    size_t held_bytes, used_bytes, free_bytes, metadata_bytes, live[EXVI_KINDS];
    uint64_t allocations, frees;
} exvi_blocks_sum;
void exvi_blocks_count(const exvi_blocks *blocks, exvi_blocks_sum *sum); /* walks the pages */

/* Bytes of all blocks ever allocated, as large as their size classes. */
uint64_t exvi_blocks_allocated_bytes(const exvi_blocks *blocks);

/* Size classes, for sizes from 1 to EXVI_MEDIUM_MAX. */
static inline unsigned exvi_bin_of(size_t size)
{
    if (size <= EXVI_FINE_MAX)
        return (unsigned)((size - 1) >> 4);
    unsigned top = 63u - (unsigned)__builtin_clzll(size - 1); /* 9 to 15 */
    return 32 + (top - 9) * 4 + (unsigned)((size - 1) >> (top - 2) & 3);
}
size_t exvi_bin_size(unsigned bin);

static inline size_t exvi_block_size(const exvi_page *page)
{
    return page->block_size;
}

/* The first claimed block; there is one. */
static inline void *exvi_page_pop(exvi_page *page)
{
    uint64_t claimed = page->claimed;
    page->claimed = claimed & (claimed - 1);
    char *block = page->claimed_start + (unsigned)__builtin_ctzll(claimed) * page->block_size;
    if (!block)
        __builtin_unreachable(); /* said to the compiler, so that nobody asks */
    return block;
}

/* A claimed block if that is all it takes, as mostly; else NULL. In the checked build always NULL. */
static inline void *exvi_block_take(exvi_blocks *blocks, exvi_kind kind, size_t size)
{
#ifndef EXVI_CHECKED
    if (exvi_likely(size - 1 < EXVI_FINE_MAX)) {
        exvi_page *page = blocks->bin[kind][(size - 1) >> 4].page;
        if (exvi_likely(page->claimed != 0))
            return exvi_page_pop(page);
    }
#else
    (void)blocks, (void)kind, (void)size;
#endif
    return NULL;
}

/* A block of at least `size` > 0 bytes, aligned to 16, not zeroed; one for an object is young. NULL: no memory. */
static inline void *exvi_block_new(exvi_blocks *blocks, exvi_kind kind, size_t size)
{
    void *block = exvi_block_take(blocks, kind, size);
    return exvi_likely(block != NULL) ? block : exvi_block_new_slow(blocks, kind, size);
}

/* The same, zeroed; of a large one, pages that are fresh from the system stay untouched. */
void *exvi_block_new_zeroed(exvi_blocks *blocks, exvi_kind kind, size_t size);

static inline void exvi_block_free_at(exvi_page *page, size_t index)
{
    page->free[index / 64] |= (uint64_t)1 << (index % 64);
    if (exvi_unlikely(--page->left == 0))
        exvi_block_free_slow(page);
}

/* Free a live block. One that is free already stops the program. The entry of a block's unit is that of its page, but
 * for pages of several units: there it shows a free block, too. */
static inline void exvi_block_free(void *block)
{
#ifdef EXVI_CHECKED
    exvi_block_poison(exvi_page_of(block), block);
#endif
    exvi_page *unit = exvi_unit_of(block);
    size_t granule = ((uintptr_t)block & (EXVI_UNIT_SIZE - 1)) >> 4;
    size_t index = (granule * unit->reciprocal) >> 31;
    if (exvi_unlikely(unit->free[index / 64] & (uint64_t)1 << (index % 64)))
        exvi_block_free_odd(unit, block);
    else
        exvi_block_free_at(unit, index);
}

#endif
