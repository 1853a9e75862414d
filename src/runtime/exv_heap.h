/*
 * exv_heap: what a heap consists of. Each part belongs to one file, and only that file changes it:
 *
 *     blocks       blocks.c       memory in size classes
 *     weakrefs     weakref.c      targets of weak references
 *     generations  generation.c   which objects a collection looks at
 *     collector    collect.c      one collection at a time
 *     flight       background.c   the collection in the background
 *     schedule     policy.c       what is due when
 *     values       value.c        singletons of the values
 *
 * Files below these (platform to snapshot) do not include this one.
 */
#ifndef EXVI_EXV_HEAP_H
#define EXVI_EXV_HEAP_H

#include "background.h"
#include "blocks.h"
#include "collect.h"
#include "error.h"
#include "exuvia.h"
#include "generation.h"
#include "policy.h"
#include "value.h"
#include "weakref.h"

struct exv_heap {
    exvi_blocks blocks;
    exvi_generations generations;
    exvi_schedule schedule;
    void *deferred;            /* objects whose references are still to be dropped; linked through their headers */
    unsigned depth;            /* of nested deaths */
    exvi_weakrefs weakrefs;
    exvi_collector collector;
    exvi_background flight;
    exvi_values values;
    exv_telemetry telemetry;
    exv_listener_fn *listener;
    void *listener_arg;
    char error[EXVI_ERROR_SIZE];
    _Atomic uint64_t user;     /* checked build: the thread that is inside */
    unsigned entries;          /* checked build: how often it entered */
};

/* Mark a stretch of a public function in which no other thread may use the heap. Checked build only. */
#ifdef EXVI_CHECKED
void exvi_heap_enter(exv_heap *heap, const char *function);
void exvi_heap_leave(exv_heap *heap);
#else
#define exvi_heap_enter(heap, function) ((void)0)
#define exvi_heap_leave(heap) ((void)0)
#endif

#endif
