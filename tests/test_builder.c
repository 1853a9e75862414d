/*
 * builder: pieces, a character in two of them, failures that stick until the end, and what shows itself by adding.
 */
#include "value_makers.h"

static void pieces(void **state)
{
    exv_heap *heap = *state;
    exv_builder *builder = exv_builder_new(heap);
    assert_ptr_equal(exv_get_type(builder), &exv_builder_type);
    void *list = exv_list_new(heap);
    exv_str *text = text_of(heap, "a str");
    append(list, integer(heap, 7));
    assert_ok(exv_builder_add(builder, "\xe2\x82", 2));
    assert_ok(exv_builder_add(builder, "\xac", 1));
    assert_ok(exv_builder_add_value(builder, text));
    assert_ok(exv_builder_add_value(builder, list));
    assert_ok(exv_builder_format(builder, "%s %d %0400d", "x", 5, 0));
    assert_int_equal(exv_builder_size(builder), 3 + 5 + 3 + 4 + 400);
    exv_str *built = NULL;
    assert_ok(exv_builder_finish(builder, &built));
    assert_int_equal(exv_str_size(built), 415);
    assert_int_equal(strncmp(exv_str_data(built), "\u20aca str[7]x 5 000", 17), 0);
    exv_decref(built);
    assert_int_equal(exv_builder_size(builder), 0);
    assert_ok(exv_builder_finish(builder, &built));
    assert_int_equal(exv_str_size(built), 0);
    exv_decref(built);
    exv_decref(text);
    exv_decref(list);
    exv_decref(builder);
}

static void failures_stick(void **state)
{
    exv_heap *heap = *state;
    exv_builder *builder = exv_builder_new(heap);
    exv_list *deep = exv_list_new(heap);
    exv_str *built = NULL;
    assert_ok(exv_builder_add(builder, "\xe2\x82", 2));
    assert_int_equal(exv_builder_finish(builder, &built), EXV_UNICODE_ERROR);
    for (int i = 0; i < 2000; i++) {
        exv_list *outer = exv_list_new(heap);
        append(outer, deep);
        deep = outer;
    }
    assert_int_equal(exv_builder_add_value(builder, deep), EXV_RECURSION_ERROR);
    assert_int_equal(exv_builder_add(builder, "x", 1), EXV_RECURSION_ERROR);
    assert_int_equal(exv_builder_finish(builder, &built), EXV_RECURSION_ERROR);
    assert_null(built);
    assert_ok(exv_builder_add(builder, "y", 1));
    assert_ok(exv_builder_finish(builder, &built));
    assert_repr_of_new(built, "'y'");
    assert_ok(exv_builder_add(builder, "left with something in it, more than it has room for by itself", 62));
    for (int i = 0; i < 10; i++)
        assert_ok(exv_builder_format(builder, "%064d", i));
    exv_decref(deep);
    exv_decref(builder);
}

#ifdef EXVI_CHECKED
static exv_status build(void *list)
{
    exv_builder *builder = exv_builder_new(exv_get_heap(list));
    exv_str *built = NULL;
    if (!builder)
        return EXV_NO_MEMORY;
    (void)exv_builder_add_value(builder, list);
    (void)exv_builder_format(builder, "%0500d", 1);
    exv_status status = exv_builder_finish(builder, &built);
    assert_true(status != EXV_OK || exv_str_size(built) > 500);
    exv_decref(built);
    exv_decref(builder);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    append(list, integer(heap, 1000));
    assert_in_range(fail_each_allocation(heap, list, build, list), 4, 20);
    exv_decref(list);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(pieces),
        value_test(failures_stick),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
