/*
 * sort: an order that fails, that changes the list, or that lies; and memory that runs out.
 */
#include "value_makers.h"

static exv_list *shuffled(exv_heap *heap, int count)
{
    exv_list *list = exv_list_new(heap);
    for (int i = 0; i < count; i++)
        append(list, integer(heap, 1000 + i * 7 % count));
    return list;
}

typedef struct order {
    exv_list *list;
    int asked;
    int fails_at;
    void *puts_in; /* NULL: nothing */
} order;

static exv_status by_value(void *a, void *b, bool *less, void *arg)
{
    order *o = arg;
    assert_int_equal(exv_list_size(o->list), o->puts_in && o->asked > 0 ? 1 : 0);
    if (o->puts_in && o->asked == 0)
        assert_ok(exv_list_append(o->list, o->puts_in));
    if (++o->asked == o->fails_at)
        return EXV_KEY_ERROR;
    return exv_less(a, b, less);
}

static void a_failure_leaves_the_list_as_it_was(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = shuffled(heap, 40), *copy = NULL;
    assert_ok(exv_list_slice(list, 0, 40, &copy));
    order o = {.list = list, .fails_at = 1};
    exv_status status;
    while ((o.asked = 0, status = exv_list_sort(list, by_value, &o)) != EXV_OK) {
        assert_int_equal(status, EXV_KEY_ERROR);
        assert_true(equal(list, copy));
        for (int i = 0; i < 40; i++)
            assert_int_equal(exv_refcount(exv_list_items(list)[i]), 2);
        o.fails_at++;
    }
    assert_in_range(o.asked, 40, 40 * 6);
    assert_false(equal(list, copy));
    exv_list_clear(copy);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(exv_int_value(exv_list_items(list)[i]), 1000 + i);
        assert_int_equal(exv_refcount(exv_list_items(list)[i]), 1);
    }
    exv_decref(copy);
    exv_decref(list);
}

static void what_is_sorted_is_asked_about_once(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = shuffled(heap, 1000);
    order o = {.list = list};
    assert_ok(exv_list_sort(list, by_value, &o));
    assert_in_range(o.asked, 1000, 11000);
    o.asked = 0;
    assert_ok(exv_list_sort(list, by_value, &o));
    assert_in_range(o.asked, 999, 1000);
    exv_decref(list);
}

static void an_order_that_changes_the_list(void **state)
{
    exv_heap *heap = *state;
    int deaths = 0;
    exv_list *list = shuffled(heap, 30), *copy = NULL;
    assert_ok(exv_list_slice(list, 0, 30, &copy));
    order o = {.list = list, .puts_in = new_mortal(heap, &deaths, NULL, NULL)};
    assert_int_equal(exv_list_sort(list, by_value, &o), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: list modified during sort");
    assert_true(equal(list, copy));
    assert_int_equal(deaths, 0);
    exv_decref(o.puts_in);
    assert_int_equal(deaths, 1);
    exv_decref(copy);
    exv_decref(list);
}

/* Says anything: then any order is right, but each item is still there once. */
static exv_status at_random(void *a, void *b, bool *less, void *arg)
{
    unsigned *seed = arg;
    (void)a, (void)b;
    *seed = *seed * 1103515245u + 12345u;
    *less = *seed >> 30 & 1;
    return EXV_OK;
}

static void an_order_that_lies(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = shuffled(heap, 100);
    unsigned seed = 1;
    for (int i = 0; i < 50; i++)
        assert_ok(exv_list_sort(list, at_random, &seed));
    assert_int_equal(exv_list_size(list), 100);
    assert_ok(exv_list_sort(list, NULL, NULL));
    for (int i = 0; i < 100; i++)
        assert_int_equal(exv_int_value(exv_list_items(list)[i]), 1000 + i);
    exv_decref(list);
}

#ifdef EXVI_CHECKED
static exv_status sort(void *list)
{
    return exv_list_sort(list, NULL, NULL);
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = shuffled(heap, 30);
    assert_int_equal(fail_each_allocation(heap, list, sort, list), 1);
    exv_decref(list);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(a_failure_leaves_the_list_as_it_was),
        value_test(what_is_sorted_is_asked_about_once),
        value_test(an_order_that_changes_the_list),
        value_test(an_order_that_lies),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
