/*
 * object: birth, counting and death. See object.h for the layout.
 *
 * Death, in this order: finalizer (may resurrect), weak references, references, destroy, block. Deaths nest when one
 * object held the last reference to another; beyond DEPTH_LIMIT they are put off on a list, finalizer and all, so a
 * chain of any length needs bounded stack. The list costs no memory: its link lies in the object's header, in the
 * count (which is known to be 1) and the upper half of the flags.
 *
 * Does not find cycles: see collect.c.
 */
#include "object.h"

#include <string.h>

#ifdef EXVI_STRESS
#define DEPTH_LIMIT 3
#else
#define DEPTH_LIMIT 100
#endif

/* ---------------------------------------------------------------- birth */

/* In steps of 16 bytes: sizes of blocks are multiples of that. */
static inline void zero(void *payload, size_t size)
{
    typedef uint64_t step __attribute__((vector_size(16), may_alias));
    if (size > 256) {
        memset(payload, 0, size);
        return;
    }
    for (step *at = payload, *end = at + (size + 15) / 16; at < end; at++) {
        *at = (step){0};
        __asm__("" : "+r"(at)); /* a call of memset would cost more than the few steps */
    }
}

static inline void *set_up(exv_heap *heap, const exv_type *type, exvi_header *header)
{
    bool tracked = type->visit != NULL;
    heap->generations.births += tracked;
    header->type = type;
    header->refcount = 1;
    header->flags = tracked ? EXVI_TRACKED : 0;
    return header + 1;
}

/* An object if nothing is due and a block is at hand, as mostly; else NULL, and nothing was changed. It calls nothing,
 * so the compiler has nothing to save. */
static inline void *new_at_hand(exv_heap *heap, const exv_type *type, size_t payload)
{
    exvi_generations *g = &heap->generations;
    bool tracked = type->visit != NULL;
    if (tracked && exvi_unlikely(g->count[0] >= g->trigger))
        return NULL;
    if (exvi_unlikely(payload > EXVI_FINE_MAX - sizeof(exvi_header))) /* the sum below must not overflow */
        return NULL;
    exvi_header *header = exvi_block_take(&heap->blocks, EXVI_OBJECT, sizeof *header + payload);
    if (exvi_unlikely(!header))
        return NULL;
    g->count[0] += tracked;
    zero(header + 1, payload);
    return set_up(heap, type, header);
}

static exvi_header *new_block(exv_heap *heap, size_t payload)
{
    size_t size = sizeof(exvi_header) + payload;
    if (size > EXVI_MEDIUM_MAX)
        return exvi_block_new_zeroed(&heap->blocks, EXVI_OBJECT, size);
    exvi_header *header = exvi_block_new(&heap->blocks, EXVI_OBJECT, size);
    if (exvi_likely(header != NULL))
        zero(header + 1, payload);
    return header;
}

static __attribute__((noinline)) void *new_object(exv_heap *heap, const exv_type *type, size_t payload)
{
    bool tracked = type->visit != NULL;
#ifdef EXVI_CHECKED
    if (!type->name)
        exvi_die("exv_new", "the type at %p has no name", (const void *)type);
#endif
    if (payload > EXV_MAX_SIZE)
        return exvi_too_large(heap, payload);
    if (tracked) {
        exvi_generations *g = &heap->generations;
        if (exvi_unlikely(++g->count[0] > g->trigger) || exvi_unlikely(--heap->schedule.ticks == 0))
            exvi_policy_step(heap);
    }
    exvi_header *header = new_block(heap, payload);
    if (exvi_unlikely(!header) && tracked && exvi_policy_rescue(heap))
        header = new_block(heap, payload);
    if (exvi_unlikely(!header)) {
        exvi_no_memory(heap);
        heap->generations.count[0] -= tracked && heap->generations.count[0] > 0;
        return NULL;
    }
    if (payload >= EXVI_POLICY_LARGE)
        exvi_policy_alarm(heap);
    return set_up(heap, type, header);
}

void *exv_new(exv_heap *heap, const exv_type *type)
{
    if (exvi_unlikely(type->item_size))
        return exv_new_var(heap, type, 0);
    void *object = new_at_hand(heap, type, type->size);
    if (exvi_likely(object != NULL))
        return object;
    exvi_heap_enter(heap, __func__);
    object = new_object(heap, type, type->size);
    exvi_heap_leave(heap);
    return object;
}

/* The number of items lies in the last word of the block. */
static size_t *count_place(const void *object)
{
    char *block = (char *)exvi_header_of(object);
    return (size_t *)(void *)(block + exvi_block_size(exvi_page_of(block))) - 1;
}

