/*
 * Random object graphs in background mode: between the start and the end of a flight the program makes, drops and
 * changes objects, revives them through weak references, collects by hand, frees and forks. See tests/world for the
 * oracle.
 *
 * Nothing that is alive is lost, whatever the child answers. What was dead when the flight began is dead when it ends,
 * but for what someone had in hand meanwhile.
 */
#include "world.h"

#include "exv_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void begin(world *w, world_mode mode, exv_mode where, uint64_t seed)
{
    exv_config config = exv_config_default();
    config.policy.mode = where;
    config.policy.pause_budget_ns = 1; /* the smallest steps */
    assert_true(world_begin(w, &config, mode, seed));
}

/* Start a flight; returns how many tracked objects are dead now. */
static size_t take_off(world *w)
{
    size_t dead = 0;
    exv_gc_disable(w->heap); /* the thresholds, so that nothing dies between the look and the clone */
    world_mark_reachable(w, true);
    for (uint32_t id = 0; id < w->used; id++) {
        world_node *node = &w->node[id];
        node->dead_at_start = node->object && !world_is_marked(w, id);
        node->excused = false;
        dead += node->dead_at_start && node->tracked;
    }
    WORLD_CHECK(w, exv_collect_start(w->heap) == EXV_OK);
    exv_gc_enable(w->heap);
    return dead;
}

static void check_landed(world *w)
{
    world_mark_reachable(w, true);
    for (uint32_t id = 0; id < w->used; id++) {
        const world_node *node = &w->node[id];
        WORLD_CHECK(w, !node->object || !node->dead_at_start || node->excused || world_is_marked(w, id));
    }
    WORLD_CHECK(w, w->unreferenced == 0);
}

static void steps(world *w, uint32_t count)
{
    while (count-- > 0)
        world_step(w);
}

static bool is_garbage(const world *w, uint32_t id)
{
    for (uint32_t i = 0; i < w->garbage_count; i++)
        if (w->garbage[i] == id)
            return true;
    return false;
}

/* Nothing happens meanwhile: what was found is exactly what was dead and not resurrected. */
static void test_undisturbed(void **state)
{
    (void)state;
    uint64_t seed = world_seed("undisturbed");
    world w;
    begin(&w, WORLD_LOOSE, EXV_MODE_INLINE, seed);
    for (size_t flight = 0; flight < world_scale(300); flight++) {
        steps(&w, 1 + world_random(&w, 300));
        world_empty_garbage(&w);
        size_t dead = take_off(&w), found = SIZE_MAX, resurrected = 0;
        WORLD_CHECK(&w, exv_collect_wait(w.heap, UINT64_MAX, &found) == EXV_FINISHED);
        check_landed(&w);
        for (uint32_t id = 0; id < w.used; id++) {
            const world_node *node = &w.node[id];
            resurrected += node->object && node->dead_at_start && world_has_visit(node->shape) && !node->cleared &&
                           !is_garbage(&w, id);
        }
        WORLD_CHECK(&w, found + resurrected == dead);
        world_check(&w);
    }
    world_end(&w);
}

/* In any number of steps, with operations before, between and after. */
static void fly_disturbed(world *w)
{
    take_off(w);
    steps(w, world_random(w, 200));
    exv_progress progress = EXV_FLIGHT;
    while (progress == EXV_FLIGHT) {
        steps(w, world_random(w, 4));
        progress = world_random(w, 40) ? exv_collect_poll(w->heap, NULL) : exv_collect_wait(w->heap, UINT64_MAX, NULL);
        if (progress == EXV_FLIGHT && !world_is_freeing(w))
            progress = exv_collect_wait(w->heap, 1000000, NULL);
    }
    check_landed(w);
}

static void test_disturbed(void **state)
{
    (void)state;
    uint64_t seed = world_seed("disturbed");
    for (size_t done = 0, number = 0; done < world_scale(600); number++) {
        world w;
        begin(&w, WORLD_LOOSE, EXV_MODE_INLINE, seed + number);
        for (uint32_t flight = 0; flight < 40; flight++, done++) {
            steps(&w, world_random(&w, 300));
            fly_disturbed(&w);
            world_check(&w);
        }
        steps(&w, 100);
        if (world_random(&w, 2))
            world_end(&w);
        else
            world_abandon(&w);
    }
}

