/*
 * use: a heap belongs to one thread at a time, and the checked build sees when it does not.
 *
 * A public function marks the stretch in which no other thread may use the heap. The stretches of one thread nest. A
 * heap that a thread has claimed is used by no other until it is released, inside of a function or not.
 */
#ifndef EXVI_USE_H
#define EXVI_USE_H

#include "exuvia.h"

#ifdef EXVI_CHECKED
void exvi_heap_enter(exv_heap *heap, const char *function);
void exvi_heap_leave(exv_heap *heap);
#else
#define exvi_heap_enter(heap, function) ((void)0)
#define exvi_heap_leave(heap) ((void)0)
#endif

#endif
