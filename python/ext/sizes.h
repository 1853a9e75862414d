/*
 * sizes: how many bytes go with an object of CPython's.
 *
 * As sys.getsizeof() says, without asking the object: that would run its type's code, which allocates. For builtin
 * types and some of the standard library their fields are read instead; the others have their basic size and items.
 *
 * Nothing is allocated and no lock taken: it is for a snapshot child.
 */
#ifndef EXVI_SIZES_H
#define EXVI_SIZES_H

#include "layout.h"

/* Bytes of all blocks that go with it, as sys.getsizeof() says. For objects of a type that exvi_size_is_known() is not
 * true of it is an estimate. */
size_t exvi_object_size(PyObject *object);
bool exvi_size_is_known(PyTypeObject *type);

#endif
