/*
 * reclaim: one full collection in the background, from the snapshot to the last candidate.
 *
 *     IDLE --start--> SEARCHING --answer--> LANDING --all in ranges--> FREEING --last portion--> IDLE
 *                         \________________/__ failed, abandoned ________/
 *
 * A candidate is not freed here. LANDING looks at each address of the answer, and puts what is still an object into
 * ranges of the oldest list, component by component; child, answer and free log end there. FREEING moves a portion of
 * them into generation 0 just before CPython's own young collection runs, which proves it again and does everything
 * else. Components go whole and in bounded portions, so that each such collection stays within the pause budget.
 *
 * Invariant: an address of the answer is looked at only while frees are observed exactly since the clone.
 */
#ifndef EXVI_RECLAIM_H
#define EXVI_RECLAIM_H

#include "layout.h"
#include "record.h"

#include <stdint.h>

typedef enum exvi_reclaim_state {
    EXVI_RECLAIM_IDLE,
    EXVI_RECLAIM_SEARCHING,
    EXVI_RECLAIM_LANDING,
    EXVI_RECLAIM_FREEING,
} exvi_reclaim_state;

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
    EXVI_FALLBACK_OVERTAKEN,      /* the heap doubled while the child got nowhere */
    EXVI_FALLBACK_MEMORY_TIGHT,   /* near a memory limit: collected in place */
    EXVI_FALLBACKS
} exvi_fallback;
const char *exvi_fallback_name(exvi_fallback fallback);

/* Written by the GIL's holder, without a lock. `sum` is over all that were completed, but for `longest_ns` and
 * `child_bytes`, the largest. */
typedef struct exvi_reclaim_stats {
    uint64_t started;
    uint64_t completed;           /* landed: all that was found stands in ranges */
    uint64_t finished;            /* and was brought, or is another's affair by now */
    uint64_t last_clone_ns;
    uint64_t last_start_ns;       /* all that the last start took, the clone included, also if it failed */
    exvi_record last, sum;
    uint64_t last_oldest;         /* of the examined, those that were in the oldest list */
    uint64_t fallback[EXVI_FALLBACKS];
    const char *last_failure;     /* why the last one that failed did */
} exvi_reclaim_stats;

typedef struct exvi_reclaim_options {
    int generations;              /* lists that are searched */
    size_t expected;              /* objects in them, about */
    uint64_t deadline_ns;         /* of the child */
    bool idle;                    /* nobody waits for it: the child gets what processors have to spare */
    bool shares;                  /* the child has no processor of its own: it works while somebody waits for it */
    uint64_t search_ns;           /* how long it will be up, about */
} exvi_reclaim_options;

void exvi_reclaim_init(const exvi_layout *layout);
exvi_reclaim_state exvi_reclaim_now(void);
const char *exvi_reclaim_state_name(exvi_reclaim_state state);
const exvi_reclaim_stats *exvi_reclaim_stats_get(void);

/* Take the snapshot. Not inside a collection but for its end. False: nothing was begun, *why says why. */
/* How long a clone would stop the program just now, about; looked at anew after some milliseconds. */
uint64_t exvi_reclaim_clone_ns(void);

bool exvi_reclaim_start(const exvi_reclaim_options *options, exvi_fallback *why);

/* See how the child stands; never waits. True if it failed in this call, with the reason. */
bool exvi_reclaim_poll(exvi_fallback *why);

/* Until the child has answered or failed, at most so long, with the GIL held. */
void exvi_reclaim_wait(uint64_t ns);

/* What is known of the collection at hand: from LANDING on, what the child did. */
const exvi_record *exvi_reclaim_answer(void);

int32_t exvi_reclaim_child(void); /* its process */

/* Processor time that the child has used so far; 0 where the system does not say. */
uint64_t exvi_reclaim_child_ns(void);

/* LANDING: go on for about so long, UINT64_MAX: to the end. Outside of collections, or at the very beginning of a young
 * one. False: all that was not landed is dropped, *why says why. */
bool exvi_reclaim_land(uint64_t ns, exvi_fallback *why);

/* LANDING and FREEING: candidates in ranges that are left, and a young collection that begins: move so many of them
 * into generation 0, and at least a range. Returns how many. False in *whole: they cannot be told from others any more
 * and were dropped. */
size_t exvi_reclaim_left(void);
size_t exvi_reclaim_bring(size_t most, bool *whole);

/* What became of a portion. */
typedef struct exvi_portion_end {
    uint64_t stop_ns;             /* the young collection, from beginning to end */
    uint64_t unreachable, uncollectable;
} exvi_portion_end;

/* The collection that began with exvi_reclaim_bring() has ended. True: it was the last portion, all is completed. */
bool exvi_reclaim_brought(const exvi_portion_end *portion);

/* Forget it, whatever its state; kills the child. What was completed or forgotten leaves a record, but not in a
 * process that was forked meanwhile. */
void exvi_reclaim_abandon(exvi_fallback why);

/* This process was forked, and what was in flight forgotten: it has had no collection. */
void exvi_reclaim_forked(void);

/* The interpreter has ended: the same, and no object is touched. */
void exvi_reclaim_ended(void);

/* Another interpreter has begun. */
void exvi_reclaim_forget(void);

#endif
