/*
 * test_object: birth, counting, and death with all that may happen in it.
 */
#include <pthread.h>

#include "nodes.h"
#include "object.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(EXVI_CHECKED)
enum { MANY = 300000 };
#else
enum { MANY = 10000000 };
#endif

/* ---------------------------------------------------------------- birth */

static void test_new(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    assert_null(n->ref[0]);
    assert_null(n->on_clear);
    assert_int_equal(exv_refcount(n), 1);
    assert_ptr_equal(exv_get_type(n), &node_type);
    assert_ptr_equal(exv_get_heap(n), heap);
    assert_int_equal(exv_get_count(n), 0);
    assert_true(exv_gc_is_tracked(n));
    assert_false(exv_gc_is_finalized(n));
    assert_false(exv_is_immortal(n));
    assert_int_equal((uintptr_t)n % 16, 0);
    exv_decref(n);
    assert_events("C1 D1 ");

    node *leaf = new_node(heap, &leaf_type, 2);
    assert_false(exv_gc_is_tracked(leaf));
    exv_track(leaf);
    assert_false(exv_gc_is_tracked(leaf)); /* it has no visit function */
    exv_decref(leaf);
    assert_events("F2 D2 ");
}

/* Blocks are handed out again, and read as zero each time. */
static void test_payload_is_zeroed(void **state)
{
    enum { ROUNDS = 5000 };
    exv_heap *heap = *state;
    for (size_t size = 0; size <= 300000; size = size * 2 + 1) {
        exv_type type = {.name = "sized", .size = size};
        unsigned char *first = NULL;
        int round = 0;
        for (bool again = false; round < ROUNDS && !again; round++) {
            unsigned char *object = exv_new(heap, &type);
            assert_non_null(object);
            for (size_t i = 0; i < size; i++)
                assert_int_equal(object[i], 0);
            memset(object, 0xff, size);
            exv_decref(object);
            again = object == first;
            first = first ? first : object;
        }
        assert_true(round < ROUNDS);
    }
}

static void test_variable_counts(void **state)
{
    exv_heap *heap = *state;
    for (size_t item_size = 1; item_size <= 24; item_size += item_size == 1 ? 6 : 17) {
        for (size_t size = 0; size <= 40; size += 8) {
            exv_type type = {.name = "variable", .size = size, .item_size = item_size};
            for (size_t count = 0; count < 200000; count = count < 700 ? count + 1 : count * 3) {
                char *object = exv_new_var(heap, &type, count);
                assert_non_null(object);
                memset(object, 0xff, size + count * item_size); /* all of it is the program's */
                assert_int_equal(exv_get_count(object), count);
                exv_decref(object);
            }
        }
    }
    exv_type type = {.name = "variable", .size = 16, .item_size = 8};
    char *object = exv_new(heap, &type); /* none, and its payload fills its block but for the count */
    memset(object, 0xff, 16);
    assert_int_equal(exv_get_count(object), 0);
    exv_decref(object);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    exv_heap *heap = *state;
    const exv_type type = {.name = "variable", .size = 100, .item_size = 16};
    const exv_type large = {.name = "large", .size = EXV_MAX_SIZE + 1};
    const exv_type larger = {.name = "larger", .size = SIZE_MAX - 7};
    const exv_type bytes = {.name = "bytes", .item_size = 1};
    const exv_type sum = {.name = "sum", .size = SIZE_MAX - 15, .item_size = 1};
    uint32_t before[EXV_GENERATIONS], after[EXV_GENERATIONS];
    exv_gc_get_count(heap, before);
    assert_null(exv_new_var(heap, &type, SIZE_MAX / 16 + 1));
    assert_null(exv_new_var(heap, &type, SIZE_MAX / 16));
    assert_null(exv_new_var(heap, &type, EXV_MAX_SIZE / 16));
    assert_null(exv_new(heap, &large));
    assert_null(exv_new(heap, &larger));
    assert_null(exv_new_var(heap, &sum, 16));
    assert_null(exv_new_var(heap, &bytes, SIZE_MAX - 3)); /* would wrap round with what is added to it */
    assert_null(exv_new_var(heap, &bytes, EXV_MAX_SIZE + 1));
    exv_gc_get_count(heap, after);
    assert_memory_equal(before, after, sizeof before);
}

