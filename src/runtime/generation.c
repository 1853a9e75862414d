/*
 * generation: see generation.h.
 *
 * The bit of an object is found from its page and the index of its block. Pages with young bits are on the list
 * blocks->young; the list is rebuilt by each promotion, and pages that allocation is going on in stay on it.
 */
#include "header.h"

#include <string.h>

void exvi_generation_remove(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    exv_assert(header->flags & EXVI_TRACKED);
    heap->generations.deaths++;
    heap->generations.frozen -= (header->flags & EXVI_FROZEN) != 0;
    header->flags &= ~(uint32_t)(EXVI_TRACKED | EXVI_FROZEN);
}

void exvi_generation_add(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    exv_assert(!(header->flags & EXVI_TRACKED));
    exvi_page *page = exvi_page_of(header);
    uint32_t index = exvi_block_index(page, header);
    uint64_t bit = UINT64_C(1) << (index % 64);
    page->young[0][index / 64] |= bit;
    page->young[1][index / 64] &= ~bit;
    exvi_page_list_young(&heap->blocks, page);
    heap->generations.births++;
    header->flags |= EXVI_TRACKED;
}

/* ------------------------------------------------------------------ walk */

static uint32_t words_of(const exvi_page *page)
{
    return ((uint32_t)page->capacity + 63) / 64;
}

static void *object_at(const exvi_page *page, uint32_t index)
{
    return exvi_object_of(exvi_block_at(page, index));
}

static uint64_t young_bits(const exvi_generation_cursor *cursor, const exvi_page *page, uint32_t word)
{
    uint64_t live = exvi_page_live(page, word);
    if (cursor->generation == 0)
        return page->young[0][word] & live;
    return (cursor->only ? page->young[1][word] : page->young[0][word] | page->young[1][word]) & live;
}

static bool is_collected(const void *object)
{
    return (exvi_header_of(object)->flags & (EXVI_TRACKED | EXVI_FROZEN)) == EXVI_TRACKED;
}

/* Hands out whole words of the bitmaps, so `room` must be 64 or more. */
static size_t next_young(exv_heap *heap, exvi_generation_cursor *cursor, void **objects, size_t room)
{
    size_t count = 0;
    if (!cursor->started) {
        cursor->started = true;
        cursor->page = heap->blocks.young;
    }
    for (; cursor->page; cursor->page = cursor->page->young_next, cursor->word = 0) {
        for (; cursor->word < words_of(cursor->page); cursor->word++) {
            if (room - count < 64)
                return count;
            uint64_t bits = young_bits(cursor, cursor->page, cursor->word);
            for (; bits; bits &= bits - 1) {
                void *object = object_at(cursor->page, 64 * cursor->word + (uint32_t)__builtin_ctzll(bits));
                if (is_collected(object))
                    objects[count++] = object;
            }
        }
    }
    return count;
}

static bool is_young(const void *object)
{
    const exvi_header *header = exvi_header_of(object);
    const exvi_page *page = exvi_page_of(header);
    uint32_t index = exvi_block_index(page, header);
    return (page->young[0][index / 64] | page->young[1][index / 64]) >> (index % 64) & 1;
}

static bool belongs(const exvi_generation_cursor *cursor, const void *object)
{
    if (cursor->generation < 0)
        return exvi_header_of(object)->flags & EXVI_FROZEN;
    return is_collected(object) && !(cursor->only && is_young(object));
}

static size_t next_old(exv_heap *heap, exvi_generation_cursor *cursor, void **objects, size_t room)
{
    size_t count = 0;
    while (count == 0) {
        size_t blocks = exvi_blocks_next(&heap->blocks, EXVI_OBJECT, &cursor->block, objects, room);
        if (blocks == 0)
            return 0;
        for (size_t i = 0; i < blocks; i++) {
            void *object = exvi_object_of(objects[i]);
            if (belongs(cursor, object))
                objects[count++] = object;
        }
    }
    return count;
}

size_t exvi_generation_next(exv_heap *heap, exvi_generation_cursor *cursor, void **objects, size_t room)
{
    bool young = cursor->generation >= 0 && cursor->generation < EXVI_OLDEST;
    return young ? next_young(heap, cursor, objects, room) : next_old(heap, cursor, objects, room);
}

size_t exvi_generation_size(const exv_heap *heap, int generation)
{
    if (generation == EXVI_OLDEST)
        return exvi_generations_tracked(&heap->generations) - heap->generations.frozen;
    size_t count = 0;
    exvi_generation_cursor cursor = {.generation = generation};
    for (const exvi_page *page = heap->blocks.young; page; page = page->young_next)
        for (uint32_t word = 0; word < words_of(page); word++)
            count += (size_t)__builtin_popcountll(young_bits(&cursor, page, word));
    return count;
}

/* ------------------------------------------------------------- promotion */

/* Returns whether young objects remain. */
static bool promote_page(exvi_page *page, int generation)
{
    uint64_t left = 0;
    for (uint32_t word = 0; word < words_of(page); word++) {
        uint64_t live = exvi_page_live(page, word);
        uint64_t young = (page->young[0][word] | page->young[1][word]) & live;
        page->young[0][word] &= ~live; /* what is claimed stays marked */
        page->young[1][word] = generation == 0 ? young : 0;
        left |= page->young[1][word];
    }
    return left != 0;
}

void exvi_generation_promote(exv_heap *heap, int generation)
{
    for (exvi_page *page = heap->blocks.young, *rest; page; page = rest) {
        rest = page->young_next;
        if (!promote_page(page, generation) && !page->current)
            exvi_page_unlist_young(&heap->blocks, page);
    }
}

/* ---------------------------------------------------------------- counts */

void exvi_generation_arm(exvi_generations *g, bool enabled)
{
    g->trigger = enabled && g->threshold[0] ? g->threshold[0] : UINT32_MAX;
}

exvi_due exvi_generation_due_of(const exvi_generations *g)
{
    return (exvi_due){
        .enabled = g->threshold[0] > 0, .count = g->count[EXVI_OLDEST], .threshold = g->threshold[EXVI_OLDEST],
        .waiting = (int64_t)g->long_lived_pending, .total = (int64_t)g->long_lived_total,
    };
}

int exvi_generation_due(const exvi_generations *g, int oldest)
{
    exvi_due full = exvi_generation_due_of(g);
    if (oldest == EXVI_OLDEST && exvi_is_due(&full))
        return EXVI_OLDEST;
    for (int generation = EXVI_OLDEST - 1; generation >= 0; generation--)
        if (g->count[generation] > g->threshold[generation])
            return generation;
    return -1;
}

void exvi_generation_reset(exvi_generations *g, int generation)
{
    for (int i = 0; i <= generation; i++)
        g->count[i] = 0;
    if (generation < EXVI_OLDEST)
        g->count[generation + 1]++;
}
