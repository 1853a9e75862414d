/*
 * gc: what exuvia.h does not say of it: how its part of a heap begins and ends.
 */
#ifndef EXVI_GC_H
#define EXVI_GC_H

#include "exuvia.h"

/* At the end of exv_heap_new(); from then on collections take place. False: no memory. */
bool exvi_gc_init(exv_heap *heap);

/* The heap ends: callbacks and a listener that have an object as their argument are taken away. */
void exvi_gc_give_up_owned(exv_heap *heap);

#endif