static void test_no_memory_leaves_all_as_it_was(void **state)
{
    (void)state;
    exv_config config = plain_config();
    config.limit_bytes = 8 << 20;
    exv_heap *heap = exv_heap_new(&config);
    const exv_type large = {.name = "large", .size = 64 << 20, .visit = node_visit};
    exv_gc_disable(heap);
    exv_heap_stats before, after;
    uint32_t count_before[EXV_GENERATIONS], count_after[EXV_GENERATIONS];
    exv_get_heap_stats(heap, &before);
    exv_gc_get_count(heap, count_before);
    assert_null(exv_new(heap, &large));
    exv_get_heap_stats(heap, &after);
    exv_gc_get_count(heap, count_after);
    assert_int_equal(before.live_objects, after.live_objects);
    assert_int_equal(before.tracked_objects, after.tracked_objects);
    assert_memory_equal(count_before, count_after, sizeof count_before);
    assert_sound(heap);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ------------------------------------------------------------- counting */

static void test_counting(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    assert_ptr_equal(exv_incref(n), n);
    assert_int_equal(exv_refcount(n), 2);
    exv_decref(n);
    assert_int_equal(exv_refcount(n), 1);
    assert_events("");
    exv_decref(n); /* dies at this very statement */
    assert_events("F1 C1 D1 ");
    assert_null(exv_incref(NULL));
    exv_decref(NULL);
}

static void test_immortal(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    exv_make_immortal(n);
    assert_true(exv_is_immortal(n));
    assert_int_equal(exv_refcount(n), EXV_IMMORTAL);
    for (int i = 0; i < 10; i++)
        exv_decref(n);
    assert_ptr_equal(exv_incref(n), n);
    assert_int_equal(exv_refcount(n), EXV_IMMORTAL);
    n->ref[0] = exv_incref(n); /* a cycle */
    node *held = new_node(heap, &node_type, 2);
    n->ref[1] = held;
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_events("");
    assert_int_equal(exv_refcount(held), 1);
    EXV_CLEAR(n->ref[1]);
    assert_events("C2 D2 ");
}

/* Its references are not told apart any more: a program that loses 2^31 references must not get a freed object. */
static void test_count_that_overflows_makes_immortal(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    exvi_header_of(n)->refcount = EXVI_IMMORTAL_COUNT - 2;
    exv_incref(n);
    assert_int_equal(exv_refcount(n), EXVI_IMMORTAL_COUNT - 1);
    assert_false(exv_is_immortal(n));
    exv_decref(n);
    exv_incref(n);
    exv_incref(n);
    assert_true(exv_is_immortal(n));
    for (int i = 0; i < 5; i++)
        exv_decref(n);
    assert_true(exv_is_immortal(n));
    assert_events("");
}

static void test_tracking(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    set_ref(n, 0, n);
    exv_untrack(n);
    exv_untrack(n);
    assert_false(exv_gc_is_tracked(n));
    exv_decref(n);
    assert_int_equal(exv_collect(heap, 2), 0); /* not looked at */
    assert_events("");
    exv_track(n);
    exv_track(n);
    assert_true(exv_gc_is_tracked(n));
    assert_sound(heap);
    assert_int_equal(exv_collect(heap, 0), 1); /* it is young again */
    assert_events("C1 C1 D1 "); /* to break the cycle, and when it died */

    node *untracked = new_node(heap, &node_type, 2);
    untracked->ref[0] = new_node(heap, &node_type, 3);
    exv_untrack(untracked);
    assert_int_equal(exv_collect(heap, 2), 0); /* what it holds is held from outside */
    exv_decref(untracked);                     /* it is counted as ever */
    assert_events("C2 C3 D3 D2 ");
}

/* ---------------------------------------------------------------- death */

static node *saved;

static void save(node *self)
{
    saved = exv_incref(self);
}

static void test_finalizer_runs_once_and_may_resurrect(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 1);
    n->on_finalize = save;
    n->ref[0] = new_node(heap, &node_type, 2);
    uint32_t before[EXV_GENERATIONS], after[EXV_GENERATIONS];
    exv_gc_get_count(heap, before);
    exv_decref(n);
    exv_gc_get_count(heap, after);
    assert_events("F1 ");
    assert_ptr_equal(saved, n);
    assert_int_equal(exv_refcount(n), 1);
    assert_true(exv_gc_is_finalized(n));
    assert_true(exv_gc_is_tracked(n));
    assert_int_equal(after[0], before[0]);
    assert_non_null(n->ref[0]); /* nothing was cleared */
    exv_decref(n);
    assert_events("C1 C2 D2 D1 ");
}

static void save_twice_and_make_immortal(node *self)
{
    exv_incref(self);
    exv_decref(self); /* in the middle of its life, for all it knows */
    assert_int_equal(exv_refcount(self), 1);
    exv_make_immortal(self);
}

static void overflow(node *self)
{
    exvi_header_of(self)->refcount = EXVI_IMMORTAL_COUNT - 1;
    exv_incref(self);
}

