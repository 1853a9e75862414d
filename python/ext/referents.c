/*
 * referents: see referents.h.
 */
#include "referents.h"

#include "frames.h"
#include "plain_text.h"

#include <structmember.h>

enum { MOST = 512, OBJECT = 6, OBJECT_EX = 16 }; /* types of members that are references */

typedef struct collected {
    PyObject *child[MOST];
    exvi_referent *named;    /* MOST of them */
    size_t count;
    exvi_referent_fn *each;
    void *arg;
} collected;

static void tell(exvi_referent_fn *each, void *arg, PyObject *object, const char *name)
{
    if (object)
        each(arg, &(exvi_referent){
                      .object = object, .kind = name ? EXVI_LABEL_INTERNAL : EXVI_LABEL_NONE, .name = name});
}

/* ------------------------------------------------- types with loops of their own */

static void of_items(PyObject *const *item, Py_ssize_t count, exvi_referent_fn *each, void *arg)
{
    for (Py_ssize_t i = 0; i < count; i++)
        if (item[i])
            each(arg, &(exvi_referent){.object = item[i], .kind = EXVI_LABEL_INDEX, .number = (size_t)i});
}

static int find_any(PyObject *child, void *arg)
{
    (void)child;
    *(bool *)arg = true;
    return 0;
}

/* Values that lie in an instance are reported by it or by its dictionary: which of them does differs from one version
 * of 3.13 to the next. */
static bool reports_values(PyObject *dict)
{
    bool any = false;
    if (!exvi_layout_embedded(dict))
        return true;
    Py_TYPE(dict)->tp_traverse(dict, find_any, &any);
    return any;
}

static void of_dict(PyObject *dict, exvi_referent_fn *each, void *arg)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    bool reports = reports_values(dict);
    for (size_t i = 0; PyDict_Next(dict, &at, &key, &value); i++) {
        each(arg, &(exvi_referent){.object = key, .kind = EXVI_LABEL_KEY, .number = i});
        if (reports)
            each(arg, &(exvi_referent){.object = value, .kind = EXVI_LABEL_HIDDEN, .key = key});
    }
}

static void of_code(const PyCodeObject *code, exvi_referent_fn *each, void *arg)
{
    tell(each, arg, code->co_consts, "co_consts");
    tell(each, arg, code->co_names, "co_names");
    tell(each, arg, code->co_exceptiontable, "co_exceptiontable");
    tell(each, arg, code->co_localsplusnames, "co_localsplusnames");
    tell(each, arg, code->co_localspluskinds, "co_localspluskinds");
    tell(each, arg, code->co_filename, "co_filename");
    tell(each, arg, code->co_name, "co_name");
    tell(each, arg, code->co_qualname, "co_qualname");
    tell(each, arg, code->co_linetable, "co_linetable");
}

static void of_static_type(PyTypeObject *type, exvi_referent_fn *each, void *arg)
{
    tell(each, arg, exvi_layout_type_dict(type), "__dict__");
    tell(each, arg, type->tp_mro, "__mro__");
    tell(each, arg, type->tp_bases, "__bases__");
    tell(each, arg, (PyObject *)type->tp_base, "__base__");
}

/* ------------------------------------------------------------------ by traversal */

static int collect(PyObject *child, void *arg)
{
    collected *c = arg;
    if (c->count < MOST)
        c->child[c->count++] = child;
    else
        c->each(c->arg, &(exvi_referent){.object = child});
    return 0;
}

/* The first that has no name yet and is this object. */
static exvi_referent *find(collected *c, const PyObject *object)
{
    for (size_t i = 0; object && i < c->count; i++)
        if (c->child[i] == object && !c->named[i].object)
            return &c->named[i];
    return NULL;
}

static void name_it(collected *c, PyObject *object, exvi_referent referent)
{
    exvi_referent *found = find(c, object);
    if (!found)
        return;
    *found = referent;
    found->object = object;
}

static void name_within(collected *c, PyObject *object, const char *name)
{
    name_it(c, object, (exvi_referent){.kind = EXVI_LABEL_INTERNAL, .name = name});
}

static void name_members(collected *c, PyObject *object)
{
    for (PyTypeObject *type = Py_TYPE(object); type; type = type->tp_base)
        for (PyMemberDef *member = type->tp_members; member && member->name; member++)
            if (member->type == OBJECT || member->type == OBJECT_EX)
                name_it(c, *(PyObject **)((char *)object + member->offset),
                        (exvi_referent){.kind = EXVI_LABEL_ATTRIBUTE, .name = member->name});
}

/* 3.13.0 does not report the dictionary that was made to show an instance's values. */
static void collect_dict(collected *c, PyObject *object)
{
    PyObject *dict;
    exvi_layout_values(object, &dict);
    for (size_t i = 0; dict && i < c->count; i++)
        if (c->child[i] == dict)
            return;
    if (dict && c->count < MOST)
        collect(dict, c);
}

