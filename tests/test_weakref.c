/*
 * test_weakref: weak references, their callbacks, and the order in which Python calls them.
 */
#include "exv_heap.h"
#include "nodes.h"

enum { MANY = 3000 };

static void called(exv_weakref *ref, void *arg)
{
    assert_null(exv_weakref_incref(ref)); /* the target cannot be had any more */
    note('W', *(int *)arg);
}

static int one = 1, two = 2, three = 3;

/* ------------------------------------------------------------- the plain life */

static void test_gives_the_target_while_it_lives(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    exv_weakref *ref = exv_weakref_new(n, called, &one);
    assert_ptr_equal(exv_get_type(ref), &exv_weakref_type);
    assert_int_equal(exv_refcount(ref), 1);
    assert_int_equal(exv_refcount(n), 1); /* it is not counted */
    assert_ptr_equal(exv_weakref_incref(ref), n);
    assert_int_equal(exv_refcount(n), 2);
    exv_decref(n);
    exv_decref(n);
    assert_events("F1 W1 C1 D1 "); /* after the finalizer, before anything is cleared */
    assert_null(exv_weakref_incref(ref));
    exv_decref(ref);
    assert_events("");
}

static void test_dies_before_its_target(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    exv_weakref *first = exv_weakref_new(n, called, &one);
    exv_weakref *second = exv_weakref_new(n, called, &two);
    exv_weakref *third = exv_weakref_new(n, called, &three);
    exv_decref(second); /* in the midst */
    assert_sound(heap);
    exv_decref(third); /* the head */
    assert_sound(heap);
    exv_decref(first); /* the last one */
    assert_sound(heap);
    first = exv_weakref_new(n, called, &one);
    exv_decref(n);
    assert_events("W1 C1 D1 ");
    exv_decref(first);
}

static void test_simple_and_untracked_targets(void **state)
{
    exv_heap *heap = *state;
    node *leaf = new_node(heap, &leaf_type, 1);
    node *untracked = new_node(heap, &node_type, 2);
    exv_untrack(untracked);
    exv_weakref *ref = exv_weakref_new(leaf, called, &one);
    exv_weakref *other = exv_weakref_new(untracked, called, &two);
    exv_decref(leaf);
    exv_decref(untracked);
    assert_events("F1 W1 D1 W2 C2 D2 ");
    exv_decref(ref);
    exv_decref(other);
}

static void test_newest_is_called_first(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    exv_weakref *ref[3] = {exv_weakref_new(n, called, &one), exv_weakref_new(n, called, &two),
                           exv_weakref_new(n, called, &three)};
    exv_weakref *silent = exv_weakref_new(n, NULL, NULL);
    exv_decref(n);
    assert_events("W3 W2 W1 C1 D1 ");
    for (int i = 0; i < 3; i++)
        exv_decref(ref[i]);
    exv_decref(silent);
}

/* ------------------------------------------------------------ callbacks that act */

static exv_weakref *others[2];

static void drop_others(exv_weakref *ref, void *arg)
{
    called(ref, arg);
    EXV_CLEAR(others[0]);
    EXV_CLEAR(others[1]);
}

/* The others were alive when the target died: they are called, though the program has given them up meanwhile. */
static void test_callback_that_drops_the_others(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    others[0] = exv_weakref_new(n, called, &one);
    others[1] = exv_weakref_new(n, called, &two);
    exv_weakref *ref = exv_weakref_new(n, drop_others, &three);
    exv_decref(n);
    assert_events("W3 W2 W1 C1 D1 ");
    exv_decref(ref);
}

static void drop_itself(exv_weakref *ref, void *arg)
{
    called(ref, arg);
    exv_decref(ref);
}

static void test_callback_that_drops_itself(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    size_t before = live_objects(heap);
    exv_weakref_new(n, drop_itself, &one);
    exv_decref(n);
    assert_events("W1 C1 D1 ");
    assert_int_equal(live_objects(heap), before - 1);
}

static exv_weakref *made;

static void make_another(exv_weakref *ref, void *arg)
{
    called(ref, arg);
    made = exv_weakref_new(others[0], called, &two);
    exv_collect(exv_get_heap(ref), 2);
}

