/*
 * test_background: a full collection whose search runs in a snapshot, while the program goes on.
 */
#include "nodes.h"
#include "child.h"
#include "object.h"
#include "platform.h"

enum { MANY = 5000 };

static void start(exv_heap *heap)
{
    exv_status status = exv_collect_start(heap);
    if (status == EXV_UNSUPPORTED && getenv("EXUVIA_VALGRIND"))
        skip(); /* no child there */
    assert_int_equal(status, EXV_OK);
}

static size_t finish(exv_heap *heap)
{
    size_t found = SIZE_MAX;
    assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
    assert_sound(heap);
    return found;
}

/* Wait for the child alone. */
static void land(exv_heap *heap)
{
    assert_int_equal(exvi_snapshot_wait(&heap->flight.snapshot, UINT64_MAX), EXVI_FLIGHT_ANSWERED);
}

/* Steps that take as few objects as possible. */
static void set_budget(exv_heap *heap, uint64_t ns)
{
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.pause_budget_ns = ns;
    exv_set_policy(heap, &policy);
}

static uint64_t reasons(exv_heap *heap, exv_reason reason)
{
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    return telemetry.reasons[reason];
}

static void drop_rings(exv_heap *heap, int count, int size)
{
    for (int i = 0; i < count; i++)
        exv_decref(new_ring(heap, &node_type, size, 0));
}

/* ------------------------------------------------------------ the plain way */

static exv_record last_record;
static void listen(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)heap, (void)arg;
    last_record = *record;
}

static void count_calls(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    size_t found = 0;
    (void)info;
    ((int *)arg)[phase]++;
    assert_int_equal(exv_collect_start(heap), EXV_BUSY);
    assert_int_not_equal(exv_collect_poll(heap, &found), EXV_FINISHED);
}

static void test_one_flight(void **state)
{
    exv_heap *heap = *state;
    int calls[2] = {0};
    size_t found = 77;
    exv_gc_disable(heap);
    assert_int_equal(exv_collect_poll(heap, &found), EXV_IDLE);
    assert_int_equal(exv_collect_wait(heap, 0, &found), EXV_IDLE);
    assert_int_equal(found, 77);
    exv_set_listener(heap, listen, NULL);
    assert_int_equal(exv_gc_add_callback(heap, count_calls, calls), EXV_OK);
    node *live = new_ring(heap, &node_type, 100, 0);
    drop_rings(heap, 10, 20);
    start(heap);
    assert_true(calls[EXV_GC_START] == 1 && calls[EXV_GC_STOP] == 0);
    assert_int_equal(exv_collect_start(heap), EXV_BUSY);
    drop_rings(heap, 5, 20); /* after the start: left to the next one */
    uint32_t count[EXV_GENERATIONS];
    exv_gc_get_count(heap, count);
    assert_int_equal(count[0], 100); /* reset at the start */
    assert_int_equal(finish(heap), 200);
    assert_true(calls[EXV_GC_START] == 1 && calls[EXV_GC_STOP] == 1);
    assert_true(last_record.background && last_record.generation == 2 && last_record.objects == 300);
    assert_true(last_record.candidates == 200 && last_record.stale == 0 && last_record.found == 200);
    assert_true(last_record.clone_ns > 0 && last_record.longest_ns >= last_record.clone_ns);
    assert_int_equal(heap->generations.long_lived_total, 100);
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_true(stats[2].collections == 1 && stats[2].collected == 200);
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    assert_true(telemetry.collections == 1 && telemetry.background_collections == 1 && telemetry.pauses >= 2);
    assert_int_equal(exv_collect_poll(heap, &found), EXV_IDLE);
    exv_set_listener(heap, NULL, NULL);
    assert_true(exv_gc_remove_callback(heap, count_calls, calls));
    exv_decref(live);
    assert_int_equal(exv_collect(heap, 2), 200);
}

/* In small steps, while the program makes and drops objects; the heap is sound after each. */
static void test_small_steps(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    set_budget(heap, 0);
    drop_rings(heap, MANY / 10, 10);
    start(heap);
    land(heap);
    size_t found = 0;
    int steps = 1, kept = 0;
    node *chain = NULL;
    while (exv_collect_poll(heap, &found) == EXV_FLIGHT) {
        steps++;
        drop_rings(heap, 3, 3);
        node *n = new_node(heap, &node_type, 0); /* in the place of one that is gone, as a rule */
        n->ref[0] = chain;
        chain = n;
        kept++;
        if (steps % 8 == 0)
            assert_sound(heap);
        if (steps % 16 == 0)
            exv_collect(heap, 0);
    }
    assert_true(steps > 20);
    assert_int_equal(found, MANY);
    for (node *n = chain; n; n = n->ref[0])
        kept--;
    assert_int_equal(kept, 0);
    exv_decref(chain);
    exv_collect(heap, 2);
}

