/*
 * table: see table.h.
 */
#include "table.h"

#include "die.h"
#include "error.h"
#include "str.h"
#include "value.h"

#include <string.h>

#define LEAST_BITS 3

/* ---------------------------------------------------------------- layout */

static size_t room_of(uint32_t bits)
{
    return ((size_t)2 << bits) / 3;
}

static size_t slot_width(uint32_t bits)
{
    return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8;
}

static void *slots_of(const exvi_table *table)
{
    return table->entries + room_of(table->bits);
}

static size_t get_slot(const exvi_table *table, size_t slot)
{
    const void *slots = slots_of(table);
    if (table->bits <= 8)
        return ((const uint8_t *)slots)[slot];
    if (table->bits <= 16)
        return ((const uint16_t *)slots)[slot];
    if (table->bits <= 32)
        return ((const uint32_t *)slots)[slot];
    return ((const uint64_t *)slots)[slot];
}

static void set_slot(exvi_table *table, size_t slot, size_t number)
{
    void *slots = slots_of(table);
    if (table->bits <= 8)
        ((uint8_t *)slots)[slot] = (uint8_t)number;
    else if (table->bits <= 16)
        ((uint16_t *)slots)[slot] = (uint16_t)number;
    else if (table->bits <= 32)
        ((uint32_t *)slots)[slot] = (uint32_t)number;
    else
        ((uint64_t *)slots)[slot] = number;
}

/* Where the search for a hash begins. Small ints are their own hash and come in all patterns, so every bit of the
 * hash has to count: the mixing of the generator SplitMix64 (Steele, Lea and Flood 2014), under a secret. */
static size_t first_slot(exv_heap *heap, const exvi_table *table, uint64_t hash)
{
    uint64_t mixed = hash ^ exvi_heap_values(heap)->slot_key;
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(mixed >> (64 - table->bits));
}

static size_t slot_mask(const exvi_table *table)
{
    return ((size_t)1 << table->bits) - 1;
}

/* ---------------------------------------------------------------- search */

typedef enum outcome { DIFFERENT, EQUAL, CHANGED, FAILED } outcome;

typedef struct search {
    const exvi_table *table;
    void *key;
    uint64_t hash;
    exv_status status; /* why it FAILED */
} search;

/* Compare with code of the program, which may drop the key that it compares with. */
static outcome compare_by_type(search *s, void *candidate)
{
    uint32_t version = s->table->version;
    bool equal = false;
    exv_incref(candidate);
    s->status = exv_equal(candidate, s->key, &equal);
    exv_decref(candidate);
    if (s->status != EXV_OK)
        return FAILED;
    if (s->table->version != version)
        return CHANGED;
    return equal ? EQUAL : DIFFERENT;
}

static outcome compare(search *s, const exvi_entry *entry)
{
    if (!entry->key || entry->hash != s->hash)
        return DIFFERENT;
    if (entry->key == s->key)
        return EQUAL;
    if (exv_get_type(s->key) == &exv_str_type && exv_get_type(entry->key) == &exv_str_type)
        return exvi_str_is(entry->key, exv_str_data(s->key), exv_str_size(s->key)) ? EQUAL : DIFFERENT;
    return compare_by_type(s, entry->key);
}

static outcome look(exv_heap *heap, search *s, exvi_entry **found)
{
    if (s->table->live == 0)
        return DIFFERENT;
    size_t mask = slot_mask(s->table), slot = first_slot(heap, s->table, s->hash);
    for (size_t number; (number = get_slot(s->table, slot)) != 0; slot = (slot + 1) & mask) {
        *found = &s->table->entries[number - 1];
        outcome end = compare(s, *found);
        if (end != DIFFERENT)
            return end;
    }
    return DIFFERENT;
}

exv_status exvi_table_find(exv_heap *heap, const exvi_table *table, void *key, uint64_t hash, exvi_entry **found)
{
    search s = {table, key, hash, EXV_OK};
    exvi_entry *entry = NULL;
    outcome end;
    do
        end = look(heap, &s, &entry);
    while (end == CHANGED);
    if (end == FAILED)
        return s.status;
    *found = end == EQUAL ? entry : NULL;
    return EXV_OK;
}

