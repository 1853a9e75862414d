/*
 * layout: where this interpreter keeps the collector's state, found by probing.
 *
 * The fields move between versions and between distributions of one version, so nothing is taken from a header of
 * CPython: each address is found from outside and then verified by an effect that CPython documents. If one check fails
 * nothing is used.
 *
 * All version conditions of the extension are in layout.c and here.
 */
#ifndef EXVI_LAYOUT_H
#define EXVI_LAYOUT_H

#include "gclist.h"
#include "report.h"

#include <stddef.h>

#if PY_VERSION_HEX < 0x030b0000 || PY_VERSION_HEX >= 0x03100000
#error "Exuvia is for CPython 3.11 to 3.15"
#endif

enum { EXVI_GENERATIONS = 3 };

typedef struct exvi_layout {
    exvi_gc_head *head[EXVI_GENERATIONS];
    int *threshold[EXVI_GENERATIONS];
    int *count[EXVI_GENERATIONS];
    exvi_gc_head *permanent;      /* what gc.freeze() put aside */
    int *enabled;
    int *collecting;
    Py_ssize_t *long_lived_total;
    Py_ssize_t *long_lived_pending;
    PyObject *callbacks;          /* borrowed: lives as long as the interpreter */
    visitproc count_visit;        /* the collector's own visitor, which it knows by address */
    traverseproc frame_like[2];   /* traverse functions that may report borrowed references */
    uintptr_t text_start, text_end; /* where the interpreter's own functions are */
} exvi_layout;

/* Fills the layout, adding each check to the report; false: a check failed, which the report names. Runs one full
 * collection. */
bool exvi_layout_probe(exvi_layout *layout, exvi_report *report);

/* The interpreter is a new one: what was kept of the last is gone with it. */
void exvi_layout_forget(void);

/* 3.14 and later: suspended frames may hold references that are not counted. */
#define EXVI_LAYOUT_BORROWS (PY_VERSION_HEX >= 0x030e0000)

/* 3.14 and later: the upper bits of the word that counts references are flags. */
#define EXVI_LAYOUT_COUNT_HAS_FLAGS (PY_VERSION_HEX >= 0x030e0000)

/* 3.12: an automatic collection may begin inside another one. */
#define EXVI_LAYOUT_NESTS (PY_VERSION_HEX >= 0x030c0000 && PY_VERSION_HEX < 0x030d0000)

/* Before 3.12 all interpreters share one GIL. */
#define EXVI_LAYOUT_ONE_GIL (PY_VERSION_HEX < 0x030c0000)

/* 3.14 and later: what atexit keeps is a list. */
#define EXVI_LAYOUT_EXITS_LISTED (PY_VERSION_HEX >= 0x030e0000)

/* Bytes between the block's begin and an object of this type. */
static inline size_t exvi_layout_before(const PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030c0000
    return (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0 ? 32 : 16;
#else
    return (type->tp_flags & (Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF)) != 0 ? 32 : 16;
#endif
}

/* Borrowed. From 3.12 on what builtin types have of their own is kept by the interpreter. */
static inline PyObject *exvi_layout_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030c0000
    return type->tp_dict;
#else
    PyObject *dict = PyType_GetDict(type);
    Py_XDECREF(dict);
    return dict;
#endif
}

/* Where the values of an instance's attributes lie, if it has no dictionary of its own for them, which else is
 * *dict. */
static inline PyObject *const *exvi_layout_values(PyObject *object, PyObject **dict)
{
    const PyTypeObject *type = Py_TYPE(object);
    void **before = (void **)object;
    *dict = NULL;
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_DICT) == 0) {
        if (type->tp_dictoffset > 0)
            *dict = *(PyObject **)((char *)object + type->tp_dictoffset);
        return NULL;
    }
#if PY_VERSION_HEX < 0x030c0000
    *dict = before[-3];
    return before[-4];
#elif PY_VERSION_HEX < 0x030d0000
    uintptr_t either = (uintptr_t)before[-3];
    if ((either & 1) != 0)
        return (PyObject *const *)(either + 1);
    *dict = (PyObject *)either;
    return NULL;
#else
    *dict = before[-3];
    const char *values = (const char *)object + type->tp_basicsize; /* capacity, size, embedded, valid: a byte each */
    bool has = (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0 && values[3] != 0;
    return has ? (PyObject *const *)(const void *)(values + sizeof(void *)) : NULL;
#endif
}

/* Do the dictionary's values lie in an instance? */
static inline bool exvi_layout_embedded(PyObject *dict)
{
#if PY_VERSION_HEX < 0x030d0000
    (void)dict;
    return false;
#else
    const char *values = (const char *)(const void *)((PyDictObject *)dict)->ma_values;
    return values && values[2] != 0;
#endif
}

