/*
 * copy: values from heap to heap: equal, shared where they were shared, rings as rings; and memory that runs out.
 */
#include "value_makers.h"

static void *copy_of(exv_heap *heap, void *value)
{
    void *made = NULL;
    assert_ok(exv_copy_to(heap, value, &made));
    assert_ptr_equal(exv_get_heap(made), heap);
    return made;
}

static void *tuple_of(exv_heap *heap, void *first, void *second)
{
    exv_tuple *made = exv_tuple_new(heap, (void *[]){first, second}, 2);
    assert_non_null(made);
    return made;
}

/* One of each type, and more than the first table of notes has room for. */
static exv_list *make_all(exv_heap *heap)
{
    exv_list *all = exv_list_new(heap);
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    exv_str *text = text_of(heap, "a str \u20ac");
    append(all, exv_incref(exv_get_none(heap)));
    append(all, exv_incref(exv_get_bool(heap, true)));
    append(all, integer(heap, INT64_MIN));
    append(all, exv_float_new(heap, 0.1));
    append(all, exv_bytes_new(heap, "\0\xff", 2));
    append(all, tuple_of(heap, text, dict));
    for (int i = 0; i < 40; i++) {
        void *key = tuple_of(heap, text, integer(heap, i));
        assert_ok(exv_set_add(set, key));
        append(all, exv_incref(key));
        put(dict, key, exv_list_new(heap));
    }
    append(all, dict);
    append(all, set);
    append(all, text);
    return all;
}

static void equal_values(void **state)
{
    exv_heap *heap = *state, *other = exv_heap_new(NULL);
    exv_list *all = make_all(heap), *there = copy_of(other, all);
    exv_str *shown = NULL;
    assert_ok(exv_repr(all, &shown));
    exv_decref(all);
    assert_repr(there, exv_str_data(shown)); /* the first heap has nothing of it any more */
    void *back = copy_of(heap, there);
    assert_repr(back, exv_str_data(shown));
    exv_decref(back);
    exv_decref(shown);
    exv_decref(there);
    assert_null(exv_heap_check(other));
    assert_int_equal(exv_heap_free(other), 0);
}

static void what_is_shared_is_shared(void **state)
{
    exv_heap *heap = *state, *other = exv_heap_new(NULL);
    exv_str *text = text_of(heap, "once");
    exv_list *inner = exv_list_new(heap), *list = exv_list_new(heap);
    for (int i = 0; i < 3; i++) {
        append(list, exv_incref(inner));
        append(list, exv_incref(text));
    }
    exv_list *there = copy_of(other, list);
    for (int i = 2; i < 6; i++)
        assert_ptr_equal(exv_list_items(there)[i], exv_list_items(there)[i - 2]);
    assert_int_equal(exv_refcount(exv_list_items(there)[0]), 3);
    assert_int_equal(exv_refcount(exv_list_items(there)[1]), 3);
    assert_int_equal(exv_refcount(there), 1);
    assert_int_equal(exv_refcount(inner), 4);
    exv_decref(there);
    exv_decref(list);
    exv_decref(inner);
    exv_decref(text);
    assert_int_equal(exv_heap_free(other), 0);
}

static void rings(void **state)
{
    exv_heap *heap = *state, *other = exv_heap_new(NULL);
    exv_list *list = exv_list_new(heap);
    exv_dict *dict = exv_dict_new(heap);
    void *tuple = tuple_of(heap, list, dict);
    append(list, exv_incref(tuple));
    append(list, exv_incref(list));
    put(dict, text_of(heap, "all"), exv_incref(tuple));
    void *there = copy_of(other, tuple), *by_list = copy_of(other, list);
    assert_repr(there, "([(...), [...]], {'all': (...)})");
    exv_list *list_there = exv_tuple_items(there)[0];
    assert_ptr_equal(exv_list_items(list_there)[0], there);
    assert_ptr_equal(exv_list_items(list_there)[1], list_there);
    assert_ptr_equal(exv_tuple_items(exv_list_items(by_list)[0])[0], by_list);
    exv_decref(there);
    exv_decref(by_list);
    assert_int_equal(exv_collect(other, 2), 6); /* the copies, and no second tuple */
    assert_int_equal(exv_heap_free(other), 0);
    exv_decref(list);
    exv_decref(dict);
    exv_decref(tuple);
    assert_int_equal(exv_collect(heap, 2), 3);
}

