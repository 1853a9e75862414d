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

#include "platform.h"
#include "references.h"

#ifdef EXVI_STRESS
#define DEPTH_LIMIT 3
#else
#define DEPTH_LIMIT 100
#endif

/* ------------------------------------------------------------- counting */

static _Noreturn __attribute__((cold)) void die_of_freed(const char *function, const void *object)
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

static inline void die(void *object);

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

const char *exvi_type_name(const void *object)
{
    const exv_type *type = exvi_header_of(object)->type;
    const char *name = type->class_name ? type->class_name((void *)(uintptr_t)object) : NULL;
    return name ? name : type->name;
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

/* Of the proxy's references one is the foreign object's, which to a search is the same object. */
uint64_t exvi_references_to_proxy(const void *object, uint32_t count)
{
    size_t foreign = exvi_header_of(object)->type->foreign_count((void *)(uintptr_t)object);
    return foreign ? foreign + count - 1 : count;
}

/* ---------------------------------------------------------------- death */

/* The object lives on for its finalizer, but nobody can have it meanwhile: it is not tracked, and DYING hides it
 * from its weak references. */
static void put_off(exv_heap *heap, void **list, void *object)
{
    exvi_header *header = exvi_header_of(object);
    if (header->flags & EXVI_TRACKED) {
        exvi_generation_remove(heap, object);
        header->flags |= EXVI_WAS_TRACKED;
    }
    uint64_t link = (uintptr_t)*list >> 4; /* 43 bits */
    header->refcount = (uint32_t)link;
    header->flags = (header->flags & 0xffff) | EXVI_DYING | (uint32_t)(link >> 32) << 16;
    *list = object;
}

static bool has_finalizer_to_run(const exvi_header *header)
{
    return header->type->finalize && !(header->flags & EXVI_FINALIZED);
}

void *exvi_object_put_off_next(const void *object)
{
    const exvi_header *header = exvi_header_of(object);
    return (void *)(((uintptr_t)header->refcount | (uintptr_t)(header->flags >> 16) << 32) << 4);
}

static void *take_put_off(exv_heap *heap, void **list)
{
    void *object = *list;
    exvi_header *header = exvi_header_of(object);
    *list = exvi_object_put_off_next(object);
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

static int clear_field(void **field, void *arg)
{
    (void)arg;
    EXV_CLEAR(*field);
    return 0;
}

static __attribute__((noinline)) void clear_fields(void *object, const exv_type *type)
{
    exvi_fields(object, type, clear_field, NULL);
}

static inline void clear_references(void *object, const exv_type *type)
{
    if (type->clear)
        type->clear(object);
    else if (type->references)
        clear_fields(object, type);
}

static inline void free_object(void *object, const exv_type *type)
{
    exvi_header *header = exvi_header_of(object);
    if (exvi_unlikely(header->refcount != 1))
        exvi_die("exv_decref", "object %p of type %s was given a new reference while it was destroyed", object,
                 type->name);
    header->refcount = 0;
    exvi_block_free(header);
}

/* Give up what the object owns, then its block. */
static void dismantle(void *object)
{
    const exv_type *type = exvi_header_of(object)->type;
    clear_references(object, type);
    if (type->visit && !type->clear)
        type->visit(object, drop_reference, NULL);
    if (type->destroy)
        type->destroy(object);
    free_object(object, type);
}

/* Counted as CPython counts deallocations. */
static inline void count_death(exv_heap *heap, const exv_type *type, uint32_t flags)
{
    if (!exvi_type_refers(type))
        return;
    heap->generations.deaths += (flags & EXVI_TRACKED) != 0;
    heap->generations.count[0] -= heap->generations.count[0] > 0;
}

/* Out of sight. Whether it has weak references stays known. */
static void leave_generation(exv_heap *heap, exvi_header *header)
{
    count_death(heap, header->type, header->flags);
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

static void end_life(exv_heap *heap, void *object)
{
    exvi_header *header = exvi_header_of(object);
    bool usual = !header->type->finalize && !(header->flags & EXVI_FROZEN);
    if (!usual && !last_rites(heap, object))
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
        end_life(heap, take_put_off(heap, &heap->deferred));
}

static inline bool is_deep(const exv_heap *heap)
{
    return heap->depth >= DEPTH_LIMIT;
}

/* What has more to it. */
static __attribute__((noinline)) void die_at_length(exv_heap *heap, void *object)
{
    if (exvi_unlikely(exvi_header_of(object)->flags & (EXVI_DYING | EXVI_UNREACHABLE)))
        leave_rare_state(heap, object);
    if (exvi_unlikely(is_deep(heap))) {
        put_off(heap, &heap->deferred, object);
        return;
    }
    heap->depth++;
    end_life(heap, object);
    if (exvi_unlikely(heap->deferred != NULL))
        end_deferred(heap);
    heap->depth--;
}

/* The same for an object that has a clear function, or references, and nothing else. */
static __attribute__((noinline)) void die_with_references(exv_heap *heap, void *object, const exv_type *type)
{
    if (exvi_unlikely(is_deep(heap))) {
        put_off(heap, &heap->deferred, object);
        return;
    }
    heap->depth++;
    count_death(heap, type, exvi_header_of(object)->flags);
    exvi_header_of(object)->flags = EXVI_DYING;
    clear_references(object, type);
    free_object(object, type);
    if (exvi_unlikely(heap->deferred != NULL))
        end_deferred(heap);
    heap->depth--;
}

/* The last reference, which is still counted, is given up. Most objects die the short way, and those that hold nothing
 * the shortest: no other death can come of theirs. Each way is called last, so nothing has to be saved for it. */
static void die_as_fits(void *object)
{
    exv_heap *heap = exvi_heap_of(object);
    exvi_header *header = exvi_header_of(object);
    const exv_type *type = header->type;
    const uint32_t rare = EXVI_DYING | EXVI_UNREACHABLE | EXVI_FROZEN | EXVI_WEAK;
    if (exvi_unlikely(header->flags & rare) ||
        exvi_unlikely(((uintptr_t)type->finalize | (uintptr_t)type->destroy) != 0)) {
        die_at_length(heap, object);
    } else if (exvi_holds_nothing(object, type)) {
        count_death(heap, type, header->flags);
        header->refcount = 0;
        exvi_block_free(header);
    } else if (exvi_likely(exvi_type_clears(type))) {
        die_with_references(heap, object, type);
    } else {
        die_at_length(heap, object);
    }
}

static inline void die(void *object)
{
#ifdef EXVI_CHECKED
    exv_heap *heap = exvi_heap_of(object);
    exvi_heap_enter(heap, "exv_decref");
    die_as_fits(object);
    exvi_heap_leave(heap);
#else
    die_as_fits(object);
#endif
}

/* -------------------------------------------------------- deaths in portions */

void exv_decref_later(void *object)
{
    if (!object)
        return;
    exvi_object_expect(__func__, object);
    exvi_header *header = exvi_header_of(object);
    if (header->refcount != 1) {
        exv_decref(object);
        return;
    }
    exv_heap *heap = exvi_heap_of(object);
    exvi_heap_enter(heap, __func__);
    if (header->flags & (EXVI_DYING | EXVI_UNREACHABLE))
        leave_rare_state(heap, object);
    put_off(heap, &heap->later, object);
    exvi_heap_leave(heap);
}

/* As if it were too deep for the deaths that come of this one: they are put off, too, and that is the list of those to
 * come. A finalizer may put off others meanwhile, or collect. */
static void end_one_later(exv_heap *heap)
{
    void *deferred = heap->deferred;
    unsigned depth = heap->depth;
    heap->deferred = heap->later;
    heap->later = NULL;
    heap->depth = DEPTH_LIMIT;
    end_life(heap, take_put_off(heap, &heap->deferred));
    while (heap->later)
        put_off(heap, &heap->deferred, take_put_off(heap, &heap->later));
    heap->later = heap->deferred;
    heap->deferred = deferred;
    heap->depth = depth;
}

bool exvi_object_end_later(exv_heap *heap, uint64_t until_ns)
{
    enum { SLICE = 16 };
    for (size_t ended = 1; heap->later; ended++) {
        end_one_later(heap);
        if (until_ns != UINT64_MAX && ended % SLICE == 0 && exvi_clock_ns() >= until_ns)
            return !heap->later;
    }
    return true;
}

bool exv_drop_step(exv_heap *heap, uint64_t budget_ns)
{
    exvi_heap_enter(heap, __func__);
    uint64_t start = exvi_clock_ns();
    bool done = exvi_object_end_later(heap, budget_ns < UINT64_MAX - start ? start + budget_ns : UINT64_MAX);
    exvi_heap_leave(heap);
    return done;
}

/* ------------------------------------------------- for the collector */

typedef struct visiting {
    exv_visit_fn *visit;
    void *arg;
} visiting;

static int visit_field(void **field, void *arg)
{
    const visiting *v = arg;
    return v->visit(*field, v->arg);
}

int exvi_object_visit_own(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_type *type = exvi_header_of(object)->type;
    int end = 0;
    if (type->references) {
        visiting v = {visit, arg};
        end = exvi_fields(object, type, visit_field, &v);
    } else if (type->visit) {
        end = type->visit(object, visit, arg);
    }
    return end;
}

int exvi_object_visit(void *object, exv_visit_fn *visit, void *arg)
{
    int end = exvi_object_visit_own(object, visit, arg);
    if (exvi_unlikely(exvi_header_of(object)->flags & EXVI_WEAK) && !end)
        end = exvi_weakrefs_visit_values(exvi_heap_of(object), object, visit, arg);
    return end;
}

void exvi_object_clear(void *object)
{
    clear_references(object, exvi_header_of(object)->type);
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
    if (exvi_type_refers(header->type) && !(header->flags & (EXVI_TRACKED | EXVI_DYING)))
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
