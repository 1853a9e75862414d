/*
 * region: the regions of one heap, cut into units. See region.h.
 *
 * Single units are taken from the low end of a region, longer runs from the high end, so that both find room. A unit
 * that was resident is preferred, since the system need not clear it again.
 *
 * Units that came back stay resident ("dirty") as long as they are few against what is in use. Above that, whole huge
 * pages go back to the system first, then what lies between live pages. If the heap then grows again into memory it had
 * given back, that much more is kept the next time; the wish fades with a half-life of seconds. (exvi_regions_exceed()
 * decides.)
 *
 * A huge page of which a part went back would soon be whole again: the kernel (khugepaged) looks for such, and takes
 * new memory for what is missing. So a region that returned parts is `sparse`, without huge pages, until it is empty or
 * nearly full.
 *
 * Nothing here knows blocks: a page is a table entry that holds units.
 */
#include "region.h"

#include "die.h"
#include "platform.h"

#include <assert.h>
#include <string.h>

#ifdef EXVI_STRESS
#define REGION_BYTES ((EXVI_META_UNITS + 40) * EXVI_UNIT_SIZE)
#define RUN_MAX 20          /* units; longer runs get a region of their own */
#define KEEP_MIN ((size_t)2)  /* dirty units that are always kept */
#define BATCH 3             /* units that one settling gives back */
#else
#define REGION_BYTES EXVI_REGION_SIZE
#define RUN_MAX 256
#define KEEP_MIN ((size_t)64)
#define BATCH 256
#endif

#define SLAB_UNITS ((uint32_t)(EXVI_HUGE_PAGE >> EXVI_UNIT_SHIFT))
#define FULL_SHARE 16       /* a region is nearly full when not more than this part is vacant */
#define HALF_LIFE_NS UINT64_C(5000000000)
#define FIRST_ROOM ((size_t)512) /* entries of sorted[]: a system page */

static_assert(EXVI_UNITS * EXVI_UNIT_SIZE == EXVI_REGION_SIZE, "a table entry for each unit of 32 MiB");
static_assert(SLAB_UNITS == 32, "a huge page's units are half a word of the bitmaps");
static_assert(offsetof(exvi_page, free) == 64, "what allocation looks at is one cache line");

/* --------------------------------------------------------------- bitmaps */

static bool bit_is_set(const uint64_t *map, uint32_t bit)
{
    return map[bit / 64] >> (bit % 64) & 1;
}

static void set_bits(uint64_t *map, uint32_t first, uint32_t count, bool value)
{
    for (uint32_t bit = first; bit < first + count;) {
        uint32_t here = 64 - bit % 64 < first + count - bit ? 64 - bit % 64 : first + count - bit;
        uint64_t mask = (here == 64 ? ~(uint64_t)0 : ((uint64_t)1 << here) - 1) << (bit % 64);
        map[bit / 64] = value ? map[bit / 64] | mask : map[bit / 64] & ~mask;
        bit += here;
    }
}

static uint32_t count_bits(const uint64_t *map, uint32_t first, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t bit = first; bit < first + count; bit++)
        sum += bit_is_set(map, bit);
    return sum;
}

/* The highest place for a run of `count` ones; EXVI_UNITS if there is none. */
static uint32_t last_run(const uint64_t *map, uint32_t count)
{
    uint32_t found = EXVI_UNITS;
    for (uint32_t first = exvi_next_bit(map, 0, EXVI_UNITS, true); first < EXVI_UNITS;) {
        uint32_t end = exvi_next_bit(map, first, EXVI_UNITS, false);
        if (end - first >= count)
            found = end - count;
        first = exvi_next_bit(map, end, EXVI_UNITS, true);
    }
    return found;
}

/* ------------------------------------------------------- set of regions */

static uint32_t total_units(const exvi_region *region)
{
    return (uint32_t)(region->size >> EXVI_UNIT_SHIFT) - EXVI_META_UNITS;
}

static bool is_empty(const exvi_region *region)
{
    return region->vacant_units == total_units(region);
}

