/*
 * blocks: size classes, and the pages behind them. See blocks.h.
 *
 * A bin allocates from its current page, word by word of the bitmap, until the page is full. The page then goes "away"
 * and comes back into the bin's list only when an eighth of it is free again, so that a bin does not change pages for
 * every single block. Frees of any page cost the same; only when `used` falls to `wake` is there more to do.
 */
#include "blocks.h"

#include "platform.h"
#include "purge.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#define MEDIUM_UNITS 8
#define NEVER (-((int64_t)1 << 62)) /* wake: no tally comes down to this */

#ifdef EXVI_STRESS
#define AWAY_SHARE 32        /* a page comes back almost at once, or with a block of large size at the last */
#define LOOK_FROM 2
#else
#define AWAY_SHARE 8
#define LOOK_FROM 16         /* pages: of fewer, holes are no loss */
#endif
#define HOLES_SHARE 64       /* a page with fewer holes is not worth the change of pages, nor a look for less growth */

/* What a bin without a page allocates from: it has no block, and is never written to. */
static const exvi_page no_page;

size_t exvi_bin_size(unsigned bin)
{
    if (bin < 32)
        return (bin + 1) * (size_t)16;
    unsigned doubling = (bin - 32) / 4 + 9, quarter = (bin - 32) % 4;
    return (size_t)(5 + quarter) << (doubling - 2);
}

static uint32_t words_of(const exvi_page *page)
{
    return (page->capacity + 63u) / 64;
}

/* Free and claimed blocks of a page. */
static uint32_t count_free(const exvi_page *page)
{
    uint32_t count = (uint32_t)__builtin_popcountll(page->claimed);
    for (uint32_t word = 0; word < words_of(page); word++)
        count += (uint32_t)__builtin_popcountll(page->free[word]);
    return count;
}

static uint32_t used_of(const exvi_page *page)
{
    return page->current ? page->capacity - count_free(page) : (uint32_t)exvi_page_tally(page);
}

/* From now on so many blocks are in use, and the free that leaves `wake` of them has more to do. */
static void set_tally(exvi_page *page, int64_t tally, int64_t wake)
{
    page->wake = wake;
    page->left = tally - wake;
}

static exvi_page *first_page(void)
{
    return (exvi_page *)(uintptr_t)&no_page;
}

/* ----------------------------------------------------------------- lists */

/* A page wants to know when it is half empty, and of each further halving: see purge.h. */
static void wait_for_half(exvi_page *page)
{
    int64_t tally = exvi_page_tally(page), half = page->capacity / 2;
    set_tally(page, tally, tally > half ? half : tally / 2);
}

static void list_page(exvi_bin *bin, exvi_page *page)
{
    exv_assert(!page->listed && !page->current);
    page->listed = true;
    wait_for_half(page);
    page->prev = NULL;
    page->next = bin->partial;
    if (bin->partial)
        bin->partial->prev = page;
    bin->partial = page;
}

static void unlist_page(exvi_bin *bin, exvi_page *page)
{
    page->listed = false;
    *(page->prev ? &page->prev->next : &bin->partial) = page->next;
    if (page->next)
        page->next->prev = page->prev;
}

void exvi_page_list_young(exvi_blocks *blocks, exvi_page *page)
{
    if (page->young_listed)
        return;
    page->young_listed = true;
    page->young_prev = NULL;
    page->young_next = blocks->young;
    if (blocks->young)
        blocks->young->young_prev = page;
    blocks->young = page;
}

void exvi_page_unlist_young(exvi_blocks *blocks, exvi_page *page)
{
    if (!page->young_listed)
        return;
    page->young_listed = false;
    *(page->young_prev ? &page->young_prev->young_next : &blocks->young) = page->young_next;
    if (page->young_next)
        page->young_next->young_prev = page->young_prev;
}

/* ----------------------------------------------------------------- pages */

/* An index is exact if the error of the reciprocal, less than one for each 16 bytes of block size, cannot add up to
 * one block over the whole page. */
static_assert(((EXVI_UNIT_SIZE * MEDIUM_UNITS) >> 4) * (EXVI_MEDIUM_MAX >> 4) < (uint64_t)1 << 31, "exact indices");
static_assert(EXVI_UNIT_SIZE / 16 <= 64 * 64, "a bit for each of the smallest blocks");
static_assert(EXVI_UNIT_SIZE / 32 <= 32 * 64, "a bit for each of the smallest objects");

