/*
 * background: see background.h.
 *
 * A step is one stop of the program. It takes candidates in whole groups until they fill half of the pause budget by
 * the costs measured so far, proves and dooms them, and clears what it has time for; the rest of the clearing waits
 * for the next step. A group is proven as a whole, so one huge group is one longer stop.
 */
#include "background.h"

#include "child.h"
#include "object.h"
#include "platform.h"
#include "telemetry.h"
#include "error.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Every stop that a flight causes passes here. */
static void note_stop(exv_heap *heap, uint64_t start_ns)
{
    uint64_t ns = exvi_clock_ns() - start_ns;
    heap->flight.record.longest_ns = max_u64(heap->flight.record.longest_ns, ns);
    exvi_telemetry_pause(&heap->telemetry, ns);
}

/* ------------------------------------------------------------ the child */

typedef struct search {
    exv_heap *heap;
    exvi_answer *answer;
} search;

static bool search_stopped(void *arg)
{
    const search *s = arg;
    return exvi_answer_stopped(s->answer);
}

/* What the program writes from now on is not copied. */
static void give_pages_back(void *arg)
{
    const search *s = arg;
    const exvi_regions *regions = &s->heap->blocks.regions;
    for (size_t i = 0; i < regions->count; i++)
        exvi_unmap(regions->sorted[i], regions->sorted[i]->size);
    exvi_answer_release(s->answer);
}

static exvi_search_end search_in_child(exvi_answer *answer, void *arg)
{
    exvi_garbage garbage = {0};
    search s = {arg, answer};
    exvi_search_watch watch = {search_stopped, give_pages_back, &s};
    exvi_cycle_end end = exvi_collect_search(s.heap, &garbage, &watch);
    answer->examined = garbage.examined;
    if (end != EXVI_CYCLE_DONE)
        return end == EXVI_CYCLE_MEMORY ? EXVI_SEARCH_MEMORY : EXVI_SEARCH_STOPPED;
    bool put = exvi_answer_put(answer, garbage.found.object, garbage.found.count);
    return put ? EXVI_SEARCH_DONE : EXVI_SEARCH_MEMORY;
}

/* ----------------------------------------------------------- the parent */

exv_status exvi_background_start(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    if (flight->active || heap->collector.running)
        return exvi_error(heap, EXV_BUSY, "a collection is in progress already");
    flight->record = (exv_record){.generation = EXVI_OLDEST, .background = true};
    heap->collector.running = true;
    exvi_collect_begin(heap, &flight->record);
    heap->collector.running = false;
    uint64_t start = exvi_clock_ns();
    exvi_collapser_halt(&heap->blocks.regions.collapser);
    size_t room = exvi_generation_size(heap, EXVI_OLDEST);
    uint64_t expected_ns = (uint64_t)((double)room * heap->pace.search_ns);
    flight->snapshot.plan = (exvi_search_plan){.objects = room, .expected_ns = expected_ns};
    exv_status status = exvi_snapshot_start(&flight->snapshot, search_in_child, heap, room,
                                            heap->schedule.policy.deadline_ns);
    flight->record.clone_ns = flight->snapshot.clone_ns;
    if (status == EXV_OK)
        exvi_generation_promote(heap, EXVI_OLDEST);
    note_stop(heap, start);
    if (status != EXV_OK) {
        exvi_telemetry_reason(&heap->telemetry, flight->snapshot.reason, 1);
        exvi_collect_call_off(heap, &flight->record);
        return exvi_error(heap, EXV_UNSUPPORTED, "no snapshot could be made: %s",
                          exv_reason_name(flight->snapshot.reason));
    }
    exvi_due due = exvi_generation_due_of(&heap->generations);
    exvi_pace_alone(&heap->pace, exvi_snapshot_is_crowded());
    exvi_pace_began(&heap->pace, &due, room, exvi_clock_ns());
    if (heap->pace.alone)
        exvi_snapshot_hold(&flight->snapshot);
    exvi_collect_note_full(heap);
    exvi_generation_reset(&heap->generations, EXVI_OLDEST);
    heap->generations.long_lived_pending = 0;
    flight->active = true;
    flight->asked = false;
    flight->taken = 0;
    return EXV_OK;
}

/* A candidate is only an address. It is taken if a live tracked object is there now, be it the one the child saw
 * or another. */
static bool is_collectable(exv_heap *heap, const void *candidate)
{
    const exvi_header *header = exvi_header_of(candidate);
    exvi_page *page;
    uint32_t index;
    return ((uintptr_t)candidate & 15) == 0 && exvi_block_find(&heap->blocks, header, &page, &index) &&
           page->kind == EXVI_OBJECT && (header->flags & (EXVI_TRACKED | EXVI_FROZEN)) == EXVI_TRACKED;
}

/* Prove the next groups of the answer, at least one, up to `most` candidates if groups are small enough. They are
 * gathered in place, in front of what was not looked at yet. */
