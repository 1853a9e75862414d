/*
 * policy: see policy.h. The rule by count is CPython's; generation.c has it.
 */
#include "cgroup.h"
#include "object.h"
#include "platform.h"
#include "telemetry.h"

#ifdef EXVI_STRESS
enum { TICKS = 3 };
#elif defined EXVI_CHECKED
enum { TICKS = 1024 }; /* every birth counts here */
#else
enum { TICKS = 64 }; /* 64 objects each, often: some 50 microseconds of allocating */
#endif
static const uint64_t PRESSURE_CHECK_NS = 100000000;   /* reading the control group costs some 20 microseconds */
static const uint64_t PRESSURE_REPEAT_NS = 1000000000;
static const double PRESSURE_PERCENT = 10;             /* of the time some task waited for memory */

void exvi_policy_init(exv_heap *heap, const exv_policy *policy)
{
    heap->schedule = (exvi_schedule){.policy = *policy, .ticks = TICKS};
    exvi_pace_init(&heap->pace, policy->pause_budget_ns, 2); /* how many there are is asked before the first search */
    heap->pace.scan_ns = 30;
    heap->pace.search_ns = 60;
    heap->pace.free_ns = 300;
}

void exvi_policy_expect(const char *function, const exv_policy *policy)
{
    if ((unsigned)policy->mode > EXV_MODE_INLINE)
        exvi_die(function, "policy.mode %d does not exist", (int)policy->mode);
}

/* ---------------------------------------------------------------- where */

static bool belongs_in_background(const exv_heap *heap)
{
    const exv_policy *policy = &heap->schedule.policy;
    return policy->mode == EXV_MODE_BACKGROUND ||
           (policy->mode == EXV_MODE_AUTO &&
            !exvi_pace_is_small(&heap->pace, exvi_generation_size(heap, EXVI_OLDEST), 0));
}

/* A full collection, in the background if it belongs there and that is possible. Returns what was found if it is
 * over. */
static size_t collect_fully(exv_heap *heap)
{
    if (heap->flight.active)
        return 0;
    if (belongs_in_background(heap) && exvi_background_start(heap) == EXV_OK)
        return 0;
    return exvi_collect_generation(heap, EXVI_OLDEST);
}

/* ----------------------------------------------------------------- when */

/* Nothing was allocated since the last full collection. */
static bool nothing_new(const exv_heap *heap)
{
    return exvi_blocks_allocated_bytes(&heap->blocks) == heap->collector.last_full_bytes;
}

static bool interval_is_over(const exv_heap *heap, uint64_t now)
{
    uint64_t every_ns = heap->schedule.policy.every_ns;
    return every_ns && now - heap->collector.last_full_ns >= every_ns;
}

static bool bytes_are_over(const exv_heap *heap)
{
    uint64_t every_bytes = heap->schedule.policy.every_bytes;
    return every_bytes && exvi_blocks_allocated_bytes(&heap->blocks) - heap->collector.last_full_bytes >= every_bytes;
}

static bool is_near(uint64_t used_bytes, uint64_t limit_bytes)
{
    return limit_bytes && used_bytes > limit_bytes - limit_bytes / 10;
}

/* Regions reach the limit long before they are full; but what is vacant may be in pieces, so not all of it counts as
 * room. */
static bool heap_is_near_its_limit(const exvi_regions *regions)
{
    size_t used_bytes = (regions->used_units + regions->count * EXVI_META_UNITS) << EXVI_UNIT_SHIFT;
    return is_near(regions->arena.held_bytes + regions->arena.other_bytes, regions->arena.limit_bytes) &&
           used_bytes >= regions->arena.held_bytes / 4 * 3;
}

/* Nine tenths of the heap's own limit, or of the control group's, or tasks waiting for memory. */
static bool memory_is_short(const exv_heap *heap)
{
    if (heap_is_near_its_limit(&heap->blocks.regions))
        return true;
    exvi_cgroup_state memory;
    return exvi_cgroup_read(&memory) &&
           (is_near(memory.used_bytes, memory.limit_bytes) || memory.pressure_percent > PRESSURE_PERCENT);
}

