/*
 * dict: keys as Python knows them, order, repr of what contains itself, tracking, and changes from within.
 */
#include "value_makers.h"

#include <math.h>

static void set_get_delete(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    put(dict, text_of(heap, "one"), integer(heap, 1));
    put(dict, text_of(heap, "two"), integer(heap, 2));
    put(dict, text_of(heap, "one"), integer(heap, 11));
    assert_repr(dict, "{'one': 11, 'two': 2}");
    exv_str *key = text_of(heap, "one");
    void *value = NULL;
    assert_ok(exv_dict_get(dict, key, &value));
    assert_int_equal(exv_int_value(value), 11);
    bool there = false;
    assert_ok(exv_dict_contains(dict, key, &there));
    assert_true(there);
    assert_ok(exv_dict_delete(dict, key));
    assert_ok(exv_dict_contains(dict, key, &there));
    assert_false(there);
    value = dict;
    assert_int_equal(exv_dict_get(dict, key, &value), EXV_KEY_ERROR);
    assert_message(heap, "KeyError: 'one'");
    assert_ptr_equal(value, dict);
    assert_int_equal(exv_dict_delete(dict, key), EXV_KEY_ERROR);
    assert_int_equal(exv_dict_size(dict), 1);
    exv_dict_clear(dict);
    assert_repr(dict, "{}");
    assert_int_equal(exv_refcount(key), 1);
    exv_decref(key);
    exv_decref(dict);
}

static void equal_keys_are_one(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    put(dict, integer(heap, 1), text_of(heap, "int"));
    put(dict, exv_float_new(heap, 1.0), text_of(heap, "float"));
    put(dict, exv_get_bool(heap, true), text_of(heap, "bool"));
    assert_repr(dict, "{1: 'bool'}"); /* the first key, the last value */
    put(dict, text_of(heap, "1"), exv_get_none(heap));
    put(dict, exv_bytes_new(heap, "1", 1), exv_get_none(heap));
    put(dict, exv_tuple_new(heap, (void *[]){integer(heap, 1)}, 1), exv_get_none(heap));
    assert_repr(dict, "{1: 'bool', '1': None, b'1': None, (1,): None}");
    exv_decref(dict);
}

static void a_nan_is_found_by_identity(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    exv_float *nan = exv_float_new(heap, NAN), *other = exv_float_new(heap, NAN);
    assert_ok(exv_dict_set(dict, nan, exv_get_none(heap)));
    assert_ok(exv_dict_set(dict, other, exv_get_none(heap)));
    assert_ok(exv_dict_set(dict, nan, exv_get_none(heap)));
    assert_repr(dict, "{nan: None, nan: None}");
    exv_decref(nan);
    exv_decref(other);
    exv_decref(dict);
}