/* A callback makes a weak reference (and so perhaps a larger table) to another object, and collects. */
static void test_callback_that_makes_another(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1), *other = new_node(heap, &node_type, 2);
    others[0] = (exv_weakref *)(void *)other;
    exv_weakref *ref = exv_weakref_new(n, make_another, &one);
    exv_decref(n);
    assert_events("W1 C1 D1 ");
    assert_ptr_equal(exv_weakref_incref(made), other);
    exv_decref(other);
    exv_decref(other);
    assert_events("W2 C2 D2 ");
    exv_decref(ref);
    exv_decref(made);
}

static node *dying;

static void refer_to_dying(exv_weakref *ref, void *arg)
{
    called(ref, arg);
    made = exv_weakref_new(dying, called, &two);
    assert_null(exv_weakref_incref(made)); /* it cannot be had any more */
}

static void test_weakref_to_what_is_dying(void **state)
{
    exv_heap *heap = *state;
    dying = new_node(heap, &node_type, 1);
    exv_weakref *ref = exv_weakref_new(dying, refer_to_dying, &one);
    exv_decref(dying);
    assert_events("W1 C1 D1 ");
    assert_sound(heap);
    assert_null(exv_weakref_incref(made));
    exv_decref(made);
    exv_decref(ref);
}

/* -------------------------------------------------------------- resurrection */

static node *saved;

static void save(node *self)
{
    assert_ptr_equal(exv_weakref_incref(others[0]), self); /* its weak references still lead to it */
    saved = self;                                         /* now owned */
}

static void test_resurrection_keeps_weak_references(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    n->on_finalize = save;
    others[0] = exv_weakref_new(n, called, &one);
    exv_decref(n);
    assert_events("F1 ");
    assert_ptr_equal(exv_weakref_incref(others[0]), n);
    exv_decref(n);
    exv_decref(saved);
    assert_events("W1 C1 D1 ");
    exv_decref(others[0]);
}

/* ------------------------------------------------------------- in a collection */

static void test_all_are_cut_before_the_first_call(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 1);
    others[0] = exv_weakref_new(ring->ref[0], NULL, NULL);
    others[1] = exv_weakref_new(ring->ref[0]->ref[0], called, &two);
    exv_weakref *ref = exv_weakref_new(ring, drop_others, &one);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_true(strncmp(events, "W1 W2 C", 7) == 0 || strncmp(events, "W2 W1 C", 7) == 0);
    events[0] = '\0';
    exv_decref(ref);
}

static exv_weakref *cut[3];

static void try_all(exv_weakref *ref, void *arg)
{
    called(ref, arg);
    for (int i = 0; i < 3; i++)
        assert_null(exv_weakref_incref(cut[i]));
}

static void test_callback_cannot_have_garbage(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 0);
    node *n = ring;
    for (int i = 0; i < 3; i++, n = n->ref[0])
        cut[i] = exv_weakref_new(n, try_all, &one);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_events("W1 W1 W1 ");
    for (int i = 0; i < 3; i++)
        exv_decref(cut[i]);
}

/* A weak reference that is garbage itself is not called: neither for another object of the garbage, nor for a simple
 * object that dies with it. */
static void test_garbage_weak_reference_is_not_called(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 2, 1);
    node *simple = new_node(heap, &leaf_type, 3);
    node *outside = new_node(heap, &node_type, 4);
    node *holder = new_node(heap, &node_type, 5);
    ring->ref[1] = (node *)(void *)exv_weakref_new(ring->ref[0], called, &one);
    ring->ref[0]->ref[1] = holder;
    set_ref(holder, 0, exv_weakref_new(simple, called, &two));
    exv_decref(holder->ref[0]);
    holder->ref[1] = simple;
    node *other = new_ring(heap, &node_type, 1, 6);
    other->ref[1] = (node *)(void *)exv_weakref_new(outside, called, &three);
    exv_decref(ring);
    exv_decref(other);
    assert_int_equal(exv_collect(heap, 2), 7); /* the weak references are counted too */
    assert_null(strchr(events, 'W'));
    events[0] = '\0';
    exv_decref(outside);
    assert_events("C4 D4 ");
}

