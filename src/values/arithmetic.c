/*
 * arithmetic: of int, float and bool, as Python has it.
 *
 * A result that does not fit 64 bits is an error, or for the program's own arithmetic, and never a wrong number.
 * Division floors. All results are exact or rounded once, as Python's are: with nothing but the C library, whose fmod()
 * and floor() are elsewhere.
 */
#include "error.h"
#include "need.h"
#include "number.h"

#include <math.h>

/* EXV_OVERFLOW_ERROR, without words: it does not fit. */
typedef exv_status whole_fn(exv_heap *heap, int64_t a, int64_t b, void **result);
typedef exv_status real_fn(exv_heap *heap, double a, double b, double *result);

static exv_status give_int(exv_heap *heap, int64_t value, void **result)
{
    exv_int *made = exv_int_new(heap, value);
    if (!made)
        return EXV_NO_MEMORY;
    *result = made;
    return EXV_OK;
}

static exv_status give_float(exv_heap *heap, double value, void **result)
{
    exv_float *made = exv_float_new(heap, value);
    if (!made)
        return EXV_NO_MEMORY;
    *result = made;
    return EXV_OK;
}

/* ------------------------------------------------------------------ ints */

static exv_status zero_division(exv_heap *heap, const char *what)
{
    return exvi_error(heap, EXV_ZERO_DIVISION_ERROR, "%s", what);
}

static exv_status add_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return EXV_OVERFLOW_ERROR;
    return give_int(heap, sum, result);
}

static exv_status subtract_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return EXV_OVERFLOW_ERROR;
    return give_int(heap, difference, result);
}

static exv_status multiply_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return EXV_OVERFLOW_ERROR;
    return give_int(heap, product, result);
}

static exv_status floor_divide_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    if (b == 0)
        return zero_division(heap, "integer division or modulo by zero");
    if (a == INT64_MIN && b == -1)
        return EXV_OVERFLOW_ERROR;
    bool rounded_up = a % b != 0 && (a < 0) != (b < 0);
    return give_int(heap, a / b - rounded_up, result);
}

static exv_status modulo_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    if (b == 0)
        return zero_division(heap, "integer modulo by zero");
    int64_t rest = b == -1 ? 0 : a % b; /* INT64_MIN % -1 is undefined in C */
    if (rest != 0 && (rest < 0) != (b < 0))
        rest += b;
    return give_int(heap, rest, result);
}

/* Two ints of more than 53 bits would be rounded twice if they were made floats first. The dividend is shifted up to
 * 128 bits, so the quotient has 64 or more; a last bit says whether something is left; then it is rounded once. */
static exv_status divide_whole(exv_heap *heap, int64_t a, int64_t b, void **result)
{
    if (b == 0)
        return zero_division(heap, "division by zero");
    if (a == 0)
        return give_float(heap, b < 0 ? -0.0 : 0.0, result);
    uint64_t above = a < 0 ? 0 - (uint64_t)a : (uint64_t)a, below = b < 0 ? 0 - (uint64_t)b : (uint64_t)b;
    int shift = 64 + __builtin_clzll(above);
    unsigned __int128 dividend = (unsigned __int128)above << shift;
    unsigned __int128 quotient = dividend / below | (dividend % below != 0);
    double value = ldexp((double)quotient, -shift);
    return give_float(heap, (a < 0) != (b < 0) ? -value : value, result);
}

/* ---------------------------------------------------------------- floats */

static exv_status add_real(exv_heap *heap, double a, double b, double *result)
{
    (void)heap;
    *result = a + b;
    return EXV_OK;
}

static exv_status subtract_real(exv_heap *heap, double a, double b, double *result)
{
    (void)heap;
    *result = a - b;
    return EXV_OK;
}

static exv_status multiply_real(exv_heap *heap, double a, double b, double *result)
{
    (void)heap;
    *result = a * b;
    return EXV_OK;
}

static exv_status divide_real(exv_heap *heap, double a, double b, double *result)
{
    if (b == 0)
        return zero_division(heap, "float division by zero");
    *result = a / b;
    return EXV_OK;
}