static uint32_t reciprocal_of(size_t block_size)
{
    uint64_t granules = block_size >> 4;
    return (uint32_t)((((uint64_t)1 << 31) + granules - 1) / granules);
}

static void set_all_free(exvi_page *page)
{
    uint32_t words = words_of(page);
    memset(page->free, 0xff, words * sizeof page->free[0]);
    if (page->capacity % 64)
        page->free[words - 1] = ((uint64_t)1 << (page->capacity % 64)) - 1;
}

/* A page fresh from the regions, for blocks of one size; all of them are free. */
static void set_up_page(exvi_page *page, exvi_kind kind, uint8_t bin, size_t block_size)
{
    page->kind = (uint8_t)kind;
    page->bin = bin;
    page->block_size = block_size;
    page->capacity = bin == EXVI_BIN_LARGE ? 1 : (uint16_t)(((size_t)page->units << EXVI_UNIT_SHIFT) / block_size);
    page->reciprocal = bin == EXVI_BIN_LARGE ? 0 : reciprocal_of(block_size);
    page->cursor = 0;
    set_tally(page, 0, 0);
    exv_assert(!page->current && !page->listed && !page->young_listed);
    page->claimed = 0;
    page->purged = false;
    set_all_free(page);
}

static exvi_page *new_page(exvi_blocks *blocks, exvi_kind kind, unsigned bin)
{
    size_t block_size = exvi_bin_size(bin);
    if (kind == EXVI_OBJECT && block_size < 32)
        block_size = 32;
    exvi_page *page = exvi_units_take(&blocks->regions, block_size <= EXVI_SMALL_MAX ? 1 : MEDIUM_UNITS);
    if (!page)
        return NULL;
    set_up_page(page, kind, (uint8_t)bin, block_size);
    exvi_page_poison(page);
    blocks->bin[kind][bin].pages++;
    return page;
}

static void release_page(exvi_blocks *blocks, exvi_page *page)
{
    exv_assert(exvi_page_tally(page) == 0 && !page->current && !page->listed);
    exvi_page_unlist_young(blocks, page);
    exvi_purge_forget(&blocks->regions, page);
    if (page->bin != EXVI_BIN_LARGE)
        blocks->bin[page->kind][page->bin].pages--;
    exvi_units_give(&blocks->regions, page);
}

/* ---------------------------------------------------------- current pages */

/* Hand all free blocks of a word that has some to allocation. For objects they are young from now on. */
static inline void claim(exvi_page *page, uint32_t word)
{
    uint64_t claimed = page->free[word];
    exv_assert(claimed && !page->claimed);
    page->free[word] = 0;
    page->cursor = (uint16_t)word;
    page->claimed = claimed;
    page->claimed_start = exvi_block_at(page, word * 64);
    if (page->kind == EXVI_OBJECT) {
        page->young[0][word] |= claimed;
        page->young[1][word] &= ~claimed;
    }
}

/* Claim the next word with free blocks, the cursor's own before the others. False: the page is full. */
static inline bool claim_next(exvi_page *page)
{
    uint32_t words = words_of(page), word = page->cursor;
    while (word < words && !page->free[word])
        word++;
    if (word == words) {
        for (word = 0; word < page->cursor && !page->free[word];)
            word++;
        if (word == page->cursor)
            return false;
    }
    claim(page, word);
    return true;
}

/* Count allocations: so many, made or given up in advance. */
static void count(exvi_blocks *blocks, const exvi_page *page, int64_t allocations)
{
    blocks->allocations += (uint64_t)allocations;
    blocks->allocated_bytes += (uint64_t)allocations * page->block_size;
}

/* From now on the page counts as full, and its allocations as made: so only frees need to be counted. */
static void make_current(exvi_blocks *blocks, exvi_page *page)
{
    exvi_bin *bin = &blocks->bin[page->kind][page->bin];
    bin->capacity = page->capacity;
    bin->given += (size_t)(page->capacity - exvi_page_tally(page));
    count(blocks, page, page->capacity - exvi_page_tally(page));
    set_tally(page, page->capacity, NEVER);
    page->current = true;
    page->cursor = 0;
    bin->page = page;
    exvi_purge_forget(&blocks->regions, page);
    if (page->kind == EXVI_OBJECT)
        exvi_page_list_young(blocks, page);
}