#ifndef EXVI_STRESS
/* Pages that were split are collapsed where the next clone would be long otherwise. */
static void test_collapse(void **state)
{
    exv_heap *heap = *state;
    const exvi_collapser *collapser = &heap->blocks.regions.collapser;
    if (!heap->blocks.regions.arena.huge_pages)
        skip(); /* the system's are larger */
    exv_gc_disable(heap);
    node *live = new_ring(heap, &node_type, 200000, 0);
    set_budget(heap, UINT64_C(1000000000));
    start(heap);
    finish(heap);
    assert_false(collapser->started);
    set_budget(heap, 0);
    start(heap);
    finish(heap);
    assert_true(collapser->started && collapser->count > 0);
    exv_decref(live);
    exv_collect(heap, 2);
    exv_heap_trim(heap);
    assert_true(atomic_load(&collapser->halted)); /* what went back is not filled up */
}
#endif

/* Released by a step, but in a cycle that nothing can break; tracked again before the flight looks who lived on, and
 * found by a collection in place. */
static void test_released_and_tracked_again(void **state)
{
    enum { RINGS = 200 };
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    set_budget(heap, 0);
    exv_list *garbage = exv_gc_get_garbage(heap);
    for (int i = 0; i < RINGS; i++)
        exv_decref(new_ring(heap, &rigid_type, 2, 0));
    start(heap);
    land(heap);
    size_t in_place = 0;
    while (exv_collect_poll(heap, NULL) == EXV_FLIGHT) {
        const exvi_doomed *doomed = &heap->flight.doomed;
        if (doomed->released < 2 || in_place > 0)
            continue;
        exv_track(doomed->object[0]);
        exv_track(doomed->object[1]);
        in_place += exv_collect(heap, 2); /* these two, and what the flight did not come to yet */
    }
    assert_true(in_place >= 2);
    assert_int_equal(exv_list_size(garbage), 2 * RINGS);
    assert_int_equal(heap->collector.unreachable, 0);
    assert_sound(heap);
    void *item;
    for (ptrdiff_t i = 0; exv_list_get(garbage, i, &item) == EXV_OK; i++)
        set_ref(item, 0, NULL);
    exv_list_clear(garbage);
}

/* A full collection in place, when part of the garbage is in the midst of being cleared: nothing that was dead before
 * is left after it, and each tells of its own. */
static void test_collection_in_place_meanwhile(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    exv_gc_disable(heap);
    set_budget(heap, 0);
    drop_rings(heap, MANY / 10, 10);
    start(heap);
    land(heap);
    for (int i = 0; i < 3; i++)
        assert_int_equal(exv_collect_poll(heap, NULL), EXV_FLIGHT);
    node *later = new_ring(heap, &node_type, 7, 0);
    exv_decref(later);
    size_t in_place = exv_collect(heap, 2), found = 0;
    assert_sound(heap);
    assert_int_equal(live_objects(heap), before);
    assert_false(heap->flight.active);
    assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
    assert_true(in_place > 0 && found > 0);
    assert_int_equal(in_place + found, MANY + 7);
    assert_int_equal(exv_collect_wait(heap, 0, &found), EXV_IDLE);
}

/* The same while the child is searching still: it is ended. */
static void test_collection_in_place_before_the_answer(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap), found = 77;
    drop_rings(heap, 10, 10);
    start(heap);
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    assert_true(telemetry.in_flight);
    assert_int_equal(exv_collect(heap, 1), 0); /* a younger generation leaves it alone */
    assert_true(heap->flight.active);
    assert_int_equal(exv_collect(heap, 2), 100);
    assert_int_equal(live_objects(heap), before);
    exv_get_telemetry(heap, &telemetry);
    assert_false(telemetry.in_flight);
    assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
    assert_int_equal(found, 0);
    assert_int_equal(exv_collect_poll(heap, NULL), EXV_IDLE);
}