static void test_finalizer_may_make_immortal(void **state)
{
    exv_heap *heap = *state;
    node *other = new_node(heap, &final_type, 0);
    other->on_finalize = overflow;
    exv_decref(other);
    assert_true(exv_is_immortal(other));
    node *n = new_node(heap, &final_type, 1);
    n->on_finalize = save_twice_and_make_immortal;
    exv_decref(n);
    assert_events("F1 ");
    assert_true(exv_is_immortal(n));
    assert_sound(heap);
}

static void give_up_both(node *self)
{
    EXV_CLEAR(self->ref[0]);
    EXV_CLEAR(self->ref[1]);
}

static void test_order_of_deaths(void **state)
{
    exv_heap *heap = *state;
    node *top = new_node(heap, &final_type, 1);
    top->ref[0] = new_node(heap, &final_type, 2);
    top->ref[1] = new_node(heap, &rigid_type, 3);
    top->ref[1]->ref[0] = new_node(heap, &leaf_type, 4);
    top->ref[1]->ref[1] = exv_incref(top->ref[0]);
    exv_decref(top);
    assert_events("F1 C1 F4 D4 F2 C2 D2 D3 D1 ");

    top = new_node(heap, &final_type, 1);
    top->on_finalize = give_up_both;
    top->ref[0] = new_node(heap, &final_type, 2);
    exv_decref(top);
    assert_events("F1 F2 C2 D2 C1 D1 ");
}

static exv_list *gathered;

static void gather_all(exv_weakref *ref, void *heap)
{
    (void)ref;
    gathered = exv_gc_get_objects(heap, -1);
}

/* An object that dies is out of sight: a list of all objects that its weak reference's callback asks for must not hold
 * what is about to be freed. */
static void test_dying_object_cannot_be_had(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 1);
    exv_weakref *ref = exv_weakref_new(n, gather_all, heap);
    exv_decref(n);
    assert_events("C1 D1 ");
    for (size_t i = 0; i < exv_list_size(gathered); i++) {
        void *item;
        assert_int_equal(exv_list_get(gathered, (ptrdiff_t)i, &item), EXV_OK);
        assert_ptr_not_equal(item, n);
    }
    exv_decref(gathered);
    exv_decref(ref);
}

/* ------------------------------------------------------- bounded stack */

static node *new_chain(exv_heap *heap, const exv_type *type, size_t count, node_hook *on_finalize)
{
    node *first = NULL;
    for (size_t i = 0; i < count; i++) {
        node *n = new_node(heap, type, 0);
        n->on_finalize = on_finalize;
        n->ref[0] = first;
        first = n;
    }
    return first;
}

static void *drop_on_small_stack(void *object)
{
    exv_decref(object);
    return NULL;
}

