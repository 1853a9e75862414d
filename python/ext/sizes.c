/*
 * sizes: see sizes.h.
 */
#include "sizes.h"

#include "frames.h"
#include "plain_text.h"

static size_t size_of_keys(const exvi_dict_keys *keys)
{
    size_t entry = (keys->kind == EXVI_GENERAL_KEYS ? 3 : 2) * sizeof(void *);
    return sizeof *keys + ((size_t)1 << keys->log2_index_bytes) + ((size_t)2 << keys->log2_size) / 3 * entry;
}

static size_t size_of_dict(const PyDictObject *dict)
{
    const exvi_dict_keys *keys = (const exvi_dict_keys *)(const void *)dict->ma_keys;
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
    const exvi_dict_keys *keys = (const exvi_dict_keys *)(const void *)((const PyHeapTypeObject *)type)->ht_cached_keys;
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

static size_t size_of_frame(PyFrameObject *frame)
{
    PyCodeObject *code = PyFrame_GetCode(frame);
    size_t slots = (size_t)code->co_nlocalsplus + (size_t)code->co_stacksize;
    Py_DECREF(code); /* a count that is the program's again */
    return (size_t)Py_TYPE(frame)->tp_basicsize + slots * sizeof(PyObject *);
}

static size_t plain_size(PyObject *object)
{
    const PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t items = type->tp_itemsize > 0 ? ((PyVarObject *)object)->ob_size : 0;
    return (size_t)type->tp_basicsize + (size_t)(items < 0 ? -items : items) * (size_t)type->tp_itemsize;
}

/* --------------------------------------------------- of the standard library */

/* Fields of types in C as words from the object's beginning, the same from 3.11 to 3.15. */
static size_t word_of(PyObject *object, int place)
{
    return ((const size_t *)(const void *)object)[place];
}

static size_t size_of_deque(PyObject *deque)
{
    enum { LEFT_INDEX = 5, ITEMS = 64, LINKS = 2 }; /* of a block */
    size_t places = word_of(deque, LEFT_INDEX) + (size_t)Py_SIZE(deque);
    return plain_size(deque) + (places + ITEMS - 1) / ITEMS * (ITEMS + LINKS) * sizeof(void *);
}

static size_t size_of_array(PyObject *array)
{
    enum { ALLOCATED = 4, DESCRIPTION = 5, ITEM_SIZE = 1 };
    const int *description = (const int *)word_of(array, DESCRIPTION);
    return plain_size(array) + word_of(array, ALLOCATED) * (size_t)description[ITEM_SIZE];
}

static size_t size_of_ordered(PyObject *dict)
{
    enum { OWN = sizeof(PyDictObject) / sizeof(void *), FIRST = OWN, PLACES = OWN + 3, NODE = 4 };
    size_t nodes = word_of(dict, FIRST) ? (size_t)((PyDictObject *)(void *)dict)->ma_used : 0;
    return size_of_dict((PyDictObject *)(void *)dict) + (word_of(dict, PLACES) + nodes * NODE) * sizeof(void *);
}

static size_t size_of_buffered(PyObject *file)
{
    enum { BUFFER = 7, BUFFER_SIZE = 15 };
    return plain_size(file) + (word_of(file, BUFFER) ? word_of(file, BUFFER_SIZE) : 0);
}

static size_t size_of_element(PyObject *element)
{
    enum { CHILDREN = 5, ALLOCATED = 2, WITHIN = 4, WORDS = 8 };
    const size_t *children = (const size_t *)word_of(element, CHILDREN);
    size_t beside = children && children[ALLOCATED] > WITHIN ? children[ALLOCATED] : 0;
    return plain_size(element) + (children ? WORDS + beside : 0) * sizeof(void *);
}

typedef size_t size_fn(PyObject *object);

static size_fn *find_way(const PyTypeObject *type)
{
    static const struct {
        const char *name;
        size_fn *way;
    } ways[] = {
        {"collections.deque", size_of_deque},       {"array.array", size_of_array},
        {"collections.OrderedDict", size_of_ordered}, {"xml.etree.ElementTree.Element", size_of_element},
        {"_io.BufferedReader", size_of_buffered},   {"_io.BufferedWriter", size_of_buffered},
        {"_io.BufferedRandom", size_of_buffered},
    };
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 && (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) == 0)
        return NULL; /* a class of the program's may be called so, too */
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (exvi_plain_is(type->tp_name, ways[i].name))
            return ways[i].way;
    return NULL;
}

/* Of the type or the first of its bases that has one; NULL: there is none. */
static size_fn *way_of(const PyTypeObject *type)
{
    enum { KEPT = 256 };
    static struct {
        const PyTypeObject *type;
        size_fn *way;
    } kept[KEPT]; /* types do not die in the child */
    size_t at = (uintptr_t)type / 16 % KEPT;
    if (kept[at].type != type) {
        kept[at].type = type;
        kept[at].way = NULL;
        for (const PyTypeObject *base = type; base && !kept[at].way; base = base->tp_base)
            kept[at].way = find_way(base);
    }
    return kept[at].way;
}

static size_t size_alone(PyObject *object)
{
    if (PyLong_Check(object))
        return exvi_layout_size_of_int(object);
    if (PyUnicode_Check(object))
        return size_of_str(object);
    if (exvi_layout_is_dict(object) && !PyODict_Check(object))
        return size_of_dict((PyDictObject *)object);
    if (PyList_Check(object))
        return plain_size(object) + (size_t)((PyListObject *)object)->allocated * sizeof(PyObject *);
    if (PyAnySet_Check(object))
        return size_of_set((PySetObject *)object);
    if (PyType_Check(object))
        return size_of_type((PyTypeObject *)object);
    if (PyByteArray_Check(object))
        return plain_size(object) + exvi_layout_beside_bytearray(object);
    if (PyCode_Check(object))
        return size_of_code(object);
    if (has_frame(Py_TYPE(object)))
        return size_of_generator(object);
    if (PyFrame_Check(object))
        return size_of_frame((PyFrameObject *)object);
    size_fn *way = way_of(Py_TYPE(object));
    return way ? way(object) : plain_size(object);
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
        &PyTuple_Type, &PyBytes_Type, &PyCode_Type, &PyGen_Type, &PyCoro_Type, &PyAsyncGen_Type, &PyFrame_Type,
    };
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
        if (type == measured[i])
            return true;
    return find_way(type) != NULL;
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
