/*
 * arena: regions of address space, 32 MiB each and aligned to 32 MiB.
 *
 * Alignment lets any address find its region with one mask. Regions are advised as huge pages:
 * what a snapshot costs is the copying of page tables, and a huge page has one entry where small
 * ones have 512. A region larger than 32 MiB (for one big block) is a multiple of it.
 *
 * Invariant: held_bytes == sum of the sizes of live regions <= limit_bytes (if there is a limit).
 */
#ifndef EXVI_ARENA_H
#define EXVI_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXVI_REGION_SHIFT 25
#define EXVI_REGION_SIZE ((size_t)1 << EXVI_REGION_SHIFT)
#define EXVI_HUGE_PAGE ((size_t)2 << 20)

typedef struct exvi_arena {
    size_t held_bytes;
    size_t limit_bytes; /* 0: none */
    bool huge_pages;
} exvi_arena;

/* `size` is rounded up to whole regions; `small_bytes` at its start stay small pages (a multiple of
 * 2 MiB), so that a heap of a few objects does not hold megabytes. NULL: no memory, or the limit. */
void *exvi_region_new(exvi_arena *arena, size_t size, size_t small_bytes);
void exvi_region_free(exvi_arena *arena, void *region, size_t size);

static inline void *exvi_region_of(const void *address)
{
    return (void *)((uintptr_t)address & ~(uintptr_t)(EXVI_REGION_SIZE - 1));
}

#endif
