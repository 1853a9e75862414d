/*
 * walk: see walk.h.
 *
 * Invariant between two batches of an extraction: node[0 .. nodes) and their references, edge[0 .. edges), are whole;
 * begun == pending == 0. Within one: `reference` holds what was reported, start[i] where the references of the i-th
 * node of the batch begin in it.
 */
#include "walk.h"

#include "die.h"
#include "platform.h"

#include <string.h>

enum { AHEAD = 512, EDGES_OF_A_NODE = 8, PATIENCE = 64 };
#define TABLE_SIZE (EXVI_RECORDS_IN_TABLE * sizeof(exvi_member_record))

/* ------------------------------------------------------------------ memory */

/* Large arrays as huge pages: a fault for each of their small ones would take as long as filling them. */
static void *array_new(size_t size)
{
    void *array = exvi_map(size, size >= EXVI_HUGE_PAGE ? EXVI_HUGE_PAGE : exvi_page_size());
    if (array && size >= EXVI_HUGE_PAGE)
        (void)exvi_advise_huge(array, size);
    return array;
}

static void array_drop(void *array, size_t size)
{
    if (array)
        exvi_unmap(array, size);
}

bool exvi_walk_begin(exvi_walk *walk)
{
    exvi_walk_drop(walk);
    walk->no_records = exvi_map(TABLE_SIZE, exvi_page_size());
    if (walk->no_records && exvi_address_map_begin(&walk->map, TABLE_SIZE, false))
        return true;
    exvi_walk_drop(walk);
    return false;
}

static void drop_arrays(exvi_walk *walk)
{
    array_drop(walk->node, (walk->members + 1) * sizeof *walk->node);
    array_drop(walk->left, walk->members + 1);
    array_drop(walk->edge, walk->edge_room * sizeof *walk->edge);
    array_drop(walk->many, walk->many_room * sizeof *walk->many);
    walk->node = NULL;
    walk->left = NULL;
    walk->edge = NULL;
    walk->many = NULL;
    walk->edges = walk->edge_room = walk->many_count = walk->many_room = walk->nodes = 0;
    walk->begun = walk->pending = 0;
}

void exvi_walk_drop(exvi_walk *walk)
{
    drop_arrays(walk);
    exvi_address_map_drop(&walk->map);
    array_drop(walk->no_records, TABLE_SIZE);
    walk->no_records = NULL;
    walk->members = 0;
    walk->failed = walk->stopped = false;
}

/* ------------------------------------------------------------------ members */

bool exvi_walk_add(exvi_walk *walk, const void *object)
{
    uintptr_t address = (uintptr_t)object;
    exvi_member_record *records = exvi_walk_records(walk, address);
    if (!records)
        return false;
    uint64_t *members = &records[exvi_record_of(address)].members;
    walk->members += !(*members & exvi_member_bit(address));
    *members |= exvi_member_bit(address);
    return true;
}

bool exvi_walk_has(const exvi_walk *walk, const void *object)
{
    uintptr_t address = (uintptr_t)object;
    const exvi_member_record *records = exvi_address_map_find(&walk->map, address);
    return records && records[exvi_record_of(address)].members & exvi_member_bit(address);
}

void exvi_walk_remove(exvi_walk *walk, const void *object)
{
    uintptr_t address = (uintptr_t)object;
    if (!exvi_walk_has(walk, object))
        return;
    exvi_member_record *records = exvi_address_map_find(&walk->map, address);
    records[exvi_record_of(address)].members &= ~exvi_member_bit(address);
    walk->members--;
}

void exvi_walk_forget(exvi_walk *walk)
{
    exvi_address_map_clear(&walk->map);
    walk->members = 0;
}

/* The table that comes so-and-so-many-th in the walk. */
static exvi_member_record *table_at(const exvi_walk *walk, size_t at, uintptr_t *start)
{
    uint32_t number = walk->map.number[walk->map.count - 1 - at];
    *start = (uintptr_t)number << EXVI_TABLE_SHIFT;
    return exvi_address_map_table(&walk->map, number);
}