/* What is left of a positive finite float after division by another: exact. Both are whole numbers of 53 bits times a
 * power of two; the powers are brought together 11 bits at a time. */
static double remainder_of(double a, double b)
{
    int exponent, least;
    uint64_t rest = (uint64_t)ldexp(frexp(a, &exponent), 53), divisor = (uint64_t)ldexp(frexp(b, &least), 53);
    if (exponent < least)
        return a;
    rest %= divisor;
    while (exponent > least) {
        int step = exponent - least < 11 ? exponent - least : 11;
        rest = (rest << step) % divisor;
        exponent -= step;
    }
    return ldexp((double)rest, exponent - 53);
}

/* C's fmod(): what is left has the sign of the dividend. */
static double signed_remainder_of(double a, double b)
{
    if (isnan(a) || isnan(b) || isinf(a))
        return NAN;
    if (a == 0 || isinf(b))
        return a;
    return copysign(remainder_of(fabs(a), fabs(b)), a);
}

/* Python's has the sign of the divisor, also as a zero. */
static exv_status modulo_real(exv_heap *heap, double a, double b, double *result)
{
    if (b == 0)
        return zero_division(heap, "float modulo by zero");
    double rest = signed_remainder_of(a, b);
    if (rest == 0)
        rest = copysign(0, b);
    else if ((rest < 0) != (b < 0))
        rest += b;
    *result = rest;
    return EXV_OK;
}

/* From 2^52 on every float is whole. */
static double floor_of(double value)
{
    if (!(fabs(value) < 4503599627370496.0))
        return value;
    double whole = (double)(int64_t)value;
    return whole > value ? whole - 1 : whole;
}

/* A dividend without its remainder gives a whole number but for rounding: the nearest is meant. */
static exv_status floor_divide_real(exv_heap *heap, double a, double b, double *result)
{
    if (b == 0)
        return zero_division(heap, "float floor division by zero");
    double rest = signed_remainder_of(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (rest < 0) != (b < 0))
        quotient -= 1;
    double whole = floor_of(quotient);
    if (quotient - whole > 0.5)
        whole += 1;
    *result = whole == 0 ? copysign(0, a / b) : whole;
    return EXV_OK;
}

/* ------------------------------------------------------------ operations */

typedef struct operation {
    const char *function, *symbol;
    exv_operation name;
    whole_fn *whole;
    real_fn *real;
} operation;

static const operation addition = {"exv_number_add", "+", EXV_ADD, add_whole, add_real};
static const operation subtraction = {"exv_number_subtract", "-", EXV_SUBTRACT, subtract_whole, subtract_real};
static const operation multiplication = {"exv_number_multiply", "*", EXV_MULTIPLY, multiply_whole, multiply_real};
static const operation division = {"exv_number_divide", "/", EXV_DIVIDE, divide_whole, divide_real};
static const operation floor_division = {"exv_number_floor_divide", "//", EXV_FLOOR_DIVIDE, floor_divide_whole,
                                         floor_divide_real};
static const operation modulo = {"exv_number_modulo", "%", EXV_MODULO, modulo_whole, modulo_real};

static bool is_float(const void *number)
{
    return exv_get_type(number) == &exv_float_type;
}

static int64_t whole_of(const void *number)
{
    return exv_get_type(number) == &exv_bool_type ? exv_bool_value(number) : exv_int_value(number);
}

static double real_of(const void *number)
{
    return is_float(number) ? exv_float_value(number) : (double)whole_of(number);
}

static exv_status overflow(exv_heap *heap, const char *symbol, int64_t a, int64_t b)
{
    return exvi_error(heap, EXV_OVERFLOW_ERROR, "%lld %s %lld does not fit 64 bits", (long long)a, symbol,
                      (long long)b);
}

/* The program's own arithmetic, if there is one. False: there is not, or all it says is that the types do not fit. */
static bool ask(exv_operation name, void *a, void *b, void **result, exv_status *status)
{
    exv_heap *heap = exv_get_heap(a);
    const exvi_values *values = exvi_heap_values(heap);
    if (!values->arithmetic)
        return false;
    void *made = NULL;
    uint64_t errors = exvi_error_count(heap);
    *status = values->arithmetic(heap, name, a, b, &made, values->arithmetic_arg);
    if (*status == EXV_TYPE_ERROR && exvi_error_count(heap) == errors)
        return false;
    exvi_told(heap, errors, *status, "arithmetic", a);
    if (*status == EXV_OK)
        *result = made;
    return true;
}