/* The opposite: what was freed was allocated again, all but what is free now. */
static void leave_current(exvi_blocks *blocks, exvi_page *page, uint32_t used)
{
    uint32_t share = page->capacity / AWAY_SHARE;
    exvi_purge_forget(&blocks->regions, page);
    page->free[page->cursor] |= page->claimed;
    page->claimed = 0;
    count(blocks, page, used - exvi_page_tally(page));
    set_tally(page, used, page->capacity - (share ? share : 1));
    page->current = false;
    blocks->bin[page->kind][page->bin].page = first_page();
}

/* ------------------------------------------------------------- allocation */

/* Put those pages into the bin's list that are away with this part of their blocks free, one at least. */
static void list_away(exvi_blocks *blocks, exvi_kind kind, unsigned bin, unsigned share)
{
    for (size_t i = 0; i < blocks->regions.count; i++) {
        uint32_t unit = 0;
        for (exvi_page *page; (page = exvi_region_next(blocks->regions.sorted[i], &unit));) {
            bool is_ours = page->kind == kind && page->bin == bin && !page->listed && !page->current;
            if (is_ours && exvi_page_tally(page) < page->capacity - (int64_t)(page->capacity / share))
                list_page(&blocks->bin[kind][bin], page);
        }
    }
}

/* A look goes over all pages of the heap: so much must have been allocated since the last one, in pages. */
static size_t rest_after(const exvi_blocks *blocks, const exvi_bin *bin, bool was_fruitful)
{
    size_t pages = (bin->pages + blocks->regions.used_units / 2) / HOLES_SHARE + 1;
    return was_fruitful || !blocks->regions.roomy ? pages : 4 * pages;
}

/* The bin is about to grow: see the head of blocks.h. */
static void look_for_away(exvi_blocks *blocks, exvi_kind kind, unsigned number)
{
    exvi_bin *bin = &blocks->bin[kind][number];
    if (bin->pages < LOOK_FROM || bin->given < rest_after(blocks, bin, bin->was_fruitful) * bin->capacity)
        return;
    list_away(blocks, kind, number, HOLES_SHARE);
    bin->was_fruitful = bin->partial != NULL;
    bin->given = 0;
}

/* A page for a bin whose own is full. NULL: no memory. */
static exvi_page *change_page(exvi_blocks *blocks, exvi_kind kind, unsigned number)
{
    exvi_bin *bin = &blocks->bin[kind][number];
    if (bin->page != first_page())
        leave_current(blocks, bin->page, bin->page->capacity);
    if (!bin->partial)
        look_for_away(blocks, kind, number);
    exvi_page *page = bin->partial ? NULL : new_page(blocks, kind, number);
    if (!page) {
        if (!bin->partial)
            list_away(blocks, kind, number, UINT_MAX); /* no memory: any free block will do */
        page = bin->partial;
        if (!page)
            return NULL;
        unlist_page(bin, page);
    }
    make_current(blocks, page);
    claim_next(page);
    return page;
}

static void *new_large(exvi_blocks *blocks, exvi_kind kind, size_t size, bool zeroed)
{
    if (size > SIZE_MAX / 4)
        return NULL;
    size_t units = (size + EXVI_UNIT_SIZE - 1) >> EXVI_UNIT_SHIFT;
    exvi_page *page =
        zeroed ? exvi_units_take_zeroed(&blocks->regions, units) : exvi_units_take(&blocks->regions, units);
    if (!page)
        return NULL;
    set_up_page(page, kind, EXVI_BIN_LARGE, units << EXVI_UNIT_SHIFT);
    if (kind == EXVI_OBJECT)
        exvi_page_list_young(blocks, page);
    count(blocks, page, 1);
    set_tally(page, 1, 0);
    claim(page, 0);
    return exvi_page_pop(page);
}

