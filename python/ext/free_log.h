/*
 * free_log: which blocks of the object domain were freed since a snapshot.
 *
 * A candidate's address may be looked at only if its block was not freed meanwhile. While a snapshot is in flight the
 * interpreter's allocator for objects is observed: each freed or resized block sets one bit, 16 bytes of address space
 * a bit. Allocation itself stays untouched and free costs two loads and a store more.
 *
 * Others put themselves around the same allocator (tracemalloc, debug hooks), before us, above us, or in our place,
 * and may shift addresses. So the observer is never trusted without exvi_free_log_accurate().
 *
 * Invariant: our functions stand at most once in the chain of allocators.
 */
#ifndef EXVI_FREE_LOG_H
#define EXVI_FREE_LOG_H

#include "report.h"

#include <stddef.h>

/* Is there no other interpreter that may have a GIL of its own? */
bool exvi_free_log_is_alone(void);

/* Begin to observe, with nothing recorded. False: no memory, another allocator hides addresses from us, or we are not
 * alone. */
bool exvi_free_log_start(void);

/* End: the original allocator is put back where that is possible without hurting others; records are dropped. */
void exvi_free_log_stop(void);

/* Frees of blocks are seen now, with their true addresses, and no record was lost. Allocates and frees one block. */
bool exvi_free_log_accurate(void);

/* Was the block that begins here freed since the start? */
bool exvi_free_log_is_freed(const void *block);

/* For installation: objects of both forms die, and their blocks are seen where layout.h says that they begin. */
bool exvi_free_log_probe(exvi_report *report);

#endif
