/*
 * test_step: deaths and collections in portions, for programs with frames. What a portion holds is seen by budgets of
 * 0: then each call does the least that it does.
 */
#include "nodes.h"
#include "object.h"
#include "platform.h"

static const exv_type plain_type = {.name = "plain", .size = sizeof(node), .visit = node_visit, .clear = node_clear};

static node *new_chain(exv_heap *heap, const exv_type *type, int length)
{
    node *head = NULL;
    for (int i = 0; i < length; i++) {
        node *next = new_node(heap, type, 0);
        next->ref[0] = head;
        head = next;
    }
    return head;
}

/* -------------------------------------------------------- deaths put off */

static void test_a_chain_dies_in_portions(void **state)
{
    enum { LENGTH = 1000, PORTION = 16 };
    exv_heap *heap = *state;
    const exv_type *types[] = {&plain_type, &node_type, &final_type};
    for (size_t i = 0; i < 3; i++) {
        exv_gc_disable(heap);
        exv_decref_later(new_chain(heap, types[i], LENGTH));
        assert_int_equal(live_objects(heap), LENGTH);
        size_t left = LENGTH;
        for (; left > PORTION; left -= PORTION) {
            assert_false(exv_drop_step(heap, 0));
            assert_int_equal(live_objects(heap), left - PORTION);
            assert_sound(heap);
        }
        assert_true(exv_drop_step(heap, 0));
        assert_int_equal(live_objects(heap), 0);
    }
}

static void test_only_the_last_reference_waits(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    exv_weakref *ref = exv_weakref_new(n, NULL, NULL);
    exv_incref(n);
    exv_decref_later(n);
    assert_int_equal(exv_refcount(n), 1);
    exv_decref_later(n);
    exv_decref_later(NULL);
    assert_events("");
    assert_null(exv_weakref_incref(ref)); /* it cannot be had any more */
    assert_true(exv_drop_step(heap, UINT64_MAX));
    assert_events("F1 C1 D1 ");
    assert_true(exv_drop_step(heap, 0));
    exv_decref(ref);
    n = new_node(heap, &node_type, 2);
    exv_make_immortal(n);
    exv_decref_later(n);
    assert_true(exv_is_immortal(n));
    assert_true(exv_drop_step(heap, UINT64_MAX));
    assert_events("");
}

static void resurrect(node *self)
{
    *(node **)self->arg = exv_incref(self);
}

static void test_resurrection(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1), *saved = NULL;
    n->on_finalize = resurrect;
    n->arg = &saved;
    exv_decref_later(n);
    assert_false(exv_gc_is_tracked(n));
    exv_drop_step(heap, UINT64_MAX);
    assert_ptr_equal(saved, n);
    assert_true(exv_gc_is_tracked(n));
    assert_sound(heap);
    exv_decref(n);
    assert_events("F1 C1 D1 ");
}

/* A finalizer in a step puts off another, collects, and steps itself. */
static void act(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    exv_decref_later(new_node(heap, &node_type, 7));
    exv_decref(new_ring(heap, &node_type, 3, 0));
    exv_collect(heap, 2);
    exv_drop_step(heap, UINT64_MAX);
    assert_sound(heap);
}

static void put_one_off(node *self)
{
    exv_decref_later(new_node(exv_get_heap(self), &node_type, 8));
}

static void test_what_finalizers_may_do(void **state)
{
    exv_heap *heap = *state;
    node *chain = new_chain(heap, &final_type, 50);
    chain->ref[0]->on_finalize = put_one_off;
    chain->ref[0]->ref[0]->on_finalize = act;
    exv_decref_later(chain);
    while (!exv_drop_step(heap, 0))
        assert_sound(heap);
    assert_each('D', 7, 8);
    events[0] = '\0';
    assert_int_equal(live_objects(heap), 0);
}

