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
    uint32_t ticks;               /* births that are not at hand (object.c) until the slow conditions are looked at */
    uint64_t last_full_ns;        /* start of the last full collection */
    uint64_t last_full_bytes;     /* allocated until then */
    uint64_t pressure_checked_ns;
    uint64_t pressure_full_ns;    /* the last collection for memory pressure */
} exvi_schedule;

/* From this size on, in bytes, one allocation is as good as all the ticks: it gives the alarm. */
#define EXVI_POLICY_LARGE ((size_t)64 << 10)

/* Let the birth of the next tracked object look at the slow conditions. */
void exvi_policy_alarm(exv_heap *heap);

/* Called by the allocation of a tracked object when a count or `ticks` ran out. */
void exvi_policy_step(exv_heap *heap);

/* No memory for a tracked object: collect in place. True if something was freed, and another try is worth it. */
bool exvi_policy_rescue(exv_heap *heap);

/* A full collection starts now. */
void exvi_policy_note_full(exv_heap *heap);

/* Stops the program if it is none. */
void exvi_policy_expect(const char *function, const exv_policy *policy);

void exvi_policy_init(exv_heap *heap, const exv_policy *policy);

#endif
