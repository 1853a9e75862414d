/*
 * table: see table.h.
 */
#include "table.h"

#include "die.h"
#include "error.h"
#include "need.h"
#include "hash.h"
#include "str.h"
#include "value.h"

#include <string.h>

#define LEAST_BITS 2
#define MOST_BITS 32

/* ---------------------------------------------------------------- layout */

/* Entries for which a table of so many slots is made; it takes a few more if its block has room for them. From 64
 * slots on a smaller share, with which entries of two words and their slots fill a size class of the heap. */
static size_t room_of(uint32_t bits)
{
    return bits < 6 ? ((size_t)2 << bits) / 3 : ((size_t)5 << bits) / 8;
}

static size_t room_at_most(uint32_t bits)
{
    return ((size_t)3 << bits) / 4;
}

static size_t slot_width(uint32_t bits)
{
    return bits <= 8 ? 1 : bits <= 16 ? 2 : 4;
}

static void *slots_of(const exvi_table *table)
{
    return exvi_table_at(table, table->room);
}

static size_t get_slot(const exvi_table *table, const void *slots, size_t slot)
{
    if (exvi_likely(table->bits <= 8))
        return ((const uint8_t *)slots)[slot];
    if (table->bits <= 16)
        return ((const uint16_t *)slots)[slot];
    return ((const uint32_t *)slots)[slot];
}

