/*
 * number: bool, int and float.
 *
 * All are immutable and simple. Small ints exist once in a heap and are immortal. What is computed with them:
 * arithmetic.c.
 *
 * The repr of a float is the shortest decimal that reads back as the same float and, among those, the nearest. It
 * is found by trying: the C library rounds correctly both ways.
 */
#include "number.h"

#include "error.h"
#include "hash.h"
#include "need.h"
#include "object.h"
#include "str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct exv_bool {
    bool value;
};

struct exv_int {
    int64_t value;
};

struct exv_float {
    double value;
};

/* ----------------------------------------------------------------- bool */

exv_bool *exvi_bool_new(exv_heap *heap, bool value)
{
    exv_bool *self = exv_new(heap, &exv_bool_type);
    if (self)
        self->value = value;
    return self;
}

bool exv_bool_value(const exv_bool *self)
{
    exvi_need_type(__func__, self, &exv_bool_type);
    return self->value;
}

static exv_str *bool_repr(void *self)
{
    const char *name = ((exv_bool *)self)->value ? "True" : "False";
    return exvi_str_new_valid(exv_get_heap(self), name, strlen(name));
}

static exv_status bool_hash(void *self, uint64_t *result)
{
    *result = ((exv_bool *)self)->value;
    return EXV_OK;
}

/* ------------------------------------------------------------------ int */

static exv_int *new_int(exv_heap *heap, int64_t value)
{
    exv_int *self = exv_new(heap, &exv_int_type);
    if (self)
        self->value = value;
    else
        exvi_no_memory(heap);
    return self;
}

exv_int *exv_int_new(exv_heap *heap, int64_t value)
{
    if (value < EXVI_SMALL_INT_MIN || value > EXVI_SMALL_INT_MAX)
        return new_int(heap, value);
    exv_int **place = &exvi_heap_values(heap)->small[value - EXVI_SMALL_INT_MIN];
    if (!*place) {
        exv_int *small = new_int(heap, value);
        if (!small)
            return NULL;
        exvi_make_own(small);
        *place = small;
    }
    return *place; /* an immortal object needs no counting */
}

int64_t exv_int_value(const exv_int *self)
{
    exvi_need_type(__func__, self, &exv_int_type);
    return self->value;
}

static exv_str *int_repr(void *object)
{
    exvi_text text;
    exvi_text_begin(&text, exv_get_heap(object));
    exvi_text_format(&text, "%lld", (long long)((exv_int *)object)->value);
    return exvi_text_take(&text);
}

static exv_status int_hash(void *object, uint64_t *result)
{
    *result = exvi_hash_int(((exv_int *)object)->value);
    return EXV_OK;
}

/* ---------------------------------------------------------------- float */

exv_float *exv_float_new(exv_heap *heap, double value)
{
    exv_float *self = exv_new(heap, &exv_float_type);
    if (self)
        self->value = value;
    else
        exvi_no_memory(heap);
    return self;
}

double exv_float_value(const exv_float *self)
{
    exvi_need_type(__func__, self, &exv_float_type);
    return self->value;
}

/* The significant digits of a positive float: value == 0.DIGITS * 10^point. */
typedef struct decimal {
    char digits[18];
    int count;
    int point;
} decimal;

/* The value rounded to `count` digits. The locale's decimal point may be anything. */
static void round_to(double value, int count, decimal *result)
{
    char text[48];
    snprintf(text, sizeof text, "%.*e", count - 1, value);
    const char *place = text;
    result->count = 0;
    for (; *place != 'e'; place++)
        if (*place >= '0' && *place <= '9')
            result->digits[result->count++] = *place;
    result->point = atoi(place + 1) + 1;
}

static bool reads_back(double value, const decimal *d)
{
    char text[48];
    snprintf(text, sizeof text, "%.*se%d", d->count, d->digits, d->point - d->count);
    return strtod(text, NULL) == value;
}

/* One more in the last place, unless a digit would carry. */
static bool step_up(decimal *d)
{
    char *last = &d->digits[d->count - 1];
    if (*last == '9')
        return false;
    ++*last;
    return true;
}

/* A float that is not subnormal keeps any 15 digits, so if one of up to 15 digits is the answer, rounding to 15
 * gives it, with zeros at its end. A power of two has its upper neighbour twice as far away as its lower one, so
 * that what lies too far below may still be near enough above. */
static void shortest_digits(double value, decimal *result)
{
    int exponent;
    bool power_of_two = frexp(value, &exponent) == 0.5;
    for (int count = isnormal(value) ? 15 : 1;; count++) {
        round_to(value, count, result);
        if (reads_back(value, result) || (power_of_two && step_up(result) && reads_back(value, result)))
            break;
    }
    while (result->count > 1 && result->digits[result->count - 1] == '0')
        result->count--;
}