bool exvi_number_ask_less(void *a, void *b, bool *result, exv_status *status)
{
    void *less = NULL;
    if (!ask(EXV_LESS, a, b, &less, status))
        return false;
    if (*status == EXV_OK)
        *result = exv_bool_value(less);
    exv_decref(less);
    return true;
}

static exv_status operate(const operation *op, void *a, void *b, void **result)
{
    exvi_need_value(op->function, a, b);
    exv_heap *heap = exv_get_heap(a);
    exv_status status;
    if (!exvi_is_number(exv_get_type(a)) || !exvi_is_number(exv_get_type(b))) {
        if (ask(op->name, a, b, result, &status))
            return status;
        return exvi_error(heap, EXV_TYPE_ERROR, "unsupported operand type(s) for %s: '%.99s' and '%.99s'", op->symbol,
                          exvi_type_name(a), exvi_type_name(b));
    }
    if (!is_float(a) && !is_float(b)) {
        status = op->whole(heap, whole_of(a), whole_of(b), result);
        if (status != EXV_OVERFLOW_ERROR || ask(op->name, a, b, result, &status))
            return status;
        return overflow(heap, op->symbol, whole_of(a), whole_of(b));
    }
    double value = 0;
    status = op->real(heap, real_of(a), real_of(b), &value);
    return status == EXV_OK ? give_float(heap, value, result) : status;
}

exv_status exv_number_add(void *a, void *b, void **result)
{
    return operate(&addition, a, b, result);
}

exv_status exv_number_subtract(void *a, void *b, void **result)
{
    return operate(&subtraction, a, b, result);
}

exv_status exv_number_multiply(void *a, void *b, void **result)
{
    return operate(&multiplication, a, b, result);
}

exv_status exv_number_divide(void *a, void *b, void **result)
{
    return operate(&division, a, b, result);
}

exv_status exv_number_floor_divide(void *a, void *b, void **result)
{
    return operate(&floor_division, a, b, result);
}

exv_status exv_number_modulo(void *a, void *b, void **result)
{
    return operate(&modulo, a, b, result);
}

static exv_status operate_on_ints(const char *function, const operation *op, exv_int *a, exv_int *b, exv_int **result)
{
    exvi_need_value(function, a, b);
    exvi_need_type(function, a, &exv_int_type);
    exvi_need_type(function, b, &exv_int_type);
    void *made = NULL;
    exv_status status = op->whole(exv_get_heap(a), exv_int_value(a), exv_int_value(b), &made);
    if (status == EXV_OK)
        *result = made;
    return status == EXV_OVERFLOW_ERROR ? overflow(exv_get_heap(a), op->symbol, exv_int_value(a), exv_int_value(b))
                                        : status;
}

exv_status exv_int_add(exv_int *a, exv_int *b, exv_int **result)
{
    return operate_on_ints(__func__, &addition, a, b, result);
}

exv_status exv_int_subtract(exv_int *a, exv_int *b, exv_int **result)
{
    return operate_on_ints(__func__, &subtraction, a, b, result);
}

exv_status exv_int_multiply(exv_int *a, exv_int *b, exv_int **result)
{
    return operate_on_ints(__func__, &multiplication, a, b, result);
}

exv_status exv_int_floor_divide(exv_int *a, exv_int *b, exv_int **result)
{
    return operate_on_ints(__func__, &floor_division, a, b, result);
}

exv_status exv_int_modulo(exv_int *a, exv_int *b, exv_int **result)
{
    return operate_on_ints(__func__, &modulo, a, b, result);
}

void exv_heap_set_arithmetic(exv_heap *heap, exv_arithmetic_fn *function, void *arg)
{
    exvi_values *values = exvi_heap_values(heap);
    values->arithmetic = function;
    values->arithmetic_arg = arg;
}
