/*
 * pages: see pages.h.
 *
 * What a header looks like, at the begin of a block or 16 bytes behind it (words of 8 bytes):
 *
 *     next | prev | reference count | type          next, prev: aligned addresses; the count: small, above 0
 *
 * An array of pointers may look so, too. Its third word is an address then, above any count of references; where
 * addresses are small (an interpreter that is not position-independent, and its heap) what has so large a count must
 * be what its successor comes after. So must what leads out of the arenas.
 */
#include "pages.h"

#include "slots.h"

#include "platform.h"

#include <string.h>

/* As in CPython's pycore_obmalloc.h, the same from 3.11 to 3.15. Read only within pages of our own arenas. */
typedef struct pool_header {
    uint32_t used;           /* blocks handed out and not free */
    uint32_t padding;
    uintptr_t free;          /* the first of a chain of free blocks */
    uintptr_t next, prev;
    uint32_t arena;
    uint32_t size_class;     /* blocks of (size_class + 1) * 16 bytes */
    uint32_t virgin;         /* offset of the first block that was never handed out */
    uint32_t last;           /* the largest such offset */
} pool_header;

enum { POOL_SIZE = 1 << 14, FIRST_BLOCK = 48, SIZE_CLASSES = 32, GRANULES = POOL_SIZE / 16, LINE = 64 };
enum { HEADS = EXVI_GENERATIONS + 1, LOWEST_ADDRESS = 1 << 16, PATIENCE = 1 << 14 };
#define LIKELY_COUNT ((uint64_t)1 << 21)
#define LARGEST_COUNT ((uint64_t)1 << 34)

typedef struct pages {
    exvi_kinds *kinds;
    exvi_walk *walk;
    const exvi_graph *graph;
    const exvi_gc_head *head[HEADS];
    uint64_t sum;            /* of mix(next) - mix(own address) */
    uint64_t *ours;          /* a bit for each 32 MiB of address space that are arenas */
    const exvi_gc_head **leading_out; /* heads of lists and objects whose next object is not in an arena */
    size_t out_count, out_room;
    const exvi_gc_head **frozen;
    size_t frozen_count, frozen_room;
    bool failed;
} pages;

/* ------------------------------------------------------------------- the proof */

static inline uint64_t mix(uintptr_t address)
{
    uint64_t x = address * UINT64_C(0x9e3779b97f4a7c15);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 29;
}

static inline void add_link(pages *p, const exvi_gc_head *head)
{
    p->sum += mix(head->next) - mix((uintptr_t)head);
}

/* --------------------------------------------------------------- where things are */

static inline bool is_in_arena(const pages *p, uintptr_t address)
{
    size_t number = exvi_table_number(address);
    return p->ours[number / 64] >> (number % 64) & 1;
}

static bool is_head(const pages *p, uintptr_t address)
{
    for (int i = 0; i < HEADS; i++)
        if (address == (uintptr_t)p->head[i])
            return true;
    return false;
}

static bool note_leading_out(pages *p, const exvi_gc_head *head)
{
    if (p->out_count == p->out_room) {
        size_t room = p->out_room ? 2 * p->out_room : 1024;
        const exvi_gc_head **larger = exvi_map_larger(p->leading_out, p->out_room * sizeof *larger,
                                                      room * sizeof *larger);
        if (!larger)
            return false;
        p->leading_out = larger;
        p->out_room = room;
    }
    p->leading_out[p->out_count++] = head;
    return true;
}

static inline void leave_arena(pages *p, const exvi_gc_head *head)
{
    if (!is_in_arena(p, head->next) && !is_head(p, head->next) && !note_leading_out(p, head))
        p->failed = true;
}

/* -------------------------------------------------------------------- blocks */

/* Is what follows `head` in its list preceded by it? The successor may be any word. */
static bool is_preceded(const pages *p, uintptr_t next, const exvi_gc_head *head)
{
    const exvi_gc_head *successor = (const exvi_gc_head *)next;
    if (!is_in_arena(p, next) && !is_head(p, next) && !exvi_is_readable(&successor->prev))
        return false;
    return exvi_gc_prev(successor) == head;
}