static void what_cannot_be_copied(void **state)
{
    exv_heap *heap = *state, *other = exv_heap_new(NULL);
    exv_list *list = exv_list_new(heap), *deep = exv_list_new(heap);
    void *made = NULL;
    append(list, exv_list_new(heap));
    append(list, new_mortal(heap, NULL, NULL, NULL));
    assert_int_equal(exv_copy_to(other, list, &made), EXV_TYPE_ERROR);
    assert_message(other, "TypeError: a 'mortal' object cannot be copied to another heap");
    for (int i = 0; i < 2000; i++) {
        exv_list *outer = exv_list_new(heap);
        append(outer, deep);
        deep = outer;
    }
    assert_int_equal(exv_copy_to(other, deep, &made), EXV_RECURSION_ERROR);
    assert_message(other, "RecursionError: maximum recursion depth exceeded while copying");
    assert_null(made);
    exv_decref(deep);
    exv_decref(list);
    assert_int_equal(exv_heap_free(other), 0);
}

#ifdef EXVI_CHECKED
static exv_heap *target;

static exv_status copy_to_target(void *list)
{
    void *made = NULL;
    exv_status status = exv_copy_to(target, list, &made);
    exv_decref(made);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    target = heap; /* whose message is looked at */
    exv_list *all = make_all(heap);
    append(all, exv_incref(all));
    assert_true(fail_each_allocation(heap, all, copy_to_target, all) > 150);
    exv_list_clear(all);
    exv_decref(all);
}
#endif

/* An object of the program's own, with two references; what it does on the way is its number. */
typedef struct pair {
    void *part[2];
    enum { NOTES, FORGETS, FAILS } way;
} pair;

static const uint32_t pair_fields[] = {offsetof(pair, part), offsetof(pair, part) + sizeof(void *)};
static const exv_references pair_references = {.fields = pair_fields, .field_count = 2};

static exv_status copy_pair(void *self, exv_copying *copying, void **result)
{
    const pair *from = self;
    if (from->way == FAILS)
        return EXV_ERROR;
    pair *to = exv_new(exv_copying_get_heap(copying), exv_get_type(self));
    exv_status status = !to                    ? EXV_NO_MEMORY
                        : from->way == NOTES ? exv_copying_note(copying, self, to)
                                             : EXV_OK;
    for (int i = 0; status == EXV_OK && i < 2; i++)
        status = exv_copying_part(copying, from->part[i], &to->part[i]);
    if (status == EXV_OK)
        *result = to;
    else
        exv_decref(to);
    return status;
}

static const exv_type pair_type = {.name = "pair", .size = sizeof(pair), .references = &pair_references,
                                   .copy = copy_pair};

static pair *new_pair(exv_heap *heap, void *first, void *second)
{
    pair *made = exv_new(heap, &pair_type);
    assert_non_null(made);
    made->part[0] = first;
    made->part[1] = second;
    return made;
}

static void own_types(void **state)
{
    exv_heap *heap = *state, *other = exv_heap_new(NULL);
    pair *leaf = new_pair(heap, integer(heap, 1000), NULL);
    pair *top = new_pair(heap, leaf, exv_incref(leaf)), *there = copy_of(other, top);
    assert_ptr_equal(exv_get_type(there), &pair_type);
    assert_ptr_equal(there->part[0], there->part[1]); /* shared */
    assert_int_equal(exv_refcount(there->part[0]), 2);
    assert_int_equal(exv_int_value(((pair *)there->part[0])->part[0]), 1000);
    assert_null(((pair *)there->part[0])->part[1]);
    exv_decref(there);
    leaf->way = FORGETS; /* what is shared is noted by the library, when it is made */
    there = copy_of(other, top);
    assert_ptr_equal(there->part[0], there->part[1]);
    exv_decref(there);

    EXV_SET(leaf->part[1], top); /* a ring */
    there = copy_of(other, top);
    assert_ptr_equal(((pair *)there->part[0])->part[1], there);
    exv_decref(there);
    top->way = FORGETS;
    void *none = top;
    assert_int_equal(exv_copy_to(other, top, &none), EXV_RECURSION_ERROR);
    leaf->way = FAILS;
    assert_int_equal(exv_copy_to(other, top, &none), EXV_ERROR);
    assert_message(other, "copy of a 'pair' object failed");
    assert_ptr_equal(none, top);
    assert_int_equal(exv_refcount(top), 2);
    EXV_CLEAR(leaf->part[1]);
    exv_decref(top);
    (void)exv_collect(other, 2);
    assert_null(exv_heap_check(other));
    assert_int_equal(exv_heap_free(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(equal_values),
        value_test(what_is_shared_is_shared),
        value_test(rings),
        value_test(what_cannot_be_copied),
        value_test(own_types),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
