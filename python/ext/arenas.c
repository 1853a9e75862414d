/*
 * arenas: see arenas.h.
 *
 * A region is 32 MiB aligned to 32 MiB, so a mask finds it; a table sorted by nothing, searched from the newest, finds
 * what we know of it. Slot i of a region, 1 MiB, is in use if bit i of `used` is set; an arena of 2 MiB takes slots 2i
 * and 2i + 1, which are one huge page. Invariant: a region with no slot in use is given back, but for one that is kept.
 * The calls come under the GIL, or from interpreters with a GIL of their own: a spin lock keeps them apart, held for
 * some instructions or for a call of the system that gets or gives back memory.
 *
 * A free slot goes back to the system when its neighbour in the same huge page is free too: half a huge page given back
 * would split it.
 */
#include "arenas.h"

#include <Python.h>

#include "arena.h"
#include "collapse.h"
#include "platform.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SLOT_SHIFT = 20, SLOTS = 32, REGION_LIMIT = 1 << 14 };
#define SLOT_SIZE ((size_t)1 << SLOT_SHIFT)

typedef struct region {
    uintptr_t start;
    uint32_t used;
} region;

static struct {
    bool installed;
    PyObjectArenaAllocator before;
    exvi_arena arena;
    atomic_flag lock;
    region *regions;            /* address space for REGION_LIMIT of them */
    size_t count;
    size_t with_room;           /* no region below this index has a free slot */
    size_t slots;
    exvi_collapser collapser;
    pthread_mutex_t collapsing; /* whoever has it may start or end the collapser; held over a fork: before_fork() */
} ours = {.arena.huge_pages = true, .lock = ATOMIC_FLAG_INIT, .collapsing = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local bool forking; /* this thread has the spin lock until its fork is done */

static void lock(void)
{
    while (!forking && atomic_flag_test_and_set_explicit(&ours.lock, memory_order_acquire))
        ;
}

static void unlock(void)
{
    if (!forking)
        atomic_flag_clear_explicit(&ours.lock, memory_order_release);
}

/* Of the slots, those where so many in a row are free. */
static uint32_t places(const region *r, unsigned slots)
{
    const uint32_t even = UINT32_C(0x55555555);
    uint32_t room = ~r->used;
    return slots == 1 ? room : room & room >> 1 & even;
}

static region *region_with_room(unsigned slots)
{
    for (size_t i = ours.with_room; i < ours.count; i++) {
        if (places(&ours.regions[i], slots))
            return &ours.regions[i];
        if (i == ours.with_room && !places(&ours.regions[i], 1))
            ours.with_room++;
    }
    if (ours.count == REGION_LIMIT)
        return NULL;
    void *start = exvi_region_new(&ours.arena, EXVI_REGION_SIZE, 0);
    if (!start)
        return NULL;
    ours.regions[ours.count] = (region){(uintptr_t)start, 0};
    return &ours.regions[ours.count++];
}

static uint32_t mask_of(unsigned slot, unsigned slots)
{
    return ((UINT32_C(1) << slots) - 1) << slot;
}

static void *slots_new(unsigned slots)
{
    lock();
    region *r = region_with_room(slots);
    void *start = NULL;
    if (r) {
        unsigned slot = (unsigned)__builtin_ctz(places(r, slots));
        r->used |= mask_of(slot, slots);
        ours.slots += slots;
        start = (void *)(r->start + ((uintptr_t)slot << SLOT_SHIFT));
    }
    unlock();
    return start;
}

static region *region_find(uintptr_t start)
{
    for (size_t i = ours.count; i-- > 0;)
        if (ours.regions[i].start == start)
            return &ours.regions[i];
    return NULL;
}

static void region_drop(region *r)
{
    size_t at = (size_t)(r - ours.regions);
    exvi_region_free(&ours.arena, (void *)r->start, EXVI_REGION_SIZE);
    *r = ours.regions[--ours.count];
    if (ours.with_room > at)
        ours.with_room = at;
}

static bool slots_free(void *start, unsigned slots)
{
    uintptr_t address = (uintptr_t)start;
    lock();
    region *r = region_find((uintptr_t)exvi_region_of(start));
    if (r) {
        unsigned slot = (unsigned)((address - r->start) >> SLOT_SHIFT);
        r->used &= ~mask_of(slot, slots);
        ours.slots -= slots;
        size_t at = (size_t)(r - ours.regions);
        if (at < ours.with_room)
            ours.with_room = at;
        bool empty = (r->used & mask_of(slot & ~1u, 2)) == 0;
        if (empty)
            exvi_collapser_halt(&ours.collapser); /* it would fill up what goes back */
        if (r->used == 0 && ours.count > 1)
            region_drop(r);
        else if (empty)
            exvi_purge((void *)(address & ~(uintptr_t)(EXVI_HUGE_PAGE - 1)), EXVI_HUGE_PAGE);
    }
    unlock();
    return r != NULL;
}

/* 0: of a size that is not ours. */
static unsigned slots_of(size_t size)
{
    return size == SLOT_SIZE ? 1 : size == 2 * SLOT_SIZE ? 2 : 0;
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    unsigned slots = slots_of(size);
    void *start = slots ? slots_new(slots) : NULL;
    return start ? start : ours.before.alloc(ours.before.ctx, size);
}

static void arena_free(void *context, void *start, size_t size)
{
    (void)context;
    unsigned slots = slots_of(size);
    if (!slots || !slots_free(start, slots))
        ours.before.free(ours.before.ctx, start, size);
}

/* CPython warns of a fork while there are other threads. The thread that forks may be a native one, without the GIL,
 * beside one that has it and would start the collapser. Nobody waits for `collapsing` but another fork: who has the GIL
 * must not, for the handlers of others may want it. An interpreter with a GIL of its own may be about to change the
 * table: with the spin lock held here the child does not find it half changed, or locked by nobody. */
static void before_fork(void)
{
    pthread_mutex_lock(&ours.collapsing);
    exvi_collapser_end(&ours.collapser);
    lock();
    forking = true;
}

static void after_fork(void)
{
    forking = false;
    unlock();
    pthread_mutex_unlock(&ours.collapsing);
}

void exvi_arenas_install(void)
{
    if (ours.installed)
        return;
    ours.regions = exvi_map(REGION_LIMIT * sizeof *ours.regions, exvi_page_size());
    if (!ours.regions)
        return;
    PyObject_GetArenaAllocator(&ours.before);
    PyObjectArenaAllocator allocator = {NULL, arena_alloc, arena_free};
    PyObject_SetArenaAllocator(&allocator);
    pthread_atfork(before_fork, after_fork, after_fork);
    ours.installed = true;
}

/* Huge pages with both halves in use. */
static void list_filled(const region *r)
{
    for (unsigned slot = 0; slot < SLOTS; slot += 2)
        if ((r->used >> slot & 3) == 3)
            exvi_collapser_add(&ours.collapser, (void *)(r->start + ((uintptr_t)slot << SLOT_SHIFT)));
}

static void collapse_anew(void)
{
    exvi_collapser_end(&ours.collapser);
    lock();
    for (size_t i = 0; i < ours.count; i++)
        list_filled(&ours.regions[i]);
    unlock();
    exvi_collapser_start(&ours.collapser);
}

void exvi_arenas_collapse(uint64_t budget_ns)
{
    if (!exvi_collapse_is_due(exvi_arenas_bytes(), budget_ns) || pthread_mutex_trylock(&ours.collapsing) != 0)
        return;
    if (!exvi_collapser_is_busy(&ours.collapser))
        collapse_anew();
    pthread_mutex_unlock(&ours.collapsing);
}

void exvi_arenas_halt(void)
{
    exvi_collapser_halt(&ours.collapser);
}

void exvi_arenas_rest(void)
{
    if (pthread_mutex_trylock(&ours.collapsing) != 0)
        return; /* a fork is under way, which has ended it */
    exvi_collapser_end(&ours.collapser);
    pthread_mutex_unlock(&ours.collapsing);
}

size_t exvi_arenas_bytes(void)
{
    return ours.slots * SLOT_SIZE;
}
