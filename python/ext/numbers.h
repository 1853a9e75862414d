/*
 * numbers: all statistics as Python objects, for exuvia._core.stats().
 *
 * Making an object may start a collection, which writes the statistics. So everything is copied first, under the GIL
 * and without a lock, and the objects are made of the copy: what they say belongs together.
 */
#ifndef EXVI_NUMBERS_H
#define EXVI_NUMBERS_H

#include "layout.h"

/* (since=0) -> a dictionary; its fields are those of exuvia.Stats, of the collections those numbered above `since`. */
PyObject *exvi_numbers_all(PyObject *self, PyObject *args);

#endif
