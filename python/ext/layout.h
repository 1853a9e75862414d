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

/* Bytes between the block's begin and an object of this type. */
static inline size_t exvi_layout_before(const PyTypeObject *type)
{
#if PY_VERSION_HEX < 0x030c0000
    return (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0 ? 32 : 16;
#else
    return (type->tp_flags & (Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF)) != 0 ? 32 : 16;
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
