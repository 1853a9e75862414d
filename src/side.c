/*
 * side: see side.h.
 *
 * Invariants. Dense: tables[0..table_count) is sorted and names exactly the directory's entries that are not NULL.
 * Sparse: members <= capacity, and slots (a power of two, twice the capacity) maps each key to its index + 1.
 */
#include "side.h"

#include "die.h"
#include "platform.h"

#include <string.h>

#define ADDRESS_BITS 47
#define DIRECTORY_ENTRIES ((size_t)1 << (ADDRESS_BITS - EXVI_SIDE_TABLE_SHIFT))
#define DIRECTORY_SIZE (DIRECTORY_ENTRIES * sizeof(uint8_t *))
#define TABLES_SIZE (DIRECTORY_ENTRIES * sizeof(uintptr_t))
#ifdef EXVI_STRESS
#define SMALLEST_CAPACITY 4
#else
#define SMALLEST_CAPACITY 1024
#endif

/* ---------------------------------------------------------------- dense */

static bool begin_dense(exvi_side *side)
{
    if (side->directory)
        return true;
    side->directory = exvi_map(DIRECTORY_SIZE, exvi_page_size());
    side->tables = exvi_map(TABLES_SIZE, exvi_page_size());
    if (side->directory && side->tables)
        return true;
    exvi_side_drop(side);
    return false;
}

static void end_dense(exvi_side *side)
{
    for (size_t i = 0; i < side->table_count; i++) {
        exvi_unmap(side->directory[side->tables[i]], EXVI_SIDE_TABLE_SIZE);
        side->directory[side->tables[i]] = NULL;
    }
    side->table_count = 0;
}

static uint8_t *add_table(exvi_side *side, uintptr_t number)
{
    uint8_t *table = exvi_map(EXVI_SIDE_TABLE_SIZE, EXVI_SIDE_TABLE_SIZE);
    if (!table)
        return NULL;
    (void)exvi_advise_huge(table, EXVI_SIDE_TABLE_SIZE);
    size_t at = side->table_count++;
    for (; at > 0 && side->tables[at - 1] > number; at--)
        side->tables[at] = side->tables[at - 1];
    side->tables[at] = number;
    side->directory[number] = table;
    return table;
}

static uint8_t *add_dense(exvi_side *side, const void *object)
{
    exv_assert(((uintptr_t)object & 15) == 0 && (uintptr_t)object >> ADDRESS_BITS == 0);
    uintptr_t number = (uintptr_t)object >> EXVI_SIDE_TABLE_SHIFT;
    uint8_t *table = side->directory[number];
    if (exvi_unlikely(!table)) {
        table = add_table(side, number);
        if (!table)
            return NULL;
    }
    return table + (((uintptr_t)object >> EXVI_SIDE_GRANULE_SHIFT) & (EXVI_SIDE_TABLE_SIZE - 1));
}

static size_t next_dense(exvi_side *side, exvi_side_cursor *cursor, void **objects, uint8_t **bytes, size_t room)
{
    size_t count = 0;
    for (; cursor->table < side->table_count; cursor->table++, cursor->offset = 0) {
        uintptr_t number = side->tables[cursor->table];
        uint8_t *table = side->directory[number];
        for (size_t at = cursor->offset; at < EXVI_SIDE_TABLE_SIZE; at++) {
            uint64_t word;
            memcpy(&word, table + (at & ~(size_t)7), sizeof word);
            word >>= 8 * (at & 7);
            if (!word) {
                at |= 7;
                continue;
            }
            at += (size_t)__builtin_ctzll(word) / 8;
            if (count == room) {
                cursor->offset = at;
                return count;
            }
            objects[count] = (void *)((number << EXVI_SIDE_TABLE_SHIFT) + (at << EXVI_SIDE_GRANULE_SHIFT));
            bytes[count++] = table + at;
        }
    }
    return count;
}

/* --------------------------------------------------------------- sparse */

static size_t sparse_size(size_t capacity)
{
    return capacity * (sizeof(void *) + 2 * sizeof(uint32_t) + 1);
}

static void place_sparse(exvi_side *side, char *memory, size_t capacity)
{
    side->keys = (void **)(void *)memory;
    side->slots = (uint32_t *)(void *)(memory + capacity * sizeof(void *));
    side->bytes = (uint8_t *)(side->slots + 2 * capacity);
    side->capacity = capacity;
}

