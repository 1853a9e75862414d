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

size_t exvi_arena_room(const exvi_arena *arena)
{
    if (arena->limit_bytes == 0)
        return SIZE_MAX;
    return arena->limit_bytes > arena->held_bytes ? arena->limit_bytes - arena->held_bytes : 0;
}

void *exvi_region_new(exvi_arena *arena, size_t size, size_t small_bytes)
{
    exv_assert(small_bytes % EXVI_HUGE_PAGE == 0);
    if (size > exvi_arena_room(arena))
        return NULL;
    char *region = exvi_map(size, EXVI_REGION_SIZE);
    if (!region)
        return NULL;
    if (arena->huge_pages && size > small_bytes)
        exvi_advise_huge(region + small_bytes, size - small_bytes);
    arena->held_bytes += size;
    return region;
}

void exvi_region_free(exvi_arena *arena, void *region, size_t size)
{
    exv_assert(arena->held_bytes >= size);
    exvi_unmap(region, size);
    arena->held_bytes -= size;
}