static bool count_members(exvi_walk *walk, bool upwards)
{
    size_t members = 0, tables = walk->map.count;
    if (walk->members > EXVI_MOST_MEMBERS)
        return false;
    exvi_address_map_sort(&walk->map);
    for (size_t i = 0; i < tables; i++) {
        uintptr_t start;
        exvi_member_record *records = table_at(walk, upwards ? tables - 1 - i : i, &start);
        for (size_t r = 0; r < EXVI_RECORDS_IN_TABLE; r++) {
            records[r].rank = (uint32_t)members;
            members += (size_t)__builtin_popcountll(records[r].members);
        }
    }
    exv_assert(members == walk->members);
    return true;
}

bool exvi_walk_rank_upwards(exvi_walk *walk)
{
    return count_members(walk, true);
}

bool exvi_walk_rank(exvi_walk *walk)
{
    if (!count_members(walk, false))
        return false;
    size_t members = walk->members;
    drop_arrays(walk);
    walk->node = array_new((members + 1) * sizeof *walk->node);
    walk->left = array_new(members + 1);
    size_t room = EDGES_OF_A_NODE * members + 2 * EXVI_WALK_PENDING;
    walk->edge_room = room < UINT32_MAX ? room : UINT32_MAX;
    walk->edge = array_new(walk->edge_room * sizeof *walk->edge);
    if (!walk->edge)
        walk->edge_room = 0;
    return walk->node && walk->left && walk->edge;
}

size_t exvi_walk_next(const exvi_walk *walk, exvi_walk_cursor *cursor, void **objects, size_t room)
{
    size_t count = 0;
    for (; cursor->table < walk->map.count; cursor->table++, cursor->record = 0) {
        uintptr_t start;
        const exvi_member_record *records = table_at(walk, cursor->table, &start);
        for (;;) {
            uintptr_t at = start + ((cursor->record - 1) << EXVI_RECORD_SHIFT);
            for (; cursor->rest; cursor->rest &= cursor->rest - 1) {
                if (count == room)
                    return count;
                objects[count++] = (void *)(at + ((uintptr_t)__builtin_ctzll(cursor->rest) << EXVI_GRANULE_SHIFT));
            }
            if (cursor->record == EXVI_RECORDS_IN_TABLE)
                break;
            cursor->rest = records[cursor->record++].members;
        }
    }
    return count;
}

/* --------------------------------------------------------- counts beyond a byte */

static exvi_many *many_slot(exvi_many *table, size_t room, uint32_t key)
{
    size_t at = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (room - 1);
    while (table[at].key && table[at].key != key)
        at = (at + 1) & (room - 1);
    return &table[at];
}

static bool grow_many(exvi_walk *walk)
{
    size_t room = walk->many_room ? 2 * walk->many_room : 256;
    exvi_many *table = array_new(room * sizeof *table);
    if (!table)
        return false;
    for (size_t i = 0; i < walk->many_room; i++)
        if (walk->many[i].key)
            *many_slot(table, room, walk->many[i].key) = walk->many[i];
    array_drop(walk->many, walk->many_room * sizeof *walk->many);
    walk->many = table;
    walk->many_room = room;
    return true;
}

void exvi_walk_note_many(exvi_walk *walk, uint32_t number, uint64_t count)
{
    if (2 * walk->many_count >= walk->many_room && !grow_many(walk)) {
        walk->failed = true;
        return;
    }
    *many_slot(walk->many, walk->many_room, number + 1) = (exvi_many){number + 1, count};
    walk->many_count++;
    walk->left[number] = EXVI_LEFT_MANY;
}

uint64_t *exvi_walk_many(exvi_walk *walk, uint32_t number)
{
    return &many_slot(walk->many, walk->many_room, number + 1)->left;
}

/* ------------------------------------------------------------------ look-up */

/* The number of a member, and whether it is one at all. Without a branch: who refers to whom cannot be foretold. */
static inline __attribute__((always_inline)) uint32_t number_of(const exvi_walk *walk, uintptr_t address, bool *member)
{
    const exvi_member_record *records = exvi_address_map_find(&walk->map, address);
    const exvi_member_record *record = (records ? records : walk->no_records) + exvi_record_of(address);
    uint64_t bit = exvi_member_bit(address);
    *member = (record->members & bit) != 0;
    return record->rank + (uint32_t)__builtin_popcountll(record->members & (bit - 1));
}

