/*
 * kinds: what an object's type means for a search, as a word of bits, found once for each type.
 *
 * A walk over memory meets words that may be the address of a type or anything else, so exvi_kind_of_word() believes
 * nothing: what is no type that the collector knows has kind 0. Both are for a snapshot child, where memory stands
 * still; the table is the child's own.
 */
#ifndef EXVI_KINDS_H
#define EXVI_KINDS_H

#include "layout.h"

enum {
    EXVI_KIND_TRACKED = 1,    /* its objects have a header for the collector */
    EXVI_KIND_PREHEADER = 2,  /* whose block begins 32 bytes before them and not 16 */
    EXVI_KIND_LIST = 4,
    EXVI_KIND_TUPLE = 8,
    EXVI_KIND_WEAKREF = 16,
    EXVI_KIND_BORROWS = 32,   /* may report references that are not counted */
};
#define EXVI_KIND_FINALIZES UINT32_C(0x80000000) /* the engine's EXVI_NODE_FINALIZES */

typedef struct exvi_kind_entry {
    uintptr_t type;
    uint32_t kind;
} exvi_kind_entry;
enum { EXVI_KINDS_SHIFT = 12 };

typedef struct exvi_kinds {
    const exvi_layout *layout;
    exvi_kind_entry entry[1 << EXVI_KINDS_SHIFT]; /* each type has one place; who comes later takes it */
} exvi_kinds;

/* A miss: `sure` where it is known to be a type. */
uint32_t exvi_kind_find(exvi_kinds *kinds, uintptr_t type, bool sure);

static inline uint32_t exvi_kind_look(exvi_kinds *kinds, uintptr_t type, bool sure)
{
    const exvi_kind_entry *entry = &kinds->entry[(type >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - EXVI_KINDS_SHIFT)];
    return entry->type == type ? entry->kind : exvi_kind_find(kinds, type, sure);
}

static inline uint32_t exvi_kind_of_word(exvi_kinds *kinds, uintptr_t word)
{
    return exvi_kind_look(kinds, word, false);
}

static inline uint32_t exvi_kind_of(exvi_kinds *kinds, const PyTypeObject *type)
{
    return exvi_kind_look(kinds, (uintptr_t)type, true);
}

#endif
