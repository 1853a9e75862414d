/*
 * list: indices, order, repr of what contains itself, and a program that changes the list from within.
 */
#include "value_makers.h"

static exv_list *counting(exv_heap *heap, int from, int to)
{
    exv_list *list = exv_list_new(heap);
    assert_non_null(list);
    for (int i = from; i < to; i++)
        append(list, integer(heap, i));
    return list;
}

static void items_and_indices(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 0, 5);
    void *item = NULL;
    assert_int_equal(exv_list_size(list), 5);
    assert_ok(exv_list_get(list, 4, &item));
    assert_int_equal(exv_int_value(item), 4);
    assert_ok(exv_list_get(list, -5, &item));
    assert_int_equal(exv_int_value(item), 0);
    item = list;
    static const ptrdiff_t outside[] = {5, -6, PTRDIFF_MAX, PTRDIFF_MIN};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(exv_list_get(list, outside[i], &item), EXV_INDEX_ERROR);
        assert_message(heap, "IndexError: list index out of range");
        assert_int_equal(exv_list_set(list, outside[i], list), EXV_INDEX_ERROR);
        assert_message(heap, "IndexError: list assignment index out of range");
        assert_int_equal(exv_list_delete(list, outside[i]), EXV_INDEX_ERROR);
        assert_message(heap, "IndexError: list assignment index out of range");
    }
    assert_ptr_equal(item, list);
    assert_repr_of_new(list, "[0, 1, 2, 3, 4]");
}

static void changes(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 0, 3);
    exv_str *text = text_of(heap, "x");
    assert_ok(exv_list_set(list, -1, text));
    assert_repr(list, "[0, 1, 'x']");
    assert_ok(exv_list_insert(list, 0, text));
    assert_ok(exv_list_insert(list, -1, text));
    assert_ok(exv_list_insert(list, 100, text));
    assert_ok(exv_list_insert(list, -100, text));
    assert_repr(list, "['x', 'x', 0, 1, 'x', 'x', 'x']");
    assert_int_equal(exv_refcount(text), 6);
    assert_ok(exv_list_delete(list, 2));
    assert_ok(exv_list_delete(list, -1));
    assert_ok(exv_list_delete(list, 0));
    assert_repr(list, "['x', 1, 'x', 'x']");
    exv_list_clear(list);
    assert_int_equal(exv_list_size(list), 0);
    assert_int_equal(exv_refcount(text), 1);
    append(list, text);
    assert_repr_of_new(list, "['x']");
}

static void long_lists_grow_and_shrink(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 0, 20000);
    exv_heap_stats full, emptied;
    exv_get_heap_stats(heap, &full);
    for (int i = 19999; i >= 3; i--) {
        void *item;
        assert_ok(exv_list_get(list, -1, &item));
        assert_int_equal(exv_int_value(item), i);
        assert_ok(exv_list_delete(list, -1));
    }
    exv_get_heap_stats(heap, &emptied);
    assert_true(emptied.used_bytes + 20000 * (32 + 8) - 40000 < full.used_bytes);
    assert_repr_of_new(list, "[0, 1, 2]");
}

/* What a list takes, objects and blocks; items are small ints, which are there already. */
static size_t bytes_of_list(exv_heap *heap, int size)
{
    exv_heap_stats before, after;
    for (int i = 0; i < size; i++)
        exv_decref(integer(heap, i));
    exv_get_heap_stats(heap, &before);
    exv_list *list = counting(heap, 0, size);
    exv_get_heap_stats(heap, &after);
    exv_decref(list);
    return after.used_bytes - before.used_bytes;
}

static void short_lists_are_small(void **state)
{
    exv_heap *heap = *state;
    assert_int_equal(bytes_of_list(heap, 0), 32);
    assert_int_equal(bytes_of_list(heap, 2), 32 + 16);
    assert_int_equal(bytes_of_list(heap, 4), 32 + 32);
    assert_int_equal(bytes_of_list(heap, 8), 32 + 64);
    for (int size = 9; size < 60; size++) /* longer ones in size classes farther apart */
        assert_in_range(bytes_of_list(heap, size), 32 + size * 8, 32 + (size + size / 8 + 8) * 8);
}

static void who_owns_what_is_popped_and_extended(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 300, 302), *slice = NULL;
    void *item = NULL;
    assert_int_equal(exv_list_pop(list, 2, &item), EXV_INDEX_ERROR);
    assert_null(item);
    assert_ok(exv_list_pop(list, 0, &item));
    assert_int_equal(exv_refcount(item), 1);
    assert_ok(exv_list_extend(list, &item, 1));
    assert_int_equal(exv_refcount(item), 2);
    assert_ok(exv_list_extend(list, exv_list_items(list) + 1, 1));
    assert_int_equal(exv_refcount(item), 3);
    assert_ok(exv_list_slice(list, -2, 100, &slice));
    assert_int_equal(exv_refcount(item), 5);
    exv_decref(slice);
    assert_repr_of_new(list, "[301, 300, 300]");
    exv_decref(item);
    list = exv_list_new(heap);
    assert_ok(exv_list_extend(list, exv_list_items(list), 0));
    assert_int_equal(exv_list_pop(list, -1, &item), EXV_INDEX_ERROR);
    assert_message(heap, "IndexError: pop from empty list");
    exv_decref(list);
}

