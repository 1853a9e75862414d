/*
 * names: the strings and the types of a heap file, each once, with numbers in the order of coming.
 *
 * All memory is mapped, so a snapshot child may use it; what is once there is not given back.
 */
#ifndef EXVI_NAMES_H
#define EXVI_NAMES_H

#include "layout.h"

/* Grows; items of one size. NULL: no memory. What an item's address was, it may not be after the next. */
typedef struct exvi_array {
    char *item;
    size_t count, room, size;
} exvi_array;
void *exvi_array_next(exvi_array *array);

/* Open addressing: a hash, and one more than the number that has it; 0: none. */
typedef struct exvi_name_slot {
    uint64_t hash;
    uint32_t number;
} exvi_name_slot;

typedef struct exvi_name_table {
    exvi_name_slot *slots;
    size_t room, used;       /* the room is a power of two */
} exvi_name_table;

typedef struct exvi_named_type {
    PyTypeObject *type;
    uint32_t name, module;   /* strings */
    uint32_t hidden;         /* what stands for a key of the type that is not shown: "[str]" */
    bool known;              /* the size of its objects is no estimate */
} exvi_named_type;

typedef struct exvi_names {
    exvi_array text, row;    /* bytes of all strings, and uint64_t: where each ends, behind one 0 */
    exvi_array type;         /* exvi_named_type */
    exvi_name_table strings, types;
    bool failed;             /* no memory, or too many: what is here is void */
} exvi_names;
#define EXVI_NAMES_MOST ((UINT32_C(1) << 28) - 1)

bool exvi_names_begin(exvi_names *names); /* zeroed before; string 0 is empty */

uint32_t exvi_name(exvi_names *names, const char *text, size_t size);
uint32_t exvi_name_c(exvi_names *names, const char *text);
uint32_t exvi_name_str(exvi_names *names, PyObject *str);
uint32_t exvi_type_number(exvi_names *names, PyTypeObject *type);
const exvi_named_type *exvi_type_at(const exvi_names *names, uint32_t number);

#endif