/* Flights start by themselves, and also from finalizers and callbacks, which do anything else too. */
static void test_wild(void **state)
{
    (void)state;
    uint64_t seed = world_seed("wild");
    for (size_t done = 0, number = 0; done < world_scale(40000); number++) {
        world w;
        begin(&w, WORLD_WILD, EXV_MODE_BACKGROUND, seed + number);
        w.flies = true;
        for (uint32_t i = 0; i < 4000; i++, done++) {
            world_step(&w);
            if (world_random(&w, 500) == 0 && !world_is_freeing(&w))
                world_check(&w);
        }
        exv_collect_wait(w.heap, UINT64_MAX, NULL);
        if (world_random(&w, 2))
            world_end(&w);
        else
            world_abandon(&w);
    }
}

/* ---- a finalizer that a step calls, in the allocation of an object ---- */

typedef struct ringing {
    void *self;
} ringing;

static int ringing_visit(void *self, exv_visit_fn *visit, void *arg)
{
    return visit(((ringing *)self)->self, arg);
}

static void ringing_clear(void *self)
{
    EXV_CLEAR(((ringing *)self)->self);
}

/* As a large allocation does: the next birth is to look at the slow conditions. */
static void ringing_finalize(void *self)
{
    exvi_generation_alarm(&exv_get_heap(self)->generations);
}

static const exv_type ringing_type = {.name = "ringing", .size = sizeof(ringing), .visit = ringing_visit,
                                      .clear = ringing_clear, .finalize = ringing_finalize};

static void expect_generation(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)heap, (void)phase;
    *(bool *)arg = *(bool *)arg && info->generation >= 0 && info->generation < EXV_GENERATIONS;
}

