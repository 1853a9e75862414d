/*
 * interned: the strings and the types of a heap file that is being written, each once, with numbers in the order of
 * coming.
 *
 * All memory is mapped, so a snapshot child may use it, which need not give it back. What a type is, its host says.
 */
#ifndef EXVI_INTERNED_H
#define EXVI_INTERNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Grows; items of one size. NULL: no memory. What an item's address was, it may not be after the next. */
typedef struct exvi_array {
    char *item;
    size_t count, room, size;
} exvi_array;
void *exvi_array_next(exvi_array *array);
void exvi_array_drop(exvi_array *array);

/* Open addressing: a hash, and one more than the number that has it; 0: none. */
typedef struct exvi_name_slot {
    uint64_t hash;
    uint32_t number;
} exvi_name_slot;

typedef struct exvi_name_table {
    exvi_name_slot *slots;
    size_t room, used;       /* the room is a power of two */
} exvi_name_table;

typedef struct exvi_names {
    exvi_array text, row;    /* bytes of all strings, and uint64_t: where each ends, behind one 0 */
    exvi_array type;         /* the host's, by number */
    exvi_name_table strings, types;
    bool failed;             /* no memory, or too many: what is here is void */
} exvi_names;
#define EXVI_NAMES_MOST ((UINT32_C(1) << 28) - 1)

bool exvi_names_begin(exvi_names *names, size_t type_size); /* zeroed before; string 0 is empty */
void exvi_names_drop(exvi_names *names);

uint32_t exvi_name(exvi_names *names, const char *text, size_t size);
uint32_t exvi_name_c(exvi_names *names, const char *text); /* its first 400 bytes */
uint32_t exvi_name_number(exvi_names *names, uint32_t number, const char *unit); /* "3 references" */

/* For a table of the host's: a hash with all bits of `x` in it; room for one more entry; the place of a hash, and those
 * behind it, up to one whose number is 0. */
uint64_t exvi_name_mix(uint64_t x);
bool exvi_name_table_room(exvi_name_table *table);
exvi_name_slot *exvi_name_slot_at(const exvi_name_table *table, uint64_t hash, size_t from);

#endif
