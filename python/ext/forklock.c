/*
 * forklock: see forklock.h.
 */
#include "forklock.h"

#include "platform.h"

enum { SPINS = 1000, SLEEP_NS = 20000 };

bool exvi_forklock_try(exvi_forklock *lock)
{
    int32_t own = exvi_own_pid(), holder = 0;
    do {
        if (atomic_compare_exchange_strong(lock, &holder, own))
            return true;
    } while (holder != own); /* left behind by the process that we were forked from: once more, over that */
    return false;
}

void exvi_forklock_take(exvi_forklock *lock)
{
    for (unsigned spins = 0; !exvi_forklock_try(lock);)
        if (++spins > SPINS)
            exvi_sleep_ns(SLEEP_NS);
}

void exvi_forklock_give(exvi_forklock *lock)
{
    atomic_store(lock, 0);
}
