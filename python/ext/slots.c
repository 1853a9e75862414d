/*
 * slots: see slots.h.
 *
 * Bit i of a region's `used` is slot i in use, of `gone` slot i free and given back while its neighbour is in use.
 * Invariants: used & gone == 0; an entry of the table whose `start` is 0 has all bits of `used` set; a region with no
 * slot in use is given back, but for one that is kept; `lone` is the number of free slots that are resident and whose
 * neighbour is in use.
 *
 * The lock is not held over a fork (see forklock.h), so every change is made in an order that leaves the table usable
 * after each store: a slot is in use before it is given out, and free after its memory has gone back.
 */
#include "slots.h"

#include "forklock.h"

#include "arena.h"
#include "die.h"
#include "platform.h"

enum { SLOT_SHIFT = 20, REGION_LIMIT = 1 << 14 };
#ifdef EXVI_STRESS
enum { LONE_SHARE = 1 << 20, LONE_LEAST = 0 };
#else
enum { LONE_SHARE = 32, LONE_LEAST = 2 };
#endif
#define EVEN UINT32_C(0x55555555)

typedef struct region {
    uintptr_t start; /* 0: the entry is free */
    uint32_t used, gone;
} region;

static struct {
    exvi_arena arena;
    exvi_forklock lock;
    region *regions;  /* address space for REGION_LIMIT of them */
    size_t count;     /* entries that were ever used */
    size_t live;      /* regions there are */
    size_t with_room; /* no region below this index has a free slot */
    size_t slots;     /* in use */
    size_t lone;
} ours;

bool exvi_slots_init(void)
{
    ours.arena = exvi_arena_new(0, true);
    ours.regions = exvi_map(REGION_LIMIT * sizeof *ours.regions, exvi_page_size());
    return ours.regions != NULL;
}

size_t exvi_slots_bytes(void)
{
    return ours.slots * EXVI_SLOT_SIZE;
}

/* ------------------------------------------------------------------- bits */

static uint32_t mask_of(unsigned slot, unsigned slots)
{
    return ((UINT32_C(1) << slots) - 1) << slot;
}

/* Each slot's bit at its neighbour's place. */
static uint32_t neighbours(uint32_t bits)
{
    return (bits & EVEN) << 1 | (bits >> 1 & EVEN);
}

static uint32_t free_halves(const region *r)
{
    return ~r->used & neighbours(r->used);
}

/* The first of each two free slots that are one huge page. */
static uint32_t free_pairs(const region *r)
{
    return ~r->used & ~r->used >> 1 & EVEN;
}

static void *address_of(const region *r, unsigned slot)
{
    return (void *)(r->start + ((uintptr_t)slot << SLOT_SHIFT));
}

static void *huge_page_of(const region *r, unsigned slot)
{
    return address_of(r, slot & ~1u);
}

/* ---------------------------------------------------------------- regions */

static region *free_entry(void)
{
    if (ours.live < ours.count)
        for (size_t i = 0; i < ours.count; i++)
            if (ours.regions[i].start == 0)
                return &ours.regions[i];
    return ours.count < REGION_LIMIT ? &ours.regions[ours.count] : NULL;
}

static region *region_new(void)
{
    region *r = free_entry();
    void *start = r ? exvi_region_new(&ours.arena, EXVI_REGION_SIZE, 0) : NULL;
    if (!start)
        return NULL;
    size_t at = (size_t)(r - ours.regions);
    *r = (region){.start = (uintptr_t)start, .used = UINT32_MAX};
    exvi_forklock_order();
    r->used = 0;
    exvi_forklock_order();
    if (at == ours.count)
        ours.count++;
    if (ours.with_room > at)
        ours.with_room = at;
    ours.live++;
    return r;
}

static void region_drop(region *r)
{
    uintptr_t start = r->start;
    r->used = UINT32_MAX;
    exvi_forklock_order();
    r->start = 0;
    exvi_forklock_order();
    exvi_region_free(&ours.arena, (void *)start, EXVI_REGION_SIZE);
    ours.live--;
}

static region *region_of(const void *start)
{
    uintptr_t address = (uintptr_t)exvi_region_of(start);
    for (size_t i = ours.count; i-- > 0;)
        if (ours.regions[i].start == address)
            return &ours.regions[i];
    return NULL;
}

/* ----------------------------------------------------------- one is wanted */

typedef uint32_t places_fn(const region *r);

static uint32_t resident_halves(const region *r)
{
    return free_halves(r) & ~r->gone;
}

static uint32_t gone_halves(const region *r)
{
    return r->gone;
}

static region *region_with(places_fn *places)
{
    for (size_t i = ours.with_room; i < ours.count; i++) {
        if (places(&ours.regions[i]))
            return &ours.regions[i];
        if (i == ours.with_room && ours.regions[i].used == UINT32_MAX)
            ours.with_room++;
    }
    return NULL;
}

/* A half of a huge page that is in use anyway, before a huge page that would become resident as a whole. */
static region *find_place(unsigned slots, unsigned *slot)
{
    static places_fn *const wanted[] = {resident_halves, gone_halves, free_pairs};
    for (unsigned i = slots == 1 ? 0 : 2; i < 3; i++) {
        region *r = i > 0 || ours.lone > 0 ? region_with(wanted[i]) : NULL;
        if (r) {
            *slot = (unsigned)__builtin_ctz(wanted[i](r));
            return r;
        }
    }
    *slot = 0;
    return region_new();
}

