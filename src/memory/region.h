/*
 * region: the regions of one heap, cut into units of 64 KiB.
 *
 *     region  | header, table of 512 exvi_page | unit | unit | unit ...
 *
 * A run of units is a page; what is known of a page lies in the table entry of its first unit, and the entries of its
 * other units lead back there. Units come and go here; what is done with the blocks of a page is the affair of
 * blocks.h.
 *
 * Invariants of a region: a unit is vacant exactly when its entry has units == 0 and lead == 0; the entry of a unit
 * inside a page has reciprocal == 0 and its first block free (exvi_block_free() relies on that); dirty is a subset of
 * vacant; the counts are the populations of the bitmaps. Of all regions together: used_units + vacant units +
 * EXVI_META_UNITS for each == units held; regions[] is sorted by address; a region with vacant units is in the list
 * `roomy`, any other is not.
 */
#ifndef EXVI_REGION_H
#define EXVI_REGION_H

#include "arena.h"
#include "collapse.h"

#define EXVI_UNIT_SHIFT 16
#define EXVI_UNIT_SIZE ((size_t)1 << EXVI_UNIT_SHIFT)
#define EXVI_UNITS 512 /* in 32 MiB; the table of every region has as many entries */

typedef enum exvi_kind { EXVI_RAW, EXVI_OBJECT, EXVI_KINDS } exvi_kind; /* of what a block holds */

#define EXVI_BIN_LARGE 0xff /* no size class: a page of one block */

/* The first 64 bytes are what an allocation and a free look at. */
typedef struct exvi_page {
    _Alignas(64) uint64_t claimed; /* blocks of the cursor's word that allocation may still hand out */
    char *claimed_start;     /* the first block of that word */
    char *start;             /* the first block */
    int64_t left;            /* a free that brings this to 0 has more to do: see exvi_page_tally() */
    int64_t wake;            /* the tally will be this then */
    size_t block_size;       /* a multiple of 16; objects: at least 32 */
    uint32_t reciprocal;     /* index == (offset >> 4) * reciprocal >> 31, exact inside the page */
    uint32_t units;          /* of the page; 0: not the first unit of one */
    uint16_t capacity;       /* blocks in the page */
    uint16_t cursor;         /* the word of `free` that was claimed last */
    uint16_t lead;           /* units back to the page's first unit, for units inside a page */
    uint8_t kind;            /* exvi_kind */
    uint8_t bin;             /* size class, or EXVI_BIN_LARGE */
    _Alignas(64) uint64_t free[64]; /* 1: free, and not claimed */
    uint64_t young[2][32];   /* objects only: see generation.h */
    struct exvi_page *next, *prev; /* while listed */
    struct exvi_page *young_next, *young_prev;
    uint32_t purgeable_bytes; /* purge.c: free, and not purged, when the page was noted; 0: it is not */
    uint32_t purged_bytes;   /* purge.c: of its free blocks, gone back to the system since it was current */
    bool purged;             /* purge.c: ever since it was set up */
    bool current;            /* its bin allocates from it */
    bool listed;             /* in its bin's list of pages with free blocks */
    bool young_listed;       /* in blocks->young */
} exvi_page;

struct exvi_blocks;

struct exvi_region {
    struct exvi_blocks *blocks;
    struct exvi_region *next, *prev; /* `roomy` */
    size_t size;                     /* bytes */
    size_t small_bytes;              /* at the start, never huge pages */
    bool sparse;                     /* no huge pages for now: parts of some went back to the system */
    bool single;                     /* holds one page that is too long for a shared region, and goes with it */
    uint32_t purgeable_pages;
    uint32_t vacant_units;
    uint32_t dirty_units;
    uint64_t vacant[EXVI_UNITS / 64];
    uint64_t dirty[EXVI_UNITS / 64]; /* vacant units that may be resident */
    exvi_page page[EXVI_UNITS];
};

#define EXVI_META_UNITS ((uint32_t)((sizeof(exvi_region) + EXVI_UNIT_SIZE - 1) >> EXVI_UNIT_SHIFT))

typedef struct exvi_regions {
    exvi_arena arena;
    exvi_collapser collapser;
    struct exvi_blocks *blocks;  /* what every region points back to */
    exvi_region **sorted;        /* all regions by address, in a mapping of its own */
    size_t count, room;
    exvi_region *roomy, *roomy_last; /* with vacant units; empty regions at the end */
    size_t empty;                /* regions without a page */
    size_t hand;                 /* where the next purge goes on, an index of `sorted` */
    size_t used_units, dirty_units;
    size_t purgeable_bytes;      /* of all noted pages */
    size_t pages_purged_bytes;   /* sum of purged_bytes of all pages */
    size_t purge_hand;           /* like hand */
    size_t purged_bytes;         /* what went back and was not taken again */
    size_t slack_bytes;          /* kept because earlier purges were regretted */
    uint64_t slack_ns;           /* when slack was last reduced */
    bool purge_refused;          /* ever: locked memory for instance; a clean unit may not read as zero */
} exvi_regions;