void *exvi_block_new_slow(exvi_blocks *blocks, exvi_kind kind, size_t size)
{
    exv_assert(size > 0);
    if (exvi_fault_hit(EXVI_FAULT_BLOCK))
        return NULL;
    if (exvi_unlikely(size > EXVI_MEDIUM_MAX))
        return new_large(blocks, kind, size, false);
    unsigned bin = exvi_bin_of(size);
    exvi_page *page = blocks->bin[kind][bin].page;
    if (!page->claimed && !claim_next(page)) {
        page = change_page(blocks, kind, bin);
        if (!page)
            return NULL;
    }
    void *block = exvi_page_pop(page);
    exvi_block_check_poison(page, block);
    return block;
}

void *exvi_block_new_zeroed(exvi_blocks *blocks, exvi_kind kind, size_t size)
{
    if (size > EXVI_MEDIUM_MAX)
        return exvi_fault_hit(EXVI_FAULT_BLOCK) ? NULL : new_large(blocks, kind, size, true);
    void *block = exvi_block_new(blocks, kind, size);
    return block ? memset(block, 0, size) : NULL;
}

void exvi_block_free_slow(exvi_page *page)
{
    exvi_blocks *blocks = exvi_region_of(page)->blocks;
    exvi_bin *bin = page->bin == EXVI_BIN_LARGE ? NULL : &blocks->bin[page->kind][page->bin];
    exv_assert(!page->current);
    if (exvi_page_tally(page) == 0) {
        if (page->listed)
            unlist_page(bin, page);
        release_page(blocks, page);
    } else if (!page->listed) {
        list_page(bin, page);
    } else {
        wait_for_half(page);
        exvi_purge_note(&blocks->regions, page);
    }
}

/* The unit's entry calls the block free: it may lie further inside of a page of several units. */
void exvi_block_free_odd(exvi_page *unit, void *block)
{
    exvi_page *page = unit - unit->lead;
    uint32_t index = exvi_block_index(page, block);
    if (index >= page->capacity || exvi_block_at(page, index) != block || page->free[index / 64] >> (index % 64) & 1)
        exvi_block_misused(page, block);
    exvi_block_free_at(page, index);
}

bool exvi_block_resize(exvi_page *page, size_t size)
{
    if (page->bin != EXVI_BIN_LARGE)
        return size <= page->block_size && size > page->block_size / 2;
    size_t units = (size + EXVI_UNIT_SIZE - 1) >> EXVI_UNIT_SHIFT;
    if (size <= EXVI_MEDIUM_MAX || size > SIZE_MAX / 4)
        return false;
    exvi_blocks *blocks = exvi_region_of(page)->blocks;
    if (exvi_units_resize(&blocks->regions, page, units))
        page->block_size = units << EXVI_UNIT_SHIFT;
    return size <= page->block_size && size > page->block_size / 2;
}

/* -------------------------------------------------------- look-up and walk */

bool exvi_block_find(const exvi_blocks *blocks, const void *address, exvi_page **page, uint32_t *index)
{
    exvi_region *region = exvi_regions_find(&blocks->regions, address);
    size_t offset = (uintptr_t)address - (uintptr_t)region;
    size_t unit = offset >> EXVI_UNIT_SHIFT;
    if (!region || unit >= EXVI_UNITS)
        return false;
    exvi_page *found = &region->page[unit];
    found -= found->lead;
    if (found->units == 0)
        return false;
    uint32_t i = exvi_block_index(found, address);
    if (i >= found->capacity || exvi_block_at(found, i) != address || !(exvi_page_live(found, i / 64) >> (i % 64) & 1))
        return false;
    *page = found;
    *index = i;
    return true;
}

/* Hand out live blocks of one page from `cursor` on. False: there was no room for all of them. */
static bool walk_page(const exvi_page *page, exvi_block_cursor *cursor, void **out, size_t room, size_t *count)
{
    uintptr_t start = (uintptr_t)page->start;
    size_t first = cursor->address > start ? (cursor->address - start + page->block_size - 1) / page->block_size : 0;
    uint64_t mask = ~(uint64_t)0 << (first % 64);
    void **at = out + *count, **end = out + room;
    for (uint32_t word = (uint32_t)first / 64; word < words_of(page); word++, mask = ~(uint64_t)0) {
        char *base = exvi_block_at(page, word * 64);
        uint64_t live = exvi_page_live(page, word) & mask;
        for (; live && at < end; live &= live - 1)
            *at++ = base + (size_t)__builtin_ctzll(live) * page->block_size;
        if (live) {
            cursor->address = (uintptr_t)base + (size_t)__builtin_ctzll(live) * page->block_size;
            *count = room;
            return false;
        }
    }
    *count = (size_t)(at - out);
    return true;
}

