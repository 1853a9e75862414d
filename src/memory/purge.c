/*
 * purge: the free parts of pages that are still in use go back to the system. See purge.h.
 *
 * What one settling does is bounded by counting pages looked at and stretches purged, since each costs about a
 * microsecond. It goes on where the last one stopped.
 */
#include "purge.h"

#include "die.h"
#include "platform.h"

#ifdef EXVI_STRESS
#define BATCH 8
#else
#define BATCH 512
#endif

/* Purge the whole system pages between two addresses. Returns their bytes. */
static size_t purge_between(exvi_regions *regions, char *from, char *to)
{
    size_t page_size = exvi_page_size();
    char *start = from + (-(uintptr_t)from & (page_size - 1));
    char *end = to - ((uintptr_t)to & (page_size - 1));
    if (start >= end)
        return 0;
    exvi_regions_purge(regions, start, (size_t)(end - start));
    return (size_t)(end - start);
}

static void set_purged(exvi_regions *regions, exvi_page *page, size_t bytes)
{
    regions->pages_purged_bytes += bytes;
    regions->pages_purged_bytes -= page->purged_bytes;
    page->purged_bytes = (uint32_t)bytes;
}

/* Returns the bytes that went and had not gone before; *steps rises by the stretches. */
static size_t purge_page(exvi_regions *regions, exvi_page *page, size_t *steps)
{
    size_t bytes = 0, before = page->purged_bytes;
    uint32_t capacity = page->capacity;
    for (uint32_t first = exvi_next_bit(page->free, 0, capacity, true); first < capacity; ++*steps) {
        uint32_t end = exvi_next_bit(page->free, first, capacity, false);
        char *to = end < capacity ? page->start + end * page->block_size
                                  : page->start + ((size_t)page->units << EXVI_UNIT_SHIFT);
        bytes += purge_between(regions, page->start + first * page->block_size, to);
        first = exvi_next_bit(page->free, end, capacity, true);
    }
    page->purged = page->purged || bytes > 0;
    set_purged(regions, page, bytes);
    return bytes > before ? bytes - before : 0;
}

void exvi_purge_note(exvi_regions *regions, exvi_page *page)
{
    exv_assert(!page->current);
    if (page->purgeable_bytes)
        return;
    size_t free_bytes = (size_t)(page->capacity - exvi_page_tally(page)) * page->block_size;
    exv_assert(free_bytes > page->purged_bytes); /* more by at least one block since it was purged */
    page->purgeable_bytes = (uint32_t)(free_bytes - page->purged_bytes);
    regions->purgeable_bytes += page->purgeable_bytes;
    exvi_region_of(page)->purgeable_pages++;
    exvi_purge_settle(regions);
}

static void strike(exvi_regions *regions, exvi_page *page)
{
    if (!page->purgeable_bytes)
        return;
    regions->purgeable_bytes -= page->purgeable_bytes;
    exvi_region_of(page)->purgeable_pages--;
    page->purgeable_bytes = 0;
}

void exvi_purge_forget(exvi_regions *regions, exvi_page *page)
{
    strike(regions, page);
    if (page->current)
        exvi_regions_regret(regions, page->purged_bytes);
    set_purged(regions, page, 0);
}

/* Purge a region's noted pages until `steps` reaches BATCH. */
static void purge_noted(exvi_regions *regions, exvi_region *region, size_t *steps)
{
    uint32_t unit = 0;
    for (exvi_page *page; region->purgeable_pages && *steps < BATCH && (page = exvi_region_next(region, &unit));) {
        if (!page->purgeable_bytes)
            continue;
        ++*steps;
        strike(regions, page);
        regions->purged_bytes += purge_page(regions, page, steps);
    }
}

void exvi_purge_settle(exvi_regions *regions)
{
    if (!exvi_regions_exceed(regions, 2 * regions->purgeable_bytes))
        return;
    size_t steps = 0;
    for (size_t left = regions->count; left > 0 && steps < BATCH; left--) {
        exvi_region *region = regions->sorted[regions->purge_hand % regions->count];
        purge_noted(regions, region, &steps);
        if (region->purgeable_pages == 0)
            regions->purge_hand++;
    }
}

size_t exvi_purge_trim(exvi_regions *regions)
{
    size_t bytes = 0, steps = 0;
    for (size_t i = 0; i < regions->count; i++) {
        uint32_t unit = 0;
        for (exvi_page *page; (page = exvi_region_next(regions->sorted[i], &unit));) {
            strike(regions, page);
            bytes += purge_page(regions, page, &steps);
        }
    }
    return bytes;
}
