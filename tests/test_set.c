/*
 * set: members, order of insertion, equality.
 */
#include "value_makers.h"

static void add(exv_set *set, void *item)
{
    assert_ok(exv_set_add(set, item));
    exv_decref(item);
}

static void members(void **state)
{
    exv_heap *heap = *state;
    exv_set *set = exv_set_new(heap);
    assert_repr(set, "set()");
    add(set, integer(heap, 3));
    add(set, text_of(heap, "x"));
    add(set, exv_float_new(heap, 3.0));
    assert_int_equal(exv_set_size(set), 2);
    assert_repr(set, "{3, 'x'}");
    bool there = false;
    exv_str *text = text_of(heap, "x");
    assert_ok(exv_set_contains(set, text, &there));
    assert_true(there);
    assert_ok(exv_set_discard(set, text, &there));
    assert_true(there);
    assert_ok(exv_set_discard(set, text, &there));
    assert_false(there);
    assert_ok(exv_set_discard(set, integer(heap, 3), NULL));
    assert_ok(exv_set_contains(set, text, &there));
    assert_false(there);
    assert_repr(set, "set()");
    exv_decref(text);
    exv_decref(set);
}

static void unhashable_members(void **state)
{
    exv_heap *heap = *state;
    exv_set *set = exv_set_new(heap);
    bool there = true;
    assert_int_equal(exv_set_add(set, set), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'set'");
    assert_int_equal(exv_set_contains(set, set, &there), EXV_TYPE_ERROR);
    assert_int_equal(exv_set_discard(set, set, &there), EXV_TYPE_ERROR);
    assert_true(there);
    exv_decref(set);
}

static void walk(void **state)
{
    exv_heap *heap = *state;
    exv_set *set = exv_set_new(heap);
    for (int i = 0; i < 1000; i++)
        add(set, integer(heap, i * 7919 % 1000));
    for (int i = 0; i < 1000; i += 3) {
        void *item = integer(heap, i * 7919 % 1000);
        assert_ok(exv_set_discard(set, item, NULL));
        exv_decref(item);
    }
    size_t position = 0;
    void *item;
    for (int i = 0; i < 1000; i++) {
        if (i % 3 == 0)
            continue;
        assert_true(exv_set_next(set, &position, &item));
        assert_int_equal(exv_int_value(item), i * 7919 % 1000);
    }
    assert_false(exv_set_next(set, &position, &item));
    assert_int_equal(exv_set_size(set), 666);
    exv_decref(set);
}

static void equality_ignores_order(void **state)
{
    exv_heap *heap = *state;
    exv_set *a = exv_set_new(heap), *b = exv_set_new(heap);
    for (int i = 0; i < 10; i++) {
        add(a, integer(heap, i));
        add(b, exv_float_new(heap, 9.0 - i));
    }
    assert_true(equal(a, b));
    add(a, integer(heap, 10));
    assert_false(equal(a, b));
    assert_false(equal(b, a));
    add(b, integer(heap, 11));
    assert_false(equal(a, b));
    exv_decref(a);
    exv_decref(b);
}

static void a_cycle_through_a_set(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = NULL;
    assert_ok(exv_class_new(heap, "Node", NULL, NULL, &cls));
    exv_instance *node = exv_instance_new(cls);
    exv_set *set = exv_set_new(heap);
    assert_ok(exv_attr_set(node, "set", set));
    add(set, node);
    exv_decref(set);
    exv_decref(cls);
    assert_int_equal(exv_collect(heap, 2), 2);
}

/* A member whose repr shows the set. */
typedef struct window {
    exv_set *set; /* borrowed */
} window;

static exv_str *window_repr(void *self)
{
    exv_str *repr = NULL;
    return exv_repr(((window *)self)->set, &repr) == EXV_OK ? repr : NULL;
}

static const exv_type window_type = {.name = "window", .size = sizeof(window), .repr = window_repr};

static void a_set_shown_within_itself(void **state)
{
    exv_heap *heap = *state;
    exv_set *set = exv_set_new(heap);
    window *w = exv_new(heap, &window_type);
    w->set = set;
    add(set, w);
    assert_repr_of_new(set, "{set(...)}");
}

#ifdef EXVI_CHECKED
static exv_status add_40(void *arg)
{
    exv_set *set = arg;
    exv_heap *heap = exv_get_heap(set);
    exv_status status = EXV_OK;
    int done = 0;
    while (status == EXV_OK && done < 40)
        status = exv_set_add(set, exv_int_new(heap, 100 + done++));
    while (status != EXV_OK && --done > 0)
        exv_set_discard(set, exv_int_new(heap, 99 + done), NULL);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    for (int i = 100; i < 140; i++)
        integer(heap, i);
    exv_set *set = exv_set_new(heap);
    add(set, text_of(heap, "first"));
    assert_true(fail_each_allocation(heap, set, add_40, set) >= 3);
    assert_int_equal(exv_set_size(set), 41);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_null(exv_set_new(heap));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    exv_decref(set);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(members),
        value_test(unhashable_members),
        value_test(walk),
        value_test(equality_ignores_order),
        value_test(a_cycle_through_a_set),
        value_test(a_set_shown_within_itself),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
