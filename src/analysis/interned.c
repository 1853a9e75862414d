/*
 * interned: see interned.h.
 */
#include "interned.h"

#include "platform.h"

enum { TEXT = 400 };             /* bytes of a name that ends with NUL at most */

/* ------------------------------------------------------------------- tables */

void *exvi_array_next(exvi_array *a)
{
    if (a->count == a->room) {
        size_t room = a->room ? 2 * a->room : 4096;
        char *larger = exvi_map_larger(a->item, a->room * a->size, room * a->size);
        if (!larger)
            return NULL;
        a->item = larger;
        a->room = room;
    }
    return a->item + a->count++ * a->size;
}

uint64_t exvi_name_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

exvi_name_slot *exvi_name_slot_at(const exvi_name_table *t, uint64_t hash, size_t from)
{
    return &t->slots[(hash + from) & (t->room - 1)];
}

bool exvi_name_table_room(exvi_name_table *t)
{
    if (2 * (t->used + 1) < t->room)
        return true;
    exvi_name_table larger = {.room = t->room ? 2 * t->room : 4096, .used = t->used};
    larger.slots = exvi_map(larger.room * sizeof(exvi_name_slot), exvi_page_size());
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < t->room; i++) {
        if (t->slots[i].number == 0)
            continue;
        size_t at = 0;
        while (exvi_name_slot_at(&larger, t->slots[i].hash, at)->number)
            at++;
        *exvi_name_slot_at(&larger, t->slots[i].hash, at) = t->slots[i];
    }
    if (t->slots)
        exvi_unmap(t->slots, t->room * sizeof(exvi_name_slot));
    *t = larger;
    return true;
}

/* ------------------------------------------------------------------ strings */

static bool is_same(const char *text, const char *other, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != other[i])
            return false;
    return true;
}

uint32_t exvi_name(exvi_names *names, const char *text, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    hash = exvi_name_mix(hash);
    if (!exvi_name_table_room(&names->strings)) {
        names->failed = true;
        return 0;
    }
    const uint64_t *row = (const uint64_t *)(void *)names->row.item;
    exvi_name_slot *at;
    for (size_t i = 0; (at = exvi_name_slot_at(&names->strings, hash, i))->number; i++)
        if (at->hash == hash && row[at->number] - row[at->number - 1] == size &&
            is_same(names->text.item + row[at->number - 1], text, size))
            return at->number - 1;
    for (size_t i = 0; i < size; i++) {
        char *to = exvi_array_next(&names->text);
        names->failed = names->failed || !to;
        if (to)
            *to = text[i];
    }
    uint64_t *end = exvi_array_next(&names->row);
    if (!end || names->row.count > EXVI_NAMES_MOST) {
        names->failed = true;
        return 0;
    }
    *end = names->text.count;
    *at = (exvi_name_slot){hash, (uint32_t)names->row.count - 1};
    names->strings.used++;
    return at->number - 1;
}

uint32_t exvi_name_c(exvi_names *names, const char *text)
{
    size_t size = 0;
    while (text[size] && size < TEXT)
        size++;
    return exvi_name(names, text, size);
}

bool exvi_names_begin(exvi_names *names, size_t type_size)
{
    names->text.size = 1;
    names->row.size = sizeof(uint64_t);
    names->type.size = type_size;
    uint64_t *first = exvi_array_next(&names->row);
    if (!first)
        return false;
    *first = 0;
    (void)exvi_name(names, "", 0);
    return !names->failed;
}

uint32_t exvi_name_number(exvi_names *names, uint32_t number, const char *unit)
{
    char text[32];
    size_t at = sizeof text, size = 0;
    while (unit[size])
        size++;
    while (size > 0)
        text[--at] = unit[--size];
    do
        text[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return exvi_name(names, text + at, sizeof text - at);
}

void exvi_array_drop(exvi_array *a)
{
    if (a->item)
        exvi_unmap(a->item, a->room * a->size);
    a->item = NULL;
    a->count = a->room = 0;
}

static void drop_table(exvi_name_table *t)
{
    if (t->slots)
        exvi_unmap(t->slots, t->room * sizeof(exvi_name_slot));
    *t = (exvi_name_table){0};
}

void exvi_names_drop(exvi_names *names)
{
    exvi_array_drop(&names->text);
    exvi_array_drop(&names->row);
    exvi_array_drop(&names->type);
    drop_table(&names->strings);
    drop_table(&names->types);
}
