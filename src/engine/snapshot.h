/*
 * snapshot: run a search in a copy-on-write child, and bring back its answer in shared memory.
 *
 * The child sees the whole process as it was at the clone. It makes system calls of its own only, allocates by mapping
 * only, has no descriptor, and dies with its parent, at its deadline, or when told to. Whatever becomes of it, the
 * parent gets one of two ends, answered or failed with a reason, and no process, mapping or name is left behind.
 *
 * A snapshot is used by one thread at a time, but not always the same: any thread of the process may poll, wait for or
 * end what another has started, also when that one is gone. A thread that only wants to know when the child has ended,
 * beside the one that uses the snapshot, calls exvi_child_await(pid).
 *
 * Invariant: pid > 0 exactly while a child of this process may exist; answer != NULL exactly while flight is RUNNING
 * or ANSWERED. A process forked by the program meanwhile disowns both at its first call here: it neither kills nor
 * waits, and sees FAILED with EXV_REASON_CANCELLED. When the program replaces itself with exec, the child ends within
 * 0.1 s (where /proc shows it the parent's page table; elsewhere it searches on until its deadline). What is left of it
 * then waits as a zombie for a program that does not know it, so it is better to end a snapshot before an exec.
 */
#ifndef EXVI_SNAPSHOT_H
#define EXVI_SNAPSHOT_H

#include "exuvia.h"

#include "room.h"

#include <stdatomic.h>

typedef enum exvi_answer_state {
    EXVI_ANSWER_NONE, /* the child is searching, or has ended without an answer */
    EXVI_ANSWER_DONE,
    EXVI_ANSWER_MEMORY,
    EXVI_ANSWER_STOPPED,
    EXVI_ANSWER_TIGHT /* it ended itself: a limit of memory was near */
} exvi_answer_state;

/* In shared memory. What the child writes is its own until it stores `state` (release); from then on it writes nothing,
 * and the parent may read (acquire) and, once the flight is ANSWERED, overwrite the words. `held` and `abort` are
 * relaxed on both sides: nothing else is read because of what they say. */
typedef struct exvi_answer {
    _Atomic uint32_t state;  /* exvi_answer_state; the waiters' word */
    _Atomic uint32_t held;   /* set by the parent: to stand still while the program works; a word to wait on */
    _Atomic uint32_t abort;  /* set by the parent, which may have lost the right to kill the child */
    _Atomic uint64_t released_ns; /* on the monotonic clock: since then the child has no page of the heap; 0: it has */
    uint64_t search_ns;      /* wall time of the child's search */
    uint64_t cpu_ns;         /* the child's CPU time */
    uint64_t examined;       /* for the search to fill in */
    uint64_t resident_bytes; /* the most memory of the child's own, its answer included */
    size_t count;            /* of words */
    size_t room;             /* of words: writing beyond is refused, see exvi_answer_put() */
    uint64_t deadline_ns;    /* on the monotonic clock */
    int32_t parent;
    uint64_t word[];
} exvi_answer;

/* Runs in the child. The answer is `count` words written with exvi_answer_put(); the result says whether they are
 * whole. It may call nothing that locks or allocates from the C library. */
typedef enum exvi_search_end { EXVI_SEARCH_DONE, EXVI_SEARCH_MEMORY, EXVI_SEARCH_STOPPED } exvi_search_end;
typedef exvi_search_end exvi_search_fn(exvi_answer *answer, void *arg);
bool exvi_answer_put(exvi_answer *answer, const void *words, size_t count); /* false: no room, nothing written */
void exvi_answer_release(exvi_answer *answer); /* the heap's pages were given back just now */
bool exvi_answer_stopped(const exvi_answer *answer); /* aborted, too late, or the parent is gone; waits while held */

typedef enum exvi_flight {
    EXVI_FLIGHT_NONE,
    EXVI_FLIGHT_RUNNING,
    EXVI_FLIGHT_ANSWERED, /* the child is reaped; answer->word[0 .. count) is whole */
    EXVI_FLIGHT_FAILED    /* the child is reaped */
} exvi_flight;

typedef struct exvi_snapshot {
    exvi_flight flight;
    exv_reason reason;   /* when FAILED, or when the start failed */
    int32_t pid;         /* of the child */
    int32_t owner;       /* the process that started it */
    exvi_answer *answer;
    size_t answer_size;  /* bytes mapped */
    uint64_t clone_ns;   /* how long the parent stopped for the clone */
    uint64_t started_ns;
    uint64_t deadline_ns; /* on the monotonic clock */
    exvi_search_plan plan; /* what its user knows beforehand, set before a start */
    exvi_room room;        /* what was learned: stays from start to start */
    exvi_forecast forecast;
    const char *limit;     /* that the last forecast does not fit under */
    const int *file;       /* set before a start: the descriptor that the child keeps, open until the end; NULL: none */
} exvi_snapshot;

/* Clone and search; `deadline_ns` from now. `room` is the largest answer in words (address space, resident only as
 * written). EXV_BUSY in flight or with an answer that was not ended; EXV_UNSUPPORTED: no child, snapshot->reason says
 * why, EXV_REASON_MEMORY_TIGHT if the forecast does not fit under a limit of memory. `snapshot` is zeroed before its
 * first use. */
exv_status exvi_snapshot_start(exvi_snapshot *snapshot, exvi_search_fn *search, void *arg, size_t room,
                               uint64_t deadline_ns);

/* How it stands; stops a child that is late. Never waits: a child that has answered counts as running until the system
 * has taken it down, which for each GB of small pages takes some milliseconds beside the program. */
exvi_flight exvi_snapshot_poll(exvi_snapshot *snapshot);

/* Without changing anything: was it started by this process; and has its child still to answer? */
bool exvi_snapshot_is_ours(const exvi_snapshot *snapshot);
bool exvi_snapshot_is_searching(const exvi_snapshot *snapshot);

/* Is there no processor for both the program and a child: one alone, or a quota of less than two? */
bool exvi_snapshot_is_crowded(void);

/* Where there is no processor for both: from now on the child works only while somebody waits for it, or while the
 * program uses less than a quarter of a processor. It stands still at its next call of exvi_answer_stopped(). */
void exvi_snapshot_hold(exvi_snapshot *snapshot);

/* The same as exvi_snapshot_poll() after waiting, at most timeout_ns (UINT64_MAX: until the child has ended). */
exvi_flight exvi_snapshot_wait(exvi_snapshot *snapshot, uint64_t timeout_ns);

/* Back to NONE: stop and reap a child that runs, which waits until it is taken down; forget the answer. */
void exvi_snapshot_end(exvi_snapshot *snapshot);

#endif
