/*
 * generation: which tracked objects are in which generation, and CPython's rule for when one is due.
 *
 * Membership is in bitmaps of the pages. A live object with the flag EXVI_TRACKED is in generation 0 if its bit in
 * young[0] is set, in generation 1 if that in young[1] is, else in the oldest, or in the permanent one if its flag
 * says so. The bits of other blocks mean nothing, so birth and death leave them alone. Objects of the oldest are
 * found by walking all pages.
 *
 * Invariants: no live object has both bits; a page with a live young object is on blocks->young; births - deaths ==
 * objects with the flag EXVI_TRACKED, the frozen ones among them.
 */
#ifndef EXVI_GENERATION_H
#define EXVI_GENERATION_H

#include "blocks.h"
#include "exuvia.h"
#include "pace.h"

#define EXVI_OLDEST (EXV_GENERATIONS - 1)

/* As the trigger: the next birth of a tracked object asks the policy, whatever the count. */
#define EXVI_ALARM 0

/* From this size on, in bytes, one allocation gives the alarm: it is as good as all the ticks of the policy. */
#define EXVI_ALARM_SIZE ((size_t)64 << 10)

typedef struct exvi_generations {
    uint32_t count[EXV_GENERATIONS];
    uint32_t threshold[EXV_GENERATIONS];
    uint32_t trigger;            /* threshold[0], or UINT32_MAX when nothing is to start by count, or EXVI_ALARM */
    uint64_t births, deaths;     /* objects tracked, and no more; apart, so that neither waits for the other */
    size_t frozen;
    uint64_t long_lived_total;   /* survivors of the last full collection */
    uint64_t long_lived_pending; /* survivors of generation 1 since */
} exvi_generations;

/* A walk over the objects of the generations up to `generation`; -1: of the permanent one. */
typedef struct exvi_generation_cursor {
    int generation;
    bool only;                   /* that generation alone */
    exvi_page *page;             /* young: the next page, and the word in it */
    uint32_t word;
    bool started;
    exvi_block_cursor block;     /* oldest and permanent */
} exvi_generation_cursor;
size_t exvi_generation_next(exv_heap *heap, exvi_generation_cursor *cursor, void **objects, size_t room);

/* How many objects are tracked, the permanent ones included. */
static inline size_t exvi_generations_tracked(const exvi_generations *generations)
{
    return (size_t)(generations->births - generations->deaths);
}

/* How many objects there are up to `generation`, the permanent ones excluded; for young ones an upper bound. */
size_t exvi_generation_size(const exv_heap *heap, int generation);

/* Move the objects of generations up to `generation` into the next older one; a full collection's stay the oldest. */
void exvi_generation_promote(exv_heap *heap, int generation);

/* Set the trigger after a change of the first threshold, or of being enabled. */
void exvi_generation_arm(exvi_generations *generations, bool enabled);

/* Let the birth of the next tracked object ask the policy, whatever the count. */
static inline void exvi_generation_alarm(exvi_generations *generations)
{
    generations->trigger = EXVI_ALARM;
}

/* What the rule for a full collection looks at. */
exvi_due exvi_generation_due_of(const exvi_generations *generations);

/* The oldest generation, not older than `oldest`, whose collection is due by count, or -1. */
int exvi_generation_due(const exvi_generations *generations, int oldest);

/* Count a collection of `generation`: its counters and those of the younger are reset. */
void exvi_generation_reset(exvi_generations *generations, int generation);

/* Take an object out of its generation, put it into the first. */
void exvi_generation_remove(exv_heap *heap, void *object);
void exvi_generation_add(exv_heap *heap, void *object);

#endif
