/*
 * birth: objects come into being.
 *
 * The birth of a tracked object is where collections start by themselves, so it stands above the policy, and whatever
 * must not start one does not call it. While nothing is due a birth takes the short way, new_at_hand().
 *
 * Invariant: a birth that fails leaves the counts as they were.
 */
#include "object.h"

#include <string.h>

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
    if (payload >= EXVI_ALARM_SIZE)
        exvi_generation_alarm(&heap->generations);
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
