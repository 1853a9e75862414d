/*
 * use: see use.h.
 *
 * Invariant: heap->user is the thread inside, and 0 exactly while heap->entries is 0.
 */
#include "exv_heap.h"
#include "platform.h"

#ifdef EXVI_CHECKED
void exvi_heap_enter(exv_heap *heap, const char *function)
{
    uint64_t self = exvi_thread_id();
    uint64_t nobody = 0;
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