static bool pressure_is_due(exv_heap *heap, uint64_t now)
{
    exvi_schedule *schedule = &heap->schedule;
    if (!schedule->policy.on_pressure || now - schedule->pressure_checked_ns < PRESSURE_CHECK_NS)
        return false;
    schedule->pressure_checked_ns = now;
    if (nothing_new(heap) ||
        now - schedule->pressure_full_ns < PRESSURE_REPEAT_NS || !memory_is_short(heap))
        return false;
    schedule->pressure_full_ns = now;
    return true;
}

/* What does not go by count. A snapshot needs memory of its own: under pressure the collection takes place here. */
static void do_slow_conditions(exv_heap *heap)
{
    uint64_t now = exvi_clock_ns();
    if (pressure_is_due(heap, now))
        exvi_collect_now(heap);
    else if (interval_is_over(heap, now) || bytes_are_over(heap))
        collect_fully(heap);
}

/* Generation 2's count has gone up. */
static void step(exv_heap *heap)
{
    exvi_schedule *schedule = &heap->schedule;
    uint64_t now = exvi_clock_ns(), pending = heap->generations.long_lived_pending;
    uint64_t births = pending > schedule->stepped_pending ? pending - schedule->stepped_pending : 0;
    if (schedule->stepped_ns)
        exvi_pace_step(&heap->pace, births, schedule->rounds, now - schedule->stepped_ns, true);
    schedule->stepped_ns = now;
    schedule->stepped_pending = pending;
    schedule->rounds = 0;
}

/* After a young collection, where full ones belong in the background: one begins early, or waits for its child. */
static void keep_pace(exv_heap *heap, int generation)
{
    heap->schedule.rounds++;
    if (!belongs_in_background(heap))
        return;
    if (generation == EXVI_OLDEST - 1)
        step(heap);
    if (heap->flight.active) {
        exvi_background_wait(heap);
        return;
    }
    exvi_due due = exvi_generation_due_of(&heap->generations);
    if (generation == EXVI_OLDEST - 1 &&
        exvi_pace_begins(&heap->pace, &due, exvi_generation_size(heap, EXVI_OLDEST))) {
        collect_fully(heap);
        heap->schedule.stepped_pending = 0;
    }
}

static void do_counts(exv_heap *heap)
{
    exvi_generations *g = &heap->generations;
    if (g->count[0] <= g->trigger || g->trigger == EXVI_ALARM) /* raised just now: the next birth looks again */
        return;
    /* while a full collection is on its way, the younger generations go on */
    int generation = exvi_generation_due(g, heap->flight.active ? EXVI_OLDEST - 1 : EXVI_OLDEST);
    if (generation == EXVI_OLDEST) {
        collect_fully(heap);
    } else if (generation >= 0) {
        exvi_collect_generation(heap, generation);
        keep_pace(heap, generation);
    }
}

void exvi_policy_step(exv_heap *heap)
{
    bool slow = heap->schedule.ticks == 0 || heap->generations.trigger == EXVI_ALARM;
    if (slow) {
        heap->schedule.ticks = TICKS;
        exvi_generation_arm(&heap->generations, heap->collector.enabled);
    }
    if (heap->collector.running)
        return;
    if (!heap->collector.enabled) {
        exvi_background_land(heap);
        return;
    }
    exvi_background_step(heap, false, NULL);
    if (slow)
        do_slow_conditions(heap);
    do_counts(heap);
}

bool exvi_policy_rescue(exv_heap *heap)
{
    if (!heap->collector.enabled || heap->collector.running || nothing_new(heap))
        return false;
    return exvi_collect_now(heap) > 0;
}

/* --------------------------------------------------------------- public */

void exv_get_policy(const exv_heap *heap, exv_policy *policy)
{
    *policy = heap->schedule.policy;
}

void exv_set_policy(exv_heap *heap, const exv_policy *policy)
{
    exvi_policy_expect(__func__, policy);
    heap->schedule.policy = *policy;
    heap->pace.budget_ns = policy->pause_budget_ns;
}

void exv_poll(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    if (!heap->collector.running && heap->collector.enabled) {
        if (heap->flight.active)
            exvi_background_step(heap, false, NULL);
        do_slow_conditions(heap);
    } else {
        exvi_background_land(heap);
    }
    exvi_heap_leave(heap);
}

size_t exv_idle(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    size_t found = 0;
    if (heap->flight.active)
        exvi_background_step(heap, false, &found);
    else if (heap->schedule.policy.on_idle && !nothing_new(heap))
        found = collect_fully(heap);
    exvi_heap_leave(heap);
    return found;
}
