/*
 * arena: regions of address space. See arena.h.
 *
 * Asks the platform for aligned mappings, keeps the count of what is held, and refuses what would go over the limit.
 * Advice is a wish: a system without huge pages, or one that refuses, gives small ones, and nothing else changes.
 *
 * It does not cache regions; whether an empty one is worth keeping is decided in region.c.
 */
#include "arena.h"

#include "die.h"
#include "platform.h"

#ifdef EXVI_CHECKED
#include <stdatomic.h>

/* A bit for each 32 MiB of the addresses that a program has; shared by all threads. */
#define WINDOWS ((size_t)1 << (EXVI_ADDRESS_BITS - EXVI_REGION_SHIFT))
static _Atomic uint64_t known[WINDOWS / 64];

static void set_known(const void *region, bool is_known)
{
    size_t window = (uintptr_t)region >> EXVI_REGION_SHIFT;
    uint64_t bit = (uint64_t)1 << (window % 64);
    exv_assert(window < WINDOWS);
    if (is_known)
        atomic_fetch_or(&known[window / 64], bit);
    else
        atomic_fetch_and(&known[window / 64], ~bit);
}

bool exvi_region_is_known(const void *address)
{
    size_t window = (uintptr_t)address >> EXVI_REGION_SHIFT;
    return window < WINDOWS && (atomic_load(&known[window / 64]) >> (window % 64) & 1);
}
#else
#define set_known(region, is_known) ((void)0)
#endif

exvi_arena exvi_arena_new(size_t limit_bytes, bool huge_pages)
{
    return (exvi_arena){
        .limit_bytes = limit_bytes,
        .huge_pages = huge_pages && exvi_huge_page_size() == EXVI_HUGE_PAGE,
    };
}

size_t exvi_arena_room(const exvi_arena *arena)
{
    if (arena->limit_bytes == 0)
        return SIZE_MAX;
    size_t held_bytes = arena->held_bytes + arena->other_bytes;
    return arena->limit_bytes > held_bytes ? arena->limit_bytes - held_bytes : 0;
}

bool exvi_arena_claim(exvi_arena *arena, size_t bytes)
{
    if (bytes > exvi_arena_room(arena))
        return false;
    arena->other_bytes += bytes;
    return true;
}

void exvi_arena_unclaim(exvi_arena *arena, size_t bytes)
{
    exv_assert(arena->other_bytes >= bytes);
    arena->other_bytes -= bytes;
}

void exvi_arena_advise(const exvi_arena *arena, void *start, size_t size, bool huge)
{
    if (!arena->huge_pages)
        return;
    if (huge)
        exvi_advise_huge(start, size);
    else
        exvi_advise_small(start, size);
}

void *exvi_region_new(exvi_arena *arena, size_t size, size_t small_bytes)
{
    exv_assert(small_bytes % EXVI_HUGE_PAGE == 0);
    if (size > exvi_arena_room(arena))
        return NULL;
    char *region = exvi_map(size, EXVI_REGION_SIZE);
    if (!region)
        return NULL;
    if (exvi_huge_page_size() > EXVI_HUGE_PAGE)
        exvi_advise_small(region, size); /* the system may give them unasked: a whole region for the first byte */
    else if (size > small_bytes)
        exvi_arena_advise(arena, region + small_bytes, size - small_bytes, true);
    arena->held_bytes += size;
    set_known(region, true);
    return region;
}

void exvi_region_free(exvi_arena *arena, void *region, size_t size)
{
    exv_assert(arena->held_bytes >= size);
    set_known(region, false);
    exvi_unmap(region, size);
    arena->held_bytes -= size;
}
