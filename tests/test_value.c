/*
 * Singletons, and the operations on any object: repr, str, print, equality, hash; with types of the program's own, too.
 */
#include "value_makers.h"

#include "need.h"

#include <unistd.h>

static void singletons(void **state)
{
    exv_heap *heap = *state;
    assert_repr(exv_get_none(heap), "None");
    assert_repr(exv_get_bool(heap, true), "True");
    assert_repr(exv_get_bool(heap, false), "False");
    assert_true(exv_bool_value(exv_get_bool(heap, true)));
    assert_false(exv_bool_value(exv_get_bool(heap, false)));
    assert_true(exv_is_immortal(exv_get_none(heap)) && exv_is_immortal(exv_get_bool(heap, true)));
    assert_true(equal(exv_get_none(heap), exv_get_none(heap)));
    assert_false(equal(exv_get_none(heap), exv_get_bool(heap, false)));
}

/* Each value says what it is by its type. */
static void types(void **state)
{
    exv_heap *heap = *state;
    exv_class *cls = NULL;
    assert_ok(exv_class_new(heap, "Thing", NULL, NULL, &cls));
    struct { void *value; const exv_type *type; } made[] = {
        {exv_incref(exv_get_none(heap)), &exv_none_type}, {exv_incref(exv_get_bool(heap, true)), &exv_bool_type},
        {exv_int_new(heap, 7), &exv_int_type}, {exv_float_new(heap, 0.5), &exv_float_type},
        {exv_names_new(heap), &exv_names_type}, {cls, &exv_class_type}, {exv_bytes_new(heap, "x", 1), &exv_bytes_type},
    };
    assert_true(exv_float_value(made[3].value) == 0.5);
    for (size_t i = 0; i < sizeof made / sizeof *made; i++) {
        assert_ptr_equal(exv_get_type(made[i].value), made[i].type);
        exv_decref(made[i].value);
    }
}

static void str_is_the_text_itself(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = text_of(heap, "it's"), *shown = NULL;
    assert_ok(exv_to_str(text, &shown));
    assert_ptr_equal(shown, text);
    exv_decref(shown);
    assert_ok(exv_to_str(exv_get_none(heap), &shown));
    assert_string_equal(exv_str_data(shown), "None");
    exv_decref(shown);
    exv_list *list = exv_list_new(heap);
    append(list, text);
    assert_ok(exv_to_str(list, &shown));
    assert_string_equal(exv_str_data(shown), "[\"it's\"]");
    exv_decref(shown);
    exv_decref(list);
}