/* The huge page of a half that was given back shall be one again. */
static void take_back(region *r, unsigned slot)
{
    r->gone &= ~mask_of(slot & ~1u, 2);
    exvi_arena_advise(&ours.arena, huge_page_of(r, slot), EXVI_HUGE_PAGE, true);
}

void *exvi_slots_new(unsigned slots)
{
    unsigned slot;
    void *start = NULL;
    exvi_forklock_take(&ours.lock);
    region *r = find_place(slots, &slot);
    if (r) {
        uint32_t mask = mask_of(slot, slots);
        if (r->gone & mask)
            take_back(r, slot);
        else if (resident_halves(r) & mask)
            ours.lone--;
        else if (slots == 1)
            ours.lone++; /* the other half */
        exv_assert((r->used & mask) == 0 && (r->gone & mask) == 0);
        r->used |= mask;
        ours.slots += slots;
        start = address_of(r, slot);
    }
    exvi_forklock_give(&ours.lock);
    return start;
}

/* ------------------------------------------------------- one is given back */

static region *last_with_resident_half(void)
{
    for (size_t i = ours.count; i-- > 0;)
        if (resident_halves(&ours.regions[i]))
            return &ours.regions[i];
    return NULL;
}

/* The kernel would make the huge page whole again, and fill up what has gone back, unless it is told not to. */
static void give_half_back(region *r, unsigned slot)
{
    exvi_arena_advise(&ours.arena, huge_page_of(r, slot), EXVI_HUGE_PAGE, false);
    if (exvi_purge(address_of(r, slot), EXVI_SLOT_SIZE))
        r->gone |= mask_of(slot, 1);
    ours.lone--;
}

/* From the high end, as the low end is used first. Two for each that comes: what was little of a large heap is much of
 * a small one. */
static void trim_halves(void (*halt)(void))
{
    for (int i = 0; i < 2 && ours.lone > LONE_LEAST + ours.slots / LONE_SHARE; i++) {
        region *r = last_with_resident_half();
        if (!r)
            return;
        halt();
        give_half_back(r, 31u - (unsigned)__builtin_clz(resident_halves(r)));
    }
}

static void free_half(region *r, unsigned slot, void (*halt)(void))
{
    ours.lone++;
    r->used &= ~mask_of(slot, 1);
    trim_halves(halt);
}

/* The slots, and their neighbours if they are free, are whole huge pages. */
static void free_whole(region *r, unsigned slot, unsigned slots, void (*halt)(void))
{
    uint32_t other = slots == 1 ? mask_of(slot ^ 1u, 1) : 0;
    halt();
    exvi_purge(huge_page_of(r, slot), EXVI_HUGE_PAGE);
    if (r->gone & other)
        take_back(r, slot);
    else if (other)
        ours.lone--;
    exvi_forklock_order();
    r->used &= ~mask_of(slot, slots);
    if (r->used == 0 && ours.live > 1)
        region_drop(r);
}

bool exvi_slots_free(void *start, unsigned slots, void (*halt)(void))
{
    exvi_forklock_take(&ours.lock);
    region *r = region_of(start);
    if (r) {
        unsigned slot = (unsigned)(((uintptr_t)start - r->start) >> SLOT_SHIFT);
        size_t at = (size_t)(r - ours.regions);
        exv_assert((~r->used & mask_of(slot, slots)) == 0 && ours.slots >= slots);
        ours.slots -= slots;
        if (at < ours.with_room)
            ours.with_room = at;
        if (slots == 1 && r->used & mask_of(slot ^ 1u, 1))
            free_half(r, slot, halt);
        else
            free_whole(r, slot, slots, halt);
    }
    exvi_forklock_give(&ours.lock);
    return r != NULL;
}

void exvi_slots_each_whole(void (*found)(void *start))
{
    exvi_forklock_take(&ours.lock);
    for (size_t i = 0; i < ours.count; i++) {
        const region *r = &ours.regions[i];
        uint32_t whole = r->start ? r->used & r->used >> 1 & EVEN : 0;
        for (; whole; whole &= whole - 1)
            found(address_of(r, (unsigned)__builtin_ctz(whole)));
    }
    exvi_forklock_give(&ours.lock);
}

/* ------------------------------------------------- in a snapshot child */

/* The table is the child's own. The system hands out addresses downwards, so most of it is in this order. */
static void sort_regions(void)
{
    for (size_t i = 1; i < ours.count; i++) {
        region moving = ours.regions[i];
        size_t at = i;
        for (; at > 0 && ours.regions[at - 1].start < moving.start; at--)
            ours.regions[at] = ours.regions[at - 1];
        ours.regions[at] = moving;
    }
}

void exvi_slots_each_region(void (*found)(void *arg, uintptr_t start, uint32_t used), void *arg)
{
    sort_regions();
    for (size_t i = 0; i < ours.count && ours.regions[i].start != 0; i++)
        found(arg, ours.regions[i].start, ours.regions[i].used);
}

void exvi_slots_leave(void)
{
    for (size_t i = 0; i < ours.count; i++)
        if (ours.regions[i].start != 0)
            exvi_unmap((void *)ours.regions[i].start, EXVI_REGION_SIZE);
    ours.count = 0;
}
