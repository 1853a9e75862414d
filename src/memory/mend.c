/*
 * mend: see mend.h.
 */
#include "mend.h"

#include "arena.h"
#include "die.h"

enum { REST = 4, STEP_NS = 1000000 }; /* times as long as the work took, in steps of so much */
static const size_t FIRST_ROOM = 256;

static bool grow(exvi_mender *mender)
{
    size_t room = mender->room ? 2 * mender->room : FIRST_ROOM;
    void **page = exvi_map_larger(mender->page, mender->room * sizeof *page, room * sizeof *page);
    if (!page)
        return false;
    mender->page = page;
    mender->room = room;
    return true;
}

bool exvi_mender_add(exvi_mender *mender, void *page)
{
    if (mender->started || (mender->count == mender->room && !grow(mender)))
        return false;
    mender->page[mender->count++] = page;
    return true;
}

/* While a page is joined, every page fault of the program waits. */
static void rest(const exvi_mender *mender, uint64_t ns)
{
    for (uint64_t until = exvi_clock_ns() + ns; !atomic_load(&mender->halted) && exvi_clock_ns() < until;)
        exvi_sleep_ns(STEP_NS);
}

static void work(void *arg)
{
    exvi_mender *mender = arg;
    for (size_t i = 0; i < mender->count && !atomic_load(&mender->halted); i++) {
        uint64_t start = exvi_clock_ns();
        if (exvi_collapse(mender->page[i], EXVI_HUGE_PAGE) == EXVI_COLLAPSE_REFUSED)
            break;
        rest(mender, REST * (exvi_clock_ns() - start));
    }
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
        exvi_unmap(mender->page, mender->room * sizeof *mender->page);
    mender->started = false;
    mender->page = NULL;
    mender->count = mender->room = 0;
}
