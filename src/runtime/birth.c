/*
 * birth: objects come into being.
 *
 * The birth of a tracked object is where collections start by themselves, so it stands above the policy, and whatever
 * must not start one does not call it. While nothing is due a birth takes the short way, new_at_hand().
 *
 * Invariant: a birth that fails leaves the counts as they were.
 */
#include "object.h"
#include "references.h"

#include <string.h>

#define FEW ((size_t)128) /* bytes of payload that are zeroed by stores */

/* At most FEW, in steps of 16 bytes: sizes of blocks are multiples of that, and none is smaller than one step behind
 * its header. */
static inline void zero_few(void *payload, size_t size)
{
    typedef uint64_t step __attribute__((vector_size(16), may_alias));
    step *at = payload;
    *at = (step){0};
    if (size <= sizeof *at)
        return;
    for (step *end = at + (size + 15) / 16; ++at < end;) {
        *at = (step){0};
        __asm__("" : "+r"(at)); /* a call of memset would cost more than the few steps */
    }
}

static inline void zero(void *payload, size_t size)
{
    if (size > FEW)
        memset(payload, 0, size);
    else
        zero_few(payload, size);
}

static inline void *set_up(exv_heap *heap, const exv_type *type, exvi_header *header, bool tracked)
{
    heap->generations.births += tracked;
    header->type = type;
    header->refcount = 1;
    header->flags = tracked ? EXVI_TRACKED : 0;
    return header + 1;
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
    bool tracked = exvi_type_refers(type);
#ifdef EXVI_CHECKED
    if (!type->name)
        exvi_die("exv_new", "the type at %p has no name", (const void *)type);
    if (type->references && (type->visit || type->clear))
        exvi_die("exv_new", "type %s has references, and visit or clear: give one or the other", type->name);
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
    if (payload >= EXVI_ALARM_SIZE)
        exvi_generation_alarm(&heap->generations);
    return set_up(heap, type, header, tracked);
}

static __attribute__((noinline)) void *new_at_length(exv_heap *heap, const exv_type *type)
{
    exvi_heap_enter(heap, "exv_new");
    void *object = new_object(heap, type, type->size);
    exvi_heap_leave(heap);
    return object;
}

/* The short way, if nothing is due and a block is at hand, as mostly. */
static inline __attribute__((always_inline)) void *new_at_hand(exv_heap *heap, const exv_type *type, bool tracked)
{
    exvi_generations *g = &heap->generations;
    size_t payload = type->size;
    if (tracked && exvi_unlikely(g->count[0] >= g->trigger))
        return new_at_length(heap, type);
    exvi_header *header = exvi_block_take(&heap->blocks, EXVI_OBJECT, sizeof *header + payload);
    if (exvi_unlikely(!header))
        return new_at_length(heap, type);
    g->count[0] += tracked;
    zero(header + 1, payload);
    return set_up(heap, type, header, tracked);
}

static __attribute__((noinline)) void *new_larger(exv_heap *heap, const exv_type *type)
{
    if (exvi_unlikely(type->size > EXVI_FINE_MAX - sizeof(exvi_header))) /* with a header the sum could overflow */
        return new_at_length(heap, type);
    return new_at_hand(heap, type, exvi_type_refers(type));
}

/* What is called is called last, so the compiler has nothing to save. */
void *exv_new(exv_heap *heap, const exv_type *type)
{
    if (exvi_unlikely(type->item_size))
        return exv_new_var(heap, type, 0);
    if (exvi_unlikely(type->size > FEW))
        return new_larger(heap, type);
    return exvi_likely(exvi_type_refers(type)) ? new_at_hand(heap, type, true) : new_at_hand(heap, type, false);
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
        *exvi_count_place(object) = count;
    exvi_heap_leave(heap);
    return object;
}

exv_weakref *exv_weakref_new(void *target, exv_weakref_fn *callback, void *arg)
{
    exvi_object_expect(__func__, target);
    exv_weakref *ref = exv_new(exvi_heap_of(target), &exv_weakref_type);
    if (ref && !exvi_weakref_lead(ref, target, callback, arg)) {
        exv_decref(ref);
        return NULL;
    }
    return ref;
}

exv_weakref *exv_weakref_new_owning(void *target, exv_weakref_fn *callback, void *object)
{
    exvi_object_expect(__func__, object);
    exv_weakref *ref = exv_weakref_new(target, callback, object);
    if (ref)
        exvi_weakref_own(ref);
    return ref;
}
