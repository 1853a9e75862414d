/*
 * background: a full collection whose search runs in a snapshot.
 *
 * The child searches the heap as it was and answers with candidates, in groups that do not refer to each other.
 * Garbage stays garbage, so the answer is right whenever it comes; even so each group is proven again here before
 * anything is freed. A wrong, late or missing answer can only delay a collection.
 *
 * Each first write to a huge page beside the child made the system split it. A flight's end lets them be collapsed,
 * where the next clone would be a stop worth speaking of otherwise.
 *
 * Invariant: `active` from a start until the last doomed object is released; then the snapshot is ended.
 */
#ifndef EXVI_BACKGROUND_H
#define EXVI_BACKGROUND_H

#include "collect.h"
#include "snapshot.h"

typedef struct exvi_background {
    bool active;
    exvi_snapshot snapshot;
    size_t taken;         /* words of the answer that were proven or dropped */
    exvi_doomed doomed;   /* of the batch at hand */
    exv_record record;
    bool asked;           /* exv_collect_start() began it */
    bool untold;          /* one that it began is over, and poll or wait have not said so */
    size_t untold_found;
} exvi_background;

exv_status exvi_background_start(exv_heap *heap);

/* One step, about as long as the pause budget allows; all that is left with `whole`. */
exv_progress exvi_background_step(exv_heap *heap, bool whole, size_t *found);

/* One step of about so long; UINT64_MAX: all that is left. */
exv_progress exvi_background_step_for(exv_heap *heap, uint64_t ns, size_t *found);

/* A full collection in place. What a flight has found is freed, too, and a child that is searching still is ended, so
 * that nothing is left of what was dead before. */
size_t exvi_collect_now(exv_heap *heap);

/* Take leave of a child that has answered; nothing is freed. */
void exvi_background_land(exv_heap *heap);

/* A young collection has ended: wait for the child where it is behind, as long as the pacer says. */
void exvi_background_wait(exv_heap *heap);

/* Give up a flight: candidates are forgotten, doomed objects are cleared. */
void exvi_background_cancel(exv_heap *heap);

#endif
