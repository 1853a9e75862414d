/*
 * int and float: arithmetic to the edges of 64 bits, reprs, equality across types. test_values_against_python.py has
 * thousands of cases more.
 */
#include "value_makers.h"

#include "number.h"
#include "value.h"

#include <math.h>

typedef exv_status operation(exv_int *, exv_int *, exv_int **);

static exv_status compute(exv_heap *heap, operation *op, int64_t a, int64_t b, int64_t *result)
{
    exv_int *left = integer(heap, a), *right = integer(heap, b), *made = NULL;
    exv_status status = op(left, right, &made);
    assert_true((status == EXV_OK) == (made != NULL));
    if (made)
        *result = exv_int_value(made);
    exv_decref(left);
    exv_decref(right);
    exv_decref(made);
    return status;
}

static void assert_gives(exv_heap *heap, operation *op, int64_t a, int64_t b, int64_t expected)
{
    int64_t result = 0;
    assert_ok(compute(heap, op, a, b, &result));
    assert_true(result == expected);
}

static void assert_fails(exv_heap *heap, operation *op, int64_t a, int64_t b, const char *message)
{
    int64_t result = 4711;
    assert_int_not_equal(compute(heap, op, a, b, &result), EXV_OK);
    assert_message(heap, message);
}

static void arithmetic(void **state)
{
    exv_heap *heap = *state;
    assert_gives(heap, exv_int_add, 1000, 337, 1337);
    assert_gives(heap, exv_int_add, INT64_MAX, INT64_MIN, -1);
    assert_gives(heap, exv_int_subtract, INT64_MIN, INT64_MIN, 0);
    assert_gives(heap, exv_int_subtract, -1, INT64_MAX, INT64_MIN);
    assert_gives(heap, exv_int_multiply, INT64_C(3037000499), INT64_C(3037000499), INT64_C(9223372030926249001));
    assert_gives(heap, exv_int_multiply, INT64_MIN, 1, INT64_MIN);
}

static void division_floors(void **state)
{
    exv_heap *heap = *state;
    assert_gives(heap, exv_int_floor_divide, 7, 2, 3);
    assert_gives(heap, exv_int_floor_divide, -7, 2, -4);
    assert_gives(heap, exv_int_floor_divide, 7, -2, -4);
    assert_gives(heap, exv_int_floor_divide, -7, -2, 3);
    assert_gives(heap, exv_int_floor_divide, -8, 2, -4);
    assert_gives(heap, exv_int_floor_divide, INT64_MIN, 1, INT64_MIN);
    assert_gives(heap, exv_int_modulo, 7, 3, 1);
    assert_gives(heap, exv_int_modulo, -7, 3, 2);
    assert_gives(heap, exv_int_modulo, 7, -3, -2);
    assert_gives(heap, exv_int_modulo, -7, -3, -1);
    assert_gives(heap, exv_int_modulo, -6, 3, 0);
    assert_gives(heap, exv_int_modulo, INT64_MIN, -1, 0);
}

static void what_does_not_fit_is_an_error(void **state)
{
    exv_heap *heap = *state;
    assert_fails(heap, exv_int_add, INT64_MAX, 1, "OverflowError: 9223372036854775807 + 1 does not fit 64 bits");
    assert_fails(heap, exv_int_subtract, INT64_MIN, 1, "OverflowError: -9223372036854775808 - 1 does not fit 64 bits");
    assert_fails(heap, exv_int_multiply, INT64_MIN, -1,
                 "OverflowError: -9223372036854775808 * -1 does not fit 64 bits");
    assert_fails(heap, exv_int_floor_divide, INT64_MIN, -1,
                 "OverflowError: -9223372036854775808 // -1 does not fit 64 bits");
    assert_fails(heap, exv_int_floor_divide, 1, 0, "ZeroDivisionError: integer division or modulo by zero");
    assert_fails(heap, exv_int_modulo, 1, 0, "ZeroDivisionError: integer modulo by zero");
}

static void small_ints_exist_once(void **state)
{
    exv_heap *heap = *state;
    for (int64_t value = EXVI_SMALL_INT_MIN; value <= EXVI_SMALL_INT_MAX; value++) {
        exv_int *first = exv_int_new(heap, value);
        assert_int_equal(exv_int_value(first), value);
        assert_ptr_equal(first, exv_int_new(heap, value));
        assert_true(exv_is_immortal(first));
    }
    exv_int *below = integer(heap, EXVI_SMALL_INT_MIN - 1), *above = integer(heap, EXVI_SMALL_INT_MAX + 1);
    assert_int_equal(exv_refcount(below), 1);
    assert_int_equal(exv_refcount(above), 1);
    exv_decref(below);
    exv_decref(above);
}

