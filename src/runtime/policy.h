/*
 * policy: decides when a collection takes place, and where. It finds and frees nothing itself.
 *
 * The allocation of a tracked object asks two questions that cost an instruction each: is the youngest generation
 * over its threshold, and have `ticks` allocations passed since the slower conditions (time, bytes, memory pressure,
 * a flight) were looked at.
 */
#ifndef EXVI_POLICY_H
#define EXVI_POLICY_H

#include "exuvia.h"

typedef struct exvi_schedule {
    exv_policy policy;
    uint32_t ticks;               /* births that are not at hand (birth.c) until the slow conditions are looked at */
    uint32_t rounds;              /* young collections since generation 2's count went up */
    uint64_t stepped_ns;          /* when that was */
    uint64_t stepped_pending;     /* and how many objects waited for a full collection then */
    uint64_t pressure_checked_ns;
    uint64_t pressure_full_ns;    /* the last collection for memory pressure */
} exvi_schedule;

/* Called by the allocation of a tracked object when a count or `ticks` ran out. */
void exvi_policy_step(exv_heap *heap);

/* No memory for a tracked object: collect in place. True if something was freed, and another try is worth it. */
bool exvi_policy_rescue(exv_heap *heap);

/* Stops the program if it is none. */
void exvi_policy_expect(const char *function, const exv_policy *policy);

void exvi_policy_init(exv_heap *heap, const exv_policy *policy);

#endif