void *exv_new_var(exv_heap *heap, const exv_type *type, size_t count)
{
    size_t size;
    if (__builtin_mul_overflow(count, type->item_size, &size) || __builtin_add_overflow(size, type->size, &size))
        return exvi_too_large(heap, SIZE_MAX);
    if (size > EXV_MAX_SIZE)
        return exvi_too_large(heap, size);
    exvi_heap_enter(heap, __func__);
    void *object = new_object(heap, type, size + sizeof(size_t));
    if (object)
        *count_place(object) = count;
    exvi_heap_leave(heap);
    return object;
}

size_t exv_get_count(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->type->item_size ? *count_place(object) : 0;
}

/* ------------------------------------------------------------- counting */

static void die_of_freed(const char *function, const void *object)
{
    const exv_type *type = exvi_header_of(object)->type;
    exvi_die(function, "object %p of type %s has no reference left: it was freed already", object,
             type ? type->name : "?");
}

void *exv_incref(void *object)
{
    if (!object)
        return NULL;
    exvi_object_expect(__func__, object);
    exvi_header *header = exvi_header_of(object);
    if (exvi_likely(header->refcount - 1 < EXVI_IMMORTAL_COUNT - 1))
        header->refcount++;
    else if (header->refcount == 0)
        die_of_freed(__func__, object);
    return object;
}

static void die(void *object);

static void decref_last(void *object)
{
    exvi_header *header = exvi_header_of(object);
    if (header->refcount >= EXVI_IMMORTAL_COUNT)
        return;
    if (header->refcount == 0)
        die_of_freed("exv_decref", object);
    die(object);
}

void exv_decref(void *object)
{
    if (!object)
        return;
    exvi_object_expect(__func__, object);
    exvi_header *header = exvi_header_of(object);
    if (exvi_likely(header->refcount - 2 < EXVI_IMMORTAL_COUNT - 2))
        header->refcount--;
    else
        decref_last(object);
}

uint32_t exv_refcount(const void *object)
{
    exvi_object_expect(__func__, object);
    uint32_t count = exvi_header_of(object)->refcount;
    return count >= EXVI_IMMORTAL_COUNT ? EXV_IMMORTAL : count;
}

void exv_make_immortal(void *object)
{
    exvi_object_expect(__func__, object);
    exvi_header_of(object)->refcount = EXVI_IMMORTAL_COUNT + EXVI_IMMORTAL_COUNT / 2;
}

bool exv_is_immortal(const void *object)
{
    return exv_refcount(object) == EXV_IMMORTAL;
}

/* ---------------------------------------------------------------- death */

/* The object lives on for its finalizer, but nobody can have it meanwhile: it is not tracked, and DYING hides it
 * from its weak references. */
static void put_off(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    if (header->flags & EXVI_TRACKED) {
        exvi_generation_remove(heap, object);
        header->flags |= EXVI_WAS_TRACKED;
    }
    uint64_t link = (uintptr_t)heap->deferred >> 4; /* 43 bits */
    header->refcount = (uint32_t)link;
    header->flags = (header->flags & 0xffff) | EXVI_DYING | (uint32_t)(link >> 32) << 16;
    heap->deferred = object;
}

static bool has_finalizer_to_run(const exvi_header *header)
{
    return header->type->finalize && !(header->flags & EXVI_FINALIZED);
}

static void *take_put_off(exv_heap *heap)
{
    void *object = heap->deferred;
    exvi_header *header = exvi_header_of(object);
    heap->deferred = (void *)(((uintptr_t)header->refcount | (uintptr_t)(header->flags >> 16) << 32) << 4);
    bool was_tracked = header->flags & EXVI_WAS_TRACKED;
    header->refcount = 1;
    header->flags &= 0xffff & ~(uint32_t)(EXVI_DYING | EXVI_WAS_TRACKED);
    if (was_tracked && has_finalizer_to_run(header))
        exvi_generation_add(heap, object);
    return object;
}

static int drop_reference(void *child, void *arg)
{
    (void)arg;
    exv_decref(child);
    return 0;
}

/* Give up what the object owns, then its block. */
static void dismantle(void *object)
{
    exvi_header *header = exvi_header_of(object);
    const exv_type *type = header->type;
    if (type->clear)
        type->clear(object);
    else if (type->visit)
        type->visit(object, drop_reference, NULL);
    if (type->destroy)
        type->destroy(object);
    if (exvi_unlikely(header->refcount != 1))
        exvi_die("exv_decref", "object %p of type %s was given a new reference while it was destroyed", object,
                 type->name);
    header->refcount = 0;
    exvi_block_free(header);
}

/* Out of sight, and counted as CPython counts deallocations. Whether it has weak references stays known. */
static void leave_generation(exv_heap *heap, exvi_header *header)
{
    if (header->type->visit) {
        heap->generations.deaths += (header->flags & EXVI_TRACKED) != 0;
        heap->generations.count[0] -= heap->generations.count[0] > 0;
    }
    header->flags = (header->flags & EXVI_WEAK) | EXVI_DYING;
}