static void set_slot(const exvi_table *table, void *slots, size_t slot, size_t number)
{
    if (table->bits <= 8)
        ((uint8_t *)slots)[slot] = (uint8_t)number;
    else if (table->bits <= 16)
        ((uint16_t *)slots)[slot] = (uint16_t)number;
    else
        ((uint32_t *)slots)[slot] = (uint32_t)number;
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

/* ---------------------------------------------------------------- hashes */

/* Keys whose hash is at hand, without any code of the program: their tables do not store it. */
static bool tells_hash(const exv_type *type)
{
    return type == &exv_str_type || type == &exv_int_type || (!type->hash && !type->equal);
}

uint64_t exvi_table_hash(const exvi_table *table, const exvi_entry *entry)
{
    uint64_t hash;
    if (table->form & EXVI_WITH_HASHES) {
        memcpy(&hash, entry->more + (table->form & EXVI_WITH_VALUES), sizeof hash);
        return hash;
    }
    const exv_type *type = exv_get_type(entry->key);
    if (!type->hash)
        return exvi_hash_address(entry->key);
    (void)type->hash(entry->key, &hash); /* of a str or int: cannot fail */
    return hash;
}

/* ---------------------------------------------------------------- search */

typedef enum outcome { DIFFERENT, EQUAL, CHANGED, FAILED } outcome;

typedef struct search {
    const exvi_table *table;
    void *key;
    uint64_t hash;
    const char *text;  /* of a key that is a str; else NULL */
    size_t size;
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
    if (!entry->key)
        return DIFFERENT;
    if (entry->key == s->key)
        return EQUAL;
    if (s->text && exv_get_type(entry->key) == &exv_str_type)
        return exvi_str_has(entry->key, s->hash, s->text, s->size) ? EQUAL : DIFFERENT;
    return exvi_table_hash(s->table, entry) == s->hash ? compare_by_type(s, entry->key) : DIFFERENT;
}

static outcome look(exv_heap *heap, search *s, exvi_entry **found)
{
    if (s->table->live == 0)
        return DIFFERENT;
    const void *slots = slots_of(s->table);
    size_t mask = slot_mask(s->table), slot = first_slot(heap, s->table, s->hash);
    for (size_t number; (number = get_slot(s->table, slots, slot)) != 0; slot = (slot + 1) & mask) {
        *found = exvi_table_at(s->table, number - 1);
        outcome end = compare(s, *found);
        if (end != DIFFERENT)
            return end;
    }
    return DIFFERENT;
}

exv_status exvi_table_find(exv_heap *heap, const exvi_table *table, void *key, uint64_t hash, exvi_entry **found)
{
    search s = {.table = table, .key = key, .hash = hash};
    if (exv_get_type(key) == &exv_str_type) {
        s.text = exv_str_data(key);
        s.size = exv_str_size(key);
    }
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
    const void *slots = slots_of(table);
    size_t mask = slot_mask(table), slot = first_slot(heap, table, hash);
    for (size_t number; (number = get_slot(table, slots, slot)) != 0; slot = (slot + 1) & mask) {
        exvi_entry *entry = exvi_table_at(table, number - 1);
        if (entry->key && exv_get_type(entry->key) == &exv_str_type && exvi_str_has(entry->key, hash, utf8, size))
            return entry;
    }
    return NULL;
}

/* -------------------------------------------------------------- insertion */

/* Most tables are small: a loop of their own. */
static size_t find_free_slot(const exvi_table *table, const void *slots, size_t slot)
{
    size_t mask = slot_mask(table);
    const uint8_t *bytes = slots;
    if (table->bits <= 8)
        for (; bytes[slot] != 0; slot = (slot + 1) & mask)
            continue;
    else
        for (; get_slot(table, slots, slot) != 0; slot = (slot + 1) & mask)
            continue;
    return slot;
}

/* Takes the references; there is room. */
static void enter(exv_heap *heap, exvi_table *table, void *key, uint64_t hash, void *value)
{
    void *slots = slots_of(table);
    size_t slot = find_free_slot(table, slots, first_slot(heap, table, hash));
    exvi_entry *entry = exvi_table_at(table, table->filled++);
    entry->key = key;
    if (table->form & EXVI_WITH_VALUES)
        entry->more[0] = value;
    if (table->form & EXVI_WITH_HASHES)
        memcpy(entry->more + (table->form & EXVI_WITH_VALUES), &hash, sizeof hash);
    set_slot(table, slots, slot, table->filled);
}

/* A block for `next`, which has its bits and form. What the block has beyond its size becomes room. */
static bool get_block(exv_heap *heap, exvi_table *next)
{
    size_t entry_size = exvi_table_width(next) * sizeof(void *), slots_size = slot_width(next->bits) << next->bits;
    next->entries = exv_alloc(heap, room_of(next->bits) * entry_size + slots_size);
    if (!next->entries)
        return false;
    size_t room = (exv_usable_size(heap, next->entries) - slots_size) / entry_size;
    size_t most = room_at_most(next->bits);
    next->room = (uint32_t)(room < most ? room : most);
    memset(slots_of(next), 0, slots_size);
    return true;
}

/* Into a new block, with room for half as many entries again, without the removed ones: the table grows to double
 * its size, or shrinks when most were removed. */
static bool rebuild(exv_heap *heap, exvi_table *table, uint8_t form)
{
    exvi_table next = {.bits = LEAST_BITS, .form = form, .live = table->live, .version = table->version};
    while (room_of(next.bits) < (size_t)table->live + table->live / 2 + 1)
        next.bits++;
    if (next.bits > MOST_BITS || !get_block(heap, &next))
        return false;
    size_t position = 0;
    for (exvi_entry *entry; (entry = exvi_table_next(table, &position));)
        enter(heap, &next, entry->key, exvi_table_hash(table, entry), exvi_table_value(table, entry));
    exv_free(heap, table->entries);
    *table = next;
    return true;
}

exv_status exvi_table_insert(exv_heap *heap, exvi_table *table, void *key, uint64_t hash, void *value)
{
    unsigned form = table->form | (value ? EXVI_WITH_VALUES : 0u);
    if (!tells_hash(exv_get_type(key)))
        form |= EXVI_WITH_HASHES;
    if ((table->filled == table->room || form != table->form) && !rebuild(heap, table, (uint8_t)form))
        return exvi_no_memory(heap);
    exv_assert(table->filled < table->room && table->room <= slot_mask(table));
    enter(heap, table, exv_incref(key), hash, exv_incref(value));
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
    void *old = entry->more[0];
    entry->more[0] = exv_incref(value);
    exv_decref(old);
}

/* ---------------------------------------------------------------- removal */

void exvi_table_remove(exvi_table *table, exvi_entry *entry)
{
    void *key = entry->key, *value = exvi_table_value(table, entry);
    entry->key = NULL;
    if (table->form & EXVI_WITH_VALUES)
        entry->more[0] = NULL;
    table->live--;
    table->version++;
    exv_decref(key);
    exv_decref(value);
}

void exvi_table_clear(exv_heap *heap, exvi_table *table)
{
    exvi_table old = *table;
    *table = (exvi_table){.version = old.version + 1};
    for (size_t i = 0; i < old.filled; i++) {
        exvi_entry *entry = exvi_table_at(&old, i);
        exv_decref(entry->key);
        exv_decref(exvi_table_value(&old, entry));
    }
    exv_free(heap, old.entries);
}

/* ------------------------------------------------------------------ walks */

exvi_entry *exvi_table_next(const exvi_table *table, size_t *position)
{
    while (*position < table->filled) {
        exvi_entry *entry = exvi_table_at(table, (*position)++);
        if (entry->key)
            return entry;
    }
    return NULL;
}

/* Nothing runs between the look at the table and its last entry but making room in the list. */
exv_status exvi_table_list(exv_heap *heap, const exvi_table *table, bool values, exv_list **result)
{
    exv_list *list = exv_list_new(heap);
    exv_status status = list ? EXV_OK : EXV_NO_MEMORY;
    size_t position = 0;
    for (exvi_entry *entry; status == EXV_OK && (entry = exvi_table_next(table, &position));)
        status = exv_list_append(list, values ? exvi_table_value(table, entry) : entry->key);
    if (status == EXV_OK)
        *result = list;
    else
        exv_decref(list);
    return status;
}

int exvi_table_visit(const exvi_table *table, exv_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < table->filled; i++) {
        const exvi_entry *entry = exvi_table_at(table, i);
        int end = visit(entry->key, arg);
        if (!end && table->form & EXVI_WITH_VALUES)
            end = visit(entry->more[0], arg);
        if (end)
            return end;
    }
    return 0;
}

void exvi_table_edge(const exvi_table *table, size_t index, exv_edge *edge)
{
    size_t width = 1u + (table->form & EXVI_WITH_VALUES), position = index / width;
    edge->kind = index % width ? EXV_EDGE_VALUE : EXV_EDGE_KEY;
    edge->index = position;
    edge->key = exvi_table_at(table, position)->key;
}

/* What is shown may change the table meanwhile: each entry is held while its repr is made. */
void exvi_table_add_repr(const exvi_table *table, exvi_text *text)
{
    const char *before = "{";
    size_t position = 0;
    for (exvi_entry *entry; !text->failed && (entry = exvi_table_next(table, &position)); before = ", ") {
        void *key = exv_incref(entry->key), *value = exv_incref(exvi_table_value(table, entry));
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