/* But one that lives is called for a simple object that only garbage held. */
static void test_called_for_what_only_garbage_held(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 2, 1);
    ring->ref[1] = new_node(heap, &leaf_type, 3);
    exv_weakref *ref = exv_weakref_new(ring->ref[1], called, &one);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_non_null(strstr(events, "F3 W1 D3 "));
    events[0] = '\0';
    exv_decref(ref);
}

static void refer_to_self(node *self)
{
    made = exv_weakref_new(self, called, &two);
}

static void have_it(node *self)
{
    (void)self;
    saved = exv_weakref_incref(made);
}

/* A finalizer makes a weak reference to its object, whose cycle is then cleared: it must not give what is cleared. */
static void test_weakref_made_by_a_finalizer(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &final_type, 2, 1);
    ring->on_finalize = refer_to_self;
    ring->on_clear = ring->ref[0]->on_clear = have_it;
    exv_decref(ring);
    saved = NULL;
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_null(saved);
    const char *call = strstr(events, "W2 ");
    assert_non_null(call);
    assert_true(call < strchr(events, 'C'));
    events[0] = '\0';
    exv_decref(made);
}

/* --------------------------------------------------------------------- many */

/* Random lives of targets and of weak references against a plain model. */
static void test_random(void **state)
{
    exv_heap *heap = *state;
    static node *target[MANY];
    static exv_weakref *ref[3 * MANY];
    static int to[3 * MANY];
    uint64_t seed = 12345;
    exv_gc_disable(heap);
    for (int i = 0; i < MANY; i++)
        target[i] = new_node(heap, i % 2 ? &node_type : &leaf_type, 0);
    for (int step = 0; step < 20 * MANY; step++) {
        int i = (int)(next_random(&seed) % (3 * MANY));
        if (next_random(&seed) % 16 == 0) {
            EXV_CLEAR(target[i / 3]);
        } else if (ref[i]) {
            void *had = exv_weakref_incref(ref[i]);
            assert_ptr_equal(had, target[to[i]]);
            exv_decref(had);
            EXV_CLEAR(ref[i]);
        } else if (target[i / 5]) {
            to[i] = i / 5; /* up to five on one */
            ref[i] = exv_weakref_new(target[to[i]], NULL, NULL);
        }
    }
    assert_sound(heap);
    assert_true(heap->weakrefs.room >= heap->weakrefs.targets); /* no long chains */
    for (int i = 0; i < 3 * MANY; i++)
        EXV_CLEAR(ref[i]);
    for (int i = 0; i < MANY; i++)
        EXV_CLEAR(target[i]);
}

#ifdef EXVI_CHECKED
#include "platform.h"

static void test_no_memory(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    uint64_t nth = 1;
    for (exv_weakref *ref = NULL; !ref; nth++) {
        size_t before = live_objects(heap);
        exvi_fault_set(EXVI_FAULT_BLOCK, nth, false);
        ref = exv_weakref_new(n, called, &one);
        exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
        assert_int_equal(live_objects(heap), before + (ref != NULL));
        assert_sound(heap);
        exv_decref(ref);
    }
    assert_int_equal(nth, 4); /* the object, the table, none */
    exv_decref(n);
    assert_events("C1 D1 ");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_gives_the_target_while_it_lives),
        heap_test(test_dies_before_its_target),
        heap_test(test_simple_and_untracked_targets),
        heap_test(test_newest_is_called_first),
        heap_test(test_callback_that_drops_the_others),
        heap_test(test_callback_that_drops_itself),
        heap_test(test_callback_that_makes_another),
        heap_test(test_weakref_to_what_is_dying),
        heap_test(test_resurrection_keeps_weak_references),
        heap_test(test_all_are_cut_before_the_first_call),
        heap_test(test_callback_cannot_have_garbage),
        heap_test(test_garbage_weak_reference_is_not_called),
        heap_test(test_called_for_what_only_garbage_held),
        heap_test(test_weakref_made_by_a_finalizer),
        heap_test(test_random),
#ifdef EXVI_CHECKED
        heap_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("weakref", tests, NULL, NULL);
}