static size_t write_exponent(const decimal *d, char *text)
{
    const char *point = d->count > 1 ? "." : "";
    return (size_t)sprintf(text, "%c%s%.*se%+03d", d->digits[0], point, d->count - 1, d->digits + 1, d->point - 1);
}

/* -4 < point <= 16, as Python decides it. */
static size_t write_fixed(const decimal *d, char *text)
{
    if (d->point <= 0)
        return (size_t)sprintf(text, "0.%.*s%.*s", -d->point, "000", d->count, d->digits);
    if (d->point >= d->count)
        return (size_t)sprintf(text, "%.*s%.*s.0", d->count, d->digits, d->point - d->count, "0000000000000000");
    return (size_t)sprintf(text, "%.*s.%.*s", d->point, d->digits, d->count - d->point, d->digits + d->point);
}

size_t exvi_float_write(double value, char text[EXVI_FLOAT_TEXT])
{
    if (isnan(value))
        return (size_t)sprintf(text, "nan");
    size_t sign = signbit(value) != 0;
    if (sign)
        *text++ = '-';
    if (isinf(value))
        return sign + (size_t)sprintf(text, "inf");
    if (value == 0)
        return sign + (size_t)sprintf(text, "0.0");
    decimal d;
    shortest_digits(fabs(value), &d);
    return sign + (d.point > -4 && d.point <= 16 ? write_fixed(&d, text) : write_exponent(&d, text));
}

static exv_str *float_repr(void *object)
{
    char digits[EXVI_FLOAT_TEXT];
    exvi_text text;
    exvi_text_begin(&text, exv_get_heap(object));
    exvi_text_add(&text, digits, exvi_float_write(((exv_float *)object)->value, digits));
    return exvi_text_take(&text);
}

/* A NaN equals nothing, so each may have a hash of its own: they do not pile up in a table. */
static exv_status float_hash(void *object, uint64_t *result)
{
    double value = ((exv_float *)object)->value;
    *result = isnan(value) ? exvi_hash_address(object) : exvi_hash_float(value);
    return EXV_OK;
}

/* ------------------------------------------------------------- equality */

bool exvi_is_number(const exv_type *type)
{
    return type == &exv_int_type || type == &exv_float_type || type == &exv_bool_type;
}

static int64_t whole_value(const void *number)
{
    if (exv_get_type(number) == &exv_bool_type)
        return ((const exv_bool *)number)->value;
    return ((const exv_int *)number)->value;
}

/* 2^63 is the first float beyond the ints; below it, a whole float converts exactly. */
static bool float_equals_int(double value, int64_t whole)
{
    const double end = 9223372036854775808.0;
    return value >= -end && value < end && (double)(int64_t)value == value && (int64_t)value == whole;
}

bool exvi_number_equal(const void *a, const void *b)
{
    bool a_float = exv_get_type(a) == &exv_float_type, b_float = exv_get_type(b) == &exv_float_type;
    if (a_float && b_float)
        return ((const exv_float *)a)->value == ((const exv_float *)b)->value;
    if (a_float)
        return float_equals_int(((const exv_float *)a)->value, whole_value(b));
    if (b_float)
        return float_equals_int(((const exv_float *)b)->value, whole_value(a));
    return whole_value(a) == whole_value(b);
}

/* The whole part of a float is the float itself once the ints are too coarse to tell; NaN is less than nothing. */
static bool float_less_than_int(double value, int64_t whole)
{
    const double end = 9223372036854775808.0;
    if (!(value < end))
        return false;
    if (value < -end)
        return true;
    int64_t part = (int64_t)value;
    return part != whole ? part < whole : value < (double)part;
}

static bool int_less_than_float(int64_t whole, double value)
{
    return !isnan(value) && !float_less_than_int(value, whole) && !float_equals_int(value, whole);
}

bool exvi_number_less(const void *a, const void *b)
{
    bool a_float = exv_get_type(a) == &exv_float_type, b_float = exv_get_type(b) == &exv_float_type;
    if (a_float && b_float)
        return ((const exv_float *)a)->value < ((const exv_float *)b)->value;
    if (a_float)
        return float_less_than_int(((const exv_float *)a)->value, whole_value(b));
    if (b_float)
        return int_less_than_float(whole_value(a), ((const exv_float *)b)->value);
    return whole_value(a) < whole_value(b);
}

static exv_status number_equal(void *self, void *other, bool *result)
{
    *result = exvi_number_equal(self, other);
    return EXV_OK;
}

const exv_type exv_bool_type = {
    .name = "bool",
    .size = sizeof(exv_bool),
    .repr = bool_repr,
    .equal = number_equal,
    .hash = bool_hash,
};

const exv_type exv_int_type = {
    .name = "int",
    .size = sizeof(exv_int),
    .repr = int_repr,
    .equal = number_equal,
    .hash = int_hash,
};

const exv_type exv_float_type = {
    .name = "float",
    .size = sizeof(exv_float),
    .repr = float_repr,
    .equal = number_equal,
    .hash = float_hash,
};