#ifdef EXVI_STRESS
static void no_list_is_longer_than_its_size_can_say(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    void *none = exv_get_none(heap);
    size_t most = (size_t)1 << 17; /* MOST_ITEMS of this build */
    for (size_t i = 0; i < most; i++)
        assert_ok(exv_list_append(list, none));
    assert_int_equal(exv_list_append(list, none), EXV_NO_MEMORY);
    assert_int_equal(exv_list_insert(list, 5, none), EXV_NO_MEMORY);
    assert_message(heap, "MemoryError");
    assert_int_equal(exv_list_size(list), most);
    assert_ok(exv_list_delete(list, 0));
    assert_ok(exv_list_append(list, none));
    exv_decref(list);
}
#endif

static void random_changes_as_in_an_array(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    int64_t model[400];
    size_t size = 0;
    unsigned seed = 12345;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1103515245 + 12345;
        size_t at = size ? (seed >> 8) % size : 0;
        if (size < 400 && (seed >> 4) % 5 < (step / 2000 % 2 ? 1 : 4)) {
            exv_int *item = integer(heap, 1000 + step);
            assert_ok(exv_list_insert(list, (ptrdiff_t)at, item));
            exv_decref(item);
            memmove(model + at + 1, model + at, (size - at) * sizeof *model);
            model[at] = 1000 + step;
            size++;
        } else if (size > 0) {
            assert_ok(exv_list_delete(list, (ptrdiff_t)at - (ptrdiff_t)size));
            size--;
            memmove(model + at, model + at + 1, (size - at) * sizeof *model);
        }
        assert_int_equal(exv_list_size(list), size);
    }
    for (size_t i = 0; i < size; i++) {
        void *item;
        assert_ok(exv_list_get(list, (ptrdiff_t)i, &item));
        assert_int_equal(exv_int_value(item), model[i]);
    }
    exv_decref(list);
}

static void lists_that_contain_themselves(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 8, 11);
    assert_ok(exv_list_append(list, list));
    assert_repr(list, "[8, 9, 10, [...]]");
    exv_list *outer = exv_list_new(heap);
    assert_ok(exv_list_append(outer, list));
    assert_ok(exv_list_append(outer, list));
    assert_repr(outer, "[[8, 9, 10, [...]], [8, 9, 10, [...]]]");
    assert_true(equal(list, list));
    exv_decref(outer);

    exv_list *twin = counting(heap, 8, 11);
    assert_ok(exv_list_append(twin, twin));
    bool result;
    assert_int_equal(exv_equal(list, twin, &result), EXV_RECURSION_ERROR);
    exv_decref(twin);
    exv_decref(list);
    assert_int_equal(exv_collect(heap, 2), 2);
}

static void equality(void **state)
{
    exv_heap *heap = *state;
    exv_list *a = counting(heap, 0, 3), *b = counting(heap, 0, 3), *c = counting(heap, 0, 2);
    assert_true(equal(a, b));
    assert_false(equal(a, c));
    append(c, exv_float_new(heap, 2.0));
    assert_true(equal(a, c));
    exv_float *nan = exv_float_new(heap, __builtin_nan(""));
    assert_ok(exv_list_set(a, 0, nan));
    assert_ok(exv_list_set(b, 0, nan));
    assert_true(equal(a, b)); /* the same NaN */
    append(c, exv_float_new(heap, __builtin_nan("")));
    assert_ok(exv_list_delete(c, 0));
    assert_false(equal(a, c));
    exv_decref(nan);
    uint64_t hash;
    assert_int_equal(exv_hash(a, &hash), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'list'");
    exv_decref(a);
    exv_decref(b);
    exv_decref(c);
}

/* ------------------------------------------------- changed from within */

static void clear_it(void *list)
{
    exv_list_clear(list);
}

static void append_to_it(void *list)
{
    append(list, integer(exv_get_heap(list), 1));
}

static void destructors_may_change_the_list(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 0, 3);
    int deaths = 0;
    append(list, new_mortal(heap, &deaths, clear_it, list));
    assert_ok(exv_list_set(list, 3, exv_get_none(heap)));
    assert_int_equal(deaths, 1);
    assert_repr(list, "[]");

    append(list, new_mortal(heap, &deaths, clear_it, list));
    append(list, integer(heap, 7));
    assert_ok(exv_list_delete(list, 0));
    assert_int_equal(deaths, 2);
    assert_repr(list, "[]");

    for (int i = 0; i < 50; i++)
        append(list, new_mortal(heap, &deaths, append_to_it, list));
    exv_list_clear(list);
    assert_int_equal(deaths, 52);
    assert_int_equal(exv_list_size(list), 50);
    exv_decref(list);
}