static void prove_batch(exv_heap *heap, size_t most)
{
    exvi_background *flight = &heap->flight;
    exvi_answer *answer = flight->snapshot.answer;
    void **batch = (void **)(void *)&answer->word[flight->taken];
    size_t count = 0;
    size_t stale = 0;
    bool group_ends = true;
    for (size_t looked = 0; flight->taken < answer->count && (looked < most || !group_ends); looked++) {
        uint64_t word = answer->word[flight->taken++];
        void *candidate = (void *)(uintptr_t)(word & ~UINT64_C(1));
        group_ends = word & 1;
        if (is_collectable(heap, candidate))
            batch[count++] = candidate;
        else
            stale++;
    }
    flight->record.candidates += count + stale;
    flight->record.stale += stale;
    exvi_collect_batch(heap, batch, count, &flight->doomed, &flight->record);
}

static void give_back(exvi_background *flight)
{
    exvi_snapshot_end(&flight->snapshot);
    if (flight->doomed.object)
        exvi_unmap(flight->doomed.object, flight->doomed.room * sizeof(void *));
    flight->doomed = (exvi_doomed){0};
    flight->active = false;
}

/* It ended in whatever call: who began it will be told. */
static void keep_result(exvi_background *flight, size_t found)
{
    flight->untold = flight->untold || flight->asked;
    flight->untold_found = flight->asked ? found : flight->untold_found;
    flight->asked = false;
}

static void finish(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    exv_record record = flight->record;
    exvi_telemetry_reason(&heap->telemetry, EXV_REASON_STALE_CANDIDATE, record.stale);
    exvi_pace_freed(&heap->pace, record.found, record.free_ns);
    give_back(flight);
    if (exvi_collapse_is_due(heap->blocks.regions.arena.held_bytes, heap->schedule.policy.pause_budget_ns))
        exvi_regions_collapse(&heap->blocks.regions);
    heap->generations.long_lived_total = record.objects - record.found;
    exvi_collect_finish(heap, &record);
    heap->collector.running = false;
    exvi_collect_tell(heap, &record);
}

/* The child failed: what it should have done is done in place. */
static size_t fall_back(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    exvi_telemetry_reason(&heap->telemetry, flight->snapshot.reason, 1);
    exvi_collect_clear(heap, &flight->doomed, UINT64_MAX, &flight->record); /* a forked process has its parent's */
    give_back(flight);
    heap->collector.running = false;
    exvi_collect_call_off(heap, &heap->flight.record);
    return exvi_collect_generation(heap, EXVI_OLDEST);
}

/* So many candidates are freed in this time; the pacer knows for half of the pause budget. */
static size_t portion_of(const exv_heap *heap, uint64_t ns)
{
    if (ns == UINT64_MAX)
        return SIZE_MAX;
    double budget_ns = (double)heap->schedule.policy.pause_budget_ns;
    size_t portion = exvi_pace_largest_portion(&heap->pace);
    if (budget_ns < 2)
        return portion;
    return (size_t)((double)portion * ((double)ns / (budget_ns / 2))) + 1; /* something is done in each step */
}

/* True when everything is freed. */
static bool prove_and_clear(exv_heap *heap, uint64_t ns)
{
    exvi_background *flight = &heap->flight;
    exvi_answer *answer = flight->snapshot.answer;
    uint64_t start = exvi_clock_ns();
    uint64_t until_ns = ns < UINT64_MAX - start ? start + ns : UINT64_MAX;
    if (flight->doomed.count == 0 && flight->taken < answer->count)
        prove_batch(heap, portion_of(heap, ns));
    start = exvi_clock_ns();
    bool cleared = exvi_collect_clear(heap, &flight->doomed, until_ns, &flight->record);
    flight->record.free_ns += exvi_clock_ns() - start;
    return cleared && flight->taken == answer->count;
}

/* Once for each answer. */
static void note_search(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    const exvi_answer *answer = flight->snapshot.answer;
    if (flight->record.objects > 0)
        return;
    exvi_pace_scanned(&heap->pace, answer->cpu_ns, answer->examined); /* in place it would take as long, about */
    exvi_pace_searched(&heap->pace, answer->cpu_ns, answer->examined, answer->count, exvi_clock_ns());
}

exv_progress exvi_background_step(exv_heap *heap, bool whole, size_t *found)
{
    return exvi_background_step_for(heap, whole ? UINT64_MAX : heap->schedule.policy.pause_budget_ns / 2, found);
}

