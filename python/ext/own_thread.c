/*
 * own_thread: see own_thread.h.
 */
#include "own_thread.h"

#include "platform.h"

#define LOOK_NS UINT64_C(100000000)    /* between two looks whether one is left */
#define LEAVE_NS UINT64_C(1000000000)  /* that is waited at most for the system to forget one that has ended */
enum { STATE_ROOM = 1 << 16 };

bool exvi_own_thread_begin(exvi_own_thread *thread, void (*run)(void *number))
{
    exvi_own_thread_disown(thread);
    uint32_t number = atomic_load(&thread->number) + 1;
    thread->owner = exvi_own_pid();
    atomic_store(&thread->number, number);
    atomic_fetch_add(&thread->threads, 1);
    if (exvi_thread_start(run, (void *)(uintptr_t)number))
        return true;
    atomic_fetch_sub(&thread->threads, 1);
    return false;
}

void exvi_own_thread_rest(exvi_own_thread *thread)
{
    if (!exvi_own_thread_is_wanted(thread))
        return;
    atomic_fetch_add(&thread->number, 1);
    exvi_wake_word(&thread->number);
    if (thread->bell) {
        atomic_fetch_add(thread->bell, 1);
        exvi_wake_word(thread->bell);
    }
}

void exvi_own_thread_await(exvi_own_thread *thread)
{
    for (uint32_t left; exvi_own_thread_rest(thread), (left = atomic_load(&thread->threads)) > 0;) {
        Py_BEGIN_ALLOW_THREADS
        exvi_wait_word(&thread->threads, left, LOOK_NS);
        Py_END_ALLOW_THREADS
    }
    exvi_threads_leave(LEAVE_NS);
}

void exvi_own_thread_forked(exvi_own_thread *thread)
{
    atomic_store(&thread->threads, 0);
    atomic_fetch_and(&thread->number, ~UINT32_C(1));
}

bool exvi_own_thread_disown(exvi_own_thread *thread)
{
    if (thread->owner == exvi_own_pid())
        return false;
    exvi_own_thread_forked(thread);
    return true;
}

bool exvi_own_thread_has_memory(void)
{
    void *some = PyMem_RawMalloc(STATE_ROOM);
    PyMem_RawFree(some);
    return some != NULL;
}

void exvi_own_thread_ends(exvi_own_thread *thread)
{
    exvi_thread_ends();
    atomic_fetch_sub(&thread->threads, 1);
    exvi_wake_word(&thread->threads);
}