static inline uint64_t count_in(uint64_t word)
{
    return EXVI_LAYOUT_COUNT_HAS_FLAGS ? word & UINT64_C(0xffffffffffff) : word;
}

static inline bool is_address(uintptr_t word)
{
    return word >= LOWEST_ADDRESS && word >> EXVI_ADDRESS_BITS == 0;
}

/* Do the words here look like the header of a tracked object, and those behind like an object of this kind? */
static inline bool is_tracked(pages *p, const uintptr_t *word, uint32_t preheader)
{
    uintptr_t next = word[0], prev = word[1];
    if (!is_address(next) || (next & EXVI_GC_FLAGS) != 0 || !is_address(prev) || (prev & EXVI_GC_COLLECTING) != 0)
        return false;
    uint64_t count = count_in(word[2]);
    if (count == 0 || count >= LARGEST_COUNT || !is_address(word[3]))
        return false;
    uint32_t kind = exvi_kind_of_word(p->kinds, word[3]);
    if ((kind & (EXVI_KIND_TRACKED | EXVI_KIND_PREHEADER)) != (EXVI_KIND_TRACKED | preheader))
        return false;
    bool is_sure = count < LIKELY_COUNT && is_in_arena(p, next);
    return is_sure || is_preceded(p, next, (const exvi_gc_head *)word);
}

static inline void add_object(pages *p, const uintptr_t *word, exvi_member_record *records)
{
    const exvi_gc_head *head = (const exvi_gc_head *)word;
    uintptr_t object = (uintptr_t)head + sizeof *head;
    add_link(p, head);
    leave_arena(p, head);
    records[exvi_record_of(object)].members |= exvi_member_bit(object);
    p->walk->members++;
}

static bool is_pool(const pool_header *pool)
{
    uintptr_t size = (pool->size_class + (uintptr_t)1) * 16;
    return pool->used > 0 && pool->size_class < SIZE_CLASSES && pool->last == POOL_SIZE - size &&
           pool->virgin > FIRST_BLOCK && pool->virgin <= POOL_SIZE;
}

/* A bit for each block that is on the chain. False: it is no chain of blocks of this pool. */
static bool find_free(const pool_header *pool, uint32_t blocks, uint64_t *is_free)
{
    uint32_t count = 0;
    memset(is_free, 0, GRANULES / 8);
    for (uintptr_t block = pool->free; block != 0; block = *(const uintptr_t *)block) {
        uintptr_t offset = block - (uintptr_t)pool;
        if (offset < FIRST_BLOCK || offset >= pool->virgin || offset % 16 != 0 || count == blocks)
            return false;
        is_free[offset / 1024] |= UINT64_C(1) << (offset / 16 % 64);
        count++;
    }
    return count + pool->used == blocks;
}

static void add_pool(pages *p, const pool_header *pool, exvi_member_record *records)
{
    uint64_t is_free[GRANULES / 64];
    uint32_t size = (pool->size_class + 1) * 16;
    if (!is_pool(pool) || size < 2 * sizeof(exvi_gc_head))
        return;
    uint32_t blocks = (pool->virgin - FIRST_BLOCK) / size;
    if (!find_free(pool, blocks, is_free))
        return;
    for (uint32_t at = FIRST_BLOCK; at + size <= pool->virgin; at += size) {
        if (is_free[at / 1024] >> (at / 16 % 64) & 1)
            continue;
        const uintptr_t *word = (const uintptr_t *)((uintptr_t)pool + at);
        if (is_tracked(p, word, 0))
            add_object(p, word, records);
        else if (size >= 3 * sizeof(exvi_gc_head) && is_tracked(p, word + 2, EXVI_KIND_PREHEADER))
            add_object(p, word + 2, records);
    }
}

/* The chain of free blocks leads to and fro in its pool, and would wait for memory at each step. So the pool is fetched
 * before, all lines at a time; by loads, since processors drop prefetches when they are many. */
