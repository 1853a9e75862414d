/*
 * collapse: huge pages that the system split become whole again, beside the program.
 *
 * The first write to a huge page beside a snapshot makes the system split it, and from then on each clone copies 512
 * entries where it copied one. Joining them again copies 2 MiB, some 0.4 ms, and the system call may wait for every
 * processor: so a thread of its own does it, which lives for that long only. Meanwhile the program's page faults wait,
 * so the thread joins one page and rests four times as long: a program that faults all the time is a fifth slower, and
 * no fault waits for more than one page. Without the rests young collections of 2 ms took 60 to 400.
 *
 * The owner lists pages, starts, and later ends. Memory that is given back meanwhile must not be filled up again:
 * who gives memory back halts the collapser first. A forked process has no such thread, and forgets it.
 *
 * Invariant: the thread reads the list and `halted`, nothing else; the list stands still from start to end.
 */
#ifndef EXVI_COLLAPSE_H
#define EXVI_COLLAPSE_H

#include "platform.h"

#include <stdatomic.h>

/* Could small pages, all of so much memory, make a clone a stop of half the budget? A MiB of them takes a clone some 20
 * microseconds, a huge page a tenth of that. */
static inline bool exvi_collapse_is_due(size_t bytes, uint64_t budget_ns)
{
    return (bytes >> 20) * UINT64_C(20000) > budget_ns / 2;
}

typedef struct exvi_collapser {
    exvi_worker worker;
    bool started;
    atomic_bool halted, finished;
    void **page;
    size_t count, room;
} exvi_collapser;

/* Add a huge page, by its start, to the list. False, and nothing is added: the thread is at work, or there is no
 * memory. */
bool exvi_collapser_add(exvi_collapser *collapser, void *page);

/* Begin with what was listed. False: there is nothing to do, or no thread could be had. */
bool exvi_collapser_start(exvi_collapser *collapser);

bool exvi_collapser_is_busy(const exvi_collapser *collapser);

/* Begin no other huge page. Does not wait; for any thread. */
void exvi_collapser_halt(exvi_collapser *collapser);

/* Halt, wait for the thread (for one huge page at most), and empty the list. */
void exvi_collapser_end(exvi_collapser *collapser);

#endif