static void print_writes_a_line(void **state)
{
    exv_heap *heap = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    int old = dup(STDOUT_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    exv_str *text = text_of(heap, "caf\u00e9");
    exv_status status = exv_print(text);
    exv_status second = exv_print(integer(heap, 5));
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    close(old);
    close(ends[1]);
    char line[32] = {0};
    ssize_t size = read(ends[0], line, sizeof line - 1);
    close(ends[0]);
    assert_ok(status);
    assert_ok(second);
    assert_int_equal(size, 8);
    assert_string_equal(line, "caf\u00e9\n5\n");
    exv_decref(text);
}

static void default_reprs(void **state)
{
    exv_heap *heap = *state;
    char expected[128];
    void *object = new_mortal(heap, NULL, NULL, NULL);
    snprintf(expected, sizeof expected, "<mortal object at %p>", object);
    assert_repr(object, expected);
    exv_weakref *ref = exv_weakref_new(object, NULL, NULL);
    snprintf(expected, sizeof expected, "<weakref at %p; to 'mortal' at %p>", (void *)ref, object);
    assert_repr(ref, expected);
    assert_int_equal(exv_refcount(object), 1);
    exv_decref(object);
    snprintf(expected, sizeof expected, "<weakref at %p; dead>", (void *)ref);
    assert_repr(ref, expected);
    exv_decref(ref);
}

static void objects_without_equality_are_equal_to_themselves(void **state)
{
    exv_heap *heap = *state;
    void *a = new_mortal(heap, NULL, NULL, NULL), *b = new_mortal(heap, NULL, NULL, NULL);
    exv_weakref *ref = exv_weakref_new(a, NULL, NULL), *other = exv_weakref_new(a, NULL, NULL);
    assert_true(equal(a, a));
    assert_false(equal(a, b));
    assert_true(equal(ref, ref));
    assert_false(equal(ref, other));
    assert_true(hash_of(a) == hash_of(a) && hash_of(a) != hash_of(b));
    exv_decref(a);
    exv_decref(b);
    exv_decref(ref);
    exv_decref(other);
}

/* ------------------------------------------ types of the program's own */

typedef struct point {
    int64_t x, y;
    exv_status answer; /* of equal and hash */
} point;

static exv_status point_equal(void *self, void *other, bool *result)
{
    const point *a = self, *b = other;
    *result = a->x == b->x && a->y == b->y;
    return a->answer;
}

static exv_status point_hash(void *self, uint64_t *result)
{
    *result = (uint64_t)(((point *)self)->x * 31 + ((point *)self)->y);
    return ((point *)self)->answer;
}

static const exv_type point_type = {
    .name = "point", .size = sizeof(point), .equal = point_equal, .hash = point_hash};
static const exv_type pointer_type = {
    .name = "pointer", .size = sizeof(point), .equal = point_equal, .hash = point_hash};
static const exv_type unhashable_type = {.name = "unhashable", .size = sizeof(point), .equal = point_equal};

static void *new_point(exv_heap *heap, const exv_type *type, int64_t x, int64_t y)
{
    point *p = exv_new(heap, type);
    assert_non_null(p);
    *p = (point){x, y, EXV_OK};
    return p;
}

static void a_type_says_what_is_equal(void **state)
{
    exv_heap *heap = *state;
    point *a = new_point(heap, &point_type, 1, 2), *b = new_point(heap, &point_type, 1, 2);
    point *c = new_point(heap, &point_type, 2, 2), *foreign = new_point(heap, &pointer_type, 1, 2);
    assert_true(equal(a, b));
    assert_false(equal(a, c));
    assert_false(equal(a, foreign)); /* equal is asked of two objects of its type only */
    assert_true(hash_of(a) == hash_of(b));

    exv_dict *dict = exv_dict_new(heap);
    assert_ok(exv_dict_set(dict, a, a));
    void *found = NULL;
    assert_ok(exv_dict_get(dict, b, &found));
    assert_ptr_equal(found, a);
    assert_int_equal(exv_dict_get(dict, c, &found), EXV_KEY_ERROR);
    exv_decref(dict);
    exv_decref(a);
    exv_decref(b);
    exv_decref(c);
    exv_decref(foreign);
}

static void a_type_may_refuse(void **state)
{
    exv_heap *heap = *state;
    point *a = new_point(heap, &point_type, 1, 2), *b = new_point(heap, &point_type, 1, 2);
    point *plain = new_point(heap, &unhashable_type, 1, 2);
    a->answer = EXV_TYPE_ERROR;
    bool result = false;
    assert_int_equal(exv_equal(a, b, &result), EXV_TYPE_ERROR);
    assert_false(result); /* as it was */
    uint64_t hash = 4711;
    assert_int_equal(exv_hash(a, &hash), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'point'");
    assert_int_equal(exv_hash(plain, &hash), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unhashable type: 'unhashable'");
    assert_true(hash == 4711);
    exv_decref(a);
    exv_decref(b);
    exv_decref(plain);
}

/* ---------------------------------------------------------------- depth */

static exv_list *nested(exv_heap *heap, int depth)
{
    exv_list *inner = exv_list_new(heap);
    for (int i = 1; i < depth; i++) {
        exv_list *outer = exv_list_new(heap);
        append(outer, inner);
        inner = outer;
    }
    return inner;
}

static void nesting_has_a_limit(void **state)
{
    exv_heap *heap = *state;
    exv_list *deep = nested(heap, EXVI_DEPTH_LIMIT), *twin = nested(heap, EXVI_DEPTH_LIMIT);
    exv_list *deeper = nested(heap, EXVI_DEPTH_LIMIT + 1), *deeper_twin = nested(heap, EXVI_DEPTH_LIMIT + 1);
    exv_str *repr = NULL;
    assert_ok(exv_repr(deep, &repr));
    assert_int_equal(exv_str_size(repr), 2 * EXVI_DEPTH_LIMIT);
    exv_decref(repr);
    repr = NULL;
    assert_int_equal(exv_repr(deeper, &repr), EXV_RECURSION_ERROR);
    assert_null(repr);
    assert_message(heap, "RecursionError: maximum recursion depth exceeded while getting the repr of an object");
    assert_true(equal(deep, twin));
    bool result = false;
    assert_int_equal(exv_equal(deeper, deeper_twin, &result), EXV_RECURSION_ERROR);
    assert_message(heap, "RecursionError: maximum recursion depth exceeded in comparison");
    assert_int_equal(exvi_heap_values(heap)->depth, 0);
    assert_ok(exv_repr(deep, &repr)); /* after a failure as before */
    exv_decref(repr);
    exv_decref(deep);
    exv_decref(twin);
    exv_decref(deeper);
    exv_decref(deeper_twin);
}

static void a_deep_tuple_is_not_hashed(void **state)
{
    exv_heap *heap = *state;
    exv_tuple *inner = exv_tuple_new(heap, NULL, 0);
    for (int i = 1; i < EXVI_DEPTH_LIMIT; i++) {
        exv_tuple *outer = exv_tuple_new(heap, (void *[]){inner}, 1);
        exv_decref(inner);
        inner = outer;
    }
    hash_of(inner);
    exv_tuple *outer = exv_tuple_new(heap, (void *[]){inner}, 1);
    uint64_t hash;
    assert_int_equal(exv_hash(outer, &hash), EXV_RECURSION_ERROR);
    assert_message(heap, "RecursionError: maximum recursion depth exceeded in hashing");
    exv_decref(inner);
    exv_decref(outer);
}

/* A type whose repr shows what it refers to, in a ring of two. */
typedef struct mirror {
    struct mirror *other;
} mirror;

static exv_str *mirror_repr(void *self)
{
    exv_str *repr = NULL;
    return exv_repr(((mirror *)self)->other, &repr) == EXV_OK ? repr : NULL;
}

static int mirror_visit(void *self, exv_visit_fn *visit, void *arg)
{
    return visit(((mirror *)self)->other, arg);
}

static void mirror_clear(void *self)
{
    EXV_CLEAR(((mirror *)self)->other);
}

static const exv_type mirror_type = {
    .name = "mirror", .size = sizeof(mirror), .visit = mirror_visit, .clear = mirror_clear, .repr = mirror_repr};

static void a_ring_is_shown_once(void **state)
{
    exv_heap *heap = *state;
    mirror *a = exv_new(heap, &mirror_type), *b = exv_new(heap, &mirror_type);
    a->other = exv_incref(b);
    b->other = exv_incref(a);
    exv_list *list = exv_list_new(heap);
    append(list, a);
    assert_repr(list, "[...]");
    assert_int_equal(exvi_heap_values(heap)->depth, 0);
    assert_null(exvi_heap_values(heap)->printing);
    exv_decref(list);
    exv_decref(b);
    assert_int_equal(exv_collect(heap, 2), 2);
}

#ifdef EXVI_CHECKED
static exv_status make_repr(void *object)
{
    exv_str *repr = NULL;
    exv_status status = exv_repr(object, &repr);
    exv_decref(repr);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = nested(heap, 3);
    for (int i = 0; i < 100; i++)
        append(list, integer(heap, i)); /* more than a buffer holds without a block */
    append(list, exv_get_none(heap));
    append(list, new_mortal(heap, NULL, NULL, NULL));
    assert_true(fail_each_allocation(heap, list, make_repr, list) > 100);
    assert_int_equal(exvi_heap_values(heap)->depth, 0);
    exv_decref(list);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(singletons),
        value_test(types),
        value_test(str_is_the_text_itself),
        value_test(print_writes_a_line),
        value_test(default_reprs),
        value_test(objects_without_equality_are_equal_to_themselves),
        value_test(a_type_says_what_is_equal),
        value_test(a_type_may_refuse),
        value_test(nesting_has_a_limit),
        value_test(a_deep_tuple_is_not_hashed),
        value_test(a_ring_is_shown_once),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