/* What exv_collect_start() began is told of once, whoever ended it. */
static void test_result_of_a_flight_that_allocations_ended(void **state)
{
    exv_heap *heap = *state;
    for (int by_poll = 0; by_poll < 2; by_poll++) {
        drop_rings(heap, 10, 10);
        start(heap);
        land(heap);
        while (heap->flight.active)
            exv_decref(new_node(heap, &node_type, 0));
        size_t found = 77;
        exv_progress end = by_poll ? exv_collect_poll(heap, &found) : exv_collect_wait(heap, UINT64_MAX, &found);
        assert_int_equal(end, EXV_FINISHED);
        assert_int_equal(found, 100);
        assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_IDLE);
    }
    drop_rings(heap, 10, 10); /* nobody asks how this one ended: the next one is not taken for it */
    start(heap);
    land(heap);
    while (heap->flight.active)
        exv_poll(heap);
    drop_rings(heap, 1, 3);
    start(heap);
    assert_int_equal(finish(heap), 3);
}

/* Disabled, the program frees what a flight found when it says so, and not at an allocation. */
static void test_disabled_in_flight(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    exv_telemetry telemetry;
    drop_rings(heap, 10, 10);
    start(heap);
    exv_gc_disable(heap);
    exvi_child_await(heap->flight.snapshot.pid);
    exv_get_telemetry(heap, &telemetry);
    assert_true(telemetry.in_flight && !telemetry.searching);
    for (int i = 0; i < 3000; i++)
        exv_decref(new_node(heap, &node_type, 0));
    exv_poll(heap);
    assert_true(heap->flight.active && heap->flight.snapshot.pid == 0); /* the child is gone */
    assert_int_equal(live_objects(heap), before + 100);
    exv_gc_enable(heap);
    while (heap->flight.active)
        exv_poll(heap);
    assert_int_equal(live_objects(heap), before);
}

/* The flight is brought home by allocations, and by exv_poll(). */
static void test_goes_on_by_itself(void **state)
{
    exv_heap *heap = *state;
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.mode = EXV_MODE_BACKGROUND;
    exv_set_policy(heap, &policy);
    for (int by_poll = 0; by_poll < 2; by_poll++) {
        size_t before = live_objects(heap);
        drop_rings(heap, 10, 10);
        start(heap);
        for (uint64_t end = exvi_clock_ns() + 20000000000; heap->flight.active && exvi_clock_ns() < end;) {
            if (by_poll)
                exv_poll(heap);
            else
                exv_decref(new_node(heap, &node_type, 0));
        }
        assert_false(heap->flight.active);
        assert_int_equal(live_objects(heap), before);
    }
}

/* ---------------------------------------------------- what the program does meanwhile */

static void test_revived_through_a_weak_reference(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 1);
    exv_weakref *ref = exv_weakref_new(ring, NULL, NULL);
    exv_decref(ring);
    exv_decref(new_ring(heap, &node_type, 2, 4));
    start(heap);
    land(heap);
    ring = exv_weakref_incref(ref);
    assert_non_null(ring);
    assert_int_equal(finish(heap), 2);
    assert_null(strstr(events, "1 "));
    events[0] = '\0';
    assert_ptr_equal(ring->ref[0]->ref[0]->ref[0], ring);
    assert_int_equal(reasons(heap, EXV_REASON_STALE_CANDIDATE), 3);
    exv_decref(ring);
    exv_decref(ref);
    assert_int_equal(exv_collect(heap, 2), 3);
    events[0] = '\0';
}

/* The program has them out of the collector's sight, dead or not. */
static void test_untracked_meanwhile(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 0);
    exv_weakref *ref = exv_weakref_new(ring, NULL, NULL);
    exv_decref(ring);
    start(heap);
    land(heap);
    ring = exv_weakref_incref(ref);
    node *each = ring;
    for (int i = 0; i < 3; i++, each = each->ref[0])
        exv_untrack(each);
    exv_decref(ring);
    assert_int_equal(finish(heap), 0);
    assert_int_equal(reasons(heap, EXV_REASON_STALE_CANDIDATE), 3);
    each = ring = exv_weakref_incref(ref);
    assert_non_null(ring);
    for (int i = 0; i < 3; i++, each = each->ref[0])
        exv_track(each);
    exv_decref(ring);
    exv_decref(ref);
    assert_int_equal(exv_collect(heap, 2), 3);
}

static void test_freed_and_used_again(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    drop_rings(heap, MANY / 10, 10);
    start(heap);
    land(heap);
    assert_int_equal(exv_collect(heap, 2), MANY);
    node *live[MANY];
    void *block[MANY];
    for (int i = 0; i < MANY; i++) {
        live[i] = i % 3 ? new_node(heap, i % 3 == 1 ? &node_type : &leaf_type, 0) : new_ring(heap, &node_type, 2, 0);
        block[i] = exv_alloc(heap, sizeof(node));
        memset(block[i], 0x7f, sizeof(node));
    }
    exv_collect_wait(heap, UINT64_MAX, NULL); /* if the allocations have not finished it */
    assert_sound(heap);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(exv_refcount(live[i]), i % 3 ? 1 : 2);
        exv_decref(live[i]);
        exv_free(heap, block[i]);
    }
    exv_collect(heap, 2);
}

