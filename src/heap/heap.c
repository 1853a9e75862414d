/*
 * heap: a heap's life, and its use as plain memory.
 *
 * exv_heap_new() puts the parts of exv_heap.h together, exv_heap_free() takes them apart in the reverse order.
 */
#include "gc.h"
#include "leaks.h"
#include "object.h"
#include "platform.h"
#include "value.h"

#include <stdio.h>
#include <string.h>

static size_t heap_size(void)
{
    size_t page = exvi_page_size();
    return (sizeof(exv_heap) + page - 1) & ~(page - 1);
}

const char *exv_version(void)
{
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
    return TEXT(EXV_VERSION_MAJOR) "." TEXT(EXV_VERSION_MINOR) "." TEXT(EXV_VERSION_PATCH);
}

exv_config exv_config_default(void)
{
    return (exv_config){
#ifdef EXVI_STRESS
        .threshold = {1, 2, 2},
#else
        .threshold = {700, 10, 10},
#endif
        .huge_pages = true,
        .policy = {
            .mode = EXV_MODE_AUTO,
            .pause_budget_ns = 5000000,
            .deadline_ns = 60000000000,
            .on_idle = true,
            .on_exit = true,
            .on_pressure = true,
        },
    };
}

/* ------------------------------------------------------------------ life */

exv_heap *exv_heap_new(const exv_config *config)
{
    exv_config standard = exv_config_default();
    if (!config)
        config = &standard;
    exvi_policy_expect(__func__, &config->policy);
    exv_heap *heap = exvi_map(heap_size(), exvi_page_size());
    if (!heap)
        return NULL;
    exvi_blocks_init(&heap->blocks, heap, config->limit_bytes, config->huge_pages);
    (void)exvi_arena_claim(&heap->blocks.regions.arena, heap_size()); /* over the limit: no region will be had either */
    memcpy(heap->generations.threshold, config->threshold, sizeof config->threshold);
    exvi_generation_arm(&heap->generations, false); /* nothing is collected before all parts stand */
    exvi_policy_init(heap, &config->policy);
    if (!exvi_values_init(heap) || !exvi_gc_init(heap)) {
        exvi_collector_drop(heap);
        exvi_blocks_drop(&heap->blocks);
        exvi_unmap(heap, heap_size());
        return NULL;
    }
    exvi_generation_arm(&heap->generations, true);
    return heap;
}

/* All objects but the immortal ones, each with a reference of ours. NULL when there are none, or no memory. */
static void **hold_all(exv_heap *heap, size_t *count, size_t *room)
{
    exvi_blocks_sum sum;
    exvi_blocks_count(&heap->blocks, &sum);
    *count = 0;
    *room = sum.live[EXVI_OBJECT];
    void **objects = *room ? exvi_map(*room * sizeof *objects, exvi_page_size()) : NULL;
    exvi_block_cursor cursor = {0};
    size_t blocks;
    while (objects && *count < *room &&
           (blocks = exvi_blocks_next(&heap->blocks, EXVI_OBJECT, &cursor, objects + *count, *room - *count)) > 0) {
        size_t end = *count + blocks;
        for (size_t i = *count; i < end; i++) {
            void *object = exvi_object_of(objects[i]);
            if (exvi_header_of(object)->refcount < EXVI_IMMORTAL_COUNT)
                objects[(*count)++] = exv_incref(object);
        }
    }
    return objects;
}

static size_t count_mortals(const exv_heap *heap)
{
    exvi_block_cursor cursor = {0};
    void *blocks[256];
    size_t count, mortals = 0;
    while ((count = exvi_blocks_next(&heap->blocks, EXVI_OBJECT, &cursor, blocks, 256)) > 0)
        for (size_t i = 0; i < count; i++)
            mortals += ((const exvi_header *)blocks[i])->refcount < EXVI_IMMORTAL_COUNT;
    return mortals;
}

/* What is left after the last collection is referenced from outside, or by what is. It gets its finalizers all the
 * same, and what it has of others is given up in the usual way. Returns how many there were. */
static size_t end_survivors(exv_heap *heap)
{
    size_t count, room;
    (void)exvi_object_end_later(heap, UINT64_MAX); /* before all, that it is not counted */
    void **objects = hold_all(heap, &count, &room);
    exvi_leaks_report(heap, objects, count);
    for (size_t i = 0; i < count; i++)
        exvi_object_finalize(objects[i]);
    exvi_weakrefs_die_together(heap, objects, count);
    for (size_t i = 0; i < count; i++)
        exvi_object_clear(objects[i]);
    for (size_t i = 0; i < count; i++)
        exv_decref(objects[i]);
    (void)exvi_object_end_later(heap, UINT64_MAX);
    if (!objects)
        return count_mortals(heap); /* no memory to hold them: they are destroyed without their finalizers */
    exvi_unmap(objects, room * sizeof *objects);
    return count;
}

/* Whose count still stands, the immortal ones among them: only now, when no object looks at another any more. */
static void force_all(exv_heap *heap)
{
    exvi_block_cursor cursor = {0};
    void *blocks[256];
    size_t count;
    while ((count = exvi_blocks_next(&heap->blocks, EXVI_OBJECT, &cursor, blocks, 256)) > 0)
        for (size_t i = 0; i < count; i++)
            exvi_object_force(exvi_object_of(blocks[i]));
}

