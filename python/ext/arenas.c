/*
 * arenas: see arenas.h.
 *
 * A region is 32 MiB aligned to 32 MiB, so a mask finds it; a table sorted by nothing, searched from the newest, finds
 * what we know of it. Slot i of a region is in use if bit i of `used` is set. Invariant: a region with no slot in use
 * is given back, but for one that is kept. The calls come under the GIL, or from interpreters with a GIL of their own:
 * a spin lock, held for some instructions, keeps them apart.
 *
 * A free slot goes back to the system when its neighbour in the same huge page is free too: half a huge page given back
 * would split it.
 */
#include "arenas.h"

#include <Python.h>

#include "arena.h"
#include "platform.h"

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
} ours = {.arena.huge_pages = true, .lock = ATOMIC_FLAG_INIT};

static void lock(void)
{
    while (atomic_flag_test_and_set_explicit(&ours.lock, memory_order_acquire))
        ;
}

static void unlock(void)
{
    atomic_flag_clear_explicit(&ours.lock, memory_order_release);
}

static region *region_with_room(void)
{
    for (size_t i = ours.with_room; i < ours.count; i++) {
        ours.with_room = i;
        if (ours.regions[i].used != UINT32_MAX)
            return &ours.regions[i];
    }
    ours.with_room = ours.count;
    if (ours.count == REGION_LIMIT)
        return NULL;
    void *start = exvi_region_new(&ours.arena, EXVI_REGION_SIZE, 0);
    if (!start)
        return NULL;
    ours.regions[ours.count] = (region){(uintptr_t)start, 0};
    return &ours.regions[ours.count++];
}

static void *slot_new(void)
{
    lock();
    region *r = region_with_room();
    void *slot = NULL;
    if (r) {
        unsigned i = (unsigned)__builtin_ctz(~r->used);
        r->used |= 1u << i;
        ours.slots++;
        slot = (void *)(r->start + ((uintptr_t)i << SLOT_SHIFT));
    }
    unlock();
    return slot;
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

static bool slot_free(void *slot)
{
    uintptr_t address = (uintptr_t)slot;
    lock();
    region *r = region_find((uintptr_t)exvi_region_of(slot));
    if (r) {
        unsigned i = (unsigned)((address - r->start) >> SLOT_SHIFT);
        r->used &= ~(1u << i);
        ours.slots--;
        size_t at = (size_t)(r - ours.regions);
        if (at < ours.with_room)
            ours.with_room = at;
        if (r->used == 0 && ours.count > 1)
            region_drop(r);
        else if ((r->used >> (i & ~1u) & 3) == 0)
            exvi_purge((void *)(address & ~(uintptr_t)(EXVI_HUGE_PAGE - 1)), EXVI_HUGE_PAGE);
    }
    unlock();
    return r != NULL;
}

static void *arena_alloc(void *context, size_t size)
{
    (void)context;
    void *slot = size == SLOT_SIZE ? slot_new() : NULL;
    return slot ? slot : ours.before.alloc(ours.before.ctx, size);
}

static void arena_free(void *context, void *start, size_t size)
{
    (void)context;
    if (size != SLOT_SIZE || !slot_free(start))
        ours.before.free(ours.before.ctx, start, size);
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
    ours.installed = true;
}

size_t exvi_arenas_bytes(void)
{
    return ours.slots * SLOT_SIZE;
}