static void int_reprs(void **state)
{
    exv_heap *heap = *state;
    assert_repr_of_new(integer(heap, 0), "0");
    assert_repr_of_new(integer(heap, -17), "-17");
    assert_repr_of_new(integer(heap, INT64_MAX), "9223372036854775807");
    assert_repr_of_new(integer(heap, INT64_MIN), "-9223372036854775808");
}

static const struct {
    double value;
    const char *repr;
} floats[] = {
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {1.0, "1.0"},
    {-1.5, "-1.5"},
    {0.1, "0.1"},
    {1.0 / 3, "0.3333333333333333"},
    {0.1 + 0.2, "0.30000000000000004"},
    {100.0, "100.0"},
    {123456789.125, "123456789.125"},
    {1e15, "1000000000000000.0"},
    {9999999999999998.0, "9999999999999998.0"},
    {1e16, "1e+16"},
    {1.5e16, "1.5e+16"},
    {1e22, "1e+22"},
    {1e100, "1e+100"},
    {0.0001, "0.0001"},
    {0.00012345678901234567, "0.00012345678901234567"},
    {0.00001, "1e-05"},
    {1.25e-7, "1.25e-07"},
    {5e-324, "5e-324"},
    {1.5e-323, "1.5e-323"},
    {2.2250738585072014e-308, "2.2250738585072014e-308"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {9007199254740993.0, "9007199254740992.0"},
    {5e-310, "5e-310"},
    {0x1p-1017, "7.120236347223045e-307"}, /* the nearest of 16 digits lies below, and too far */
};

static void float_reprs(void **state)
{
    exv_heap *heap = *state;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        assert_repr_of_new(exv_float_new(heap, floats[i].value), floats[i].repr);
    assert_repr_of_new(exv_float_new(heap, INFINITY), "inf");
    assert_repr_of_new(exv_float_new(heap, -INFINITY), "-inf");
    assert_repr_of_new(exv_float_new(heap, NAN), "nan");
    assert_repr_of_new(exv_float_new(heap, -NAN), "nan");
}

static bool int_equals_float(exv_heap *heap, int64_t i, double f)
{
    exv_int *whole = integer(heap, i);
    exv_float *real = exv_float_new(heap, f);
    bool result = equal(whole, real);
    assert_int_equal(equal(real, whole), result);
    if (result)
        assert_true(hash_of(whole) == hash_of(real));
    exv_decref(whole);
    exv_decref(real);
    return result;
}

static void ints_and_floats_compare_exactly(void **state)
{
    exv_heap *heap = *state;
    assert_true(int_equals_float(heap, 1, 1.0));
    assert_true(int_equals_float(heap, 0, -0.0));
    assert_false(int_equals_float(heap, 1, 1.5));
    assert_true(int_equals_float(heap, INT64_C(1) << 53, 9007199254740992.0));
    assert_false(int_equals_float(heap, (INT64_C(1) << 53) + 1, 9007199254740992.0));
    assert_true(int_equals_float(heap, INT64_MIN, -9223372036854775808.0));
    assert_false(int_equals_float(heap, INT64_MAX, 9223372036854775808.0));
    assert_false(int_equals_float(heap, INT64_MIN, -1e300));
    assert_false(int_equals_float(heap, 0, INFINITY));
    assert_false(int_equals_float(heap, 0, NAN));
    assert_false(int_equals_float(heap, INT64_MIN, NAN));
}

static void bools_are_numbers(void **state)
{
    exv_heap *heap = *state;
    exv_bool *yes = exv_get_bool(heap, true), *no = exv_get_bool(heap, false);
    exv_float *one = exv_float_new(heap, 1.0);
    assert_true(equal(yes, integer(heap, 1)));
    assert_true(equal(integer(heap, 0), no));
    assert_true(equal(yes, one));
    assert_false(equal(yes, no));
    assert_false(equal(yes, integer(heap, 2)));
    assert_true(hash_of(yes) == hash_of(one) && hash_of(one) == hash_of(integer(heap, 1)));
    exv_decref(one);
}

static void a_nan_equals_nothing(void **state)
{
    exv_heap *heap = *state;
    exv_float *nan = exv_float_new(heap, NAN), *other = exv_float_new(heap, NAN);
    assert_false(equal(nan, nan));
    assert_false(equal(nan, other));
    assert_true(hash_of(nan) == hash_of(nan));
    assert_true(hash_of(nan) != hash_of(other));
    exv_decref(nan);
    exv_decref(other);
}

#ifdef EXVI_CHECKED
static exv_status add_large(void *arg)
{
    exv_int **operands = arg, *sum = NULL;
    exv_status status = exv_int_add(operands[0], operands[1], &sum);
    assert_true((status == EXV_OK) == (sum != NULL));
    exv_decref(sum);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_int *operands[] = {integer(heap, 1000), integer(heap, 2000)};
    assert_true(fail_each_allocation(heap, operands[0], add_large, operands) == 1);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_null(exv_int_new(heap, 17)); /* the first of its value is made now */
    assert_message(heap, "MemoryError");
    assert_null(exv_float_new(heap, 1.5));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_repr_of_new(integer(heap, 17), "17");
    exv_decref(operands[0]);
    exv_decref(operands[1]);
}
#endif

/* A number of 128 bits, as somebody's arithmetic may have it. */
typedef struct wide {
    __int128 value;
} wide;

static const exv_type wide_type = {.name = "wide", .size = sizeof(wide)};

static __int128 wide_value(const void *object)
{
    return exv_get_type(object) == &wide_type ? ((const wide *)object)->value : exv_int_value(object);
}

static exv_status refusal; /* in place of an answer */
static bool refusal_says;

static exv_status widen(exv_heap *heap, exv_operation name, void *a, void *b, void **result, void *arg)
{
    assert_ptr_equal(arg, &refusal);
    if (refusal != EXV_OK)
        return refusal_says ? exv_raise(heap, refusal, NULL, "no") : refusal;
    if (name == EXV_LESS) {
        *result = exv_incref(exv_get_bool(heap, wide_value(a) < wide_value(b)));
        return EXV_OK;
    }
    __int128 x = wide_value(a), y = wide_value(b);
    __int128 z = name == EXV_ADD ? x + y : name == EXV_SUBTRACT ? x - y : x * y;
    if (z == (int64_t)z) {
        *result = exv_int_new(heap, (int64_t)z);
        return EXV_OK;
    }
    wide *made = exv_new(heap, &wide_type);
    made->value = z;
    *result = made;
    return EXV_OK;
}

static void beyond_64_bits(void **state)
{
    exv_heap *heap = *state;
    exv_int *most = integer(heap, INT64_MAX), *one = integer(heap, 1);
    exv_float *half = exv_float_new(heap, 0.5);
    void *more = NULL, *back = NULL;
    bool less = false;
    assert_int_equal(exv_number_add(most, one, &more), EXV_OVERFLOW_ERROR);
    assert_message(heap, "OverflowError: 9223372036854775807 + 1 does not fit 64 bits");
    exv_heap_set_arithmetic(heap, widen, &refusal);
    assert_ok(exv_number_add(most, one, &more));
    assert_ptr_equal(exv_get_type(more), &wide_type);
    assert_ok(exv_number_subtract(more, one, &back));
    assert_int_equal(exv_int_value(back), INT64_MAX);
    exv_decref(back);
    assert_ok(exv_number_multiply(one, more, &back));
    assert_ptr_equal(exv_get_type(back), &wide_type);
    assert_ok(exv_less(most, more, &less));
    assert_true(less);
    assert_ok(exv_less(more, most, &less));
    assert_false(less);
    exv_int *sum = NULL;
    assert_int_equal(exv_int_add(most, one, &sum), EXV_OVERFLOW_ERROR); /* an int is an int */
    assert_null(sum);
    exv_decref(back);

    refusal = EXV_TYPE_ERROR;
    void *none = one;
    assert_int_equal(exv_number_add(more, half, &none), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: unsupported operand type(s) for +: 'wide' and 'float'");
    assert_int_equal(exv_less(more, half, &less), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: '<' not supported between instances of 'wide' and 'float'");
    refusal_says = true;
    assert_int_equal(exv_number_add(more, half, &none), EXV_TYPE_ERROR);
    assert_message(heap, "TypeError: no");
    refusal = EXV_VALUE_ERROR;
    assert_int_equal(exv_number_add(most, most, &none), EXV_VALUE_ERROR);
    assert_int_equal(exv_less(one, more, &less), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: no");
    refusal_says = false;
    assert_int_equal(exv_number_add(most, most, &none), EXV_VALUE_ERROR);
    assert_message(heap, "ValueError: arithmetic of a 'int' object failed");
    assert_ptr_equal(none, one);
    refusal = EXV_OK;
    exv_heap_set_arithmetic(heap, NULL, NULL);
    assert_int_equal(exv_number_add(more, one, &none), EXV_TYPE_ERROR);
    exv_decref(more);
    exv_decref(most);
    exv_decref(one);
    exv_decref(half);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(arithmetic),
        value_test(division_floors),
        value_test(what_does_not_fit_is_an_error),
        value_test(small_ints_exist_once),
        value_test(int_reprs),
        value_test(float_reprs),
        value_test(ints_and_floats_compare_exactly),
        value_test(bools_are_numbers),
        value_test(beyond_64_bits),
        value_test(a_nan_equals_nothing),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
