/*
 * arenas: see arenas.h.
 *
 * Three things are here: the functions that pymalloc calls, the collapser of huge pages, and what a fork does to it.
 *
 * Invariant: no lock is held while the fork handlers of others run. `forks` says that one is under way, and while it
 * does, no collapser is started.
 */
#include "arenas.h"

#include <Python.h>

#include "forklock.h"
#include "collapse.h"
#include "slots.h"

#include <pthread.h>
#include <stdatomic.h>

static struct {
    bool installed;
    PyObjectArenaAllocator before;
    exvi_collapser collapser;
    exvi_forklock collapsing; /* whoever has it may start or end the collapser */
    _Atomic int forks;     /* under way */
} ours;

static const uint64_t LEAVE_NS = 1000000000;
static _Thread_local int forking; /* those of this thread */

/* 0: of a size that is not ours. */
static unsigned slots_of(size_t size)
{
    return size == EXVI_SLOT_SIZE ? 1 : size == 2 * EXVI_SLOT_SIZE ? 2 : 0;
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    unsigned slots = slots_of(size);
    void *start = slots ? exvi_slots_new(slots) : NULL;
    return start ? start : ours.before.alloc(ours.before.ctx, size);
}

static void arena_free(void *context, void *start, size_t size)
{
    (void)context;
    unsigned slots = slots_of(size);
    if (!slots || !exvi_slots_free(start, slots, exvi_arenas_halt))
        ours.before.free(ours.before.ctx, start, size);
}

/* CPython warns of a fork while there are other threads, so the collapser's must have ended. The thread that forks may
 * be a native one, without the GIL, beside one that has it and would start the next: that one sees `forks`, or we wait
 * until it has started, and end it. */
static void before_fork(void)
{
    forking++;
    atomic_fetch_add(&ours.forks, 1);
    exvi_forklock_take(&ours.collapsing);
    exvi_collapser_end(&ours.collapser);
    exvi_threads_leave(LEAVE_NS);
    exvi_forklock_give(&ours.collapsing);
}

/* A handler that was registered while a fork was under way may be called at its end without its beginning. */
static void after_fork_in_parent(void)
{
    if (forking == 0)
        return;
    forking--;
    atomic_fetch_sub(&ours.forks, 1);
}

static void after_fork_in_child(void)
{
    forking = 0;
    atomic_store(&ours.forks, 0);
}

void exvi_arenas_install(void)
{
    if (ours.installed)
        return;
    if (!exvi_slots_init())
        return;
    PyObject_GetArenaAllocator(&ours.before);
    PyObjectArenaAllocator allocator = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&allocator);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    ours.installed = true;
}

static void list_whole(void *start)
{
    exvi_collapser_add(&ours.collapser, start);
}

static void collapse_anew(void)
{
    exvi_collapser_end(&ours.collapser);
    exvi_slots_each_whole(list_whole);
    exvi_collapser_start(&ours.collapser);
}

void exvi_arenas_collapse(uint64_t budget_ns)
{
    if (!exvi_collapse_is_due(exvi_arenas_bytes(), budget_ns) || !exvi_forklock_try(&ours.collapsing))
        return;
    if (atomic_load(&ours.forks) == 0 && !exvi_collapser_is_busy(&ours.collapser))
        collapse_anew();
    exvi_forklock_give(&ours.collapsing);
}

void exvi_arenas_halt(void)
{
    exvi_collapser_halt(&ours.collapser);
}

void exvi_arenas_rest(void)
{
    if (!exvi_forklock_try(&ours.collapsing))
        return; /* a fork is under way, and ends it */
    exvi_collapser_end(&ours.collapser);
    exvi_forklock_give(&ours.collapsing);
}

size_t exvi_arenas_bytes(void)
{
    return exvi_slots_bytes();
}