size_t exvi_blocks_next(const exvi_blocks *blocks, exvi_kind kind, exvi_block_cursor *cursor, void **out, size_t room)
{
    size_t count = 0;
    size_t position = exvi_regions_position(&blocks->regions, (void *)cursor->address);
    for (; position < blocks->regions.count; position++) {
        exvi_region *region = blocks->regions.sorted[position];
        size_t offset = cursor->address > (uintptr_t)region ? cursor->address - (uintptr_t)region : 0;
        uint32_t unit = offset < EXVI_REGION_SIZE ? (uint32_t)(offset >> EXVI_UNIT_SHIFT) : EXVI_UNITS;
        for (exvi_page *page; (page = exvi_region_next(region, &unit));) {
            if (page->kind == kind && !walk_page(page, cursor, out, room, &count))
                return count;
        }
        cursor->address = (uintptr_t)region + region->size;
    }
    return count;
}

/* -------------------------------------------------- all blocks: begin to end */

void exvi_blocks_init(exvi_blocks *blocks, void *owner, size_t limit_bytes, bool huge_pages)
{
    *blocks = (exvi_blocks){.owner = owner};
    for (unsigned bin = 0; bin < EXVI_KINDS * EXVI_BINS; bin++)
        blocks->bin[bin / EXVI_BINS][bin % EXVI_BINS].page = first_page();
    exvi_regions_init(&blocks->regions, blocks, limit_bytes, huge_pages);
}

void exvi_blocks_drop(exvi_blocks *blocks)
{
    exvi_regions_drop(&blocks->regions);
}

size_t exvi_blocks_trim(exvi_blocks *blocks)
{
    for (unsigned i = 0; i < EXVI_KINDS * EXVI_BINS; i++) {
        exvi_page *page = blocks->bin[i / EXVI_BINS][i % EXVI_BINS].page;
        if (page == first_page() || used_of(page) > 0)
            continue;
        leave_current(blocks, page, 0);
        release_page(blocks, page);
    }
    return exvi_purge_trim(&blocks->regions) + exvi_regions_trim(&blocks->regions);
}

void exvi_blocks_settle(exvi_blocks *blocks)
{
    exvi_regions_settle(&blocks->regions);
    exvi_purge_settle(&blocks->regions);
}

/* ------------------------------------------------------------ sums and checks */

uint64_t exvi_blocks_allocated_bytes(const exvi_blocks *blocks)
{
    uint64_t bytes = blocks->allocated_bytes;
    for (unsigned i = 0; i < EXVI_KINDS * EXVI_BINS; i++) {
        const exvi_page *page = blocks->bin[i / EXVI_BINS][i % EXVI_BINS].page;
        if (page->current)
            bytes += (uint64_t)(used_of(page) - exvi_page_tally(page)) * page->block_size;
    }
    return bytes;
}

void exvi_blocks_count(const exvi_blocks *blocks, exvi_blocks_sum *sum)
{
    const exvi_regions *regions = &blocks->regions;
    *sum = (exvi_blocks_sum){.allocations = blocks->allocations};
    for (size_t i = 0; i < regions->count; i++) {
        uint32_t unit = 0;
        for (exvi_page *page; (page = exvi_region_next(regions->sorted[i], &unit));) {
            uint32_t used = used_of(page);
            sum->used_bytes += used * page->block_size;
            sum->live[page->kind] += used;
            sum->allocations += (uint64_t)(used - exvi_page_tally(page)); /* not 0 for current pages alone */
        }
    }
    sum->held_bytes = regions->arena.held_bytes + regions->arena.other_bytes;
    sum->metadata_bytes = regions->count * EXVI_META_UNITS * EXVI_UNIT_SIZE + regions->arena.other_bytes;
    sum->free_bytes = sum->held_bytes - sum->used_bytes - sum->metadata_bytes;
    sum->frees = sum->allocations - sum->live[EXVI_RAW] - sum->live[EXVI_OBJECT];
}