static void drop(void *object)
{
    pthread_t thread;
    pthread_attr_t attributes;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)512 << 10), 0);
    assert_int_equal(pthread_create(&thread, &attributes, drop_on_small_stack, object), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

static void test_long_chain(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    exv_gc_disable(heap);
    drop(new_chain(heap, &node_type, MANY, NULL));
    assert_int_equal(live_objects(heap), before);
    drop(new_chain(heap, &rigid_type, MANY / 10, NULL));
    assert_int_equal(live_objects(heap), before);
    assert_sound(heap);
}

/* The deaths nest in finalizers here, and then in callbacks of weak references. */
static void test_long_chain_through_finalizers(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    exv_gc_disable(heap);
    drop(new_chain(heap, &final_type, MANY / 10, give_up_both));
    assert_int_equal(live_objects(heap), before);
    assert_sound(heap);
}

static void drop_arg(exv_weakref *ref, void *arg)
{
    exv_decref(arg);
    exv_decref(ref);
}

static void test_long_chain_through_callbacks(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    exv_gc_disable(heap);
    node *last = new_node(heap, &node_type, 0);
    for (int i = 0; i < MANY / 10; i++) {
        node *n = new_node(heap, &node_type, 0);
        assert_non_null(exv_weakref_new(n, drop_arg, last)); /* the callback has both references */
        last = n;
    }
    drop(last);
    assert_int_equal(live_objects(heap), before);
    assert_sound(heap);
}

/* ---- put off deaths: longer than any limit on depth, in every variant */

enum { DEEP = 150 };
static exv_weakref *to_chain[DEEP];

static void try_to_have(node *self)
{
    exv_list *all = exv_gc_get_objects(exv_get_heap(self), -1);
    for (size_t i = 0; i < exv_list_size(all); i++) {
        void *item;
        assert_int_equal(exv_list_get(all, (ptrdiff_t)i, &item), EXV_OK);
        assert_int_equal(exv_refcount(item), 2); /* the chain's, or ours for a weak reference, and the list's */
    }
    exv_decref(all);
    for (int i = 0; i < DEEP; i++) {
        void *target = exv_weakref_incref(to_chain[i]);
        if (target)
            assert_int_equal(exv_refcount(target), 2); /* the chain's and ours */
        exv_decref(target);
    }
}

/* While the death of an object is put off, neither its weak references nor a list of all objects gives it. */
static void test_put_off_death_cannot_be_had(void **state)
{
    exv_heap *heap = *state;
    node *chain = new_chain(heap, &node_type, DEEP, NULL);
    node *last = chain;
    for (int i = 0; i < DEEP; i++, last = last->ref[0])
        to_chain[i] = exv_weakref_new(last, NULL, NULL);
    node *parent = new_node(heap, &node_type, 0);
    parent->ref[0] = chain; /* is dropped first; somewhere in it a death is put off */
    parent->ref[1] = new_node(heap, &leaf_type, 0);
    parent->ref[1]->on_finalize = try_to_have;
    exv_decref(parent);
    for (int i = 0; i < DEEP; i++) {
        assert_null(exv_weakref_incref(to_chain[i]));
        exv_decref(to_chain[i]);
    }
}

static int resurrected;
static node *resurrected_node[2 * DEEP];

static void resurrect(node *self)
{
    resurrected_node[resurrected++] = exv_incref(self);
}

/* A death that was put off is still a whole one: the finalizer may resurrect, and tracking comes back as it was. */
static void test_put_off_death_may_resurrect(void **state)
{
    exv_heap *heap = *state;
    node *chain = NULL;
    for (int i = 1; i <= DEEP; i++) {
        node *n = new_node(heap, i % 3 == 0 ? &final_type : &node_type, 0);
        n->on_finalize = resurrect;
        n->ref[0] = chain;
        if (i % 2)
            exv_untrack(n);
        n->id = -i;
        chain = n;
    }
    while (chain) { /* each round ends at the next resurrected one */
        resurrected = 0;
        exv_decref(chain);
        assert_true(resurrected <= 1);
        assert_sound(heap);
        chain = resurrected ? resurrected_node[0] : NULL;
        if (chain) {
            assert_int_equal(exv_refcount(chain), 1);
            assert_int_equal(exv_gc_is_tracked(chain), chain->id % 2 == 0);
        }
    }
}

/* All of a wide and deep tree at once, every finalizer resurrecting: most of them were put off. */
static void test_many_put_off_deaths_resurrect(void **state)
{
    exv_heap *heap = *state;
    node *spine = NULL;
    for (int i = 0; i < DEEP; i++) {
        node *n = new_node(heap, &node_type, 0);
        n->ref[0] = spine;
        n->ref[1] = new_node(heap, &final_type, 0);
        n->ref[1]->on_finalize = resurrect;
        if (i % 2)
            exv_untrack(n->ref[1]);
        n->ref[1]->id = -i - 1;
        spine = n;
    }
    resurrected = 0;
    exv_decref(spine);
    assert_int_equal(resurrected, DEEP);
    assert_sound(heap);
    for (int i = 0; i < resurrected; i++) {
        assert_int_equal(exv_gc_is_tracked(resurrected_node[i]), resurrected_node[i]->id % 2 != 0);
        exv_decref(resurrected_node[i]);
    }
}

static void check_and_collect(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    assert_sound(heap);
    exv_collect(heap, 2);
    assert_sound(heap);
}

/* Deaths wait on the list while collections run in the midst of it; the heap is sound at each moment. */
static void test_collection_among_put_off_deaths(void **state)
{
    exv_heap *heap = *state;
    node *spine = NULL;
    for (int i = 0; i < DEEP; i++) {
        node *n = new_node(heap, &final_type, 0);
        if (i % 20 == 0)
            n->on_finalize = check_and_collect;
        n->ref[0] = spine;
        n->ref[1] = new_ring(heap, &node_type, 3, 0);
        spine = n;
    }
    exv_decref(spine);
    exv_collect(heap, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_new),
        heap_test(test_payload_is_zeroed),
        heap_test(test_variable_counts),
        heap_test(test_sizes_that_overflow_are_refused),
        heap_test(test_no_memory_leaves_all_as_it_was),
        heap_test(test_counting),
        heap_test(test_immortal),
        heap_test(test_count_that_overflows_makes_immortal),
        heap_test(test_tracking),
        heap_test(test_finalizer_runs_once_and_may_resurrect),
        heap_test(test_finalizer_may_make_immortal),
        heap_test(test_order_of_deaths),
        heap_test(test_dying_object_cannot_be_had),
        heap_test(test_long_chain),
        heap_test(test_long_chain_through_finalizers),
        heap_test(test_long_chain_through_callbacks),
        heap_test(test_put_off_death_cannot_be_had),
        heap_test(test_put_off_death_may_resurrect),
        heap_test(test_many_put_off_deaths_resurrect),
        heap_test(test_collection_among_put_off_deaths),
    };
    return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}