typedef struct breaker {
    exv_list *list; /* borrowed */
} breaker;

static exv_str *breaker_repr(void *self)
{
    exv_list_clear(((breaker *)self)->list);
    exv_str *repr = NULL;
    return exv_str_from(exv_get_heap(self), "X", &repr) == EXV_OK ? repr : NULL;
}

static exv_status breaker_equal(void *self, void *other, bool *result)
{
    (void)other;
    exv_list_clear(((breaker *)self)->list);
    *result = true;
    return EXV_OK;
}

static const exv_type breaker_type = {
    .name = "breaker", .size = sizeof(breaker), .repr = breaker_repr, .equal = breaker_equal};

static void reprs_and_comparisons_may_change_the_list(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap), *other = exv_list_new(heap);
    for (int i = 0; i < 3; i++) {
        for (int side = 0; side < 2; side++) {
            breaker *b = exv_new(heap, &breaker_type);
            b->list = list;
            append(side ? list : other, b);
        }
    }
    assert_false(equal(other, list)); /* the one on the right loses its items */
    assert_int_equal(exv_list_size(list), 0);
    for (int i = 0; i < 3; i++) {
        breaker *b = exv_new(heap, &breaker_type);
        b->list = list;
        append(list, b);
    }
    assert_false(equal(list, other));
    assert_int_equal(exv_list_size(list), 0);
    breaker *b = exv_new(heap, &breaker_type);
    b->list = list;
    append(list, b);
    append(list, integer(heap, 1));
    assert_repr(list, "[X]");
    exv_decref(list);
    exv_decref(other);
}

#ifdef EXVI_CHECKED
typedef struct change {
    exv_list *list;
    void *item;
} change;

static exv_status append_32(void *arg)
{
    const change *c = arg;
    exv_status status = EXV_OK;
    size_t before = exv_list_size(c->list);
    for (int i = 0; i < 32 && status == EXV_OK; i++)
        status = exv_list_append(c->list, c->item);
    while (status != EXV_OK && exv_list_size(c->list) > before)
        exv_list_delete(c->list, -1);
    return status;
}

static exv_status insert_32(void *arg)
{
    const change *c = arg;
    exv_status status = EXV_OK;
    size_t before = exv_list_size(c->list);
    for (int i = 0; i < 32 && status == EXV_OK; i++)
        status = exv_list_insert(c->list, 0, c->item);
    while (status != EXV_OK && exv_list_size(c->list) > before)
        exv_list_delete(c->list, 0);
    return status;
}

static exv_status extend_and_slice(void *arg)
{
    const change *c = arg;
    size_t before = exv_list_size(c->list);
    exv_list *slice = NULL;
    exv_status status = exv_list_extend(c->list, exv_list_items(c->list), before);
    if (status == EXV_OK)
        status = exv_list_slice(c->list, 1, 3, &slice);
    while (status != EXV_OK && exv_list_size(c->list) > before)
        exv_list_delete(c->list, -1);
    exv_decref(slice);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = counting(heap, 300, 303);
    change own = {list, NULL};
    assert_true(fail_each_allocation(heap, list, extend_and_slice, &own) >= 2);
    assert_repr(list, "[300, 301, 302, 300, 301, 302]");
    while (exv_list_size(list) > 3)
        assert_ok(exv_list_delete(list, -1));
    exv_str *text = text_of(heap, "item");
    change c = {list, text};
    assert_true(fail_each_allocation(heap, list, append_32, &c) >= 2);
    assert_int_equal(exv_refcount(text), 33);
    assert_true(fail_each_allocation(heap, list, insert_32, &c) >= 1);
    assert_int_equal(exv_list_size(list), 67);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    while (exv_list_size(list) > 1)
        assert_ok(exv_list_delete(list, 0)); /* needs no memory */
    assert_null(exv_list_new(heap));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_repr(list, "['item']");
    exv_decref(list);
    exv_decref(text);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(items_and_indices),
        value_test(changes),
        value_test(long_lists_grow_and_shrink),
        value_test(short_lists_are_small),
        value_test(who_owns_what_is_popped_and_extended),
#ifdef EXVI_STRESS
        value_test(no_list_is_longer_than_its_size_can_say),
#endif
        value_test(random_changes_as_in_an_array),
        value_test(lists_that_contain_themselves),
        value_test(equality),
        value_test(destructors_may_change_the_list),
        value_test(reprs_and_comparisons_may_change_the_list),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
