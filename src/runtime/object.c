/*
 * object: counting and death. See header.h for the layout.
 *
 * Death, in this order: finalizer (may resurrect), weak references, references, destroy, block. Deaths nest when one
 * object held the last reference to another; beyond DEPTH_LIMIT they are put off on a list, finalizer and all, so a
 * chain of any length needs bounded stack. The list costs no memory: its link lies in the object's header, in the
 * count (which is known to be 1) and the upper half of the flags.
 *
 * Births are in birth.c, since they may start a collection. Does not find cycles: see collect.c.
 */
#include "object.h"

#ifdef EXVI_STRESS
#define DEPTH_LIMIT 3
#else
#define DEPTH_LIMIT 100
#endif

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

void exvi_make_own(void *object)
{
    exv_heap *heap = exvi_heap_of(object);
    exvi_header *header = exvi_header_of(object);
    exv_make_immortal(object);
    header->flags |= EXVI_OWN;
    heap->own_objects++;
    heap->own_bytes += exvi_block_size(exvi_page_of(header));
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

size_t exv_get_count(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->type->item_size ? *exvi_count_place(object) : 0;
}

const exv_type *exv_get_type(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->type;
}

bool exv_gc_is_tracked(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->flags & EXVI_TRACKED;
}

bool exv_gc_is_finalized(const void *object)
{
    exvi_object_expect(__func__, object);
    return exvi_header_of(object)->flags & EXVI_FINALIZED;
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