static void test_frozen_meanwhile(void **state)
{
    exv_heap *heap = *state;
    drop_rings(heap, 3, 3);
    start(heap);
    land(heap);
    exv_gc_freeze(heap);
    assert_int_equal(finish(heap), 0);
    assert_int_equal(exv_gc_get_freeze_count(heap), 9);
    exv_gc_unfreeze(heap);
    assert_int_equal(exv_collect(heap, 2), 9);
}

static node *saved;
static void save(node *self)
{
    saved = exv_incref(self);
}

static void test_finalizers_and_resurrection(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &final_type, 3, 1);
    exv_weakref *ref = exv_weakref_new(ring, NULL, NULL);
    ring->on_finalize = save;
    exv_decref(ring);
    exv_decref(new_ring(heap, &final_type, 1, 4));
    start(heap);
    assert_events(""); /* nothing runs in the child that the parent could see, nor in the parent yet */
    assert_int_equal(finish(heap), 1);
    assert_int_equal(strlen(events), 4 * 3 + 9); /* F1 to F4, C4 C4 D4 */
    events[0] = '\0';
    assert_ptr_equal(saved, ring);
    assert_null(exv_weakref_incref(ref));
    exv_decref(ref);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    events[0] = '\0';
}

/* ------------------------------------------------------------------ ends */

static void collect_and_allocate(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    self->on_destroy = NULL;
    node *chain = NULL;
    for (int i = 0; i < 2000; i++) {
        node *n = new_node(heap, &node_type, 0);
        n->ref[0] = chain;
        chain = n;
    }
    exv_decref(chain);
    exv_collect(heap, 2);
}

static void make_garbage(node *self)
{
    drop_rings(exv_get_heap(self), 1, 2);
}

/* The answer is there, and part of it is cleared. */
static void begin_to_clear(exv_heap *heap, node_hook *on_destroy)
{
    exv_gc_disable(heap);
    set_budget(heap, 0);
    for (int i = 0; i < 30; i++) {
        node *ring = new_ring(heap, &node_type, 30, 0);
        ring->on_destroy = on_destroy;
        exv_decref(ring);
    }
    start(heap);
    land(heap);
    for (int i = 0; i < 2; i++)
        assert_int_equal(exv_collect_poll(heap, NULL), EXV_FLIGHT);
    assert_true(heap->flight.doomed.count > 0);
    exv_gc_enable(heap);
}

static void test_heap_ends_in_flight(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    drop_rings(heap, 10, 10);
    start(heap);
    assert_int_equal(exv_heap_free(heap), 0);
    heap = exv_heap_new(&config);
    begin_to_clear(heap, make_garbage);
    assert_int_equal(exv_heap_free(heap), 0); /* what clearing leaves behind is found by the last collection */
    config.policy.on_exit = false;
    heap = exv_heap_new(&config);
    size_t before = live_objects(heap);
    begin_to_clear(heap, collect_and_allocate);
    size_t doomed = heap->collector.unreachable, after = live_objects(heap);
    assert_true(doomed > 0);
    assert_int_equal(exv_heap_free(heap), after - before - doomed); /* what was doomed is not among what is left */
}

