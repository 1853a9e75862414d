/*
 * turn: whose turn a full collection is, CPython's or ours, and how ours is paced.
 *
 * CPython's rule stands: the oldest generation is due when more collections of generation 1 than its threshold have
 * run, and the objects waiting are at least a quarter of the long-lived total. We only decide whether it is left to
 * CPython or done from a snapshot, begun a little earlier (pace.h). For that the objects waiting are counted here,
 * where CPython does not see them; thresholds, counts and everything else it shows stay true (but see early.h), and
 * without our callback all is as before.
 *
 * Runs inside gc.callbacks, late in finalization too: no module state, no allocation of Python objects but markers.
 */
#ifndef EXVI_TURN_H
#define EXVI_TURN_H

#include "reclaim.h"

typedef enum exvi_mode {
    EXVI_MODE_AUTO,        /* a heap that can be scanned within the pause budget is left to CPython */
    EXVI_MODE_BACKGROUND,  /* every due full collection is done from a snapshot */
    EXVI_MODE_INLINE,      /* none is; for comparison and for measuring */
    EXVI_MODE_STRESS,      /* a snapshot after every collection of generation 1; for tests */
} exvi_mode;

#define EXVI_DEADLINE_NS UINT64_C(60000000000) /* for a child, when nothing else is said */

void exvi_turn_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns);
void exvi_turn_uninstall(void); /* all is CPython's again */
void exvi_turn_forked(void);    /* no child of ours is in flight here */

/* Outside of collections: a snapshot now, of so many of the lists; `idle`: nobody waits for it. False: there is one, or
 * it could not be made. *clone_ns is what it took. */
bool exvi_turn_start(int generations, uint64_t deadline_ns, bool idle, uint64_t *clone_ns);

/* See how the child stands. */
void exvi_turn_poll(void);

/* What became of the last whole search that was begun with exvi_turn_start(). An end is told once. */
typedef enum exvi_asked { EXVI_ASKED_NOT, EXVI_ASKED_UNDER_WAY, EXVI_ASKED_DONE, EXVI_ASKED_FAILED } exvi_asked;
exvi_asked exvi_turn_asked(uint64_t *unreachable);

/* A step of landing, outside of young collections and as long as one of theirs; not inside a collection. False: there
 * is nothing to land. */
bool exvi_turn_land(void);

/* Candidates wait for young collections, which the collector may make. */
bool exvi_turn_frees(void);
const exvi_layout *exvi_turn_layout(void);

/* A full collection in place begins. True: because CPython's rule holds; otherwise the program asked for it. */
bool exvi_turn_full_begins(void);
void exvi_turn_full_ended(uint64_t began_ns, uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable, bool by_rule);

/* A young one begins, after one of generation `before`: land and bring candidates. How many were brought. */
size_t exvi_turn_young_begins(int generation, int before);

/* It has ended. */
typedef struct exvi_turn_young {
    int generation;
    uint64_t ns;
    uint64_t unreachable, uncollectable;
    size_t brought;        /* candidates, */
    uint64_t cpu_ns;       /* and then the processor time that it took */
} exvi_turn_young;
void exvi_turn_young_ended(const exvi_turn_young *end);

/* At the very end of it: take a snapshot if it is time to, or wait for one that is behind. The nanoseconds of each. */
void exvi_turn_pay(int generation, uint64_t *clone_ns, uint64_t *wait_ns);

typedef struct exvi_turn_stats {
    uint64_t tracked;      /* long-lived objects, and those waiting */
    uint64_t waiting;
    double ns_per_object;  /* what a full collection in place costs, learned */
} exvi_turn_stats;
void exvi_turn_read(exvi_turn_stats *stats);

#endif
