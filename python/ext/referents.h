/*
 * referents: what an object of CPython's refers to, and how the reference is called.
 *
 * References are what tp_traverse reports, so that each that is counted is told once; and what it does not report: keys
 * of dictionaries, what code objects and static types hold, and where a weak reference leads. Names are looked for
 * beside that, in what the type says of its members and in the keys that its instances share: a reference that no name
 * is found for is told without one.
 *
 * Nothing is allocated, no lock taken and no Python code run: it is for a snapshot child.
 */
#ifndef EXVI_REFERENTS_H
#define EXVI_REFERENTS_H

#include "layout.h"

#include "format.h"

typedef struct exvi_referent {
    PyObject *object;
    exvi_label_kind kind;    /* HIDDEN: a value of a dictionary, of which it is not said whether its key is shown */
    size_t number;           /* INDEX and KEY */
    PyObject *key;           /* HIDDEN: the key; ATTRIBUTE, LOCAL, CELL: a string, or NULL where `name` is there */
    const char *name;        /* ATTRIBUTE, INTERNAL */
    bool of_class;           /* the object's own type, which is no reference of the heap file */
    bool borrowed;           /* it is in no count */
} exvi_referent;

typedef void exvi_referent_fn(void *arg, const exvi_referent *referent);

void exvi_referents(PyObject *object, exvi_referent_fn *each, void *arg);

#endif
