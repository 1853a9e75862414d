/*
 * libc_heap: what malloc() of the C library holds and nobody uses, where it can tell.
 */
#ifndef EXVI_LIBC_HEAP_H
#define EXVI_LIBC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* False: this libc does not say, or another malloc() stands in for its own. Walks the lists of free blocks, with
 * malloc's locks held in turn: not for a thread that has the GIL, nor for a snapshot child. What the caches of threads
 * hold is not in it. */
bool exvi_libc_heap_free(size_t *bytes);

#endif
