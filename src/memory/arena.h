/*
 * arena: regions of address space, as a rule 32 MiB each, all aligned to 32 MiB.
 *
 * Alignment lets any address in a region find its start with one mask. Regions are advised as huge pages: what a
 * snapshot costs is the copying of page tables, and a huge page has one entry where small ones have 512. A region
 * may be larger (for one big block) or smaller (when the limit leaves less); its start is aligned all the same.
 *
 * Invariant: held_bytes == sum of the sizes of live regions, and held_bytes + other_bytes <= limit_bytes if there is a
 * limit.
 *
 * What lies inside a region is not known here: see region.h.
 */
#ifndef EXVI_ARENA_H
#define EXVI_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXVI_REGION_SHIFT 25
#define EXVI_REGION_SIZE ((size_t)1 << EXVI_REGION_SHIFT)

typedef struct exvi_region exvi_region;

typedef struct exvi_arena {
    size_t held_bytes;  /* regions */
    size_t other_bytes; /* what the heap holds beside them: see exvi_arena_claim() */
    size_t limit_bytes; /* 0: none */
    bool huge_pages;
} exvi_arena;

/* `huge_pages`: ask the system for them, if they are of the size that is planned with. */
exvi_arena exvi_arena_new(size_t limit_bytes, bool huge_pages);

/* Address space that reads as zero; `size` is a multiple of the system's page. `small_bytes` at its start, a multiple
 * of 2 MiB, stay small pages, so that a small heap does not hold megabytes. NULL: no memory, or the limit. */
void *exvi_region_new(exvi_arena *arena, size_t size, size_t small_bytes);
void exvi_region_free(exvi_arena *arena, void *region, size_t size);

/* Wish for huge pages in a stretch of a region, or for none; nothing, if this arena asks for none at all. */
void exvi_arena_advise(const exvi_arena *arena, void *start, size_t size, bool huge);

/* Count memory that somebody maps for the heap beside its regions, tables for instance. False: the limit. */
bool exvi_arena_claim(exvi_arena *arena, size_t bytes);
void exvi_arena_unclaim(exvi_arena *arena, size_t bytes);

/* How many bytes the limit still allows: SIZE_MAX without one. */
size_t exvi_arena_room(const exvi_arena *arena);

#ifdef EXVI_CHECKED
/* Does a region of any heap in this process start where that of `address` would? Safe for any address. */
bool exvi_region_is_known(const void *address);
#endif

static inline exvi_region *exvi_region_of(const void *address)
{
    return (exvi_region *)((uintptr_t)address & ~(uintptr_t)(EXVI_REGION_SIZE - 1));
}

#endif