/* Values of attributes lie in the order of the keys that all instances of the class share. */
static void name_attributes(collected *c, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject *dict;
    PyObject *const *value = exvi_layout_values(object, &dict);
    name_within(c, dict, "__dict__");
    if (!value || (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
        return;
    const exvi_dict_keys *keys = (const exvi_dict_keys *)(const void *)((PyHeapTypeObject *)type)->ht_cached_keys;
    if (!keys || keys->kind == EXVI_GENERAL_KEYS)
        return;
    PyObject *const *entry = (PyObject *const *)(const void *)(keys->indices + ((size_t)1 << keys->log2_index_bytes));
    for (Py_ssize_t i = 0; i < keys->entries; i++)
        name_it(c, value[i], (exvi_referent){.kind = EXVI_LABEL_ATTRIBUTE, .key = entry[2 * i]});
}

enum { CELL = 0x40 | 0x80 }; /* of co_localspluskinds: a variable that functions share */

static void name_variables(collected *c, PyObject *object)
{
    const exvi_frame *frame = exvi_frame_of(object);
    const PyCodeObject *code = frame ? exvi_frame_code(frame) : NULL;
    if (!code)
        return;
    const unsigned char *kinds = (const unsigned char *)PyBytes_AS_STRING(code->co_localspluskinds);
    for (Py_ssize_t i = 0, slots = exvi_frame_slots(frame, code); i < slots; i++) {
        exvi_referent slot = {.borrowed = exvi_slot_is_borrowed(frame->slot[i])};
        if (i < code->co_nlocalsplus) {
            slot.kind = (kinds[i] & CELL) != 0 ? EXVI_LABEL_CELL : EXVI_LABEL_LOCAL;
            slot.key = PyTuple_GET_ITEM(code->co_localsplusnames, i);
        }
        name_it(c, exvi_slot_object(frame->slot[i]), slot);
    }
    name_within(c, exvi_slot_object(frame->function), "__function__");
    name_within(c, exvi_slot_object(frame->code), "f_code");
    name_within(c, frame->locals, "f_locals");
}

static void name_special(collected *c, PyObject *object)
{
    if (PyModule_Check(object))
        name_within(c, PyModule_GetDict(object), "__dict__");
    else if (PyFunction_Check(object))
        name_within(c, ((PyFunctionObject *)object)->func_code, "__code__");
    else if (PyCell_Check(object))
        name_within(c, ((PyCellObject *)object)->ob_ref, "cell_contents");
    else if (PyTraceBack_Check(object))
        name_within(c, (PyObject *)((PyTracebackObject *)object)->tb_next, "tb_next");
    else
        name_variables(c, object);
    if (!PyType_Check(object))
        return;
    PyTypeObject *type = (PyTypeObject *)object;
    name_within(c, type->tp_dict, "__dict__");
    name_within(c, type->tp_mro, "__mro__");
    name_within(c, type->tp_bases, "__bases__");
    name_within(c, (PyObject *)type->tp_base, "__base__");
}

static void of_others(PyObject *object, exvi_referent_fn *each, void *arg)
{
    exvi_referent named[MOST];
    collected c; /* its array is not cleared, for each of millions of strings */
    PyTypeObject *type = Py_TYPE(object);
    if (!PyObject_IS_GC(object) || !type->tp_traverse)
        return;
    c.count = 0;
    c.named = named;
    c.each = each;
    c.arg = arg;
    type->tp_traverse(object, collect, &c);
    collect_dict(&c, object);
    for (size_t i = 0; i < c.count; i++)
        named[i] = (exvi_referent){0};
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0)
        name_it(&c, (PyObject *)type, (exvi_referent){.of_class = true});
    name_special(&c, object);
    name_attributes(&c, object);
    name_members(&c, object);
    for (size_t i = 0; i < c.count; i++) {
        named[i].object = c.child[i];
        each(arg, &named[i]);
    }
}

void exvi_referents(PyObject *object, exvi_referent_fn *each, void *arg)
{
    if (PyDict_CheckExact(object))
        of_dict(object, each, arg);
    else if (PyList_CheckExact(object))
        of_items(((PyListObject *)object)->ob_item, Py_SIZE(object), each, arg);
    else if (PyTuple_CheckExact(object))
        of_items(((PyTupleObject *)object)->ob_item, Py_SIZE(object), each, arg);
    else if (PyCode_Check(object))
        of_code((PyCodeObject *)object, each, arg);
    else if (PyType_Check(object) && !PyObject_IS_GC(object))
        of_static_type((PyTypeObject *)object, each, arg);
    else
        of_others(object, each, arg);
    if (PyWeakref_Check(object) && ((PyWeakReference *)object)->wr_object != Py_None)
        each(arg, &(exvi_referent){.object = ((PyWeakReference *)object)->wr_object, .kind = EXVI_LABEL_WEAK});
}
