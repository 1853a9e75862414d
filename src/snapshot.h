/*
 * snapshot: run a search in a copy-on-write child, and bring back its answer in shared memory.
 *
 * The child sees the whole process as it was at the clone. It makes system calls of its own only, allocates by mapping
 * only, touches no descriptor, and dies with its parent, at its deadline, or when told to. Whatever becomes of it, the parent
 * gets one of two ends, answered or failed with a reason, and no process, mapping or name is left behind.
 *
 * Invariant: pid > 0 exactly while a child may exist. A process forked during a flight disowns it: the child is not its own.
 */
#ifndef EXVI_SNAPSHOT_H
#define EXVI_SNAPSHOT_H

#include "exuvia.h"

#include <stdatomic.h>

typedef struct exvi_answer {          /* in shared memory */
    _Atomic uint32_t state;           /* exvi_answer_state; the waiters' word */
    _Atomic uint32_t abort;           /* set by the parent */
    uint64_t search_ns;               /* wall time of the child's search */
    uint64_t cpu_ns;                  /* its CPU time */
    uint64_t examined;
    uint64_t resident_bytes;          /* memory of the child's own at the end of the search */
    size_t count;                     /* of words */
    size_t room;                      /* of words: writing beyond is refused, see exvi_answer_put() */
    uint64_t deadline_ns;             /* on the monotonic clock */
    int32_t parent;
    uint64_t word[];
} exvi_answer;

/* Runs in the child. The answer is `count` words written with exvi_answer_put(); the result says whether they are whole. */
typedef enum exvi_search_end { EXVI_SEARCH_DONE, EXVI_SEARCH_MEMORY, EXVI_SEARCH_STOPPED } exvi_search_end;
typedef exvi_search_end exvi_search_fn(exvi_answer *answer, void *arg);
bool exvi_answer_put(exvi_answer *answer, const void *words, size_t count); /* false: no room */
bool exvi_answer_stopped(const exvi_answer *answer); /* aborted, too late, or the parent is gone */

typedef enum exvi_flight { EXVI_FLIGHT_NONE, EXVI_FLIGHT_RUNNING, EXVI_FLIGHT_ANSWERED, EXVI_FLIGHT_FAILED } exvi_flight;

typedef struct exvi_snapshot {
    exvi_flight flight;
    exv_reason reason;                /* when FAILED */
    int32_t pid;
    exvi_answer *answer;
    size_t answer_size;
    uint64_t clone_ns;                /* how long the parent stopped for the clone */
    uint64_t started_ns;
    uint32_t *own;                    /* nonzero, wiped in a forked process */
} exvi_snapshot;

/* Clone and search. `room` is the largest answer in words (address space, resident only as written). EXV_BUSY in flight;
 * EXV_UNSUPPORTED: no child, snapshot->reason says why. `snapshot` is zeroed before its first use. */
exv_status exvi_snapshot_start(exvi_snapshot *snapshot, exvi_search_fn *search, void *arg, size_t room, uint64_t deadline_ns);

/* How it stands; kills a child that is late. Never waits. */
exvi_flight exvi_snapshot_poll(exvi_snapshot *snapshot);

/* The same after waiting, at most timeout_ns. */
exvi_flight exvi_snapshot_wait(exvi_snapshot *snapshot, uint64_t timeout_ns);

/* Kill and reap a child that runs, forget the answer: back to NONE. Disowns after a fork. */
void exvi_snapshot_end(exvi_snapshot *snapshot);

#endif