static void test_alarm_during_a_step(void **state)
{
    (void)state;
    bool generations_exist = true;
    exv_config config = exv_config_default();
    config.policy.mode = EXV_MODE_INLINE;
    config.threshold[0] = 1000;
    exv_heap *heap = exv_heap_new(&config);
    assert_int_equal(exv_gc_add_callback(heap, expect_generation, &generations_exist), EXV_OK);
    ringing *r = exv_new(heap, &ringing_type);
    r->self = r;
    assert_int_equal(exv_collect_start(heap), EXV_OK);
    void *births[4];
    for (int i = 0; i < 4; i++) {
        if (i == 3 && heap->flight.active) { /* the last birth goes on with the flight, if none before it has */
            assert_int_equal(exvi_snapshot_wait(&heap->flight.snapshot, UINT64_MAX), EXVI_FLIGHT_ANSWERED);
            exvi_generation_alarm(&heap->generations);
        }
        births[i] = exv_new(heap, &ringing_type);
    }
    for (int i = 0; i < 4; i++)
        exv_decref(births[i]);
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_true(generations_exist);
    assert_int_equal(stats[2].collections, 1);
    assert_int_equal(stats[0].collections + stats[1].collections, 0); /* nothing else was due */
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ---- answers that are wrong ---- */

/* An address that could come from a child gone mad: live, dead, foreign, misaligned, or nothing at all. */
static uint64_t hostile_word(world *w, const world *other, uint64_t right)
{
    uint32_t id = world_random(w, w->used), block = world_random(w, WORLD_BLOCKS);
    uintptr_t object = (uintptr_t)w->node[id].object;
    switch (world_random(w, 12)) {
    case 0: return (uint64_t)world_random(w, UINT32_MAX) << 32 | world_random(w, UINT32_MAX);
    case 1: return object + 16 * (1 + world_random(w, 4));
    case 2: return object + 1 + world_random(w, 15);
    case 3: return (uintptr_t)other->node[world_random(w, other->used)].object;
    case 4: return (uintptr_t)w->block[block].start;
    case 5: return (uintptr_t)w->block[block].start + 16;
    case 6: return (uintptr_t)w->heap + 16 * world_random(w, 64);
    case 7: return (object & ~(((uintptr_t)2 << 20) - 1)) + 16 * world_random(w, 8192); /* a region's own tables */
    case 8: return world_random(w, 4096);
    case 9: return right;
    default: return object;
    }
}

/* Wait for the answer, and spoil it. */
static void spoil(world *w, const world *other)
{
    exvi_snapshot *snapshot = &w->heap->flight.snapshot;
    WORLD_CHECK(w, exvi_snapshot_wait(snapshot, UINT64_MAX) == EXVI_FLIGHT_ANSWERED);
    exvi_answer *answer = snapshot->answer;
    size_t right = answer->count;
    answer->count = world_random(w, (uint32_t)answer->room + 1);
    if (world_random(w, 4) == 0) { /* every object there is, in one group: proof alone decides */
        answer->count = 0;
        for (uint32_t id = 0; id < w->used && answer->count < answer->room; id++)
            if (w->node[id].object)
                answer->word[answer->count++] = (uintptr_t)w->node[id].object | (world_random(w, 50) == 0);
        return;
    }
    for (size_t i = 0; i < answer->count; i++) {
        uint64_t word = hostile_word(w, other, i < right ? answer->word[i] : 0);
        answer->word[i] = i > 0 && world_random(w, 8) == 0 ? answer->word[i - 1] : (word & ~UINT64_C(1));
        answer->word[i] ^= world_random(w, 3) == 0;
    }
}

static void test_hostile_answers(void **state)
{
    (void)state;
    uint64_t seed = world_seed("hostile");
    world w, other;
    begin(&w, WORLD_LOOSE, EXV_MODE_INLINE, seed);
    begin(&other, WORLD_LOOSE, EXV_MODE_INLINE, seed + 1);
    steps(&other, 500);
    for (size_t flight = 0; flight < world_scale(600); flight++) {
        steps(&w, 1 + world_random(&w, 200));
        take_off(&w);
        steps(&w, world_random(&w, 100));
        if (w.heap->flight.active && w.heap->flight.taken == 0)
            spoil(&w, &other);
        while (exv_collect_poll(w.heap, NULL) == EXV_FLIGHT)
            steps(&w, world_random(&w, 3));
        WORLD_CHECK(&w, w.unreferenced == 0);
        world_check(&w);
    }
    world_check(&other);
    world_end(&other);
    world_end(&w);
}

/* ---- forks ---- */

/* A forked process has no child. Polling, it forgets the flight; waiting, it collects in place. */
static void live_as_fork(world *w)
{
    if (world_random(w, 2)) {
        steps(w, world_random(w, 50));
        while (exv_collect_poll(w->heap, NULL) == EXV_FLIGHT)
            steps(w, world_random(w, 3));
    } else {
        WORLD_CHECK(w, exv_collect_wait(w->heap, UINT64_MAX, NULL) != EXV_FLIGHT);
        check_landed(w);
    }
    world_check(w);
    take_off(w);
    steps(w, 20);
    exv_collect_wait(w->heap, UINT64_MAX, NULL);
    check_landed(w);
    world_end(w);
    _exit(0);
}

static void test_forks(void **state)
{
    (void)state;
    uint64_t seed = world_seed("forks");
    for (size_t number = 0; number < world_scale(60); number++) {
        world w;
        begin(&w, WORLD_LOOSE, EXV_MODE_INLINE, seed + number);
        steps(&w, 600);
        take_off(&w);
        if (world_random(&w, 2)) { /* in the middle of freeing */
            exvi_snapshot_wait(&w.heap->flight.snapshot, UINT64_MAX);
            exv_collect_poll(w.heap, NULL);
        }
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            live_as_fork(&w);
        int status = -1;
        steps(&w, 20);
        exv_collect_wait(w.heap, UINT64_MAX, NULL);
        check_landed(&w);
        WORLD_CHECK(&w, waitpid(pid, &status, 0) == pid && status == 0);
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_undisturbed),
        cmocka_unit_test(test_disturbed),
        cmocka_unit_test(test_wild),
        cmocka_unit_test(test_alarm_during_a_step),
        cmocka_unit_test(test_hostile_answers),
        cmocka_unit_test(test_forks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
