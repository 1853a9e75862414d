/*
 * mend: see mend.h.
 *
 * Neighbouring huge pages become one stretch, up to STRETCH bytes: a call has a cost of its own, and between two of
 * them the thread looks whether it is to halt.
 */
#include "mend.h"

#include "die.h"

static const size_t STRETCH = (size_t)8 << 20;
static const size_t FIRST_ROOM = 256;

static bool grow(exvi_mender *mender)
{
    size_t room = mender->room ? 2 * mender->room : FIRST_ROOM;
    exvi_stretch *stretch =
        exvi_map_larger(mender->stretch, mender->room * sizeof *stretch, room * sizeof *stretch);
    if (!stretch)
        return false;
    mender->stretch = stretch;
    mender->room = room;
    return true;
}

bool exvi_mender_add(exvi_mender *mender, void *start, size_t size)
{
    if (mender->started)
        return false;
    exvi_stretch *last = mender->count ? &mender->stretch[mender->count - 1] : NULL;
    if (last && last->start + last->size == start && last->size + size <= STRETCH) {
        last->size += size;
        return true;
    }
    if (mender->count == mender->room && !grow(mender))
        return false;
    mender->stretch[mender->count++] = (exvi_stretch){start, size};
    return true;
}

static void work(void *arg)
{
    exvi_mender *mender = arg;
    for (size_t i = 0; i < mender->count && !atomic_load(&mender->halted); i++)
        if (exvi_collapse(mender->stretch[i].start, mender->stretch[i].size) == EXVI_COLLAPSE_REFUSED)
            break;
    atomic_store(&mender->finished, true);
}

bool exvi_mender_start(exvi_mender *mender)
{
    exv_assert(!mender->started);
    atomic_store(&mender->halted, false);
    atomic_store(&mender->finished, false);
    mender->started = mender->count > 0 && exvi_worker_start(&mender->worker, work, mender);
    return mender->started;
}

bool exvi_mender_is_busy(const exvi_mender *mender)
{
    return mender->started && !atomic_load(&mender->finished);
}

void exvi_mender_halt(exvi_mender *mender)
{
    atomic_store(&mender->halted, true);
}

void exvi_mender_end(exvi_mender *mender)
{
    exvi_mender_halt(mender);
    if (mender->started)
        exvi_worker_wait(&mender->worker);
    if (mender->room)
        exvi_unmap(mender->stretch, mender->room * sizeof *mender->stretch);
    mender->started = false;
    mender->stretch = NULL;
    mender->count = mender->room = 0;
}