static void link_roomy(exvi_regions *regions, exvi_region *region)
{
    bool at_end = is_empty(region);
    region->prev = at_end ? regions->roomy_last : NULL;
    region->next = at_end ? NULL : regions->roomy;
    *(region->prev ? &region->prev->next : &regions->roomy) = region;
    *(region->next ? &region->next->prev : &regions->roomy_last) = region;
}

static void unlink_roomy(exvi_regions *regions, exvi_region *region)
{
    *(region->prev ? &region->prev->next : &regions->roomy) = region->next;
    *(region->next ? &region->next->prev : &regions->roomy_last) = region->prev;
}

size_t exvi_regions_position(const exvi_regions *regions, const void *address)
{
    size_t low = 0, high = regions->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const exvi_region *region = regions->sorted[middle];
        if ((uintptr_t)address - (uintptr_t)region < region->size)
            return middle;
        if ((uintptr_t)region < (uintptr_t)address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

exvi_region *exvi_regions_find(const exvi_regions *regions, const void *address)
{
    size_t position = exvi_regions_position(regions, address);
    if (position == regions->count || (uintptr_t)address < (uintptr_t)regions->sorted[position])
        return NULL;
    return regions->sorted[position];
}

exvi_page *exvi_region_next(exvi_region *region, uint32_t *unit)
{
    uint32_t end = region->single ? EXVI_META_UNITS + 1 : EXVI_META_UNITS + total_units(region);
    uint32_t first = *unit < EXVI_META_UNITS ? EXVI_META_UNITS : *unit;
    first = exvi_next_bit(region->vacant, first, end, false);
    *unit = end;
    if (first >= end)
        return NULL;
    exvi_page *page = &region->page[first];
    page -= page->lead;
    if (!region->single)
        *unit = (uint32_t)(page - region->page) + page->units;
    return page;
}

static bool make_room(exvi_regions *regions)
{
    if (regions->count < regions->room)
        return true;
    size_t room = regions->room ? 2 * regions->room : FIRST_ROOM;
    size_t before = regions->room * sizeof *regions->sorted, bytes = room * sizeof *regions->sorted;
    if (!exvi_arena_claim(&regions->arena, bytes - before))
        return false;
    exvi_region **sorted = exvi_map_larger(regions->sorted, before, bytes);
    if (!sorted) {
        exvi_arena_unclaim(&regions->arena, bytes - before);
        return false;
    }
    regions->sorted = sorted;
    regions->room = room;
    return true;
}

/* A new region of `size` bytes, all vacant, but in no list of vacant ones yet. NULL: no memory, or the limit. */
static exvi_region *add_region(exvi_regions *regions, size_t size)
{
    if (!make_room(regions))
        return NULL;
    size_t small_bytes = regions->count == 0 ? EXVI_HUGE_PAGE : 0;
    exvi_region *region = exvi_region_new(&regions->arena, size, small_bytes);
    if (!region)
        return NULL;
    size_t position = exvi_regions_position(regions, region);
    exvi_region **place = regions->sorted + position;
    memmove(place + 1, place, (regions->count - position) * sizeof *place);
    *place = region;
    regions->count++;
    region->blocks = regions->blocks;
    region->size = size;
    region->small_bytes = small_bytes;
    return region;
}

static void remove_region(exvi_regions *regions, exvi_region *region)
{
    size_t position = exvi_regions_position(regions, region);
    exvi_region **place = regions->sorted + position;
    memmove(place, place + 1, (regions->count - position - 1) * sizeof *place);
    regions->count--;
    exvi_collapser_halt(&regions->collapser);
    exvi_region_free(&regions->arena, region, region->size);
}

static void set_dirty(exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t count, bool dirty)
{
    uint32_t before = count_bits(region->dirty, first, count);
    set_bits(region->dirty, first, count, dirty);
    uint32_t after = dirty ? count : 0;
    region->dirty_units += after - before;
    regions->dirty_units += after;
    regions->dirty_units -= before;
}

static bool is_huge(const exvi_regions *regions, const exvi_region *region, uint32_t unit)
{
    return regions->arena.huge_pages && !region->sparse && unit >= region->small_bytes >> EXVI_UNIT_SHIFT;
}

static void set_sparse(exvi_regions *regions, exvi_region *region, bool sparse)
{
    if (region->sparse == sparse || region->size == region->small_bytes)
        return;
    region->sparse = sparse;
    char *start = (char *)region + region->small_bytes;
    exvi_arena_advise(&regions->arena, start, region->size - region->small_bytes, !sparse);
}

/* The first touch of a huge page makes all of it resident. Returns how many more units are dirty. */
static size_t touch_slabs(exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t count)
{
    uint32_t end = (first + count + SLAB_UNITS - 1) & ~(SLAB_UNITS - 1);
    uint32_t from = first & ~(SLAB_UNITS - 1);
    size_t before = regions->dirty_units;
    for (uint32_t unit = from; unit < end; unit++) {
        if (is_huge(regions, region, unit) && bit_is_set(region->vacant, unit) && !bit_is_set(region->dirty, unit))
            set_dirty(regions, region, unit, 1, true);
    }
    return regions->dirty_units - before;
}

/* A region to cut pages from, of the usual size, or of what the limit leaves if that has `units` units. */
static bool add_shared_region(exvi_regions *regions, uint32_t units)
{
    if (!make_room(regions)) /* before it is seen what the limit leaves */
        return false;
    size_t room = exvi_arena_room(&regions->arena) & ~(EXVI_UNIT_SIZE - 1);
    size_t size = room < REGION_BYTES ? room : REGION_BYTES;
    if (size < (EXVI_META_UNITS + units) * EXVI_UNIT_SIZE)
        return false;
    exvi_region *region = add_region(regions, size);
    if (!region)
        return false;
    region->vacant_units = total_units(region);
    set_bits(region->vacant, EXVI_META_UNITS, region->vacant_units, true);
    touch_slabs(regions, region, 0, EXVI_META_UNITS);
    regions->empty++;
    link_roomy(regions, region);
    return true;
}

/* ------------------------------------------------------- units come and go */

/* What is not dirty reads as zero, unless the system refused to take something back. */
static void zero_dirty(const exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t units)
{
    for (uint32_t unit = first; unit < first + units; unit++)
        if (bit_is_set(region->dirty, unit) || regions->purge_refused)
            memset((char *)region + ((size_t)unit << EXVI_UNIT_SHIFT), 0, EXVI_UNIT_SIZE);
}

/* Vacant units are now in use; what is in their entries is the caller's affair. */
static void occupy(exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t units)
{
    uint32_t clean = units - count_bits(region->dirty, first, units);
    regions->empty -= is_empty(region);
    unlink_roomy(regions, region);
    set_dirty(regions, region, first, units, false);
    set_bits(region->vacant, first, units, false);
    region->vacant_units -= units;
    regions->used_units += units;
    if (clean)
        exvi_regions_regret(regions, (clean + touch_slabs(regions, region, first, units)) << EXVI_UNIT_SHIFT);
    if (region->vacant_units > 0)
        link_roomy(regions, region);
    if (region->sparse && region->vacant_units <= total_units(region) / FULL_SHARE)
        set_sparse(regions, region, false);
}

static void lead_back(exvi_page *page, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        page[i].lead = (uint16_t)i;
        page[i].reciprocal = 0;
        page[i].free[0] = ~(uint64_t)0;
    }
}

static exvi_page *cut_page(exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t units, bool zeroed)
{
    if (zeroed)
        zero_dirty(regions, region, first, units);
    occupy(regions, region, first, units);
    exvi_page *page = &region->page[first];
    lead_back(page, 0, units);
    page->units = units;
    page->start = (char *)region + ((size_t)first << EXVI_UNIT_SHIFT);
    return page;
}

static uint32_t place_for(const exvi_region *region, uint32_t units)
{
    if (region->vacant_units < units)
        return EXVI_UNITS;
    if (units > 1)
        return last_run(region->vacant, units);
    return exvi_next_bit(region->dirty_units ? region->dirty : region->vacant, 0, EXVI_UNITS, true);
}

static exvi_page *take_vacant(exvi_regions *regions, uint32_t units, bool zeroed)
{
    for (exvi_region *region = regions->roomy; region; region = region->next) {
        uint32_t first = place_for(region, units);
        if (first < EXVI_UNITS)
            return cut_page(regions, region, first, units, zeroed);
    }
    return NULL;
}

/* A region for one page that is too long for the others. */
static exvi_page *take_region(exvi_regions *regions, size_t units)
{
    exvi_region *region = add_region(regions, (EXVI_META_UNITS + units) << EXVI_UNIT_SHIFT);
    if (!region)
        return NULL;
    exvi_page *page = &region->page[EXVI_META_UNITS];
    region->single = true;
    regions->used_units += units;
    page->units = (uint32_t)units;
    page->start = (char *)region + ((size_t)EXVI_META_UNITS << EXVI_UNIT_SHIFT);
    return page;
}

static exvi_page *take(exvi_regions *regions, size_t units, bool zeroed)
{
    if (units > RUN_MAX)
        return take_region(regions, units);
    exvi_page *page = take_vacant(regions, (uint32_t)units, zeroed);
    if (!page && add_shared_region(regions, (uint32_t)units))
        page = take_vacant(regions, (uint32_t)units, zeroed);
    return page;
}

static size_t unmap_empty(exvi_regions *regions, size_t most, size_t keep);

static exvi_page *take_or_make_room(exvi_regions *regions, size_t units, bool zeroed)
{
    exv_assert(units > 0);
    exvi_page *page = take(regions, units, zeroed);
    if (!page && unmap_empty(regions, SIZE_MAX, 0))
        page = take(regions, units, zeroed);
    return page;
}

exvi_page *exvi_units_take(exvi_regions *regions, size_t units)
{
    return take_or_make_room(regions, units, false);
}

exvi_page *exvi_units_take_zeroed(exvi_regions *regions, size_t units)
{
    return take_or_make_room(regions, units, true);
}

static void make_vacant(exvi_regions *regions, exvi_region *region, uint32_t first, uint32_t units)
{
    if (region->vacant_units != 0)
        unlink_roomy(regions, region);
    for (uint32_t unit = first; unit < first + units; unit++) {
        region->page[unit].units = 0;
        region->page[unit].lead = 0;
    }
    set_bits(region->vacant, first, units, true);
    set_dirty(regions, region, first, units, true);
    region->vacant_units += units;
    regions->used_units -= units;
    regions->empty += is_empty(region);
    link_roomy(regions, region);
}

void exvi_units_give(exvi_regions *regions, exvi_page *page)
{
    exv_assert(page->units > 0);
    exvi_region *region = exvi_region_of(page);
    if (region->single) {
        regions->used_units -= page->units;
        remove_region(regions, region);
        return;
    }
    make_vacant(regions, region, (uint32_t)(page - region->page), page->units);
    exvi_regions_settle(regions);
}

bool exvi_units_resize(exvi_regions *regions, exvi_page *page, size_t units)
{
    exvi_region *region = exvi_region_of(page);
    uint32_t first = (uint32_t)(page - region->page);
    if (units == page->units)
        return true;
    if (region->single || units == 0 || first + units > EXVI_UNITS)
        return false;
    uint32_t old = page->units, wanted = (uint32_t)units;
    if (wanted > old) {
        if (count_bits(region->vacant, first + old, wanted - old) < wanted - old)
            return false;
        occupy(regions, region, first + old, wanted - old);
        lead_back(page, old, wanted);
    } else {
        make_vacant(regions, region, first + wanted, old - wanted);
    }
    page->units = wanted;
    return true;
}

/* --------------------------------------------------------- back to the system */

void exvi_regions_regret(exvi_regions *regions, size_t bytes)
{
    size_t regret = bytes < regions->purged_bytes ? bytes : regions->purged_bytes;
    if (regret > 0 && regions->slack_bytes == 0)
        regions->slack_ns = exvi_clock_ns();
    regions->purged_bytes -= regret;
    regions->slack_bytes += regret;
}

static void fade_slack(exvi_regions *regions)
{
    uint64_t now = exvi_clock_ns(), lives = (now - regions->slack_ns) / HALF_LIFE_NS;
    regions->slack_bytes = lives < 64 ? regions->slack_bytes >> lives : 0;
    if (lives > 0)
        regions->slack_ns = now;
}

bool exvi_regions_exceed(exvi_regions *regions, size_t bytes)
{
    size_t used = (regions->used_units << EXVI_UNIT_SHIFT) - regions->purgeable_bytes - regions->pages_purged_bytes;
    if (bytes <= KEEP_MIN << EXVI_UNIT_SHIFT || bytes <= used / 4)
        return false;
    if (regions->slack_bytes > 0)
        fade_slack(regions);
    return bytes > regions->slack_bytes;
}

void exvi_regions_purge(exvi_regions *regions, char *start, size_t size)
{
    exvi_region *region = exvi_region_of(start);
    if (is_huge(regions, region, (uint32_t)((size_t)(start - (char *)region) >> EXVI_UNIT_SHIFT)))
        set_sparse(regions, region, true);
    exvi_collapser_halt(&regions->collapser);
    exvi_purge(start, size);
}

static void purge_run(exvi_regions *regions, exvi_region *region, uint32_t from, uint32_t to)
{
    bool is_part = (from % SLAB_UNITS && is_huge(regions, region, from)) ||
                   (to % SLAB_UNITS && is_huge(regions, region, to));
    if (is_part)
        set_sparse(regions, region, true);
    exvi_collapser_halt(&regions->collapser);
    if (!exvi_purge((char *)region + ((size_t)from << EXVI_UNIT_SHIFT), (size_t)(to - from) << EXVI_UNIT_SHIFT))
        regions->purge_refused = true;
    set_dirty(regions, region, from, to - from, false);
}

/* Purge dirty units of a region, at least `budget` of them if there are so many: whole huge pages only, or any. */
static size_t purge_region(exvi_regions *regions, exvi_region *region, size_t budget, bool slabs)
{
    size_t purged = 0;
    uint32_t first = exvi_next_bit(region->dirty, 0, EXVI_UNITS, true);
    while (first < EXVI_UNITS && purged < budget) {
        uint32_t end = exvi_next_bit(region->dirty, first, EXVI_UNITS, false);
        uint32_t from = slabs ? (first + SLAB_UNITS - 1) & ~(SLAB_UNITS - 1) : first;
        uint32_t to = slabs ? end & ~(SLAB_UNITS - 1) : end;
        if (from < to) {
            purge_run(regions, region, from, to);
            purged += to - from;
        }
        first = exvi_next_bit(region->dirty, end, EXVI_UNITS, true);
    }
    if (is_empty(region))
        set_sparse(regions, region, false);
    regions->purged_bytes += purged << EXVI_UNIT_SHIFT;
    return purged;
}

/* Unmap empty regions, at most so many, until so many are left. */
static size_t unmap_empty(exvi_regions *regions, size_t most, size_t keep)
{
    size_t freed = 0;
    for (; regions->empty > keep && most > 0; most--) {
        exvi_region *region = regions->roomy_last; /* where the empty ones are */
        exv_assert(is_empty(region));
        freed += region->size;
        unlink_roomy(regions, region);
        regions->empty--;
        regions->dirty_units -= region->dirty_units;
        regions->purged_bytes += (size_t)region->dirty_units << EXVI_UNIT_SHIFT;
        remove_region(regions, region);
    }
    return freed;
}

static size_t purge_round(exvi_regions *regions, size_t budget, bool slabs)
{
    size_t purged = 0;
    for (size_t left = regions->count; left > 0 && purged < budget; left--) {
        exvi_region *region = regions->sorted[regions->hand++ % regions->count];
        if (region->dirty_units > 0)
            purged += purge_region(regions, region, budget - purged, slabs);
    }
    return purged;
}

static bool too_many_are_dirty(exvi_regions *regions)
{
    return exvi_regions_exceed(regions, regions->dirty_units << EXVI_UNIT_SHIFT);
}

void exvi_regions_settle(exvi_regions *regions)
{
    if (!too_many_are_dirty(regions) || unmap_empty(regions, 1, 1))
        return;
    size_t purged = purge_round(regions, BATCH, true);
    if (purged < BATCH && too_many_are_dirty(regions))
        purge_round(regions, BATCH - purged, false);
}

size_t exvi_regions_trim(exvi_regions *regions)
{
    size_t bytes = unmap_empty(regions, SIZE_MAX, 1);
    bytes += purge_round(regions, SIZE_MAX, false) << EXVI_UNIT_SHIFT;
    regions->slack_bytes = 0;
    regions->purged_bytes = 0; /* the caller's wish, nothing to learn from */
    return bytes;
}

/* ------------------------------------------------------------- collapsing */

/* Is all of this huge page in use or resident? If not, making it whole would take memory. */
static bool is_filled(const exvi_regions *regions, const exvi_region *region, uint32_t first)
{
    for (uint32_t unit = first; unit < first + SLAB_UNITS; unit++)
        if (bit_is_set(region->vacant, unit) && !bit_is_set(region->dirty, unit))
            return false;
    return is_huge(regions, region, first);
}

bool exvi_regions_collapse(exvi_regions *regions)
{
    exvi_collapser_end(&regions->collapser);
    for (size_t i = 0; i < regions->count; i++) {
        exvi_region *region = regions->sorted[i];
        uint32_t end = region->single ? 0 : (uint32_t)(region->size >> EXVI_UNIT_SHIFT) & ~(SLAB_UNITS - 1);
        for (uint32_t unit = 0; unit < end; unit += SLAB_UNITS)
            if (is_filled(regions, region, unit))
                exvi_collapser_add(&regions->collapser, (char *)region + ((size_t)unit << EXVI_UNIT_SHIFT));
    }
    return exvi_collapser_start(&regions->collapser);
}

/* ------------------------------------------------------- begin, end, check */

void exvi_regions_init(exvi_regions *regions, struct exvi_blocks *blocks, size_t limit_bytes, bool huge_pages)
{
    *regions = (exvi_regions){
        .arena = exvi_arena_new(limit_bytes, huge_pages),
        .blocks = blocks,
    };
}

void exvi_regions_drop(exvi_regions *regions)
{
    exvi_collapser_end(&regions->collapser);
    while (regions->count > 0)
        remove_region(regions, regions->sorted[regions->count - 1]);
    if (regions->room)
        exvi_unmap(regions->sorted, regions->room * sizeof *regions->sorted);
    regions->room = 0;
    exvi_regions_init(regions, regions->blocks, regions->arena.limit_bytes, regions->arena.huge_pages);
}

static const char *check_region(const exvi_region *region)
{
    uint32_t vacant = 0, dirty = 0;
    for (uint32_t unit = 0; unit < EXVI_UNITS; unit++) {
        bool is_vacant = bit_is_set(region->vacant, unit);
        vacant += is_vacant;
        dirty += bit_is_set(region->dirty, unit);
        if (bit_is_set(region->dirty, unit) && !is_vacant)
            return "a unit in use is marked dirty";
        bool outside = unit < EXVI_META_UNITS || unit >= region->size >> EXVI_UNIT_SHIFT;
        if (is_vacant && outside)
            return "a unit outside of the region is vacant";
        if (!outside && is_vacant != (region->page[unit].units == 0 && region->page[unit].lead == 0) && !region->single)
            return "a unit is vacant and in use";
    }
    if (vacant != region->vacant_units || dirty != region->dirty_units)
        return "a region's counts of vacant or dirty units are wrong";
    return NULL;
}

const char *exvi_regions_check(const exvi_regions *regions)
{
    size_t dirty = 0, units = 0, held = 0, empty = 0, roomy = 0;
    for (size_t i = 0; i < regions->count; i++) {
        const exvi_region *region = regions->sorted[i];
        if (i > 0 && (char *)regions->sorted[i - 1] + regions->sorted[i - 1]->size > (char *)region)
            return "regions are out of order";
        const char *wrong = check_region(region);
        if (wrong)
            return wrong;
        held += region->size;
        dirty += region->dirty_units;
        units += (region->size >> EXVI_UNIT_SHIFT) - EXVI_META_UNITS - region->vacant_units;
        empty += is_empty(region);
        roomy += region->vacant_units > 0;
    }
    for (const exvi_region *region = regions->roomy; region; region = region->next)
        roomy--;
    if (roomy != 0)
        return "the list of regions with vacant units is wrong";
    if (held != regions->arena.held_bytes || dirty != regions->dirty_units || units != regions->used_units ||
        empty != regions->empty)
        return "the counts of all regions together are wrong";
    return NULL;
}