static const char *check_bitmaps(const exvi_page *page)
{
    bool is_young = false;
    for (uint32_t word = 0; word < words_of(page) && page->kind == EXVI_OBJECT; word++) {
        uint64_t live = exvi_page_live(page, word);
        is_young = is_young || (page->young[0][word] | page->young[1][word]) & live;
        if (page->young[0][word] & page->young[1][word] & live)
            return "an object is in two generations";
        if (word == page->cursor && page->claimed & ~page->young[0][word])
            return "a claimed block is not young";
    }
    if (is_young && !page->young_listed)
        return "a page with young objects is not in the list of such";
    if (page->claimed && !page->current)
        return "a page that is not allocated from has claimed blocks";
    if (page->claimed & page->free[page->cursor])
        return "a block is claimed and free";
    uint32_t last = page->capacity / 64;
    uint64_t free_at_end = page->free[last % 64] | (page->cursor == last ? page->claimed : 0);
    if (page->capacity % 64 && free_at_end >> (page->capacity % 64))
        return "a block behind the last one of a page is free";
    if (page->current ? page->wake != NEVER : count_free(page) + exvi_page_tally(page) != page->capacity)
        return "used and free blocks of a page do not add up to its capacity";
    return NULL;
}

static const char *check_page(const exvi_blocks *blocks, const exvi_page *page)
{
    if (page->lead != 0 || page->capacity == 0 || page->start == NULL)
        return "a page is not set up";
    for (uint32_t i = 1; i < page->units && !exvi_region_of(page)->single; i++) {
        if (page[i].lead != i || page[i].units != 0 || page[i].reciprocal != 0 || !(page[i].free[0] & 1))
            return "a unit does not lead back to its page";
    }
    if (!page->current && exvi_page_tally(page) == 0)
        return "a page without live blocks was kept";
    if (page->current && (page->listed || blocks->bin[page->kind][page->bin].page != page))
        return "a page is current that its bin does not allocate from";
    if (page->current && page->kind == EXVI_OBJECT && !page->young_listed)
        return "a current page of objects is not in the list of young ones";
    if (page->left <= 0)
        return "a page missed its wake";
    if (page->current ? page->purgeable_bytes > 0
                      : page->purgeable_bytes + page->purged_bytes > page->units * EXVI_UNIT_SIZE)
        return "a page is noted as having more to purge than it has";
    const char *wrong = check_bitmaps(page);
    return wrong ? wrong : exvi_page_check_poison(page);
}

static const char *check_lists(const exvi_blocks *blocks, size_t listed, size_t young)
{
    for (unsigned i = 0; i < EXVI_KINDS * EXVI_BINS; i++) {
        for (exvi_page *page = blocks->bin[i / EXVI_BINS][i % EXVI_BINS].partial; page; page = page->next, listed--) {
            if (!page->listed || page->kind != i / EXVI_BINS || page->bin != i % EXVI_BINS ||
                exvi_page_tally(page) == page->capacity || (page->next && page->next->prev != page))
                return "a bin's list of pages is wrong";
        }
    }
    for (exvi_page *page = blocks->young; page; page = page->young_next, young--) {
        if (!page->young_listed || page->kind != EXVI_OBJECT ||
            (page->young_next && page->young_next->young_prev != page))
            return "the list of young pages is wrong";
    }
    return listed || young ? "a page says that it is in a list, and is not" : NULL;
}

const char *exvi_blocks_check(const exvi_blocks *blocks)
{
    size_t listed = 0, young = 0, purgeable = 0, purged = 0;
    const char *wrong = exvi_regions_check(&blocks->regions);
    for (size_t i = 0; i < blocks->regions.count && !wrong; i++) {
        uint32_t unit = 0;
        for (exvi_page *page; !wrong && (page = exvi_region_next(blocks->regions.sorted[i], &unit));) {
            listed += page->listed;
            purgeable += page->purgeable_bytes;
            purged += page->purged_bytes;
            young += page->young_listed;
            wrong = check_page(blocks, page);
        }
    }
    if (!wrong && (purgeable != blocks->regions.purgeable_bytes || purged != blocks->regions.pages_purged_bytes))
        return "the sum of what pages could purge, or did, is wrong";
    return wrong ? wrong : check_lists(blocks, listed, young);
}
