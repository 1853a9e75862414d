/*
 * test_protocol: call, iter() and next(), of values and of types that have them; what fails, and what runs within.
 */
#include "exuvia.h"

#include "platform.h"

#include "nodes.h"

static const char *shown(void *object)
{
    static char text[64];
    exv_str *repr;
    assert_int_equal(exv_repr(object, &repr), EXV_OK);
    snprintf(text, sizeof text, "%s", exv_str_data(repr));
    exv_decref(repr);
    return text;
}

static exv_str *str(exv_heap *heap, const char *text)
{
    exv_str *made;
    assert_int_equal(exv_str_from(heap, text, &made), EXV_OK);
    return made;
}

/* ------------------------------------------------------------------ iterators */

/* The rest of it, with spaces between. */
static void expect_rest(void *iterator, const char *expected)
{
    char all[512] = "";
    void *item;
    while (exv_next(iterator, &item) == EXV_OK && item) {
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", shown(item));
        exv_decref(item);
    }
    assert_string_equal(all, expected);
    for (int i = 0; i < 2; i++) { /* and stays there */
        item = iterator;
        assert_int_equal(exv_next(iterator, &item), EXV_OK);
        assert_null(item);
    }
    exv_decref(iterator);
}

static void *iterator_over(void *take)
{
    void *iterator, *again;
    assert_int_equal(exv_iter(take, &iterator), EXV_OK);
    exv_decref(take);
    assert_int_equal(exv_iter(iterator, &again), EXV_OK);
    assert_ptr_equal(again, iterator);
    exv_decref(again);
    return iterator;
}

static exv_list *numbers(exv_heap *heap, int count)
{
    exv_list *list = exv_list_new(heap);
    for (int i = 0; i < count; i++) {
        exv_int *number = exv_int_new(heap, 1000 + i);
        assert_int_equal(exv_list_append(list, number), EXV_OK);
        exv_decref(number);
    }
    return list;
}

static void test_over_values(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = numbers(heap, 3);
    exv_tuple *tuple = exv_tuple_new(heap, exv_list_items(list), 2);
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    assert_int_equal(exv_dict_set_text(dict, "one", list) | exv_dict_set_text(dict, "two", tuple), EXV_OK);
    assert_int_equal(exv_set_add(set, tuple), EXV_OK);
    expect_rest(iterator_over(tuple), "1000 1001 ");
    expect_rest(iterator_over(dict), "'one' 'two' ");
    expect_rest(iterator_over(set), "(1000, 1001) ");
    expect_rest(iterator_over(list), "1000 1001 1002 ");
    expect_rest(iterator_over(str(heap, "a\u00e4\u20ac\U0001f40db")), "'a' '\u00e4' '\u20ac' '\U0001f40d' 'b' ");
    expect_rest(iterator_over(exv_bytes_new(heap, "\0\xff", 2)), "0 255 ");
    expect_rest(iterator_over(str(heap, "")), "");
    expect_rest(iterator_over(exv_list_new(heap)), "");
}

static void test_a_list_may_change(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = numbers(heap, 2);
    void *iterator = iterator_over(exv_incref(list)), *item;
    assert_int_equal(exv_next(iterator, &item), EXV_OK);
    assert_int_equal(exv_list_append(list, item), EXV_OK);
    exv_decref(item);
    expect_rest(exv_incref(iterator), "1001 1000 ");
    assert_int_equal(exv_list_append(list, list), EXV_OK);
    expect_rest(iterator, ""); /* the end it came to */

    iterator = iterator_over(exv_incref(list));
    exv_decref(iterator_over(exv_incref(list)));
    exv_list_clear(list);
    expect_rest(iterator, "");
    exv_decref(list);
}

static void expect_changed(void *iterator, const char *message)
{
    for (int i = 0; i < 2; i++) {
        void *item = iterator;
        assert_int_equal(exv_next(iterator, &item), EXV_RUNTIME_ERROR);
        assert_ptr_equal(item, iterator);
        assert_string_equal(exv_error_message(exv_get_heap(iterator)), message);
    }
    exv_decref(iterator);
}

