/*
 * object: counting and death of objects, and what can be asked of one. Headers are in header.h, births in birth.c.
 *
 * Invariant: an object dies at the statement that gives up its last reference, or is put off until the deaths that are
 * going on have ended.
 */
#ifndef EXVI_OBJECT_H
#define EXVI_OBJECT_H

#include "header.h"

/* The object is the library's, not the program's: immortal, and left out where live blocks are counted and shown. */
void exvi_make_own(void *object);

/* The name of an object's type as messages and reports give it; of an instance, its class. Borrowed. */
const char *exvi_type_name(const void *object);

/* Visit what an object refers to, values that it keeps alive in weak tables included. Returns the first result other
 * than 0, or 0. */
int exvi_object_visit(void *object, exv_visit_fn *visit, void *arg);

/* Drop an object's references to break a cycle. The caller holds one on the object. */
void exvi_object_clear(void *object);

/* Call the finalizer if there is one and it was not called. The caller holds a reference. */
void exvi_object_finalize(void *object);

/* Let those die that exv_decref_later() put off, and what only they held, until `until_ns` (UINT64_MAX: all). True if
 * none is left. */
bool exvi_object_end_later(exv_heap *heap, uint64_t until_ns);

/* The next in a list of objects whose death was put off: heap->deferred, heap->later. */
void *exvi_object_put_off_next(const void *object);

/* What it refers to, but for values in weak tables, as exvi_object_visit(). */
int exvi_object_visit_own(void *object, exv_visit_fn *visit, void *arg);

/* Destroy what is left in it and free the block, whatever its count: the end of the heap. */
void exvi_object_force(void *object);

#ifdef EXVI_CHECKED
/* Stops the program if `object` is not a live object, or its heap is in use by another thread. */
void exvi_object_expect(const char *function, const void *object);
#else
#define exvi_object_expect(function, object) ((void)0)
#endif

#endif
