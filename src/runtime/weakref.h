/*
 * weakref: weak references, and the table that leads from an object to those on it.
 *
 * Invariant: an object has the flag EXVI_WEAK exactly while the table has weak references to it; those lead to it.
 */
#ifndef EXVI_WEAKREF_H
#define EXVI_WEAKREF_H

#include "exuvia.h"

typedef struct exvi_weakrefs {
    exv_weakref **slots; /* hash of the target -> its weak references, through ->chain and ->next */
    size_t room;         /* a power of two, or 0 */
    size_t targets;
} exvi_weakrefs;

/* Let a new weak reference lead to its target; nowhere, if that is dying. False: no memory. */
bool exvi_weakref_lead(exv_weakref *ref, void *target, exv_weakref_fn *callback, void *arg);

/* Its callback's argument is an object, and it has a reference to it from now on. */
void exvi_weakref_own(exv_weakref *ref);

/* Entries of weak tables: the value is the weak reference's, and it is the target that reports it as long as there is
 * one. Where it leads, borrowed, or NULL, also when that is dying; what the target is or was; its value, borrowed; a
 * new one. */
void *exvi_weakref_target(const exv_weakref *ref);
const void *exvi_weakref_key(const exv_weakref *ref);
void *exvi_weakref_value(const exv_weakref *ref);
void exvi_weakref_set_value(exv_weakref *ref, void *value);

/* From now on NULL is the argument of its callback. */
void exvi_weakref_forget(exv_weakref *ref);

/* Visit the values that an object keeps alive in weak tables. It has the flag EXVI_WEAK. */
int exvi_weakrefs_visit_values(const exv_heap *heap, void *target, exv_visit_fn *visit, void *arg);

/* The target dies: its weak references lead nowhere from now on; the callbacks of those that are alive are called. */
void exvi_weakrefs_die(exv_heap *heap, void *target);

/* The same for many at once, as a collection needs it: all are cut before the first callback runs, and weak references
 * that have the flag EXVI_UNREACHABLE themselves are not called. */
void exvi_weakrefs_die_together(exv_heap *heap, void *const *unreachable, size_t count);

/* What a weak reference leads to, if its callback would be called; else NULL. */
void *exvi_weakref_awaited(const exv_weakref *ref);

/* NULL, or what is wrong with the table. Examines targets and weak references only. */
const char *exvi_weakrefs_check(const exv_heap *heap);

/* All weak references lead nowhere, and no callback is called: the end of the heap. */
void exvi_weakrefs_drop(exv_heap *heap);

#endif
