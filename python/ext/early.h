/*
 * early: what collections of generation 0 and 1 take by themselves, and a generation 1 that does not get long.
 *
 * An example. Thresholds are CPython's (700, 10, 10), so generation 1 comes after 11 collections of generation 0, and
 * takes over what survived them. The budget allows it 1 ms (a fifth of 5), and the heap is large:
 *
 *     0 0 0 0 0 0 0 0 0 0 0 1                 it takes 7 ms: 7,000 objects, a cache miss each in each of its passes
 *     0 0 0 0 0 1                             so the next comes after half as many: 1.5 ms
 *     0 0 1  0 0 1  0 0 1  0 0 1 ...          0.3 ms each. What was looked at a moment ago is still in the cache:
 *                                             in all it takes half of what it took before
 *     0 0 0 0 0 0 0 0 0 0 0 1                 and now and then one at CPython's own pace, to see what is lost by it
 *
 * An early one is had by setting generation 1's count above its threshold. It also comes once generation 0 has taken as
 * long as the limit since the last one: that foretells a long one, where a program that has loaded its data begins to
 * work on them. Generation 2's count goes on as if none had come early, so that full collections are due when they
 * always were.
 *
 * Where old objects die, CPython's count of births less deaths grows slowly, so that each collection of generation 0
 * has many times its threshold, and one of generation 1 at CPython's own pace is a stop of a tenth of a second. Such a
 * one is not awaited: one that is four times over the limit, and 2 ms long, tells as much.
 *
 * What is lost is time to die in: a cycle that dies between two such collections waits for a full one. Hence not where
 * generation 1 finds much, which only one at CPython's own pace can tell: such a one comes after every so many objects,
 * more while a snapshot is up, which makes it several times as long. And not where the program's thresholds put full
 * collections off.
 */
#ifndef EXVI_EARLY_H
#define EXVI_EARLY_H

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct exvi_early_end {
    int generation;        /* 0 or 1 */
    uint64_t ns;           /* from beginning to end */
    uint64_t found;        /* unreachable objects */
    bool carried;          /* candidates were among what it looked at */
    uint64_t old;          /* objects in the oldest list, about */
    bool in_flight;        /* a snapshot is searched, or what was found in it reclaimed */
    bool may_hurry;        /* the next generation 1 may come sooner than CPython's threshold says */
} exvi_early_end;

/* Called where any collection begins, and where one of generation 0 or 1 has ended, in gc.callbacks. `limit_ns` is
 * for generation 1. */
void exvi_early_began(const exvi_layout *layout, int generation);
void exvi_early_ended(const exvi_layout *layout, const exvi_early_end *end, uint64_t limit_ns);

/* What one takes without candidates, smoothed, in nanoseconds. */
uint64_t exvi_early_ns(int generation);

/* Installed anew: nothing is known. */
void exvi_early_reset(void);

#endif
