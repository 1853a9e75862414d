/*
 * own_thread: a native thread of ours beside the program's, of which at most one of a kind is wanted at a time.
 *
 * A thread is told to end by a number that is no longer its own; nobody joins it, so that no stop waits for the system
 * to run it. CPython warns of forks beside other threads, so it ends before those of the program's (await), and a
 * process that C code has forked, which calls no hook, does not wait for what is its parent's (disown).
 *
 * Invariant: `threads` counts those that may still look at anything of ours. All but the thread's own functions are
 * for who has the GIL.
 */
#ifndef EXVI_OWN_THREAD_H
#define EXVI_OWN_THREAD_H

#include <Python.h>

#include <stdatomic.h>
#include <stdbool.h>

/* Zeroed at first. */
typedef struct exvi_own_thread {
    _Atomic uint32_t number;     /* of the one that is wanted: odd; even: none is */
    _Atomic uint32_t threads;
    _Atomic uint32_t *bell;      /* changed when it is told to end; it sleeps on that or on `number`. NULL: none */
    int32_t owner;               /* the process whose threads these are */
} exvi_own_thread;

static inline bool exvi_own_thread_is_wanted(const exvi_own_thread *thread)
{
    return atomic_load(&thread->number) % 2 != 0;
}

/* One more, with `run` and its number; none is wanted yet. False: the system has none to give; it counts as wanted all
 * the same, until it is told to end. */
bool exvi_own_thread_begin(exvi_own_thread *thread, void (*run)(void *number));

/* Told to end, if it is wanted. */
void exvi_own_thread_rest(exvi_own_thread *thread);

/* Until none is left, for the system either; gives up the GIL where it must wait for one. While it does, another thread
 * of the program may begin the next: that is told to end, too. */
void exvi_own_thread_await(exvi_own_thread *thread);

/* There are none: this process was forked. disown() looks; true: it was. */
void exvi_own_thread_forked(exvi_own_thread *thread);
bool exvi_own_thread_disown(exvi_own_thread *thread);

/* ---- the thread's own ---- */

static inline bool exvi_own_thread_is(const exvi_own_thread *thread, uint32_t number)
{
    return atomic_load(&thread->number) == number;
}

/* Whether there is memory for a thread state; without, the interpreter would end the program. */
bool exvi_own_thread_has_memory(void);

/* Its last words. */
void exvi_own_thread_ends(exvi_own_thread *thread);

#endif
