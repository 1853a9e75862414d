/*
 * names: see names.h.
 */
#include "names.h"

#include "plain_text.h"
#include "referents.h"

#include "platform.h"

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

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ x >> 29;
}

static exvi_name_slot *slot_of(const exvi_name_table *t, uint64_t hash, size_t from)
{
    return &t->slots[(hash + from) & (t->room - 1)];
}

static bool make_room(exvi_name_table *t)
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
        while (slot_of(&larger, t->slots[i].hash, at)->number)
            at++;
        *slot_of(&larger, t->slots[i].hash, at) = t->slots[i];
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
    hash = mix(hash);
    if (!make_room(&names->strings)) {
        names->failed = true;
        return 0;
    }
    const uint64_t *row = (const uint64_t *)(void *)names->row.item;
    exvi_name_slot *at;
    for (size_t i = 0; (at = slot_of(&names->strings, hash, i))->number; i++)
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
    while (text[size] && size < EXVI_TEXT_MOST)
        size++;
    return exvi_name(names, text, size);
}

uint32_t exvi_name_str(exvi_names *names, PyObject *str)
{
    char text[EXVI_TEXT_MOST];
    return exvi_name(names, text, exvi_text_of(str, text, sizeof text));
}

/* -------------------------------------------------------------------- types */

static PyObject *module_of(const PyTypeObject *type)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (type->tp_dict && PyDict_Check(type->tp_dict) && PyDict_Next(type->tp_dict, &at, &key, &value))
        if (PyUnicode_Check(key) && PyUnicode_IS_COMPACT_ASCII(key) && PyUnicode_Check(value) &&
            exvi_is_text(PyUnicode_DATA(key), "__module__"))
            return value;
    return NULL;
}

static void name_type(exvi_names *names, exvi_named_type *entry)
{
    const PyTypeObject *type = entry->type;
    const char *dot = NULL;
    for (const char *at = type->tp_name; *at; at++)
        dot = *at == '.' ? at : dot;
    bool heap = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
    PyObject *module = heap ? module_of(type) : NULL;
    PyObject *name = heap ? ((const PyHeapTypeObject *)type)->ht_qualname : NULL;
    entry->module = module ? exvi_name_str(names, module)
                    : dot ? exvi_name(names, type->tp_name, (size_t)(dot - type->tp_name))
                          : exvi_name_c(names, "builtins");
    const char *plain = dot ? dot + 1 : type->tp_name;
    entry->name = name && PyUnicode_Check(name) ? exvi_name_str(names, name) : exvi_name_c(names, plain);
}

static void name_hidden(exvi_names *names, exvi_named_type *entry)
{
    const uint64_t *row = (const uint64_t *)(void *)names->row.item;
    char text[2 * EXVI_TEXT_MOST + 4];
    size_t size = 0;
    uint32_t parts[] = {entry->module, entry->name};
    bool builtin = entry->module == exvi_name_c(names, "builtins");
    text[size++] = '[';
    for (int i = builtin; i < 2; i++) {
        for (uint64_t at = row[parts[i]]; at < row[parts[i] + 1]; at++)
            text[size++] = names->text.item[at];
        text[size++] = i == 0 ? '.' : ']';
    }
    entry->hidden = exvi_name(names, text, size);
}

/* The number of a type in the file. */
uint32_t exvi_type_number(exvi_names *names, PyTypeObject *type)
{
    uint64_t hash = mix((uintptr_t)type);
    if (!make_room(&names->types)) {
        names->failed = true;
        return 0;
    }
    exvi_name_slot *at;
    for (size_t i = 0; (at = slot_of(&names->types, hash, i))->number; i++)
        if (((const exvi_named_type *)(void *)names->type.item)[at->number - 1].type == type)
            return at->number - 1;
    exvi_named_type *entry = exvi_array_next(&names->type);
    if (!entry) {
        names->failed = true;
        return 0;
    }
    *at = (exvi_name_slot){hash, (uint32_t)names->type.count};
    names->types.used++;
    exvi_named_type named = {.type = type, .known = exvi_size_is_known(type)};
    name_type(names, &named);
    name_hidden(names, &named);
    ((exvi_named_type *)(void *)names->type.item)[names->type.count - 1] = named;
    return (uint32_t)names->type.count - 1;
}

const exvi_named_type *exvi_type_at(const exvi_names *names, uint32_t number)
{
    return &((const exvi_named_type *)(const void *)names->type.item)[number];
}

bool exvi_names_begin(exvi_names *names)
{
    names->text.size = 1;
    names->row.size = sizeof(uint64_t);
    names->type.size = sizeof(exvi_named_type);
    uint64_t *first = exvi_array_next(&names->row);
    if (!first)
        return false;
    *first = 0;
    (void)exvi_name(names, "", 0);
    return !names->failed;
}
