/*
 * flight: one full collection in the background, from the snapshot to the last candidate.
 *
 *     IDLE --start--> SEARCHING --answer--> RECLAIMING --last batch--> IDLE
 *                         \________ failed, abandoned ________________/
 *
 * A candidate is not freed here. It is moved into generation 0 just before CPython's own young collection runs, which
 * proves it again and does everything else. Components go whole and in bounded batches, so that each such collection
 * stays within the pause budget.
 *
 * Invariant: an address of the answer is looked at only while frees are observed exactly since the clone.
 */
#ifndef EXVI_FLIGHT_H
#define EXVI_FLIGHT_H

#include "layout.h"
#include "record.h"

#include <stdint.h>

typedef enum exvi_flight_state { EXVI_FLIGHT_IDLE, EXVI_FLIGHT_SEARCHING, EXVI_FLIGHT_RECLAIMING } exvi_flight_state;

/* Why a flight brought nothing, or was not begun. */
typedef enum exvi_fallback {
    EXVI_FALLBACK_CLONE_REFUSED,
    EXVI_FALLBACK_NO_SHARED,
    EXVI_FALLBACK_CHILD_DIED,
    EXVI_FALLBACK_CHILD_LATE,
    EXVI_FALLBACK_CHILD_MEMORY,
    EXVI_FALLBACK_CANCELLED,      /* uninstalled, or forked */
    EXVI_FALLBACK_ALLOCATOR,      /* another allocator hides which blocks are freed */
    EXVI_FALLBACK_INTERPRETERS,   /* there are others, which may free while we look */
    EXVI_FALLBACK_FROZEN,         /* gc.freeze() or gc.unfreeze() in flight */
    EXVI_FALLBACK_FULL_COLLECTION,/* a full collection in place overtook it */
    EXVI_FALLBACK_OVERTAKEN,      /* the heap doubled while the child searched */
    EXVI_FALLBACK_MEMORY_TIGHT,   /* near a memory limit: collected in place */
    EXVI_FALLBACKS
} exvi_fallback;
const char *exvi_fallback_name(exvi_fallback fallback);

/* Written by the GIL's holder, without a lock. `sum` is over all that were completed, but for `longest_ns` and
 * `child_bytes`, the largest. */
typedef struct exvi_flight_stats {
    uint64_t started, completed;
    uint64_t last_clone_ns;
    uint64_t last_start_ns;       /* all that the last start took, the clone included, also if it failed */
    exvi_record last, sum;
    uint64_t last_oldest;         /* of the examined, those that were in the oldest list */
    uint64_t fallback[EXVI_FALLBACKS];
    const char *last_failure;     /* why the last one that failed did */
} exvi_flight_stats;

typedef struct exvi_flight_options {
    int generations;              /* lists that are searched */
    size_t expected;              /* objects in them, about */
    uint64_t deadline_ns;         /* of the child */
    uint64_t batch_ns;            /* wish for the length of one reclaiming collection */
} exvi_flight_options;

void exvi_flight_init(const exvi_layout *layout);
exvi_flight_state exvi_flight_now(void);
const exvi_flight_stats *exvi_flight_stats_get(void);

/* Take the snapshot. Not inside a collection but for its end. False: nothing was begun, *why says why. */
bool exvi_flight_start(const exvi_flight_options *options, exvi_fallback *why);

/* See how the child stands; never waits. True if the flight failed in this call, with the reason. */
bool exvi_flight_poll(exvi_fallback *why);

/* Until the child has answered or failed, at most so long, with the GIL held; for tests. */
void exvi_flight_wait(uint64_t ns);

/* A young collection begins: move the next batch into generation 0. Returns how many objects were moved. */
size_t exvi_flight_reclaim(void);

/* What became of a batch. */
typedef struct exvi_batch_end {
    uint64_t stop_ns;             /* the young collection, from beginning to end */
    uint64_t part_ns;             /* of it what the candidates cost */
    uint64_t unreachable, uncollectable;
} exvi_batch_end;

/* The collection that began with exvi_flight_reclaim() has ended. True: it was the last batch, the flight is
 * completed. */
bool exvi_flight_reclaimed(const exvi_batch_end *batch);

/* From now on in steps of at least a sixteenth of what is left, whatever they take. Only while reclaiming. */
void exvi_flight_hurry(void);

/* One more for this reason, where no flight was begun. */
void exvi_flight_count(exvi_fallback why);

/* Forget a flight, whatever its state; kills the child. A completed or forgotten flight leaves a record,
 * but not in a process that was forked meanwhile. */
void exvi_flight_abandon(exvi_fallback why);

#endif
