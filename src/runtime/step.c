/*
 * step: collections of a program with frames: each call does so much and no more.
 *
 * What a call does is the first of these that there is to do: deaths that were put off, the next portion of a
 * flight, the begin of a search. A search is made in place if it fits the budget by what objects cost so far, even if
 * all of them were dead; else in the background. Nothing is done in place because the background failed.
 */
#include "object.h"
#include "platform.h"
#include "telemetry.h"

/* So much was born since the last search that there may be garbage worth one: as many as the first threshold, and a
 * quarter of what there is, the share that full collections by count wait for. */
static bool is_due(const exv_heap *heap)
{
    const exvi_generations *g = &heap->generations;
    uint64_t births = g->births - heap->collector.last_full_births;
    return births > g->threshold[0] && births >= exvi_generations_tracked(g) / 4;
}

static bool fits(const exv_heap *heap, uint64_t budget_ns)
{
    double objects = (double)exvi_generation_size(heap, EXVI_OLDEST);
    return objects * (heap->pace.scan_ns + heap->pace.free_ns) <= (double)budget_ns;
}

static exv_progress begin(exv_heap *heap, uint64_t budget_ns, size_t *found)
{
    if (!is_due(heap))
        return EXV_IDLE;
    if (!fits(heap, budget_ns))
        return exvi_background_start(heap) == EXV_OK ? EXV_FLIGHT : EXV_IDLE;
    size_t result = exvi_collect_generation(heap, EXVI_OLDEST);
    if (found)
        *found = result;
    return EXV_FINISHED;
}

/* A child that failed: the next search is another's. */
static void give_up(exv_heap *heap)
{
    exvi_telemetry_reason(&heap->telemetry, heap->flight.snapshot.reason, 1);
    exvi_background_cancel(heap);
}

exv_progress exv_collect_step(exv_heap *heap, uint64_t budget_ns, size_t *found)
{
    exvi_heap_enter(heap, __func__);
    uint64_t start = exvi_clock_ns();
    budget_ns = budget_ns < UINT64_MAX - start ? budget_ns : UINT64_MAX - 1 - start;
    exv_progress progress = EXV_FLIGHT;
    if (exvi_object_end_later(heap, start + budget_ns)) {
        uint64_t passed_ns = exvi_clock_ns() - start;
        uint64_t left_ns = budget_ns > passed_ns ? budget_ns - passed_ns : 0;
        exvi_background *flight = &heap->flight;
        if (heap->collector.running)
            progress = EXV_IDLE;
        else if (!flight->active)
            progress = begin(heap, left_ns, found);
        else if (exvi_snapshot_poll(&flight->snapshot) != EXVI_FLIGHT_FAILED)
            progress = exvi_background_step_for(heap, left_ns, found);
        else
            give_up(heap), progress = EXV_IDLE;
    }
    exvi_heap_leave(heap);
    return progress;
}