static void unhashable_keys(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    exv_list *list = exv_list_new(heap);
    void *value = NULL;
    bool there;
    assert_int_equal(exv_dict_set(dict, list, list), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'list'");
    assert_int_equal(exv_dict_get(dict, dict, &value), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'dict'");
    assert_int_equal(exv_dict_delete(dict, list), EXV_TYPE_ERROR);
    assert_int_equal(exv_dict_contains(dict, list, &there), EXV_TYPE_ERROR);
    assert_int_equal(exv_refcount(list), 1);
    exv_decref(list);
    exv_decref(dict);
}

static void the_order_is_that_of_insertion(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    for (int i = 0; i < 100; i++)
        put(dict, integer(heap, (i * 37) % 100), integer(heap, i));
    for (int i = 0; i < 100; i += 2)
        assert_ok(exv_dict_delete(dict, integer(heap, (i * 37) % 100)));
    put(dict, integer(heap, 0), integer(heap, 100));
    size_t position = 0;
    void *key, *value;
    int last = 0, walked = 0;
    while (exv_dict_next(dict, &position, &key, &value)) {
        assert_true(exv_int_value(value) > last);
        last = (int)exv_int_value(value);
        walked++;
    }
    assert_int_equal(walked, 51);
    assert_int_equal(last, 100);
    position = 0;
    assert_true(exv_dict_next(dict, &position, NULL, NULL));
    exv_decref(dict);
}

static void dicts_that_contain_themselves(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    put(dict, integer(heap, 1), exv_incref(dict));
    assert_repr(dict, "{1: {...}}");
    assert_true(equal(dict, dict));
    exv_decref(dict);
    assert_int_equal(exv_collect(heap, 2), 1);
}

/* At most what a dict of as many str takes in CPython 3.11 by sys.getsizeof() and the collector's header of 16. */
static void dicts_are_small(void **state)
{
    exv_heap *heap = *state;
    static const struct {
        int size;
        size_t exact, in_cpython;
    } expected[] = {{0, 48, 80}, {2, 96, 200}, {5, 144, 200}, {10, 224, 288}, {21, 416, 480}, {42, 816, 848},
                    {200, 6192, 6592}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        exv_heap_stats before, after;
        for (int j = 0; j < expected[i].size; j++)
            exv_decref(integer(heap, j));
        exv_get_heap_stats(heap, &before);
        exv_dict *dict = exv_dict_new(heap);
        for (int j = 0; j < expected[i].size; j++)
            put(dict, integer(heap, j), integer(heap, j));
        exv_get_heap_stats(heap, &after);
        exv_decref(dict);
        assert_int_equal(after.used_bytes - before.used_bytes, expected[i].exact);
        assert_true(expected[i].exact <= expected[i].in_cpython);
    }
}

static void equality_ignores_order(void **state)
{
    exv_heap *heap = *state;
    exv_dict *a = exv_dict_new(heap), *b = exv_dict_new(heap);
    for (int i = 0; i < 10; i++) {
        put(a, integer(heap, i), integer(heap, -i));
        put(b, integer(heap, 9 - i), exv_float_new(heap, i - 9.0));
    }
    assert_true(equal(a, b));
    put(b, integer(heap, 3), exv_get_none(heap));
    assert_false(equal(a, b));
    assert_ok(exv_dict_delete(b, integer(heap, 3)));
    assert_false(equal(a, b));
    assert_false(equal(b, a));
    put(b, integer(heap, 300), integer(heap, -3));
    assert_false(equal(a, b));
    exv_decref(a);
    exv_decref(b);
}

static void tracked_from_the_first_value_that_may_cycle(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    assert_false(exv_gc_is_tracked(dict));
    put(dict, text_of(heap, "simple"), exv_tuple_new(heap, NULL, 0));
    assert_false(exv_gc_is_tracked(dict));
    put(dict, text_of(heap, "list"), exv_list_new(heap));
    assert_true(exv_gc_is_tracked(dict));
    exv_decref(dict);

    dict = exv_dict_new(heap);
    exv_str *key = text_of(heap, "self");
    assert_ok(exv_dict_set(dict, key, key));
    assert_false(exv_gc_is_tracked(dict));
    assert_ok(exv_dict_set(dict, key, dict)); /* by another value for an old key */
    assert_true(exv_gc_is_tracked(dict));
    exv_decref(key);
    exv_decref(dict);
    assert_int_equal(exv_collect(heap, 2), 1);
}

static void clear_it(void *dict)
{
    exv_dict_clear(dict);
}

static void destructors_may_change_the_dict(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    int deaths = 0;
    put(dict, integer(heap, 1), new_mortal(heap, &deaths, clear_it, dict));
    put(dict, integer(heap, 2), exv_get_none(heap));
    assert_ok(exv_dict_set(dict, integer(heap, 1), exv_get_none(heap)));
    assert_int_equal(deaths, 1);
    assert_repr(dict, "{}");
    put(dict, integer(heap, 1), new_mortal(heap, &deaths, clear_it, dict));
    put(dict, integer(heap, 2), exv_get_none(heap));
    assert_ok(exv_dict_delete(dict, integer(heap, 1)));
    assert_int_equal(deaths, 2);
    assert_repr(dict, "{}");
    for (int i = 0; i < 30; i++)
        put(dict, integer(heap, i), new_mortal(heap, &deaths, clear_it, dict));
    exv_dict_clear(dict);
    assert_int_equal(deaths, 32);
    exv_decref(dict);
}

/* A value whose repr empties the dict that shows it. */
static exv_str *emptying_repr(void *self)
{
    mortal *m = self;
    exv_dict_clear(m->arg);
    exv_str *repr = NULL;
    return exv_str_from(exv_get_heap(self), "X", &repr) == EXV_OK ? repr : NULL;
}

static exv_status emptying_equal(void *self, void *other, bool *result)
{
    (void)other;
    exv_dict_clear(((mortal *)self)->arg);
    *result = true;
    return EXV_OK;
}

static const exv_type emptying_type = {
    .name = "emptying", .size = sizeof(mortal), .repr = emptying_repr, .equal = emptying_equal};

static void *new_emptying(exv_heap *heap, exv_dict *dict)
{
    mortal *m = exv_new(heap, &emptying_type);
    m->arg = dict;
    return m;
}

static void reprs_and_comparisons_may_change_the_dict(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap), *twin = exv_dict_new(heap);
    for (int i = 0; i < 3; i++) {
        put(dict, integer(heap, 1000 + i), new_emptying(heap, dict));
        put(twin, integer(heap, 1000 + i), new_emptying(heap, dict));
    }
    bool result;
    assert_ok(exv_equal(twin, dict, &result));
    assert_int_equal(exv_dict_size(dict), 0);
    assert_false(result); /* the second key was not there any more */
    put(dict, integer(heap, 1000), new_emptying(heap, dict));
    put(dict, integer(heap, 1001), exv_get_none(heap));
    assert_repr(dict, "{1000: X}");
    exv_decref(dict);
    exv_decref(twin);
}

static exv_str *no_repr(void *self)
{
    (void)self;
    return NULL;
}

static const exv_type mute_type = {.name = "mute", .size = 8, .repr = no_repr};

static void a_key_error_without_a_repr(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    void *key = exv_new(heap, &mute_type), *value = NULL;
    assert_int_equal(exv_dict_get(dict, key, &value), EXV_KEY_ERROR);
    assert_message(heap, "KeyError: <mute object>");
    exv_decref(key);
    exv_decref(dict);
}

static void walks_that_the_dict_survives(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    for (int i = 0; i < 30; i++)
        put(dict, integer(heap, i), integer(heap, 300 + i));
    exv_list *keys = NULL, *values = NULL;
    assert_ok(exv_dict_keys(dict, &keys));
    assert_ok(exv_dict_values(dict, &values));
    uint32_t version = exv_dict_version(dict);
    assert_ok(exv_dict_set(dict, exv_list_items(keys)[0], keys)); /* replaced: a walk goes on */
    assert_int_equal(exv_dict_version(dict), version);
    for (size_t i = 0; i < exv_list_size(keys); i++) {
        assert_ok(exv_dict_delete(dict, exv_list_items(keys)[i]));
        assert_true(exv_dict_version(dict) != version);
    }
    version = exv_dict_version(dict);
    assert_ok(exv_dict_set_text(dict, "name", values));
    assert_true(exv_dict_version(dict) != version);
    assert_int_equal(exv_list_size(keys), 30);
    assert_int_equal(exv_int_value(exv_list_items(values)[29]), 329);
    version = exv_dict_version(dict);
    exv_dict_clear(dict);
    assert_true(exv_dict_version(dict) != version);
    exv_decref(values);
    exv_decref(keys);
    exv_decref(dict);
}

static void get_or_insert(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    exv_list *first = exv_list_new(heap), *second = exv_list_new(heap);
    exv_str *key = text_of(heap, "k");
    void *got = NULL;
    assert_false(exv_gc_is_tracked(dict));
    assert_ok(exv_dict_set_default(dict, key, first, &got));
    assert_ptr_equal(got, first);
    assert_true(exv_gc_is_tracked(dict));
    assert_ok(exv_dict_set_default(dict, key, second, &got));
    assert_ptr_equal(got, first);
    assert_int_equal(exv_refcount(first), 2);
    assert_int_equal(exv_refcount(second), 1);
    assert_int_equal(exv_dict_set_default(dict, second, first, &got), EXV_TYPE_ERROR);
    got = NULL;
    assert_ok(exv_dict_get_text(dict, "k", &got));
    assert_ptr_equal(got, first);
    assert_int_equal(exv_dict_get_text(dict, "it's", &got), EXV_KEY_ERROR);
    assert_message(heap, "KeyError: \"it's\"");
    assert_int_equal(exv_dict_set_text(dict, "\xff", first), EXV_UNICODE_ERROR);
    assert_int_equal(exv_dict_get_text(dict, "\xff", &got), EXV_KEY_ERROR);
    exv_decref(key);
    exv_decref(first);
    exv_decref(second);
    exv_decref(dict);
}

#ifdef EXVI_CHECKED
static exv_status set_40(void *arg)
{
    exv_dict *dict = arg;
    exv_heap *heap = exv_get_heap(dict);
    exv_status status = EXV_OK;
    int done = 0;
    while (status == EXV_OK && done < 40)
        status = exv_dict_set(dict, exv_int_new(heap, 100 + done++), exv_get_none(heap));
    while (status != EXV_OK && --done > 0)
        exv_dict_delete(dict, exv_int_new(heap, 99 + done));
    return status;
}

static exv_status set_default_and_text(void *arg)
{
    exv_heap *heap = exv_get_heap(arg);
    exv_dict *dict = exv_dict_new(heap);
    exv_list *keys = NULL;
    void *got;
    exv_status status = dict ? exv_dict_set_default(dict, exv_get_none(heap), arg, &got) : EXV_NO_MEMORY;
    if (status == EXV_OK)
        status = exv_dict_set_text(dict, "name", arg);
    if (status == EXV_OK)
        status = exv_dict_keys(dict, &keys);
    assert_true(status != EXV_OK || exv_list_size(keys) == 2);
    exv_decref(keys);
    exv_decref(dict);
    return status;
}

static void no_memory_for_other_ways(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    assert_true(fail_each_allocation(heap, list, set_default_and_text, list) >= 5);
    exv_decref(list);
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    for (int i = 100; i < 140; i++)
        integer(heap, i); /* small ints: made once */
    exv_dict *dict = exv_dict_new(heap);
    put(dict, integer(heap, 1), integer(heap, 1));
    assert_true(fail_each_allocation(heap, dict, set_40, dict) >= 3);
    assert_int_equal(exv_dict_size(dict), 41);
    void *value = NULL, *missing = integer(heap, 0);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_int_equal(exv_dict_get(dict, missing, &value), EXV_KEY_ERROR);
    assert_message(heap, "KeyError: <int object>");
    assert_ok(exv_dict_set(dict, integer(heap, 1), exv_get_none(heap))); /* an old key needs no memory */
    assert_null(exv_dict_new(heap));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    exv_decref(dict);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(set_get_delete),
        value_test(equal_keys_are_one),
        value_test(a_nan_is_found_by_identity),
        value_test(unhashable_keys),
        value_test(the_order_is_that_of_insertion),
        value_test(dicts_that_contain_themselves),
        value_test(dicts_are_small),
        value_test(equality_ignores_order),
        value_test(tracked_from_the_first_value_that_may_cycle),
        value_test(destructors_may_change_the_dict),
        value_test(reprs_and_comparisons_may_change_the_dict),
        value_test(a_key_error_without_a_repr),
        value_test(walks_that_the_dict_survives),
        value_test(get_or_insert),
#ifdef EXVI_CHECKED
        value_test(no_memory),
        value_test(no_memory_for_other_ways),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
