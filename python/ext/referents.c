/*
 * referents: see referents.h.
 */
#include "referents.h"

#include "frames.h"
#include "plain_text.h"

#include <structmember.h>

enum { MOST = 512, OBJECT = 6, OBJECT_EX = 16 }; /* types of members that are references */

/* CPython's _dictkeysobject, the same from 3.11 to 3.15 where there is a GIL. */
typedef struct dict_keys {
    Py_ssize_t count;
    uint8_t log2_size, log2_index_bytes, kind, unused;
    uint32_t version;
    Py_ssize_t usable, entries;
    char indices[];
} dict_keys;
enum { GENERAL_KEYS };

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
    const dict_keys *keys = (const dict_keys *)(const void *)((PyHeapTypeObject *)type)->ht_cached_keys;
    if (!keys || keys->kind == GENERAL_KEYS)
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
    collected c = {.named = named, .each = each, .arg = arg};
    PyTypeObject *type = Py_TYPE(object);
    if (!PyObject_IS_GC(object) || !type->tp_traverse)
        return;
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

/* ------------------------------------------------------------------------- sizes */

static size_t size_of_keys(const dict_keys *keys)
{
    size_t entry = (keys->kind == GENERAL_KEYS ? 3 : 2) * sizeof(void *);
    return sizeof *keys + ((size_t)1 << keys->log2_index_bytes) + ((size_t)2 << keys->log2_size) / 3 * entry;
}

static size_t size_of_dict(const PyDictObject *dict)
{
    const dict_keys *keys = (const dict_keys *)(const void *)dict->ma_keys;
    size_t size = (size_t)Py_TYPE(dict)->tp_basicsize;
    if (dict->ma_values) /* the keys are others' too */
        size += (size_t)(keys->usable + keys->entries) * sizeof(void *);
    return keys->count == 1 ? size + size_of_keys(keys) : size;
}

static size_t size_of_str(PyObject *text)
{
    size_t length = (size_t)PyUnicode_GET_LENGTH(text), kind = PyUnicode_KIND(text);
    bool subclass = !PyUnicode_CheckExact(text);
    size_t head = PyUnicode_IS_COMPACT_ASCII(text) ? sizeof(PyASCIIObject)
                  : PyUnicode_IS_COMPACT(text) ? sizeof(PyCompactUnicodeObject) : sizeof(PyUnicodeObject);
    const PyCompactUnicodeObject *compact = (const PyCompactUnicodeObject *)text;
    bool has_utf8 = !PyUnicode_IS_COMPACT_ASCII(text) && compact->utf8 &&
                    (const void *)compact->utf8 != PyUnicode_DATA(text);
    size_t more = subclass ? (size_t)Py_TYPE(text)->tp_basicsize - sizeof(PyUnicodeObject) : 0;
    return head + (length + 1) * kind + (has_utf8 ? (size_t)compact->utf8_length + 1 : 0) + more;
}

static size_t size_of_type(const PyTypeObject *type)
{
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0)
        return sizeof *type;
    const dict_keys *keys = (const dict_keys *)(const void *)((const PyHeapTypeObject *)type)->ht_cached_keys;
    return sizeof(PyHeapTypeObject) + (keys ? size_of_keys(keys) : 0);
}

static size_t size_of_set(const PySetObject *set)
{
    size_t table = set->table == set->smalltable ? 0 : (size_t)set->mask + 1;
    return (size_t)Py_TYPE(set)->tp_basicsize + table * sizeof(setentry);
}

static bool has_frame(const PyTypeObject *type)
{
    return type == &PyGen_Type || type == &PyCoro_Type || type == &PyAsyncGen_Type;
}

/* Its frame does not say how long it is; the code does. */
static size_t size_of_generator(PyObject *generator)
{
    const exvi_frame *frame = exvi_frame_of(generator);
    const PyCodeObject *code = frame ? exvi_frame_code(frame) : NULL;
    size_t slots = code ? (size_t)code->co_nlocalsplus + (size_t)code->co_stacksize : 0;
    return (size_t)Py_TYPE(generator)->tp_basicsize + slots * sizeof(PyObject *);
}

static size_t size_of_code(PyObject *code)
{
    const size_t words = sizeof(void *);
    size_t size = (size_t)Py_TYPE(code)->tp_basicsize + (size_t)Py_SIZE(code) * (size_t)Py_TYPE(code)->tp_itemsize;
    return (size + words - 1) / words * words;
}

static size_t plain_size(PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    bool has_items = type->tp_itemsize > 0 && !PyFrame_Check(object); /* which does not say its length */
    Py_ssize_t items = has_items ? ((PyVarObject *)object)->ob_size : 0;
    return (size_t)type->tp_basicsize + (size_t)(items < 0 ? -items : items) * (size_t)type->tp_itemsize;
}

static size_t size_alone(PyObject *object)
{
    if (PyLong_Check(object))
        return exvi_layout_size_of_int(object);
    if (PyUnicode_Check(object))
        return size_of_str(object);
    if (PyDict_Check(object))
        return size_of_dict((PyDictObject *)object);
    if (PyList_Check(object))
        return plain_size(object) + (size_t)((PyListObject *)object)->allocated * sizeof(PyObject *);
    if (PyAnySet_Check(object))
        return size_of_set((PySetObject *)object);
    if (PyType_Check(object))
        return size_of_type((PyTypeObject *)object);
    if (PyByteArray_Check(object))
        return plain_size(object) + (size_t)((PyByteArrayObject *)object)->ob_alloc;
    if (PyCode_Check(object))
        return size_of_code(object);
    if (has_frame(Py_TYPE(object)))
        return size_of_generator(object);
    return plain_size(object);
}

size_t exvi_object_size(PyObject *object)
{
    size_t before = PyObject_IS_GC(object) ? exvi_layout_before(Py_TYPE(object)) : 0;
    return size_alone(object) + before;
}

/* Those that the ways above are for. */
static bool is_measured(const PyTypeObject *type)
{
    const PyTypeObject *const measured[] = {
        &PyLong_Type, &PyUnicode_Type, &PyDict_Type, &PyList_Type, &PySet_Type, &PyFrozenSet_Type, &PyType_Type,
        &PyTuple_Type, &PyBytes_Type, &PyCode_Type, &PyGen_Type, &PyCoro_Type, &PyAsyncGen_Type,
    };
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
        if (type == measured[i])
            return true;
    return false;
}

static bool has_own_size(PyTypeObject *type)
{
    PyObject *key, *value, *dict = exvi_layout_type_dict(type);
    Py_ssize_t at = 0;
    if (!dict || !PyDict_Check(dict))
        return true; /* it may */
    while (PyDict_Next(dict, &at, &key, &value))
        if (PyUnicode_Check(key) && PyUnicode_IS_COMPACT_ASCII(key) && PyUnicode_GET_LENGTH(key) == 10 &&
            exvi_plain_is(PyUnicode_DATA(key), "__sizeof__"))
            return true;
    return false;
}

static bool is_builtin(const PyTypeObject *type)
{
    bool dotted = false;
    for (const char *at = type->tp_name; *at; at++)
        dotted = dotted || *at == '.';
    return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 && !dotted;
}

/* It is one of those, or builtin or a class and does not say otherwise, nor do its bases. A type of an extension module
 * may hold more than anybody can see. */
bool exvi_size_is_known(PyTypeObject *type)
{
    for (; type && !is_measured(type); type = type->tp_base) {
        if (type == &PyBaseObject_Type)
            return true;
        bool plain = is_builtin(type) || (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
        if (!plain || has_own_size(type))
            return false;
    }
    return type != NULL;
}
