/*
 * use: see use.h.
 *
 * Invariants: heap->user is the thread inside, and 0 exactly while heap->entries is 0; heap->owner is the thread that
 * claimed the heap, or 0.
 */
#include "exv_heap.h"
#include "platform.h"

void exv_heap_claim(exv_heap *heap)
{
    uint64_t self = exvi_thread_id(), nobody = 0;
    if (!atomic_compare_exchange_strong(&heap->owner, &nobody, self) && nobody != self)
        exvi_die(__func__, "heap %p belongs to another thread, which did not release it", (void *)heap);
}

void exv_heap_release(exv_heap *heap)
{
    if (atomic_exchange(&heap->owner, 0) != exvi_thread_id())
        exvi_die(__func__, "heap %p was not claimed by this thread", (void *)heap);
}

#ifdef EXVI_CHECKED
void exvi_heap_enter(exv_heap *heap, const char *function)
{
    uint64_t self = exvi_thread_id(), owner = atomic_load(&heap->owner);
    uint64_t nobody = 0;
    if (owner && owner != self)
        exvi_die(function, "heap %p belongs to another thread, which did not release it", (void *)heap);
    if (!atomic_compare_exchange_strong(&heap->user, &nobody, self) && nobody != self)
        exvi_die(function, "heap %p is in use by another thread: a heap belongs to one thread at a time", (void *)heap);
    heap->entries++;
}

void exvi_heap_leave(exv_heap *heap)
{
    if (--heap->entries == 0)
        atomic_store(&heap->user, 0);
}
#endif