uint32_t exvi_walk_number(const exvi_walk *walk, const void *object)
{
    bool member;
    uint32_t number = number_of(walk, (uintptr_t)object, &member);
    return member ? number : UINT32_MAX;
}

static inline __attribute__((always_inline)) void look_up_all(exvi_walk *walk)
{
    size_t out = walk->edges;
    uint32_t *edge = walk->edge;
    unsigned at = 0;
    for (unsigned i = 0; i <= walk->begun; i++) {
        unsigned end = i < walk->begun ? walk->start[i] : walk->pending;
        for (; at < end; at++) {
            uintptr_t reference = walk->reference[at];
            bool member;
            uint32_t number = number_of(walk, reference, &member);
            uint32_t flags = (uint32_t)(reference & EXVI_REFERENCE_KINDS);
            edge[out] = number | (flags & EXVI_REFERENCE_BORROWED) << 31 | (flags & EXVI_REFERENCE_WEAK) << 29;
            out += member;
        }
        if (i < walk->begun)
            walk->node[walk->nodes + i].first = (uint32_t)out;
    }
    walk->edges = out;
    walk->nodes += walk->begun;
    walk->begun = walk->pending = 0;
}

static void look_up_plain(exvi_walk *walk)
{
    look_up_all(walk);
}

/* The processors of the last fifteen years count bits by one instruction, which a compiler must not use unasked. */
#ifdef __x86_64__
static __attribute__((target("popcnt"))) void look_up_counting(exvi_walk *walk)
{
    look_up_all(walk);
}

static bool counts_bits(void)
{
    return __builtin_cpu_supports("popcnt");
}
#else
#define look_up_counting look_up_plain
#define counts_bits() false
#endif

static bool grow_edges(exvi_walk *walk)
{
    size_t room = 2 * walk->edge_room;
    if (room > UINT32_MAX)
        return false;
    uint32_t *edge = exvi_map_larger(walk->edge, walk->edge_room * sizeof *edge, room * sizeof *edge);
    if (!edge)
        return false;
    walk->edge = edge;
    walk->edge_room = room;
    return true;
}

void exvi_walk_look_up(exvi_walk *walk)
{
    if (walk->edge_room - walk->edges < walk->pending && !grow_edges(walk)) {
        walk->failed = true;
        walk->nodes += walk->begun;
        walk->begun = walk->pending = 0;
        return;
    }
    if (counts_bits())
        look_up_counting(walk);
    else
        look_up_plain(walk);
}

/* -------------------------------------------------------------- references */

int exvi_walk_visit(void *child, void *walk)
{
    exvi_walk_reference(walk, child, 0);
    return 0;
}

/* For a host without a loop of its own. */
static void extract_each(const exvi_graph *graph, exvi_walk *walk, void *const *objects, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        exvi_walk_node(walk, graph->refcount(graph->host, objects[i]), 0);
        graph->visit(graph->host, objects[i], EXVI_PHASE_COUNT, exvi_walk_visit, walk);
        void *weak = graph->weak ? graph->weak(graph->host, objects[i]) : NULL;
        if (weak)
            exvi_walk_reference(walk, weak, EXVI_REFERENCE_WEAK);
    }
}

bool exvi_walk_extract(exvi_walk *walk, const exvi_graph *graph)
{
    void *objects[EXVI_WALK_BATCH];
    exvi_walk_cursor cursor = {0};
    size_t count, batches = 0;
    while ((count = exvi_walk_next(walk, &cursor, objects, EXVI_WALK_BATCH)) > 0) {
        if (walk->failed || (batches++ % PATIENCE == 0 && exvi_walk_ends(walk, graph)))
            return false;
        for (size_t i = 0; i < count; i++)
            __builtin_prefetch((void *)((uintptr_t)objects[i] + AHEAD));
        if (graph->extract)
            graph->extract(graph->host, walk, objects, count);
        else
            extract_each(graph, walk, objects, count);
        exvi_walk_look_up(walk);
    }
    exv_assert(walk->failed || walk->nodes == walk->members);
    walk->node[walk->members].first = (uint32_t)walk->edges;
    return !walk->failed;
}
