/*
 * names: see names.h.
 */
#include "names.h"

#include "plain_text.h"
#include "sizes.h"

uint32_t exvi_name_str(exvi_names *names, PyObject *str)
{
    char text[EXVI_PLAIN_MOST];
    return exvi_name(names, text, exvi_plain_of(str, text, sizeof text));
}

/* -------------------------------------------------------------------- types */

static PyObject *module_of(const PyTypeObject *type)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (type->tp_dict && PyDict_Check(type->tp_dict) && PyDict_Next(type->tp_dict, &at, &key, &value))
        if (PyUnicode_Check(key) && PyUnicode_IS_COMPACT_ASCII(key) && PyUnicode_Check(value) &&
            exvi_plain_is(PyUnicode_DATA(key), "__module__"))
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
    char text[2 * EXVI_PLAIN_MOST + 4];
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
    uint64_t hash = exvi_name_mix((uintptr_t)type);
    if (!exvi_name_table_room(&names->types)) {
        names->failed = true;
        return 0;
    }
    exvi_name_slot *at;
    for (size_t i = 0; (at = exvi_name_slot_at(&names->types, hash, i))->number; i++)
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