static void test_a_dict_or_set_may_not(void **state)
{
    exv_heap *heap = *state;
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    void *item;
    assert_int_equal(exv_dict_set_text(dict, "a", dict) | exv_set_add(set, dict), EXV_TYPE_ERROR);
    assert_int_equal(exv_set_add(set, exv_get_none(heap)), EXV_OK);
    void *over_dict = iterator_over(exv_incref(dict)), *over_set = iterator_over(exv_incref(set));
    uint32_t version = exv_set_version(set);
    assert_int_equal(exv_set_add(set, exv_get_none(heap)), EXV_OK); /* it is there */
    assert_int_equal(exv_set_version(set), version);
    assert_int_equal(exv_next(over_dict, &item), EXV_OK);
    assert_int_equal(exv_dict_set(dict, item, item), EXV_OK); /* a value alone */
    expect_rest(exv_incref(over_dict), "");
    exv_decref(item);
    exv_decref(over_dict);
    over_dict = iterator_over(exv_incref(dict));
    assert_int_equal(exv_dict_set_text(dict, "b", set), EXV_OK);
    assert_int_equal(exv_set_add(set, exv_get_bool(heap, true)), EXV_OK);
    expect_changed(over_dict, "RuntimeError: dictionary changed size during iteration");
    expect_changed(over_set, "RuntimeError: Set changed size during iteration");
    exv_decref(dict);
    exv_decref(set);
}

/* An iterator in the list that it goes over. */
static void test_a_ring(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = numbers(heap, 1);
    void *iterator = iterator_over(exv_incref(list));
    assert_int_equal(exv_list_append(list, iterator), EXV_OK);
    exv_decref(iterator);
    exv_decref(list);
    assert_int_equal(exv_collect(heap, 2), 2);
}

/* --------------------------------------------------------------- types' own */

/* Counts down, and ends or fails at 0. */
typedef struct countdown {
    int64_t left;
    exv_status end;
    bool says;
    void **owner; /* what holds it, given up in a call */
} countdown;

static exv_status countdown_iter(void *self, void **result)
{
    *result = exv_incref(self);
    return EXV_OK;
}

static exv_status countdown_next(void *self, void **item)
{
    countdown *c = self;
    if (c->left > 0) {
        *item = exv_int_new(exv_get_heap(self), c->left--);
        return *item ? EXV_OK : EXV_NO_MEMORY;
    }
    return c->says ? exv_raise(exv_get_heap(self), c->end, NULL, "no more") : c->end;
}

static exv_status countdown_call(void *self, void *const *args, size_t count, void **result)
{
    countdown *c = self;
    if (c->owner)
        EXV_CLEAR(*c->owner);
    c->left += (int64_t)count;
    *result = exv_incref(count > 0 ? args[0] : exv_get_none(exv_get_heap(self)));
    return c->end;
}

static const exv_type countdown_type = {.name = "countdown", .size = sizeof(countdown), .iter = countdown_iter,
                                        .next = countdown_next, .call = countdown_call};
static const exv_type leaf = {.name = "leaf", .size = 8};

static countdown *new_countdown(exv_heap *heap, int64_t left, exv_status end)
{
    countdown *c = exv_new(heap, &countdown_type);
    assert_non_null(c);
    c->left = left;
    c->end = end;
    return c;
}

static void test_own_iterators(void **state)
{
    exv_heap *heap = *state;
    expect_rest(iterator_over(new_countdown(heap, 3, EXV_OK)), "3 2 1 ");
    countdown *c = new_countdown(heap, 0, EXV_ERROR);
    void *item = c;
    assert_int_equal(exv_next(c, &item), EXV_ERROR);
    assert_string_equal(exv_error_message(heap), "next of a 'countdown' object failed");
    c->says = true;
    assert_int_equal(exv_next(c, &item), EXV_ERROR);
    assert_string_equal(exv_error_message(heap), "no more");
    assert_ptr_equal(item, c);
    exv_decref(c);
}

