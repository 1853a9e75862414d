/*
 * table: the hash table of dicts, sets, attributes and names. It keeps the order of insertion.
 *
 *     entries -> | 0 .. filled - 1: in order of insertion, removed ones with key NULL | .. room - 1 | slots |
 *     entry      key, then the value if any entry has one, then the hash if it has to be stored
 *     slot       number of an entry + 1, or 0; linear probing from a place that the hash decides
 *
 * A hash is not stored while all keys give theirs at once: str, int, and objects that are equal to themselves alone.
 * So an entry has 8 bytes in a set of such keys, 16 in a dict, and at most 24; the table changes its form when it
 * has to. Slots are 1, 2 or 4 bytes wide, as the largest number needs. The layout is that of Raymond Hettinger's
 * compact dict (2012); probing, growth and the choice of places are our own.
 *
 * Invariants: live <= filled <= room < number of slots, so a search ends; each filled entry, removed or not, has
 * one slot; the form is the widest that an insertion asked for since the table was empty.
 *
 * Owns a reference to each key and value; a value may be NULL (sets). Belongs to one object and takes its heap as
 * an argument. Comparing keys and dropping references may run the program's code, which may change the table: a
 * search then begins anew, and an entry that was found is good until the next call.
 */
#ifndef EXVI_TABLE_H
#define EXVI_TABLE_H

#include "text.h"

typedef struct exvi_entry {
    void *key;
    void *more[]; /* according to the form */
} exvi_entry;

enum { EXVI_WITH_VALUES = 1, EXVI_WITH_HASHES = 2 };

typedef struct exvi_table {
    void **entries;      /* NULL: an empty table; all zero is a valid one */
    uint32_t live;
    uint32_t filled;
    uint32_t room;
    uint32_t version;    /* differs after any insertion, removal or clearing */
    uint8_t bits;        /* 2^bits slots */
    uint8_t form;
} exvi_table;

/* Words of an entry. */
static inline size_t exvi_table_width(const exvi_table *table)
{
    return 1u + (table->form & 1u) + (table->form >> 1);
}

static inline exvi_entry *exvi_table_at(const exvi_table *table, size_t position)
{
    return (exvi_entry *)(table->entries + position * exvi_table_width(table));
}

/* The number of an entry in order of insertion, counting removed ones. */
static inline size_t exvi_table_position(const exvi_table *table, const exvi_entry *entry)
{
    size_t words = (size_t)((void *const *)entry - table->entries);
    return table->form == 0 ? words : words / exvi_table_width(table);
}

/* NULL in a table without values. */
static inline void *exvi_table_value(const exvi_table *table, const exvi_entry *entry)
{
    return table->form & EXVI_WITH_VALUES ? entry->more[0] : NULL;
}

uint64_t exvi_table_hash(const exvi_table *table, const exvi_entry *entry);

/* *found: the entry whose key is `key` or equals it, or NULL. Fails as comparing fails. */
exv_status exvi_table_find(exv_heap *heap, const exvi_table *table, void *key, uint64_t hash, exvi_entry **found);

/* The same for a key that is a str of this text; runs no code. */
exvi_entry *exvi_table_find_text(exv_heap *heap, const exvi_table *table, const char *utf8, size_t size, uint64_t hash);

/* A new entry, for a key that is not there, with the key's own hash; EXV_NO_MEMORY or EXV_OK. Runs no code. */
exv_status exvi_table_insert(exv_heap *heap, exvi_table *table, void *key, uint64_t hash, void *value);

/* The same with a new str as key; EXV_UNICODE_ERROR when it would not be one. */
exv_status exvi_table_insert_text(exv_heap *heap, exvi_table *table, const char *name, uint64_t hash, void *value);

/* Another value for an entry that has one. */
void exvi_table_replace(exvi_entry *entry, void *value);

void exvi_table_remove(exvi_table *table, exvi_entry *entry);
void exvi_table_clear(exv_heap *heap, exvi_table *table);

/* Walk in order of insertion, from position 0; NULL at the end. */
exvi_entry *exvi_table_next(const exvi_table *table, size_t *position);

/* A new list of the keys, or of the values, in order of insertion. */
exv_status exvi_table_list(exv_heap *heap, const exvi_table *table, bool values, exv_list **result);

/* Add the entries as Python shows them: {key: value, ...}, or {key, ...} where there are no values. */
void exvi_table_add_repr(const exvi_table *table, exvi_text *text);

int exvi_table_visit(const exvi_table *table, exv_visit_fn *visit, void *arg);

/* How the reference is called that this visit reports as the `index`-th: a key, or a value by its key. */
void exvi_table_edge(const exvi_table *table, size_t index, exv_edge *edge);

#endif