void exvi_regions_init(exvi_regions *regions, struct exvi_blocks *blocks, size_t limit_bytes, bool huge_pages);
void exvi_regions_drop(exvi_regions *regions); /* all memory goes back */

/* A page of `units` units: start, units and the leads are set, tally, lists and bitmaps are as an earlier user left
 * them. More units than a region has get a region of their own. NULL: no memory. */
exvi_page *exvi_units_take(exvi_regions *regions, size_t units);

/* The same, and its memory reads as zero; what was never touched stays so. */
exvi_page *exvi_units_take_zeroed(exvi_regions *regions, size_t units);
void exvi_units_give(exvi_regions *regions, exvi_page *page);

/* Make a page longer or shorter where it is. False: the units behind it are in use. */
bool exvi_units_resize(exvi_regions *regions, exvi_page *page, size_t units);

/* The region that holds `address`, or NULL; and the position in sorted[] of the first one that ends behind it. Both are
 * safe for any address. */
exvi_region *exvi_regions_find(const exvi_regions *regions, const void *address);
size_t exvi_regions_position(const exvi_regions *regions, const void *address);

/* The page at *unit or the next one behind it, and *unit moves behind that; NULL at the region's end. */
exvi_page *exvi_region_next(exvi_region *region, uint32_t *unit);

/* Is so much free memory more than is worth keeping? */
bool exvi_regions_exceed(exvi_regions *regions, size_t bytes);

/* Give a part of a page back; and: what was given back is resident again, keep more the next time. */
void exvi_regions_purge(exvi_regions *regions, char *start, size_t size);
void exvi_regions_regret(exvi_regions *regions, size_t bytes);

/* Dirty units and empty regions go back to the system: all of them; or, when more is dirty than worth keeping, a
 * batch that takes about a millisecond. The result is in bytes. */
size_t exvi_regions_trim(exvi_regions *regions);
void exvi_regions_settle(exvi_regions *regions);

/* Make huge pages whole again that the system split because they were written to beside a snapshot: see collapse.h.
 * False: there are none. */
bool exvi_regions_collapse(exvi_regions *regions);

const char *exvi_regions_check(const exvi_regions *regions); /* NULL, or which invariant is broken */

/* The first bit with this value in [from, end) of a bitmap; `end` if there is none. */
static inline uint32_t exvi_next_bit(const uint64_t *map, uint32_t from, uint32_t end, bool value)
{
    while (from < end) {
        uint64_t word = (value ? map[from / 64] : ~map[from / 64]) >> (from % 64);
        if (word)
            from += (uint32_t)__builtin_ctzll(word);
        if (word)
            return from < end ? from : end;
        from = (from / 64 + 1) * 64;
    }
    return end;
}

/* The table entry of the unit that an address in a region lies in; and the page of a live block. */
static inline exvi_page *exvi_unit_of(const void *address)
{
    exvi_page *unit = &exvi_region_of(address)->page[((uintptr_t)address >> EXVI_UNIT_SHIFT) & (EXVI_UNITS - 1)];
    __asm__("" : "+r"(unit)); /* to be computed once, not anew for each of its fields */
    return unit;
}

static inline exvi_page *exvi_page_of(const void *address)
{
    exvi_page *page = exvi_unit_of(address);
    /* a branch, so that for the usual page nothing has to wait for `lead` */
    return __builtin_expect(page->lead != 0, 0) ? page - page->lead : page;
}

/* Blocks in use. Of the current page: its capacity less the frees since it is current, which may be below 0. */
static inline int64_t exvi_page_tally(const exvi_page *page)
{
    return page->wake + page->left;
}

static inline uint32_t exvi_block_index(const exvi_page *page, const void *block)
{
    size_t offset = (size_t)((const char *)block - page->start);
    return (uint32_t)(((offset >> 4) * (uint64_t)page->reciprocal) >> 31);
}

static inline void *exvi_block_at(const exvi_page *page, uint32_t index)
{
    return page->start + index * page->block_size;
}

/* The live blocks of a word of the bitmaps, bits beyond the capacity excluded. */
static inline uint64_t exvi_page_live(const exvi_page *page, uint32_t word)
{
    uint32_t rest = page->capacity - word * 64;
    uint64_t live = ~page->free[word] & (rest < 64 ? ((uint64_t)1 << rest) - 1 : ~(uint64_t)0);
    return word == page->cursor ? live & ~page->claimed : live;
}

#endif