static void test_own_calls(void **state)
{
    exv_heap *heap = *state;
    countdown *c = new_countdown(heap, 0, EXV_OK);
    exv_list *list = exv_list_new(heap);
    void *args[] = {list, c}, *result;
    assert_int_equal(exv_call(c, args, 2, &result), EXV_OK);
    assert_ptr_equal(result, list);
    assert_int_equal(c->left, 2);
    exv_decref(result);
    assert_int_equal(exv_call(c, NULL, 0, &result), EXV_OK);
    assert_ptr_equal(result, exv_get_none(heap));
    exv_decref(result);

    void *last = c;
    c->owner = &last;
    assert_int_equal(exv_call(c, args, 1, &result), EXV_OK); /* it lives until it returns */
    assert_null(last);
    exv_decref(result);
    exv_decref(list);
}

static void test_what_cannot(void **state)
{
    exv_heap *heap = *state;
    void *object = exv_new(heap, &leaf), *result = object;
    assert_int_equal(exv_call(object, NULL, 0, &result), EXV_TYPE_ERROR);
    assert_string_equal(exv_error_message(heap), "TypeError: 'leaf' object is not callable");
    assert_int_equal(exv_iter(object, &result), EXV_TYPE_ERROR);
    assert_string_equal(exv_error_message(heap), "TypeError: 'leaf' object is not iterable");
    assert_int_equal(exv_next(object, &result), EXV_TYPE_ERROR);
    assert_string_equal(exv_error_message(heap), "TypeError: 'leaf' object is not an iterator");
    assert_ptr_equal(result, object);
    exv_list *list = exv_list_new(heap);
    assert_int_equal(exv_next(list, &result), EXV_TYPE_ERROR);
    exv_decref(list);
    exv_decref(object);
}

static void test_a_class_makes_instances(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls;
    void *instance = NULL;
    assert_int_equal(exv_class_new(heap, "Point", NULL, NULL, &cls), EXV_OK);
    assert_int_equal(exv_call(cls, NULL, 0, &instance), EXV_OK);
    assert_ptr_equal(exv_instance_get_class(instance), cls);
    void *args[] = {cls}, *other = NULL;
    assert_int_equal(exv_call(cls, args, 1, &other), EXV_TYPE_ERROR);
    assert_string_equal(exv_error_message(heap), "TypeError: Point() takes no arguments");
    exv_decref(instance);
    exv_decref(cls);
}

static exv_status call_itself(void *self, void *const *args, size_t count, void **result)
{
    ++*(int64_t *)self;
    return exv_call(self, args, count, result);
}

static const exv_type endless_type = {.name = "endless", .size = 8, .call = call_itself};

static void test_calls_without_end(void **state)
{
    exv_heap *heap = *state;
    int64_t *object = exv_new(heap, &endless_type);
    void *result;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(exv_call(object, NULL, 0, &result), EXV_RECURSION_ERROR);
        assert_int_equal(*object, 1000 * i);
    }
    assert_string_equal(exv_error_message(heap),
                        "RecursionError: maximum recursion depth exceeded while calling an object");
    exv_decref(object);
}

#ifdef EXVI_CHECKED
static void test_no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = str(heap, "long enough, \xC3\xA4");
    exv_bytes *bytes = exv_bytes_new(heap, "\xff\xff", 2);
    void *iterator, *item = NULL;
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_int_equal(exv_iter(text, &iterator), EXV_NO_MEMORY);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    iterator = iterator_over(text);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_int_equal(exv_next(iterator, &item), EXV_NO_MEMORY);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_null(item);
    assert_int_equal(exv_next(iterator, &item), EXV_OK); /* nothing was lost */
    assert_string_equal(shown(item), "'l'");
    exv_decref(item);
    exv_decref(iterator);
    iterator = iterator_over(bytes);
    expect_rest(iterator, "255 255 ");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_over_values),
        heap_test(test_a_list_may_change),
        heap_test(test_a_dict_or_set_may_not),
        heap_test(test_a_ring),
        heap_test(test_own_iterators),
        heap_test(test_own_calls),
        heap_test(test_what_cannot),
        heap_test(test_a_class_makes_instances),
        heap_test(test_calls_without_end),
#ifdef EXVI_CHECKED
        heap_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