/* A forked process has half of a batch cleared, and no child: it goes on by itself, and loses nothing. */
static void test_fork_in_flight(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    begin_to_clear(heap, NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        size_t found;
        if (exv_collect_wait(heap, UINT64_MAX, &found) != EXV_FINISHED || exv_heap_check(heap))
            _exit(1);
        if (live_objects(heap) != before || reasons(heap, EXV_REASON_CANCELLED) != 1)
            _exit(2);
        _exit(exv_heap_free(heap) == 0 ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(finish(heap), 900);
    assert_int_equal(live_objects(heap), before);
}

/* A forked process that only polls makes no full collection of its own: it has no stop for its parent's sake. */
static void test_forked_process_polls(void **state)
{
    exv_heap *heap = *state;
    drop_rings(heap, 10, 10);
    start(heap);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        size_t found = 77;
        exv_gc_stats stats[EXV_GENERATIONS];
        if (exv_collect_poll(heap, &found) != EXV_IDLE || found != 77)
            _exit(1);
        exv_gc_get_stats(heap, stats);
        if (stats[2].collections != 0 || reasons(heap, EXV_REASON_CANCELLED) != 1)
            _exit(2);
        _exit(exv_collect(heap, 2) == 100 && !exv_heap_check(heap) ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(finish(heap), 100);
}

static void test_child_killed(void **state)
{
    exv_heap *heap = *state;
    drop_rings(heap, 10, 10);
    start(heap);
    kill(heap->flight.snapshot.pid, SIGKILL);
    assert_int_equal(finish(heap), 100); /* in place, or the child was quicker */
    assert_true(reasons(heap, EXV_REASON_CHILD_DIED) <= 1);
    assert_int_equal(live_objects(heap), live_objects(heap));
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_true(stats[2].collections == 1 && stats[2].collected == 100);
}

static bool hang;
static int hang_visit(void *self, exv_visit_fn *visit, void *arg)
{
    if (hang && getpid() != (pid_t)(uintptr_t)((node *)self)->arg)
        for (;;)
            sleep(1);
    return node_visit(self, visit, arg);
}

static void test_child_is_late(void **state)
{
    static const exv_type hanging_type = {.name = "hanging", .size = sizeof(node), .visit = hang_visit,
                                          .clear = node_clear};
    exv_heap *heap = *state;
    exv_policy policy;
    exv_get_policy(heap, &policy);
    policy.deadline_ns = 50000000;
    exv_set_policy(heap, &policy);
    node *ring = new_ring(heap, &hanging_type, 2, 0);
    ring->arg = ring->ref[0]->arg = (void *)(uintptr_t)getpid();
    exv_decref(ring);
    hang = true;
    start(heap);
    assert_int_equal(exv_collect_wait(heap, 1000, NULL), EXV_FLIGHT); /* the time ran out */
    assert_int_equal(finish(heap), 2);
    hang = false;
    assert_int_equal(reasons(heap, EXV_REASON_CHILD_LATE), 1);
}

#ifdef EXVI_CHECKED
static void test_refused(void **state)
{
    exv_heap *heap = *state;
    int calls[2] = {0};
    uint32_t before[EXV_GENERATIONS], after[EXV_GENERATIONS];
    exv_decref(new_ring(heap, &node_type, 3, 0));
    exv_collect(heap, 0);
    exv_decref(new_ring(heap, &node_type, 4, 0));
    exv_gc_get_count(heap, before);
    assert_int_equal(exv_gc_add_callback(heap, count_calls, calls), EXV_OK);
    static const struct { exvi_fault fault; exv_reason reason; } faults[] = {
        {EXVI_FAULT_CLONE, EXV_REASON_CLONE_REFUSED}, {EXVI_FAULT_MAP_SHARED, EXV_REASON_NO_SHARED}};
    for (int i = 0; i < 2; i++) {
        exvi_fault_set(faults[i].fault, 1, false);
        assert_int_equal(exv_collect_start(heap), EXV_UNSUPPORTED);
        exvi_fault_set(faults[i].fault, 0, false);
        assert_non_null(strstr(exv_error_message(heap), exv_reason_name(faults[i].reason)));
        assert_int_equal(reasons(heap, faults[i].reason), 1);
        assert_true(calls[EXV_GC_START] == i + 1 && calls[EXV_GC_STOP] == i + 1);
        exv_gc_get_count(heap, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(exv_collect_poll(heap, NULL), EXV_IDLE);
    }
    assert_true(exv_gc_remove_callback(heap, count_calls, calls));
    assert_int_equal(exv_collect(heap, 0), 4); /* they are as young as before */
    assert_int_equal(exv_collect(heap, 2), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_one_flight),
        heap_test(test_small_steps),
        heap_test(test_released_and_tracked_again),
#ifndef EXVI_STRESS
        heap_test(test_collapse),
#endif
        heap_test(test_collection_in_place_meanwhile),
        heap_test(test_collection_in_place_before_the_answer),
        heap_test(test_result_of_a_flight_that_allocations_ended),
        heap_test(test_disabled_in_flight),
        heap_test(test_goes_on_by_itself),
        heap_test(test_revived_through_a_weak_reference),
        heap_test(test_untracked_meanwhile),
        heap_test(test_freed_and_used_again),
        heap_test(test_frozen_meanwhile),
        heap_test(test_finalizers_and_resurrection),
        cmocka_unit_test(test_heap_ends_in_flight),
        heap_test(test_fork_in_flight),
        heap_test(test_forked_process_polls),
        heap_test(test_child_killed),
        heap_test(test_child_is_late),
#ifdef EXVI_CHECKED
        heap_test(test_refused),
#endif
    };
    return cmocka_run_group_tests_name("background", tests, NULL, NULL);
}
