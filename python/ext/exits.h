/*
 * exits: what atexit keeps, which it shows to nobody.
 *
 * Its functions hang from the interpreter's state. They are found by one that is known to be registered, so where none
 * is, or where they hang otherwise than up to now, nothing is told, and they are held by C as far as anybody can tell.
 *
 * Each word is asked for before it is read, nothing is allocated and no lock taken: it is for a snapshot child.
 */
#ifndef EXVI_EXITS_H
#define EXVI_EXITS_H

#include "walk.h"

#include <Python.h>

/* All that atexit has a reference to, one that is in the object's count: functions and their arguments, or from 3.14 on
 * the list of them. `known` is a function that is registered; members of `walk` are objects. */
typedef void exvi_exit_fn(void *arg, PyObject *object, const char *what, PyObject *function); /* NULL: of all */

void exvi_exits_each(PyObject *known, const exvi_walk *walk, exvi_exit_fn *each, void *arg);

#endif
