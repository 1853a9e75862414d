/*
 * schedule: when a full collection happens, and who does it.
 *
 * CPython's rule stands: the oldest generation is due when more collections of generation 1 than its threshold have
 * run, and the objects waiting are at least a quarter of the long-lived total. We only decide whether a due collection
 * is left to CPython or done from a snapshot. For that the objects waiting are counted here, where CPython does not
 * see them; thresholds, counts and everything else it shows stay true (but see young.h), and without our callback all
 * is as before.
 *
 * Runs inside gc.callbacks, late in finalization too: no module state, no allocation of Python objects. Whatever stops
 * the program passes here, so the histograms of stops and the records of collections in place are made here.
 */
#ifndef EXVI_SCHEDULE_H
#define EXVI_SCHEDULE_H

#include "flight.h"

#include "telemetry.h"

typedef enum exvi_mode {
    EXVI_MODE_AUTO,        /* a heap that can be scanned within the pause budget is left to CPython */
    EXVI_MODE_BACKGROUND,  /* every due full collection is done from a snapshot */
    EXVI_MODE_INLINE,      /* none is; for comparison and for measuring */
    EXVI_MODE_STRESS,      /* a snapshot after every collection of generation 1; for tests */
} exvi_mode;

/* Stops by what they were for. A snapshot taken at the end of a collection is counted apart from it, so the times of
 * the others add up to those of EXVI_STOP_ALL, where both are one stop. */
typedef enum exvi_stop {
    EXVI_STOP_ALL,         /* as the program felt them */
    EXVI_STOP_CLONE,       /* taking a snapshot, or the attempt */
    EXVI_STOP_RECLAIM,     /* a young collection that brought candidates */
    EXVI_STOP_YOUNG,       /* any other collection of generation 0 or 1 */
    EXVI_STOP_FULL,        /* a collection of generation 2 in place */
    EXVI_STOPS
} exvi_stop;
const char *exvi_stop_name(exvi_stop stop);

typedef struct exvi_schedule_stats {
    uint64_t young_collections;
    uint64_t full_collections;        /* by CPython in place, the user's own included */
    uint64_t tracked;                 /* long-lived objects, and those waiting */
    uint64_t waiting;
    double ns_per_object;             /* what a full collection in place costs, learned */
    exv_telemetry stops[EXVI_STOPS];
} exvi_schedule_stats;

#define EXVI_DEADLINE_NS UINT64_C(60000000000) /* for a child, when nothing else is said */

/* Our callback enters gc.callbacks. False with an exception set: no memory. */
bool exvi_schedule_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns);
void exvi_schedule_uninstall(void);

/* The interpreter has ended, with us installed or not. Touches no object. */
void exvi_schedule_ended(void);

/* Not installed, and the interpreter is a new one: objects kept of the last are gone with it. */
void exvi_schedule_forget(void);

bool exvi_schedule_is_installed(void);

/* Take a snapshot now, of so many of the lists. False: one is in flight, inside a collection, or it could not be made.
 * */
bool exvi_schedule_start(int generations, uint64_t deadline_ns);

/* See how the child stands. */
void exvi_schedule_poll(void);

/* This process was forked: no child of ours is in flight here. */
void exvi_schedule_forked(void);

/* Is a collection running, of whatever thread? */
bool exvi_schedule_in_collection(void);

/* One runs, and the thread that asks is the one that runs it: what waits for its end would wait for itself. */
bool exvi_schedule_collects_here(void);

void exvi_schedule_read(exvi_schedule_stats *stats);

#endif