static void test_what_ends_them_too(void **state)
{
    exv_heap *heap = *state;
    exv_decref_later(new_node(heap, &node_type, 1));
    exv_collect(heap, 1);
    assert_events("");
    exv_collect(heap, 2);
    assert_events("C1 D1 ");
    exv_decref_later(new_node(heap, &node_type, 2));
    exv_collect_step(heap, 0, NULL);
    assert_events("C2 D2 ");
    exv_heap *other = exv_heap_new(NULL);
    exv_decref_later(new_node(other, &final_type, 3));
    assert_int_equal(exv_heap_free(other), 0);
    assert_events("F3 C3 D3 ");
}

/* ---------------------------------------------------- collections in steps */

static void drop_rings(exv_heap *heap, int count, int size)
{
    for (int i = 0; i < count; i++)
        exv_decref(new_ring(heap, &node_type, size, 0));
}

static void test_in_place_where_it_fits(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    size_t found = 0;
    assert_int_equal(exv_collect_step(heap, 1000000000, &found), EXV_IDLE);
    drop_rings(heap, 100, 4);
    assert_int_equal(exv_collect_step(heap, 1000000000, &found), EXV_IDLE); /* too few for a search */
    assert_int_equal(found, 0);
    drop_rings(heap, 100, 4);
    assert_int_equal(exv_collect_step(heap, 1000000000, &found), EXV_FINISHED);
    assert_int_equal(found, 800);
    assert_int_equal(live_objects(heap), 0);
    assert_int_equal(exv_collect_step(heap, 1000000000, &found), EXV_IDLE);
}

/* Nothing is found in place, and nothing is freed all at once. */
static void test_in_the_background_where_not(void **state)
{
    enum { RINGS = 2000, SIZE = 4 };
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    drop_rings(heap, RINGS, SIZE);
    size_t found = 0, steps = 0, most = 0;
    exv_progress progress = exv_collect_step(heap, 0, &found);
    if (progress == EXV_IDLE)
        skip(); /* no child here */
    assert_int_equal(progress, EXV_FLIGHT);
    assert_int_equal(live_objects(heap), RINGS * SIZE);
    while (progress == EXV_FLIGHT) {
        (void)exvi_snapshot_wait(&heap->flight.snapshot, UINT64_MAX);
        size_t before = live_objects(heap);
        progress = exv_collect_step(heap, 0, &found);
        size_t freed = before - live_objects(heap);
        most = freed > most ? freed : most;
        steps++;
    }
    assert_int_equal(progress, EXV_FINISHED);
    assert_int_equal(found, RINGS * SIZE);
    assert_int_equal(live_objects(heap), 0);
    assert_true(steps >= RINGS);
    assert_true(most <= 64 + SIZE);
}

static void test_nothing_in_place_of_a_child(void **state)
{
#ifdef EXVI_CHECKED
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    drop_rings(heap, 1000, 2);
    exvi_fault_set(EXVI_FAULT_CLONE, 1, false);
    assert_int_equal(exv_collect_step(heap, 0, NULL), EXV_IDLE);
    exvi_fault_set(EXVI_FAULT_CLONE, 0, false);
    assert_int_equal(live_objects(heap), 2000);
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    assert_int_equal(telemetry.reasons[EXV_REASON_CLONE_REFUSED], 1);
    if (exv_collect_step(heap, 0, NULL) == EXV_FLIGHT) {
        kill(heap->flight.snapshot.pid, SIGKILL);
        (void)exvi_snapshot_wait(&heap->flight.snapshot, UINT64_MAX);
        assert_int_equal(exv_collect_step(heap, UINT64_MAX, NULL), EXV_IDLE);
        assert_int_equal(live_objects(heap), 2000);
    }
    assert_int_equal(exv_collect(heap, 2), 2000);
#else
    (void)state;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_a_chain_dies_in_portions),
        heap_test(test_only_the_last_reference_waits),
        heap_test(test_resurrection),
        heap_test(test_what_finalizers_may_do),
        heap_test(test_what_ends_them_too),
        heap_test(test_in_place_where_it_fits),
        heap_test(test_in_the_background_where_not),
        heap_test(test_nothing_in_place_of_a_child),
    };
    return cmocka_run_group_tests_name("step", tests, NULL, NULL);
}
