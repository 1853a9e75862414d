/*
 * exv_heap: what a heap consists of, and which file each part is of:
 *
 *     blocks           blocks.c       memory in size classes
 *     generations      generation.c   which objects a collection looks at
 *     schedule         policy.c       what is due when
 *     pace             policy.c       how searches in the background keep up; collections tell it what they cost
 *     deferred, later, depth  object.c  deaths that are put off
 *     weakrefs         weakref.c      targets of weak references
 *     collector        collect.c      one collection at a time
 *     flight           background.c   the collection in the background
 *     values           value.c        singletons, and how deep a repr is in itself
 *     garbage          gc.c           what collections could not free
 *     telemetry        telemetry.c    what collections cost; listener: gc.c
 *     dump             dump.c         the heap file that is being written
 *     leak_report      leaks.c        told of what is left at the end
 *     program          heap.c         what exv_heap_get_user() gives
 *     error, error_status, errors  error.c  the last failure, how many there were
 *     error_value, error_carries   raise.c  and what it carries
 *     owner, user, entries  use.c     who claimed it, and who is inside
 *
 * Others read them, and change what is a count or a switch: births and deaths count in `generations`, births the ticks
 * of `schedule`; gc.c sets switches of `collector`, a collection ends what is deferred before it.
 *
 * The layers `engine` and `memory` do not include this file; of the values need.c alone does.
 */
#ifndef EXVI_EXV_HEAP_H
#define EXVI_EXV_HEAP_H

#include "background.h"
#include "blocks.h"
#include "collect.h"
#include "dump.h"
#include "error.h"
#include "exuvia.h"
#include "generation.h"
#include "pace.h"
#include "policy.h"
#include "use.h"
#include "values.h"
#include "weakref.h"

struct exv_heap {
    exvi_blocks blocks;
    exvi_generations generations;
    exvi_schedule schedule;
    exvi_pace pace;
    void *deferred;            /* objects whose references are still to be dropped; linked through their headers */
    void *later;               /* likewise; those of exv_decref_later() and what they held the last reference to */
    unsigned depth;            /* of nested deaths */
    exvi_weakrefs weakrefs;
    exvi_collector collector;
    exvi_background flight;
    exvi_values values;
    exv_list *garbage;
    size_t own_objects, own_bytes; /* those of exvi_make_own() */
    exv_telemetry telemetry;
    exv_listener_fn *listener;
    void *listener_arg;
    void *listener_owned;      /* NULL, or the same object as `listener_arg`, which the heap has a reference to */
    exvi_dump dump;
    exv_leak_fn *leak_report;
    void *leak_report_arg;
    void *program;             /* exv_heap_set_user() */
    char error[EXVI_ERROR_SIZE];
    exv_status error_status;
    bool error_carries;        /* the value is of the last failure, not of one before it */
    void *error_value;         /* owned, or NULL */
    uint64_t errors;
    _Atomic uint64_t owner;    /* the thread that claimed the heap, or 0 */
    _Atomic uint64_t user;     /* checked build: the thread that is inside */
    unsigned entries;          /* checked build: how often it entered */
};

#endif
