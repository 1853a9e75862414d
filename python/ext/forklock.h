/*
 * forklock: a lock that a forked process finds free, whoever held it at the fork.
 *
 * Held over a fork, a lock deadlocks with the fork handlers of others: one of them may wait for a thread that waits for
 * the lock. Not held over it, it may be locked in the new process by a thread that is not there. So the word is the
 * number of the process in which the lock is held, and one that another process left behind is taken over.
 *
 * Invariant: what a lock protects is usable after each single store of its holder, for that is how a forked process
 * finds it. Held for some instructions, or a call of the system that waits for nobody.
 */
#ifndef EXVI_FORKLOCK_H
#define EXVI_FORKLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef _Atomic int32_t exvi_forklock; /* 0: free */

bool exvi_forklock_try(exvi_forklock *lock);
void exvi_forklock_take(exvi_forklock *lock); /* spins a while, then sleeps */
void exvi_forklock_give(exvi_forklock *lock);

/* What was stored before is there before what is stored after, also for a fork by another thread: the system takes away
 * the right to write from page after page, so the new process finds all stores up to the first that was held up. The
 * fence keeps the compiler and a processor of weak order (aarch64) from letting a later one pass an earlier. */
static inline void exvi_forklock_order(void)
{
    atomic_thread_fence(memory_order_release);
}

#endif
