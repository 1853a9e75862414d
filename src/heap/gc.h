/*
 * gc: what exuvia.h does not say of it: the collector is made with the list of what it could not free.
 */
#ifndef EXVI_GC_H
#define EXVI_GC_H

#include "exuvia.h"

/* At the end of exv_heap_new(); from then on collections take place. False: no memory. */
bool exvi_gc_init(exv_heap *heap);

#endif
