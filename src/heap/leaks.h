/*
 * leaks: who holds the objects that are left at the end of a heap.
 *
 * Beside the counts, every word of every object is looked at: one that leads to an object with references from outside,
 * and that no visit function reports, is the likely holder.
 */
#ifndef EXVI_LEAKS_H
#define EXVI_LEAKS_H

#include "exuvia.h"

/* Tell the heap's report, if it has one, of these objects, on each of which the caller has one reference. */
void exvi_leaks_report(exv_heap *heap, void *const *objects, size_t count);

#endif
