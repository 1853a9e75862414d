/*
 * test_finalize: what finalizers and clear functions may do in the midst of a collection: store references, drop
 * others, allocate, collect, untrack, freeze.
 */
#include "nodes.h"
#include "object.h"

static node *saved;
static void save(node *self)
{
    saved = exv_incref(self);
}

/* --------------------------------------------------------------- finalizers */

static void test_all_finalizers_run_before_any_clear(void **state)
{
    exv_heap *heap = *state;
    exv_decref(new_ring(heap, &final_type, 4, 1));
    assert_int_equal(exv_collect(heap, 2), 4);
    assert_each('F', 1, 4);
    assert_each('D', 1, 4);
    assert_true(strrchr(events, 'F') < strchr(events, 'C'));
    events[0] = '\0';
}

static void test_resurrection(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &final_type, 3, 1);
    ring->on_finalize = save;
    set_ref(ring->ref[0], 1, ring->ref[0]);
    exv_decref(new_ring(heap, &node_type, 2, 4)); /* dies all the same */
    node *hanging = new_ring(heap, &final_type, 1, 6); /* refers to what is resurrected, and dies */
    set_ref(hanging, 1, ring);
    exv_decref(hanging);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_each('F', 1, 3);
    assert_each('D', 4, 6);
    assert_null(strstr(events, "C1"));
    events[0] = '\0';
    assert_ptr_equal(saved, ring);
    assert_int_equal(exv_refcount(ring), 2);
    assert_true(exv_gc_is_tracked(ring->ref[0]));
    assert_sound(heap);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3); /* without finalizers now */
    assert_null(strchr(events, 'F'));
    events[0] = '\0';
}

static void save_neighbour(node *self)
{
    save(self->ref[0]);
}

static void store_in_arg(node *self)
{
    set_ref(self->arg, 1, self);
}

static void test_resurrection_of_and_by_others(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &final_type, 3, 1);
    ring->on_finalize = save_neighbour;
    EXV_CLEAR(ring->ref[0]->ref[0]->ref[0]); /* 1 -> 2 -> 3, and 1 -> 1 */
    set_ref(ring, 1, ring);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 1); /* 2 is saved, and 3 by it */
    assert_events("F1 F2 F3 C1 C1 D1 ");
    exv_decref(saved);
    assert_events("C2 C3 D3 D2 ");

    node *store = new_node(heap, &node_type, 4);
    ring = new_ring(heap, &final_type, 2, 5);
    ring->on_finalize = store_in_arg;
    ring->arg = store;
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_ptr_equal(store->ref[1], ring);
    exv_decref(store);
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_each('D', 4, 6);
    events[0] = '\0';
}

static void untrack_self(node *self)
{
    exv_untrack(self);
}

static void break_up(node *self)
{
    EXV_CLEAR(self->ref[0]);
    EXV_CLEAR(self->ref[1]);
}

static void make_immortal(node *self)
{
    exv_make_immortal(self);
}

static void freeze(node *self)
{
    exv_gc_freeze(exv_get_heap(self));
}

static void collect_again(node *self)
{
    assert_int_equal(exv_collect(exv_get_heap(self), 2), 0);
}

static void allocate_much(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    uint64_t before, after;
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    before = telemetry.collections;
    for (int i = 0; i < 5000; i++)
        exv_decref(new_ring(heap, &node_type, 1, 0));
    exv_get_telemetry(heap, &telemetry);
    after = telemetry.collections;
    assert_int_equal(after, before); /* none starts inside another */
}

static void test_what_finalizers_may_do(void **state)
{
    static node_hook *const hooks[] = {untrack_self, break_up, freeze, collect_again, allocate_much};
    exv_heap *heap = *state;
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        for (int which = 1; which < 8; which++) {
            node *ring = new_ring(heap, &final_type, 3, 1), *n = ring;
            for (int bit = 1; bit < 8; bit *= 2, n = n->ref[0])
                n->on_finalize = which & bit ? hooks[i] : NULL;
            exv_decref(ring);
            size_t found = exv_collect(heap, 2);
            assert_int_equal(found, 3);
            assert_each('F', 1, 3);
            assert_each('D', 1, 3);
            events[0] = '\0';
            exv_gc_unfreeze(heap);
            assert_sound(heap);
            exv_collect(heap, 2);
        }
    }
    node *ring = new_ring(heap, &final_type, 3, 1);
    ring->on_finalize = make_immortal;
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_true(exv_is_immortal(ring));
    assert_each('F', 1, 3);
    events[0] = '\0';
    EXV_CLEAR(ring->ref[0]);
    assert_each('D', 2, 3);
    events[0] = '\0';
}

/* ------------------------------------------------------------ clear functions */

static void track_self(node *self)
{
    exv_track(self);
}

static void clear_arg(node *self)
{
    node *other = self->arg;
    self->on_clear = NULL; /* the other may be gone when this one dies */
    EXV_CLEAR(other->ref[0]);
    EXV_CLEAR(other->ref[1]);
}

static void save_once(node *self)
{
    self->on_clear = NULL;
    save(self);
}

static void test_clear_that_resurrects(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 1);
    ring->on_clear = save_once;
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_each('D', 2, 3);
    assert_null(strstr(events, "D1"));
    events[0] = '\0';
    assert_ptr_equal(saved, ring);
    assert_null(ring->ref[0]);
    assert_int_equal(exv_refcount(ring), 1);
    assert_true(exv_gc_is_tracked(ring));
    assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
    assert_sound(heap);
    exv_decref(ring);
    assert_events("C1 D1 ");
}

static void test_what_clear_functions_may_do(void **state)
{
    static node_hook *const hooks[] = {track_self, clear_arg, collect_again, allocate_much, freeze};
    exv_heap *heap = *state;
    for (size_t i = 0; i < sizeof hooks / sizeof hooks[0]; i++) {
        node *ring = new_ring(heap, &node_type, 4, 1), *n = ring;
        for (int k = 0; k < 4; k++, n = n->ref[0]) {
            n->on_clear = hooks[i];
            n->arg = n->ref[0]->ref[0];
        }
        for (int k = 0; k < 4; k++, n = n->ref[0])
            set_ref(n, 1, n->arg); /* so that the other lives as long */
        exv_decref(ring);
        assert_int_equal(exv_collect(heap, 2), 4);
        assert_each('D', 1, 4);
        events[0] = '\0';
        exv_gc_unfreeze(heap);
        assert_sound(heap);
        exv_collect(heap, 2);
    }
}

static exv_weakref *to_other;
static int asked;

static void refer_weakly(node *self)
{
    if (!to_other)
        to_other = exv_weakref_new(self->ref[0], NULL, NULL);
}

static void ask(node *self)
{
    (void)self;
    asked++;
    assert_null(exv_weakref_incref(to_other));
}

/* A weak reference that a finalizer makes leads nowhere before the first object is cleared. */
static void test_weak_reference_of_a_finalizer(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &final_type, 3, 0);
    for (node *n = ring; asked < 3; n = n->ref[0], asked++) {
        n->on_finalize = refer_weakly;
        n->on_clear = ask;
    }
    asked = 0;
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(asked, 6); /* cleared, and again as each dies */
    exv_decref(to_other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_all_finalizers_run_before_any_clear),
        heap_test(test_resurrection),
        heap_test(test_resurrection_of_and_by_others),
        heap_test(test_what_finalizers_may_do),
        heap_test(test_clear_that_resurrects),
        heap_test(test_what_clear_functions_may_do),
        heap_test(test_weak_reference_of_a_finalizer),
    };
    return cmocka_run_group_tests_name("finalize", tests, NULL, NULL);
}
