/*
 * tuple: items, repr, equality, hash; tracked only where it could be part of a cycle.
 */
#include "value_makers.h"

#include <math.h>

static void *pair(exv_heap *heap, void *a, void *b)
{
    exv_tuple *tuple = exv_tuple_new(heap, (void *[]){a, b}, 2);
    assert_non_null(tuple);
    exv_decref(a);
    exv_decref(b);
    return tuple;
}

static void items_and_indices(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = text_of(heap, "x");
    exv_tuple *tuple = pair(heap, exv_incref(text), integer(heap, 1000));
    void *item = NULL;
    assert_int_equal(exv_tuple_size(tuple), 2);
    assert_ok(exv_tuple_get(tuple, 0, &item));
    assert_ptr_equal(item, text);
    assert_ok(exv_tuple_get(tuple, -2, &item));
    assert_ptr_equal(item, text);
    static const ptrdiff_t outside[] = {2, -3, PTRDIFF_MAX, PTRDIFF_MIN};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(exv_tuple_get(tuple, outside[i], &item), EXV_INDEX_ERROR);
        assert_message(heap, "IndexError: tuple index out of range");
    }
    assert_ptr_equal(item, text);
    assert_int_equal(exv_refcount(text), 2);
    exv_decref(tuple);
    assert_int_equal(exv_refcount(text), 1);
    exv_decref(text);
}

static void reprs(void **state)
{
    exv_heap *heap = *state;
    assert_repr_of_new(exv_tuple_new(heap, NULL, 0), "()");
    assert_repr_of_new(exv_tuple_new(heap, (void *[]){exv_get_none(heap)}, 1), "(None,)");
    assert_repr_of_new(pair(heap, integer(heap, 1), text_of(heap, "b")), "(1, 'b')");
    exv_list *list = exv_list_new(heap);
    exv_tuple *tuple = exv_tuple_new(heap, (void *[]){list}, 1);
    assert_ok(exv_list_append(list, tuple));
    assert_repr(tuple, "([(...)],)");
    assert_repr(list, "[([...],)]");
    exv_decref(tuple);
    exv_decref(list);
    assert_int_equal(exv_collect(heap, 2), 2);
}

static void equality_and_hash(void **state)
{
    exv_heap *heap = *state;
    exv_tuple *a = pair(heap, integer(heap, 1), text_of(heap, "b"));
    exv_tuple *b = pair(heap, exv_float_new(heap, 1.0), text_of(heap, "b"));
    exv_tuple *c = pair(heap, text_of(heap, "b"), integer(heap, 1));
    exv_tuple *empty = exv_tuple_new(heap, NULL, 0);
    assert_true(equal(a, b));
    assert_true(hash_of(a) == hash_of(b));
    assert_false(equal(a, c));
    assert_true(hash_of(a) != hash_of(c));
    assert_false(equal(a, empty));
    assert_true(hash_of(a) != hash_of(empty));

    void *nan = exv_float_new(heap, NAN);
    exv_tuple *d = exv_tuple_new(heap, (void *[]){nan}, 1), *e = exv_tuple_new(heap, (void *[]){nan}, 1);
    assert_true(equal(d, e));
    assert_true(hash_of(d) == hash_of(e));

    exv_tuple *unhashable = pair(heap, integer(heap, 1), exv_list_new(heap));
    uint64_t hash;
    assert_int_equal(exv_hash(unhashable, &hash), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'list'");
    void *values[] = {a, b, c, d, e, empty, nan, unhashable};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        exv_decref(values[i]);
}

static void tracked_where_a_cycle_may_be(void **state)
{
    exv_heap *heap = *state;
    exv_tuple *simple = pair(heap, integer(heap, 1), text_of(heap, "b"));
    exv_tuple *nested = exv_tuple_new(heap, (void *[]){simple}, 1);
    exv_tuple *holder = pair(heap, exv_incref(nested), exv_list_new(heap));
    exv_tuple *outer = exv_tuple_new(heap, (void *[]){holder}, 1);
    exv_tuple *of_dict = exv_tuple_new(heap, (void *[]){exv_dict_new(heap)}, 1);
    assert_false(exv_gc_is_tracked(simple));
    assert_false(exv_gc_is_tracked(nested));
    assert_true(exv_gc_is_tracked(holder));
    assert_true(exv_gc_is_tracked(outer));
    assert_true(exv_gc_is_tracked(of_dict)); /* the dict may be tracked later */
    void *dict;
    assert_ok(exv_tuple_get(of_dict, 0, &dict));
    exv_decref(dict);
    exv_decref(simple);
    exv_decref(nested);
    exv_decref(holder);
    exv_decref(outer);
    exv_decref(of_dict);
}

static void a_long_chain_dies_in_little_stack(void **state)
{
    exv_heap *heap = *state;
    int deaths = 0;
    exv_tuple *chain = exv_tuple_new(heap, (void *[]){new_mortal(heap, &deaths, NULL, NULL)}, 1);
    void *first;
    assert_ok(exv_tuple_get(chain, 0, &first));
    exv_decref(first);
    for (int i = 0; i < 200000; i++) {
        exv_tuple *longer = exv_tuple_new(heap, (void *[]){chain}, 1);
        exv_decref(chain);
        chain = longer;
    }
    exv_decref(chain);
    assert_int_equal(deaths, 1);
}

/* What is still held at the heap's end goes with it, whatever refers to what. */
static void leaks_end_with_the_heap(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_str *text = text_of(heap, "text");
    exv_list *list = exv_list_new(heap);
    append(list, exv_tuple_new(heap, (void *[]){text}, 1));
    append(list, exv_tuple_new(heap, (void *[]){list}, 1));
    assert_int_equal(exv_heap_free(heap), 4); /* text and list are held from outside, the tuples by the list */
}

#ifdef EXVI_CHECKED
static exv_status make(void *arg)
{
    void *item = arg;
    exv_tuple *tuple = exv_tuple_new(exv_get_heap(item), (void *[]){item, item}, 2);
    exv_decref(tuple);
    return tuple ? EXV_OK : EXV_NO_MEMORY;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = text_of(heap, "text");
    assert_true(fail_each_allocation(heap, text, make, text) == 1);
    assert_int_equal(exv_refcount(text), 1);
    exv_decref(text);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(items_and_indices),
        value_test(reprs),
        value_test(equality_and_hash),
        value_test(tracked_where_a_cycle_may_be),
        value_test(a_long_chain_dies_in_little_stack),
        cmocka_unit_test(leaks_end_with_the_heap),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
