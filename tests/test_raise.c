/*
 * raise: errors of a program's own, what they carry and for how long, and the reasons that a type's functions give.
 */
#include "need.h"
#include "value_makers.h"

static void a_value_is_carried_until_the_next_failure(void **state)
{
    exv_heap *heap = *state;
    int deaths = 0;
    void *value = new_mortal(heap, &deaths, NULL, NULL);
    assert_int_equal(exv_error_status(heap), EXV_OK);
    assert_null(exv_error_get_value(heap));
    assert_int_equal(exv_raise(heap, EXV_ERROR, value, "ParseError: line %d", 7), EXV_ERROR);
    assert_message(heap, "ParseError: line 7");
    assert_int_equal(exv_error_status(heap), EXV_ERROR);
    exv_decref(value);
    assert_int_equal(deaths, 0);
    assert_ptr_equal(exv_error_get_value(heap), value);

    void *item;
    exv_list *list = exv_list_new(heap);
    assert_int_equal(exv_list_get(list, 0, &item), EXV_INDEX_ERROR); /* carries nothing, and lets nothing die */
    assert_null(exv_error_get_value(heap));
    assert_int_equal(exv_error_status(heap), EXV_INDEX_ERROR);
    assert_int_equal(deaths, 0);
    assert_int_equal(exv_raise(heap, EXV_VALUE_ERROR, list, "%s", "odd"), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: odd");
    assert_int_equal(deaths, 1);
    assert_ptr_equal(exv_error_get_value(heap), list);
    exv_raise(heap, EXV_KEY_ERROR, list, "%s", exv_error_message(heap)); /* the same value, the old text */
    assert_message(heap, "KeyError: ValueError: odd");
    assert_int_equal(exv_refcount(list), 2);
    exv_error_clear(heap);
    assert_int_equal(exv_refcount(list), 1);
    assert_message(heap, "");
    assert_int_equal(exv_error_status(heap), EXV_OK);
    exv_decref(list);
}

static void fail_at_something(void *heap)
{
    exv_raise(heap, EXV_ERROR, NULL, "the death of the old value fails");
}

static void the_old_value_dies_before_the_new_failure_is_told(void **state)
{
    exv_heap *heap = *state;
    int deaths = 0;
    void *value = new_mortal(heap, &deaths, fail_at_something, heap);
    exv_raise(heap, EXV_ERROR, value, "first");
    exv_decref(value);
    value = exv_list_new(heap);
    exv_raise(heap, EXV_ERROR, value, "second");
    assert_int_equal(deaths, 1);
    assert_message(heap, "second");
    assert_ptr_equal(exv_error_get_value(heap), value);
    exv_decref(value); /* the heap's end gives it up */
}

/* ---- types whose functions fail, and show themselves ---- */

typedef struct odd {
    void *inner;
    int mode;
} odd;

enum { SHOW, RAISE, SAY_NOTHING, PASS_ON };

static const uint32_t odd_fields[] = {offsetof(odd, inner)};
static const exv_references odd_references = {.fields = odd_fields, .field_count = 1};

static exv_str *odd_repr(void *object)
{
    odd *self = object;
    exv_heap *heap = exv_get_heap(object);
    exv_str *shown = NULL;
    if (self->mode == RAISE)
        exv_raise(heap, EXV_ERROR, self->inner, "Oddity: cannot be shown");
    if (self->mode == RAISE || self->mode == SAY_NOTHING)
        return NULL;
    exv_builder *builder = exv_builder_new(heap);
    assert_ok(exv_builder_add(builder, "odd ", 4));
    (void)exv_builder_add_value(builder, self->inner);
    (void)exv_builder_finish(builder, &shown);
    exv_decref(builder);
    return shown;
}

static exv_status odd_answer(odd *self)
{
    if (self->mode == RAISE)
        return exv_raise(exv_get_heap(self), EXV_ERROR, self->inner, "Oddity: cannot be compared");
    return self->mode == SAY_NOTHING ? EXV_VALUE_ERROR : EXV_OK;
}

static exv_status odd_equal(void *self, void *other, bool *result)
{
    *result = self == other;
    return odd_answer(self);
}

static exv_status odd_hash(void *self, uint64_t *result)
{
    *result = 7;
    return ((odd *)self)->mode == PASS_ON ? exv_hash(((odd *)self)->inner, result) : EXV_OK;
}

static const exv_type odd_type = {.name = "odd", .size = sizeof(odd), .repr = odd_repr, .equal = odd_equal,
                                  .hash = odd_hash, .less = odd_equal, .references = &odd_references};

static odd *new_odd(exv_heap *heap, void *inner, int mode)
{
    odd *self = exv_new(heap, &odd_type);
    assert_non_null(self);
    EXV_SET(self->inner, inner);
    self->mode = mode;
    return self;
}

static void what_contains_itself_is_shown_by_dots(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    odd *a = new_odd(heap, list, SHOW), *b = new_odd(heap, a, SHOW);
    append(list, exv_incref(b));
    append(list, integer(heap, 1));
    assert_repr(a, "odd [odd ..., 1]");
    assert_repr(b, "odd odd [..., 1]");
    assert_repr(list, "[odd odd [...], 1]");
    EXV_SET(b->inner, (void *)b);
    assert_repr(b, "odd ...");
    EXV_SET(b->inner, (void *)exv_get_none(heap));
    assert_repr(list, "[odd None, 1]");
    exv_list_clear(list);
    append(list, exv_incref(a));
    append(list, exv_incref(a)); /* twice, but not inside of itself */
    EXV_SET(a->inner, (void *)b);
    assert_repr(list, "[odd odd None, odd odd None]");
    assert_null(exvi_heap_values(heap)->printing);
    exv_decref(b);
    exv_decref(a);
    exv_decref(list);
}

static void a_repr_says_why(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    odd *thing = new_odd(heap, list, RAISE);
    exv_str *shown = NULL;
    append(list, exv_incref(thing));
    assert_int_equal(exv_repr(list, &shown), EXV_ERROR);
    assert_message(heap, "Oddity: cannot be shown");
    assert_ptr_equal(exv_error_get_value(heap), list);
    thing->mode = SAY_NOTHING;
    assert_int_equal(exv_repr(list, &shown), EXV_NO_MEMORY);
    assert_message(heap, "MemoryError");
    assert_null(exv_error_get_value(heap));
    assert_null(shown);
    assert_repr_of_new(exv_list_new(heap), "[]");
    exv_list_clear(list);
    exv_decref(thing);
    exv_decref(list);
}

static void equality_order_and_hash_say_why(void **state)
{
    exv_heap *heap = *state;
    exv_list *value = exv_list_new(heap);
    odd *a = new_odd(heap, value, RAISE), *b = new_odd(heap, value, RAISE);
    exv_dict *dict = exv_dict_new(heap);
    void *got = NULL;
    bool answer = true;
    assert_ok(exv_dict_set(dict, a, value));
    assert_int_equal(exv_dict_get(dict, b, &got), EXV_ERROR); /* the same hash, so they are compared */
    assert_message(heap, "Oddity: cannot be compared");
    assert_ptr_equal(exv_error_get_value(heap), value);
    assert_int_equal(exv_less(a, b, &answer), EXV_ERROR);
    a->mode = SAY_NOTHING;
    assert_int_equal(exv_equal(a, b, &answer), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: equality of a 'odd' object failed");
    assert_int_equal(exv_less(a, b, &answer), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: order of a 'odd' object failed");
    b->mode = PASS_ON;
    assert_int_equal(exv_dict_get(dict, b, &got), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'list'");
    assert_true(answer);
    exv_decref(dict);
    exv_decref(a);
    exv_decref(b);
    exv_decref(value);
}

static void a_limit_is_named(void **state)
{
    (void)state;
    exv_config config = exv_config_default();
    config.limit_bytes = (size_t)8 << 20;
    exv_heap *heap = exv_heap_new(&config);
    assert_null(exv_bytes_new(heap, NULL, (size_t)16 << 20));
    assert_message(heap, "MemoryError: the heap's limit is 8388608 bytes");
    assert_int_equal(exv_error_status(heap), EXV_NO_MEMORY);
    assert_int_equal(exv_heap_free(heap), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(a_value_is_carried_until_the_next_failure),
        value_test(the_old_value_dies_before_the_new_failure_is_told),
        value_test(what_contains_itself_is_shown_by_dots),
        value_test(a_repr_says_why),
        value_test(equality_order_and_hash_say_why),
        cmocka_unit_test(a_limit_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