/* CPython's _dictkeysobject, the same from 3.11 to 3.15 where there is a GIL. */
typedef struct exvi_dict_keys {
    Py_ssize_t count;
    uint8_t log2_size, log2_index_bytes, kind, unused;
    uint32_t version;
    Py_ssize_t usable, entries;
    char indices[];
} exvi_dict_keys;
enum { EXVI_GENERAL_KEYS };

/* CPython's frame of a function: in a thread's stack while it runs, in the generator where it is suspended, in a frame
 * object once it has ended. `code`, `function` and slots are tagged words from 3.14 on, see exvi_slot. The slots are
 * local variables first, then what calls and operators are at work on. frames.h proves that it is so. */
typedef struct exvi_frame {
#if PY_VERSION_HEX < 0x030c0000
    uintptr_t function;
    PyObject *globals, *builtins, *locals;
    uintptr_t code;
    PyObject *object;
    struct exvi_frame *previous;
#else
    uintptr_t code;
    struct exvi_frame *previous;
    uintptr_t function;
    PyObject *globals, *builtins, *locals, *object;
#endif
    const char *at;              /* the instruction */
#if PY_VERSION_HEX < 0x030c0000
    int top;                     /* slots in use; -1: it is not known while the interpreter works on them */
    bool entered;
#elif PY_VERSION_HEX < 0x030e0000
    int top;
    uint16_t offset;
#else
    uintptr_t *top;              /* the first slot that is free; NULL: not known */
    uint16_t offset;
#endif
    char owner;
#if PY_VERSION_HEX >= 0x030e0000
    uint8_t visited;
#endif
    uintptr_t slot[];
} exvi_frame;
enum { EXVI_FRAME_OF_THREAD, EXVI_FRAME_OF_GENERATOR, EXVI_FRAME_OF_OBJECT }; /* owner; more: a mark, no frame */

/* What a slot refers to, or NULL; it is not counted where the second one says so. */
static inline PyObject *exvi_slot_object(uintptr_t slot)
{
#if PY_VERSION_HEX < 0x030e0000
    return (PyObject *)slot;
#else
    return (slot & 2) != 0 ? NULL : (PyObject *)(slot & ~(uintptr_t)1);
#endif
}

static inline bool exvi_slot_is_borrowed(uintptr_t slot)
{
    return EXVI_LAYOUT_BORROWS && (slot & 1) != 0;
}

/* Slots that may be read; all local variables are. */
static inline Py_ssize_t exvi_frame_slots(const exvi_frame *frame, const PyCodeObject *code)
{
#if PY_VERSION_HEX < 0x030e0000
    Py_ssize_t used = frame->top;
#else
    Py_ssize_t used = frame->top ? frame->top - frame->slot : 0;
#endif
    Py_ssize_t locals = code->co_nlocalsplus, most = locals + code->co_stacksize;
    return used > locals && used <= most ? used : locals;
}

/* 3.11.0: the uppermost frame may be one whose variables are given up, one by one. */
static inline bool exvi_layout_keeps_ending_frames(void)
{
    return Py_Version < 0x030b0100;
}

static inline const exvi_frame *exvi_layout_running(const PyThreadState *thread)
{
#if PY_VERSION_HEX < 0x030d0000
    return (const exvi_frame *)(const void *)(thread->cframe ? thread->cframe->current_frame : NULL);
#else
    return (const exvi_frame *)(const void *)thread->current_frame;
#endif
}

static inline PyObject *exvi_layout_raised(const PyThreadState *thread)
{
#if PY_VERSION_HEX < 0x030c0000
    return thread->curexc_value;
#else
    return thread->current_exception;
#endif
}

static inline size_t exvi_layout_size_of_int(PyObject *number)
{
#if PY_VERSION_HEX < 0x030c0000
    Py_ssize_t count = ((PyVarObject *)number)->ob_size;
    size_t before = offsetof(PyLongObject, ob_digit), digits = (size_t)(count < 0 ? -count : count);
#else
    size_t before = offsetof(PyLongObject, long_value.ob_digit);
    size_t digits = ((PyLongObject *)number)->long_value.lv_tag >> 3;
#endif
    return before + (digits == 0 ? 1 : digits) * sizeof(digit);
}

/* Of the form of a dict. */
static inline bool exvi_layout_is_dict(PyObject *object)
{
#if PY_VERSION_HEX < 0x030f0000
    return PyDict_Check(object);
#else
    return PyAnyDict_Check(object);
#endif
}

/* From 3.15 on its bytes are an object of type bytes, which it alone has. */
static inline size_t exvi_layout_beside_bytearray(PyObject *array)
{
    size_t bytes = (size_t)((PyByteArrayObject *)array)->ob_alloc;
#if PY_VERSION_HEX < 0x030f0000
    return bytes;
#else
    return bytes > 0 ? offsetof(PyBytesObject, ob_sval) + bytes + 1 : 0;
#endif
}

static inline bool exvi_layout_immortal(PyObject *object)
{
#if PY_VERSION_HEX < 0x030c0000
    (void)object;
    return false;
#else
    return _Py_IsImmortal(object);
#endif
}

#endif
