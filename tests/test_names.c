/*
 * A namespace: names are bound, rebound and deleted; reading one that is not bound is a NameError.
 */
#include "value_makers.h"

static void bound_read_deleted(void **state)
{
    exv_heap *heap = *state;
    exv_names *names = exv_names_new(heap);
    void *value = names;
    assert_int_equal(exv_name_get(names, "x", &value), EXV_NAME_ERROR);
    assert_message(heap, "NameError: name 'x' is not defined");
    assert_ptr_equal(value, names);
    assert_ok(exv_name_set(names, "x", integer(heap, 5)));
    assert_ok(exv_name_get(names, "x", &value));
    assert_repr(value, "5");
    exv_str *text = text_of(heap, "now a text");
    assert_ok(exv_name_set(names, "x", text)); /* names have no type */
    assert_repr(names, "{'x': 'now a text'}");
    assert_int_equal(exv_refcount(text), 2);
    assert_ok(exv_name_delete(names, "x"));
    assert_int_equal(exv_refcount(text), 1);
    assert_int_equal(exv_name_delete(names, "x"), EXV_NAME_ERROR);
    assert_message(heap, "NameError: name 'x' is not defined");
    assert_int_equal(exv_names_size(names), 0);
    exv_decref(text);
    exv_decref(names);
}

static void a_destructor_runs_when_a_name_goes(void **state)
{
    exv_heap *heap = *state;
    exv_names *names = exv_names_new(heap);
    int deaths = 0;
    void *object = new_mortal(heap, &deaths, NULL, NULL);
    assert_ok(exv_name_set(names, "a", object));
    assert_ok(exv_name_set(names, "b", object));
    exv_decref(object);
    assert_ok(exv_name_set(names, "a", exv_get_none(heap)));
    assert_int_equal(deaths, 0);
    assert_ok(exv_name_delete(names, "b"));
    assert_int_equal(deaths, 1);

    object = new_mortal(heap, &deaths, NULL, NULL);
    assert_ok(exv_name_set(names, "local", object));
    exv_decref(object);
    exv_decref(names); /* the end of its scope */
    assert_int_equal(deaths, 2);
}

static void walk_in_order(void **state)
{
    exv_heap *heap = *state;
    exv_names *names = exv_names_new(heap);
    static const char *const order[] = {"z", "a", "caf\u00e9", "m"};
    for (int i = 0; i < 4; i++)
        assert_ok(exv_name_set(names, order[i], integer(heap, i)));
    assert_int_equal(exv_names_size(names), 4);
    size_t position = 0;
    const char *name;
    void *value;
    for (int i = 0; i < 4; i++) {
        assert_true(exv_name_next(names, &position, &name, &value));
        assert_string_equal(name, order[i]);
        assert_int_equal(exv_int_value(value), i);
    }
    assert_false(exv_name_next(names, &position, NULL, NULL));
    assert_int_equal(exv_name_set(names, "\xc3(", names), EXV_UNICODE_ERROR);
    assert_int_equal(exv_names_size(names), 4);
    exv_decref(names);
}

static void a_name_for_the_namespace_itself(void **state)
{
    exv_heap *heap = *state;
    exv_names *names = exv_names_new(heap);
    assert_ok(exv_name_set(names, "globals", names));
    assert_repr(names, "{'globals': {...}}");
    exv_decref(names);
    assert_int_equal(exv_collect(heap, 2), 1);
}

#ifdef EXVI_CHECKED
static exv_status bind_10(void *arg)
{
    exv_names *names = arg;
    exv_status status = EXV_OK;
    int done = 0;
    char name[] = "a";
    while (status == EXV_OK && done < 10) {
        name[0] = (char)('a' + done++);
        status = exv_name_set(names, name, exv_get_none(exv_get_heap(names)));
    }
    while (status != EXV_OK && --done > 0) {
        name[0] = (char)('a' + done - 1);
        assert_ok(exv_name_delete(names, name));
    }
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_names *names = exv_names_new(heap);
    assert_ok(exv_name_set(names, "x", exv_get_none(heap)));
    assert_true(fail_each_allocation(heap, names, bind_10, names) >= 11);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_ok(exv_name_set(names, "x", exv_get_bool(heap, true))); /* rebinding needs no memory */
    assert_null(exv_names_new(heap));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    exv_decref(names);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(bound_read_deleted),
        value_test(a_destructor_runs_when_a_name_goes),
        value_test(walk_in_order),
        value_test(a_name_for_the_namespace_itself),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