exvi_entry *exvi_table_find_text(exv_heap *heap, const exvi_table *table, const char *utf8, size_t size, uint64_t hash)
{
    if (table->live == 0)
        return NULL;
    size_t mask = slot_mask(table), slot = first_slot(heap, table, hash);
    for (size_t number; (number = get_slot(table, slot)) != 0; slot = (slot + 1) & mask) {
        exvi_entry *entry = &table->entries[number - 1];
        if (entry->key && entry->hash == hash && exvi_str_is(entry->key, utf8, size))
            return entry;
    }
    return NULL;
}

/* -------------------------------------------------------------- insertion */

static void enter(exv_heap *heap, exvi_table *table, exvi_entry entry)
{
    size_t mask = slot_mask(table), slot = first_slot(heap, table, entry.hash);
    while (get_slot(table, slot) != 0)
        slot = (slot + 1) & mask;
    table->entries[table->filled++] = entry;
    set_slot(table, slot, table->filled);
}

/* A new block with room for half as many entries again, without the removed ones: the table grows to double its
 * size, or shrinks when most were removed. */
static bool rebuild(exv_heap *heap, exvi_table *table)
{
    uint32_t bits = LEAST_BITS;
    while (room_of(bits) < table->live + table->live / 2 + 1)
        bits++;
    exvi_table next = {.bits = bits, .live = table->live, .version = table->version};
    size_t entries_size = room_of(bits) * sizeof(exvi_entry), slots_size = slot_width(bits) << bits;
    next.entries = exv_alloc(heap, entries_size + slots_size);
    if (!next.entries)
        return false;
    memset(slots_of(&next), 0, slots_size);
    size_t position = 0;
    for (exvi_entry *entry; (entry = exvi_table_next(table, &position));)
        enter(heap, &next, *entry);
    exv_free(heap, table->entries);
    *table = next;
    return true;
}

exv_status exvi_table_insert(exv_heap *heap, exvi_table *table, void *key, uint64_t hash, void *value)
{
    if ((!table->entries || table->filled == room_of(table->bits)) && !rebuild(heap, table))
        return exvi_no_memory(heap);
    exv_assert(table->filled < room_of(table->bits));
    enter(heap, table, (exvi_entry){hash, exv_incref(key), exv_incref(value)});
    table->live++;
    table->version++;
    return EXV_OK;
}

exv_status exvi_table_insert_text(exv_heap *heap, exvi_table *table, const char *name, uint64_t hash, void *value)
{
    exv_str *key;
    exv_status status = exv_str_from(heap, name, &key);
    if (status != EXV_OK)
        return status;
    status = exvi_table_insert(heap, table, key, hash, value);
    exv_decref(key);
    return status;
}

void exvi_table_replace(exvi_entry *entry, void *value)
{
    void *old = entry->value;
    entry->value = exv_incref(value);
    exv_decref(old);
}

/* ---------------------------------------------------------------- removal */

void exvi_table_remove(exvi_table *table, exvi_entry *entry)
{
    exvi_entry old = *entry;
    entry->key = NULL;
    entry->value = NULL;
    table->live--;
    table->version++;
    exv_decref(old.key);
    exv_decref(old.value);
}

void exvi_table_clear(exv_heap *heap, exvi_table *table)
{
    exvi_table old = *table;
    *table = (exvi_table){.version = old.version + 1};
    for (size_t i = 0; i < old.filled; i++) {
        exv_decref(old.entries[i].key);
        exv_decref(old.entries[i].value);
    }
    exv_free(heap, old.entries);
}

/* ------------------------------------------------------------------ walks */

exvi_entry *exvi_table_next(const exvi_table *table, size_t *position)
{
    while (*position < table->filled) {
        exvi_entry *entry = &table->entries[(*position)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}

int exvi_table_visit(const exvi_table *table, exv_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < table->filled; i++) {
        int end = visit(table->entries[i].key, arg);
        if (!end)
            end = visit(table->entries[i].value, arg);
        if (end)
            return end;
    }
    return 0;
}

/* What is shown may change the table meanwhile: each entry is held while its repr is made. */
void exvi_table_add_repr(const exvi_table *table, exvi_text *text)
{
    const char *before = "{";
    size_t position = 0;
    for (exvi_entry *entry; !text->failed && (entry = exvi_table_next(table, &position)); before = ", ") {
        void *key = exv_incref(entry->key), *value = exv_incref(entry->value);
        exvi_text_add_string(text, before);
        exvi_text_add_repr(text, key);
        if (value) {
            exvi_text_add(text, ": ", 2);
            exvi_text_add_repr(text, value);
        }
        exv_decref(key);
        exv_decref(value);
    }
    exvi_text_add_string(text, *before == '{' ? "{}" : "}");
}