/* What is frozen, or was put into garbage, is looked at this time. */
static void collect_at_exit(exv_heap *heap)
{
    enum { ROUNDS = 16 }; /* finalizers may make new garbage, but not forever */
    heap->collector.debug &= ~(unsigned)EXV_DEBUG_SAVEALL;
    exv_list_clear(heap->garbage);
    exv_gc_unfreeze(heap);
    for (int round = 0; round < ROUNDS && exvi_collect_generation(heap, EXVI_OLDEST) > 0; round++)
        continue;
}

/* Whoever called is inside another function on this heap, which would go on with what is no more. */
static bool is_inside(const exv_heap *heap)
{
#ifdef EXVI_CHECKED
    if (heap->entries > 1)
        return true;
#endif
    return heap->collector.running || heap->depth > 0;
}

size_t exv_heap_free(exv_heap *heap)
{
    if (!heap)
        return 0;
    exvi_heap_enter(heap, __func__);
    if (is_inside(heap))
        exvi_die(__func__, "called from a finalizer, destructor or callback of heap %p", (void *)heap);
    exvi_dump_cancel(heap);
    exvi_background_cancel(heap);
    exvi_gc_give_up_owned(heap);
    exv_error_clear(heap);
    (void)exvi_object_end_later(heap, UINT64_MAX);
    exv_gc_disable(heap);
    if (heap->schedule.policy.on_exit)
        collect_at_exit(heap);
    exvi_background_cancel(heap);   /* a listener may have started another */
    heap->collector.running = true; /* whatever finalizers and destructors do, none starts from here on */
    exv_list_clear(heap->garbage);
    size_t left = end_survivors(heap);
    exvi_weakrefs_drop(heap);
    exvi_values_drop(heap);
    exvi_collector_drop(heap);
    heap->own_objects = heap->own_bytes = 0; /* they go like the others */
    force_all(heap);
    exvi_blocks_drop(&heap->blocks);
    exvi_unmap(heap, heap_size());
    return left;
}

void exv_heap_set_user(exv_heap *heap, void *user)
{
    heap->program = user;
}

void *exv_heap_get_user(const exv_heap *heap)
{
    return heap->program;
}

size_t exv_heap_trim(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    size_t bytes = exvi_blocks_trim(&heap->blocks) + exvi_collector_trim(heap);
    exvi_heap_leave(heap);
    return bytes;
}

/* ------------------------------------------------------------ inspection */

/* The blocks that the library has for itself, beside its own objects: tables that lead from here. */
static bool is_own_block(const exv_heap *heap, const void *block)
{
    return block == heap->weakrefs.slots || block == heap->collector.callbacks;
}

/* What the library has for itself counts as metadata. */
void exv_get_heap_stats(const exv_heap *heap, exv_heap_stats *stats)
{
    exvi_blocks_sum sum;
    exvi_blocks_count(&heap->blocks, &sum);
    const void *tables[] = {heap->weakrefs.slots, heap->collector.callbacks};
    size_t own_blocks = heap->own_objects, own_bytes = heap->own_bytes;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        own_blocks += tables[i] != NULL;
        own_bytes += tables[i] ? exvi_block_size(exvi_page_of(tables[i])) : 0;
    }
    *stats = (exv_heap_stats){
        .held_bytes = sum.held_bytes,
        .used_bytes = sum.used_bytes - own_bytes,
        .free_bytes = sum.free_bytes,
        .metadata_bytes = sum.metadata_bytes + own_bytes,
        .live_blocks = sum.live[EXVI_RAW] + sum.live[EXVI_OBJECT] - own_blocks,
        .live_objects = sum.live[EXVI_OBJECT] - heap->own_objects,
        .tracked_objects = exvi_generations_tracked(&heap->generations),
        .allocations = sum.allocations - own_blocks,
        .frees = sum.frees,
    };
}

static int walk_kind(exv_heap *heap, exvi_kind kind, exv_block_fn *each, void *arg)
{
    exvi_block_cursor cursor = {0};
    void *blocks[256];
    size_t count;
    while ((count = exvi_blocks_next(&heap->blocks, kind, &cursor, blocks, 256)) > 0) {
        for (size_t i = 0; i < count; i++) {
            size_t size = exvi_block_size(exvi_page_of(blocks[i]));
            const exvi_header *header = blocks[i];
            if (kind == EXVI_RAW ? is_own_block(heap, blocks[i]) : header->flags & EXVI_OWN)
                continue;
            int end = kind == EXVI_RAW ? each(blocks[i], size, NULL, arg)
                                       : each(exvi_object_of(blocks[i]), size - sizeof *header, header->type, arg);
            if (end)
                return end;
        }
    }
    return 0;
}

int exv_heap_walk(exv_heap *heap, exv_block_fn *each, void *arg)
{
    exvi_heap_enter(heap, __func__);
    int end = walk_kind(heap, EXVI_RAW, each, arg);
    if (!end)
        end = walk_kind(heap, EXVI_OBJECT, each, arg);
    exvi_heap_leave(heap);
    return end;
}
