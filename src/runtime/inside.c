/*
 * inside: see inside.h.
 */
#include "inside.h"

#include "platform.h"
#include "references.h"

enum { BATCH = 256, PATIENCE = 1 << 14, DEPTH = 4 };

static bool is_living(const exvi_inside *inside, const exvi_header *header)
{
    return !(header->flags & EXVI_DYING) || exvi_walk_has(&inside->members, header + 1);
}

bool exvi_inside_each(const exvi_inside *inside, exvi_inside_fn *each, void *arg)
{
    exvi_block_cursor cursor = {0};
    void *blocks[BATCH];
    size_t count;
    uint32_t number = 0;
    while ((count = exvi_blocks_next(&inside->heap->blocks, EXVI_OBJECT, &cursor, blocks, BATCH)) > 0)
        for (size_t i = 0; i < count; i++)
            if (is_living(inside, blocks[i]) && !each(arg, number++, exvi_object_of(blocks[i])))
                return false;
    return true;
}

static bool add(void *arg, uint32_t number, void *object)
{
    exvi_inside *inside = arg;
    (void)number;
    return exvi_walk_add(&inside->members, object);
}

static bool add_list(exvi_inside *inside, const void *list)
{
    for (const void *at = list; at; at = exvi_object_put_off_next(at))
        if (!exvi_walk_add(&inside->members, at))
            return false;
    return true;
}

static void flag_list(exvi_inside *inside, const void *list)
{
    for (const void *at = list; at; at = exvi_object_put_off_next(at))
        inside->flags[exvi_inside_number(inside, at)] = EXVI_INSIDE_PUT_OFF;
}

static bool number_objects(exvi_inside *inside)
{
    exv_heap *heap = inside->heap;
    if (!add_list(inside, heap->deferred) || !add_list(inside, heap->later) || !exvi_inside_each(inside, add, inside) ||
        !exvi_walk_rank_upwards(&inside->members))
        return false;
    inside->count = inside->members.members;
    inside->seen = exvi_map((inside->count + 1) * sizeof *inside->seen, exvi_page_size());
    inside->flags = exvi_map(inside->count + 1, exvi_page_size());
    if (!inside->seen || !inside->flags)
        return false;
    flag_list(inside, heap->deferred);
    flag_list(inside, heap->later);
    return true;
}

static bool note(exvi_inside *inside, const void *object)
{
    uint32_t number = exvi_inside_number(inside, object);
    if (number == UINT32_MAX)
        return false;
    inside->seen[number] += inside->seen[number] < UINT32_MAX;
    return true;
}

static int note_child(void *child, void *arg)
{
    exvi_inside *inside = arg;
    inside->references += note(inside, child);
    return 0;
}

typedef struct counting {
    exvi_inside *inside;
    bool (*stop)(void *arg);
    void *arg;
} counting;

static bool count_references(void *arg, uint32_t number, void *object)
{
    const counting *c = arg;
    if (number % PATIENCE == 0 && c->stop && c->stop(c->arg))
        return false;
    exvi_object_visit(object, note_child, c->inside);
    return true;
}

static void count_owned(exvi_inside *inside)
{
    const exv_heap *heap = inside->heap;
    note(inside, heap->listener_owned);
    note(inside, heap->error_value);
    for (size_t i = 0; i < heap->collector.callback_count; i++)
        note(inside, heap->collector.callbacks[i].owned);
}

bool exvi_inside_find(exvi_inside *inside, exv_heap *heap, bool (*stop)(void *arg), void *arg)
{
    counting c = {inside, stop, arg};
    inside->heap = heap;
    if (!exvi_walk_begin(&inside->members) || !exvi_walk_begin(&inside->blocks) || !number_objects(inside))
        return false;
    count_owned(inside);
    return exvi_inside_each(inside, count_references, &c);
}

void exvi_inside_drop(exvi_inside *inside)
{
    if (inside->seen)
        exvi_unmap(inside->seen, (inside->count + 1) * sizeof *inside->seen);
    if (inside->flags)
        exvi_unmap(inside->flags, inside->count + 1);
    exvi_walk_drop(&inside->members);
    exvi_walk_drop(&inside->blocks);
    *inside = (exvi_inside){0};
}

/* A collection's own reference, and the one that keeps what was put off, are nobody's. */
uint32_t exvi_inside_held(const exvi_inside *inside, uint32_t number, const void *object)
{
    const exvi_header *header = exvi_header_of(object);
    if (inside->flags[number] & EXVI_INSIDE_PUT_OFF)
        return 0;
    if (header->refcount >= EXVI_IMMORTAL_COUNT)
        return EXV_IMMORTAL;
    uint64_t count = exvi_references_to(object, header->refcount) - ((header->flags & EXVI_UNREACHABLE) != 0);
    uint64_t held = count > inside->seen[number] ? count - inside->seen[number] : 0;
    return held < EXV_IMMORTAL ? (uint32_t)held : EXV_IMMORTAL - 1;
}

/* ------------------------------------------------------------------- blocks */

static bool is_own_table(const exv_heap *heap, const void *block)
{
    return block == heap->weakrefs.slots || block == heap->collector.callbacks;
}

/* A plain block that nothing had so far; NULL. The low bits of an address may be a mark. */
static void *take_block(exvi_inside *inside, uintptr_t word, size_t *size)
{
    void *block = (void *)(word & ~(uintptr_t)15);
    exvi_page *page;
    uint32_t index;
    if (!exvi_block_find(&inside->heap->blocks, block, &page, &index) || page->kind != EXVI_RAW ||
        is_own_table(inside->heap, block) || exvi_walk_has(&inside->blocks, block) ||
        !exvi_walk_add(&inside->blocks, block))
        return NULL;
    *size = exvi_block_size(page);
    return block;
}

typedef struct looking {
    exvi_inside *inside;
    exvi_word_fn *each;
    void *arg;
} looking;

static size_t look_at(const looking *l, const void *start, size_t size, int depth)
{
    const uintptr_t *word = start;
    size_t bytes = 0;
    for (size_t i = 0; i < size / sizeof *word; i++) {
        size_t larger;
        void *block = depth < DEPTH && word[i] ? take_block(l->inside, word[i], &larger) : NULL;
        if (l->each)
            l->each(l->arg, word[i], depth == 0 ? i * sizeof *word : SIZE_MAX);
        if (block)
            bytes += larger + look_at(l, block, larger, depth + 1);
    }
    return bytes;
}

size_t exvi_inside_words(exvi_inside *inside, void *object, exvi_word_fn *each, void *arg)
{
    const looking l = {inside, each, arg};
    const exvi_header *header = exvi_header_of(object);
    const exv_type *type = header->type;
    if (!type->destroy && !type->clear && !exvi_type_refers(type))
        return 0;
    return look_at(&l, object, exvi_block_size(exvi_page_of(header)) - sizeof *header, 0);
}