exv_progress exvi_background_step_for(exv_heap *heap, uint64_t ns, size_t *found)
{
    bool whole = ns == UINT64_MAX;
    exvi_background *flight = &heap->flight;
    if (!flight->active)
        return EXV_IDLE;
    if (heap->collector.running)
        return EXV_FLIGHT;
    exvi_flight state = exvi_snapshot_poll(&flight->snapshot);
    if (state == EXVI_FLIGHT_RUNNING)
        return EXV_FLIGHT;
    if (flight->snapshot.reason == EXV_REASON_CANCELLED && state == EXVI_FLIGHT_FAILED && !whole) {
        exvi_background_cancel(heap); /* we were forked: nobody asked this process for a full collection */
        return EXV_IDLE;
    }
    heap->collector.running = true;
    uint64_t start = exvi_clock_ns();
    size_t result = 0;
    bool done = true;
    if (state == EXVI_FLIGHT_ANSWERED) {
        note_search(heap);
        flight->record.objects = flight->snapshot.answer->examined;
        flight->record.child_ns = flight->snapshot.answer->search_ns;
        do
            done = prove_and_clear(heap, ns);
        while (whole && !done); /* an earlier step may have left part of a batch */
        exvi_blocks_settle(&heap->blocks);
        note_stop(heap, start);
        result = flight->record.found;
        if (done)
            finish(heap);
    } else {
        result = fall_back(heap);
    }
    heap->collector.running = false;
    if (done)
        keep_result(flight, result);
    if (done && found)
        *found = result;
    return done ? EXV_FINISHED : EXV_FLIGHT;
}

void exvi_background_cancel(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    if (!flight->active)
        return;
    heap->collector.running = true;
    exvi_collect_clear(heap, &flight->doomed, UINT64_MAX, &flight->record);
    give_back(flight);
    flight->asked = false;
    exvi_telemetry_reason(&heap->telemetry, EXV_REASON_CANCELLED, 1);
    exvi_collect_call_off(heap, &flight->record);
}

void exvi_background_wait(exv_heap *heap)
{
    exvi_background *flight = &heap->flight;
    if (!flight->active || flight->snapshot.flight != EXVI_FLIGHT_RUNNING)
        return;
    uint64_t start = exvi_clock_ns();
    uint64_t ns = exvi_pace_wait_ns(&heap->pace, exvi_child_cpu_ns(flight->snapshot.pid), start);
    if (ns == 0)
        return;
    exvi_snapshot_wait(&flight->snapshot, ns);
    exvi_pace_waited(&heap->pace, exvi_clock_ns() - start);
    note_stop(heap, start);
}

void exvi_background_land(exv_heap *heap)
{
    if (heap->flight.active)
        (void)exvi_snapshot_poll(&heap->flight.snapshot);
}

/* True if there is still something to do in place. *found of the flight's garbage was found in this call. */
static bool end_flight(exv_heap *heap, size_t *found)
{
    exvi_background *flight = &heap->flight;
    exvi_flight state = exvi_snapshot_poll(&flight->snapshot);
    size_t before = state == EXVI_FLIGHT_ANSWERED ? flight->record.found : 0;
    if (flight->asked) {
        flight->untold = true;
        flight->untold_found = before; /* each object is told of once */
        flight->asked = false;
    }
    if (state != EXVI_FLIGHT_RUNNING) {
        exvi_background_step(heap, true, found);
        *found -= before;
    }
    exvi_background_cancel(heap);       /* that one, or another that a listener began */
    return state != EXVI_FLIGHT_FAILED; /* else that was a collection in place */
}

size_t exvi_collect_now(exv_heap *heap)
{
    size_t found = 0;
    if (heap->collector.running)
        return 0;
    (void)exvi_object_end_later(heap, UINT64_MAX);
    if (!heap->flight.active || end_flight(heap, &found))
        found += exvi_collect_generation(heap, EXVI_OLDEST);
    return found;
}

/* --------------------------------------------------------------- public */

size_t exv_collect(exv_heap *heap, int generation)
{
    if (generation < 0 || generation > EXVI_OLDEST)
        exvi_die(__func__, "generation %d does not exist: give 0, 1 or 2", generation);
    exvi_heap_enter(heap, __func__);
    size_t found = generation == EXVI_OLDEST ? exvi_collect_now(heap) : exvi_collect_generation(heap, generation);
    exvi_heap_leave(heap);
    return found;
}

exv_status exv_collect_start(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    exv_status status = exvi_background_start(heap);
    if (status == EXV_OK) {
        heap->flight.asked = true;
        heap->flight.untold = false;
    }
    exvi_heap_leave(heap);
    return status;
}

/* The end of a collection that was asked for, if it has come and nobody knows. */
static bool tell(const exv_heap *heap, size_t *found)
{
    if (heap->flight.untold && found)
        *found = heap->flight.untold_found;
    return heap->flight.untold;
}

exv_progress exv_collect_poll(exv_heap *heap, size_t *found)
{
    exvi_heap_enter(heap, __func__);
    exv_progress progress = tell(heap, found) ? EXV_FINISHED : exvi_background_step(heap, false, found);
    heap->flight.untold = false;
    exvi_heap_leave(heap);
    return progress;
}

exv_progress exv_collect_wait(exv_heap *heap, uint64_t timeout_ns, size_t *found)
{
    exvi_heap_enter(heap, __func__);
    exvi_background *flight = &heap->flight;
    exv_progress progress = EXV_FINISHED;
    if (!tell(heap, found)) {
        if (flight->active && !heap->collector.running)
            (void)exvi_snapshot_wait(&flight->snapshot, timeout_ns);
        progress = exvi_background_step(heap, true, found);
    }
    flight->untold = false;
    exvi_heap_leave(heap);
    return progress;
}