static void fetch_pool(const pool_header *pool)
{
    uint32_t size = (pool->size_class + 1) * 16;
    if (!is_pool(pool))
        return;
    for (uint32_t at = FIRST_BLOCK; at < pool->virgin; at += size < LINE ? LINE : size)
        (void)*(const volatile char *)((const char *)pool + at);
}

/* What the program puts in empty pools while the child is up would be copied, and what was there is nothing to us. */
static void forget(uintptr_t start, uintptr_t end)
{
    if (start < end)
        exvi_purge((void *)start, end - start); /* refused: it costs memory, that is all */
}

static void add_arena(pages *p, uintptr_t arena, exvi_member_record *records)
{
    uintptr_t empty = arena; /* where the pools begin that are, up to the one at hand */
    for (uintptr_t at = arena; at < arena + EXVI_SLOT_SIZE; at += POOL_SIZE) {
        const pool_header *pool = (const pool_header *)at;
        if (pool->used == 0)
            continue;
        forget(empty, at);
        empty = at + POOL_SIZE;
        fetch_pool(pool);
        add_pool(p, pool, records);
    }
    forget(empty, arena + EXVI_SLOT_SIZE);
}

static void note_region(void *arg, uintptr_t start, uint32_t used)
{
    (void)used;
    pages *p = arg;
    size_t number = exvi_table_number(start);
    p->ours[number / 64] |= UINT64_C(1) << (number % 64);
}

static void add_region(void *arg, uintptr_t start, uint32_t used)
{
    pages *p = arg;
    exvi_member_record *records = exvi_walk_records(p->walk, start);
    p->failed = p->failed || !records || exvi_walk_ends(p->walk, p->graph);
    for (; used && !p->failed; used &= used - 1)
        add_arena(p, start + (uintptr_t)__builtin_ctz(used) * EXVI_SLOT_SIZE, records);
}

static bool add_arenas(pages *p)
{
    exvi_slots_each_region(note_region, p);
    exvi_slots_each_region(add_region, p);
    return !p->failed;
}

/* ------------------------------------------------------------- along the lists */

/* From one that leads out of the arenas to where the list comes back, or ends. */
static bool add_chain(pages *p, const exvi_gc_head *from, size_t *found)
{
    const exvi_gc_head *head = exvi_gc_next(from);
    while (!is_in_arena(p, (uintptr_t)head) && !is_head(p, (uintptr_t)head)) {
        const PyObject *object = exvi_gc_object_of(head);
        if ((uintptr_t)head % 16 != 0 || !exvi_kind_of_word(p->kinds, (uintptr_t)object->ob_type))
            return false; /* the head of a list that we do not know: of another interpreter, or of a collection */
        if (exvi_walk_has(p->walk, object) || !exvi_walk_add(p->walk, object))
            return false;
        add_link(p, head);
        if (++*found % PATIENCE == 0 && exvi_walk_ends(p->walk, p->graph))
            return false;
        head = exvi_gc_next(head);
    }
    return true;
}

static bool add_outside(pages *p, size_t *found)
{
    for (int i = 0; i < HEADS; i++) {
        add_link(p, p->head[i]);
        leave_arena(p, p->head[i]);
    }
    for (size_t i = 0; i < p->out_count; i++)
        if (!add_chain(p, p->leading_out[i], found))
            return false;
    return !p->failed;
}

/* ------------------------------------------------------------------- the frozen */

/* An object of the lists that are searched, after the last one; NULL after all. */
static const exvi_gc_head *next_other(const pages *p, int *list, const exvi_gc_head *head)
{
    head = exvi_gc_next(head);
    while (head == p->head[*list]) {
        if (++*list == EXVI_GENERATIONS)
            return NULL;
        head = exvi_gc_next(p->head[*list]);
    }
    return head;
}