/* Larger mappings are kept for later scans; all parts of the table lie at places that follow from its capacity. */
static bool begin_sparse(exvi_side *side, size_t expected)
{
    size_t capacity = SMALLEST_CAPACITY;
    while (capacity < expected)
        capacity *= 2;
    if (capacity > side->mapped_capacity) {
        char *memory = exvi_map(sparse_size(capacity), exvi_page_size());
        if (!memory)
            return false;
        if (side->keys)
            exvi_unmap(side->keys, sparse_size(side->mapped_capacity));
        side->mapped_capacity = capacity;
        place_sparse(side, memory, capacity);
        return true;
    }
    place_sparse(side, (char *)side->keys, capacity);
    memset(side->slots, 0, 2 * capacity * sizeof *side->slots);
    return true;
}

static size_t hash_slot(const exvi_side *side, const void *object)
{
    uint64_t hash = ((uintptr_t)object >> EXVI_SIDE_GRANULE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(hash >> 32) & (2 * side->capacity - 1);
}

/* The slot of `object`, or the empty one where it belongs. */
static uint32_t *find_slot(const exvi_side *side, const void *object)
{
    size_t at = hash_slot(side, object);
    while (side->slots[at] && side->keys[side->slots[at] - 1] != object)
        at = (at + 1) & (2 * side->capacity - 1);
    return &side->slots[at];
}

static bool grow_sparse(exvi_side *side)
{
    exvi_side larger = *side;
    char *memory = exvi_map(sparse_size(2 * side->capacity), exvi_page_size());
    if (!memory)
        return false;
    place_sparse(&larger, memory, 2 * side->capacity);
    larger.mapped_capacity = larger.capacity;
    for (size_t i = 0; i < side->members; i++) {
        larger.keys[i] = side->keys[i];
        larger.bytes[i] = side->bytes[i];
        *find_slot(&larger, side->keys[i]) = (uint32_t)i + 1;
    }
    exvi_unmap(side->keys, sparse_size(side->mapped_capacity));
    *side = larger;
    return true;
}

uint8_t *exvi_side_find_sparse(const exvi_side *side, const void *object)
{
    uint32_t slot = *find_slot(side, object);
    return slot ? &side->bytes[slot - 1] : NULL;
}

/* -------------------------------------------------------------- public */

bool exvi_side_begin(exvi_side *side, size_t expected, bool dense)
{
    exvi_side_end(side);
    side->dense = dense;
    return dense ? begin_dense(side) : begin_sparse(side, expected);
}

void exvi_side_end(exvi_side *side)
{
    end_dense(side);
    side->members = 0;
}

void exvi_side_drop(exvi_side *side)
{
    exvi_side_end(side);
    if (side->directory)
        exvi_unmap(side->directory, DIRECTORY_SIZE);
    if (side->tables)
        exvi_unmap(side->tables, TABLES_SIZE);
    if (side->keys)
        exvi_unmap(side->keys, sparse_size(side->mapped_capacity));
    *side = (exvi_side){0};
}

uint8_t *exvi_side_add(exvi_side *side, const void *object)
{
    if (side->dense) {
        uint8_t *byte = add_dense(side, object);
        if (byte && !*byte)
            side->members++;
        return byte;
    }
    uint32_t *slot = find_slot(side, object);
    if (*slot)
        return &side->bytes[*slot - 1];
    if (side->members == side->capacity) {
        if (side->capacity >= UINT32_MAX / 4 || !grow_sparse(side))
            return NULL;
        slot = find_slot(side, object);
    }
    side->keys[side->members] = (void *)(uintptr_t)object;
    side->bytes[side->members] = 0;
    *slot = (uint32_t)++side->members;
    return &side->bytes[*slot - 1];
}

size_t exvi_side_next(exvi_side *side, exvi_side_cursor *cursor, void **objects, uint8_t **bytes, size_t room)
{
    if (side->dense)
        return next_dense(side, cursor, objects, bytes, room);
    size_t count = 0;
    for (; count < room && cursor->offset < side->members; count++, cursor->offset++) {
        objects[count] = side->keys[cursor->offset];
        bytes[count] = &side->bytes[cursor->offset];
    }
    return count;
}