/* What few objects need before they are out of sight. False: the finalizer resurrected the object. */
static bool last_rites(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    exvi_object_finalize(object);
    if (header->refcount > 1) {
        header->refcount -= header->refcount < EXVI_IMMORTAL_COUNT;
        return false;
    }
    if (header->refcount == 0)
        exvi_die("exv_decref", "object %p of type %s lost a reference too many in its finalizer", object,
                 header->type->name);
    heap->generations.frozen -= (header->flags & EXVI_FROZEN) != 0;
    return true;
}

static inline __attribute__((always_inline)) void end_life(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    bool usual = !header->type->finalize && !(header->flags & EXVI_FROZEN);
    if (!exvi_likely(usual) && !last_rites(heap, object))
        return;
    leave_generation(heap, header);
    if (exvi_unlikely(header->flags & EXVI_WEAK))
        exvi_weakrefs_die(heap, object);
    dismantle(object);
}

/* The last reference to an object in one of two rare states is given up. */
static void leave_rare_state(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    if (header->flags & EXVI_DYING)
        exvi_die("exv_decref", "object %p of type %s lost a reference too many while it was destroyed", object,
                 header->type->name);
    header->flags &= ~(uint32_t)EXVI_UNREACHABLE;
    heap->collector.unreachable--;
}

static __attribute__((noinline)) void end_deferred(exv_heap *heap)
{
    while (heap->deferred && heap->depth == 1)
        end_life(heap, take_put_off(heap));
}

/* The last reference, which is still counted, is given up. */
static void die(void *object)
{
    exv_heap *heap = exvi_heap_of(object);
    exvi_heap_enter(heap, "exv_decref");
    if (exvi_unlikely(exvi_header_of(object)->flags & (EXVI_DYING | EXVI_UNREACHABLE)))
        leave_rare_state(heap, object);
    if (exvi_likely(heap->depth < DEPTH_LIMIT)) {
        heap->depth++;
        end_life(heap, object);
        if (exvi_unlikely(heap->deferred != NULL))
            end_deferred(heap);
        heap->depth--;
    } else {
        put_off(heap, object);
    }
    exvi_heap_leave(heap);
}

/* ------------------------------------------------- for the collector */

void exvi_object_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_type *type = exvi_header_of(object)->type;
    if (type->visit)
        type->visit(object, visit, arg);
}

void exvi_object_clear(void *object)
{
    const exv_type *type = exvi_header_of(object)->type;
    if (type->clear)
        type->clear(object);
}

void exvi_object_finalize(void *object)
{
    exvi_header *header = exvi_header_of(object);
    if (!header->type->finalize || header->flags & EXVI_FINALIZED)
        return;
    header->flags |= EXVI_FINALIZED;
    header->type->finalize(object);
}

void exvi_object_force(void *object)
{
    exvi_header *header = exvi_header_of(object);
    leave_generation(exvi_heap_of(object), header);
    if (header->type->destroy)
        header->type->destroy(object);
    header->refcount = 0;
    exvi_block_free(header);
}

/* --------------------------------------------------------------- others */

const exv_type *exv_get_type(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->type;
}

exv_heap *exv_get_heap(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_heap_of(object);
}

void exv_track(void *object)
{
    exvi_object_expect(__func__, object);
    exvi_header *header = exvi_header_of(object);
    if (header->type->visit && !(header->flags & (EXVI_TRACKED | EXVI_DYING)))
        exvi_generation_add(exvi_heap_of(object), object);
}

void exv_untrack(void *object)
{
    exvi_object_expect(__func__, object);
    if (exvi_header_of(object)->flags & EXVI_TRACKED)
        exvi_generation_remove(exvi_heap_of(object), object);
}

#ifdef EXVI_CHECKED
void exvi_object_expect(const char *function, const void *object)
{
    const exvi_header *header = exvi_header_of(object);
    if (!exvi_region_is_known(header))
        exvi_die(function, "%p is not an object: no heap holds that address", object);
    exv_heap *heap = exvi_heap_of(object);
    exvi_page *page;
    uint32_t index;
    exvi_heap_enter(heap, function);
    bool live = exvi_block_find(&heap->blocks, header, &page, &index) && page->kind == EXVI_OBJECT;
    exvi_heap_leave(heap);
    if (live)
        return;
    page = exvi_page_of(header);
    if (page->start && page->kind == EXVI_OBJECT && header->type &&
        (char *)page->start + exvi_block_index(page, header) * page->block_size == (const char *)header)
        exvi_die(function, "object %p of type %s was freed already", object, header->type->name);
    exvi_die(function, "%p is not an object: it lies inside a block, or in one of exv_alloc()", object);
}
#endif