static bool note_frozen(pages *p, const exvi_gc_head *head)
{
    if (p->frozen_count == p->frozen_room) {
        size_t room = p->frozen_room ? 2 * p->frozen_room : 1024;
        const exvi_gc_head **larger = exvi_map_larger(p->frozen, p->frozen_room * sizeof *larger,
                                                      room * sizeof *larger);
        if (!larger)
            return false;
        p->frozen = larger;
        p->frozen_room = room;
    }
    p->frozen[p->frozen_count++] = head;
    return true;
}

/* The frozen are written down, to be taken out. If they are more than the others, walking the lists of these costs less
 * than all that: false. To find that out, both are walked until the shorter one ends. */
static bool list_frozen(pages *p)
{
    const exvi_gc_head *permanent = p->head[EXVI_GENERATIONS];
    const exvi_gc_head *other = p->head[0];
    int list = 0;
    for (const exvi_gc_head *head = exvi_gc_next(permanent); head != permanent; head = exvi_gc_next(head)) {
        other = next_other(p, &list, other);
        if (!other || !note_frozen(p, head))
            return false;
        if (p->frozen_count % PATIENCE == 0 && exvi_walk_ends(p->walk, p->graph))
            return false;
    }
    return true;
}

/* They are not collected: for the others, references from them come from outside. */
static void take_frozen_out(pages *p, size_t *outside)
{
    for (size_t i = 0; i < p->frozen_count; i++) {
        exvi_walk_remove(p->walk, exvi_gc_object_of(p->frozen[i]));
        *outside -= !is_in_arena(p, (uintptr_t)p->frozen[i]);
    }
}

bool exvi_pages_add_members(exvi_kinds *kinds, exvi_walk *walk, const exvi_graph *graph, size_t *outside)
{
    const exvi_layout *layout = kinds->layout;
    pages p = {.kinds = kinds, .walk = walk, .graph = graph};
    const size_t ours_size = EXVI_TABLES / 8;
    for (int i = 0; i < EXVI_GENERATIONS; i++)
        p.head[i] = layout->head[i];
    p.head[EXVI_GENERATIONS] = layout->permanent;
    p.ours = exvi_map(ours_size, exvi_page_size());
    *outside = 0;
    bool whole = p.ours && list_frozen(&p) && add_arenas(&p) && add_outside(&p, outside) && p.sum == 0;
    if (whole)
        take_frozen_out(&p, outside);
    if (p.ours)
        exvi_unmap(p.ours, ours_size);
    if (p.leading_out)
        exvi_unmap(p.leading_out, p.out_room * sizeof *p.leading_out);
    if (p.frozen)
        exvi_unmap(p.frozen, p.frozen_room * sizeof *p.frozen);
    return whole;
}

/* -------------------------------------------------------------------- in numbers */

typedef struct use {
    uint64_t resident, used;
    bool unknown;
} use;

static void count_region(void *arg, uintptr_t start, uint32_t used_slots)
{
    use *u = arg;
    enum { REGION = EXVI_SLOTS * (int)EXVI_SLOT_SIZE, SMALLEST_PAGE = 1 << 12 };
    unsigned char present[REGION / SMALLEST_PAGE];
    size_t page = exvi_page_size();
    if (u->unknown || !exvi_pages_present((void *)start, REGION / page, present)) {
        u->unknown = true;
        return;
    }
    for (size_t i = 0; i < REGION / page; i++)
        u->resident += (present[i] & 1) != 0 ? page : 0;
    for (uintptr_t at = start; at < start + REGION; at += POOL_SIZE) {
        const pool_header *pool = (const pool_header *)at;
        bool in_use = used_slots >> ((at - start) / EXVI_SLOT_SIZE) & 1;
        if (in_use && (present[(at - start) / page] & 1) != 0 && is_pool(pool))
            u->used += pool->used * (pool->size_class + UINT64_C(1)) * 16;
    }
}

bool exvi_pages_use(uint64_t *resident, uint64_t *used)
{
    use u = {0};
    exvi_slots_each_region(count_region, &u);
    *resident = u.resident;
    *used = u.used;
    return !u.unknown && u.resident > 0;
}
