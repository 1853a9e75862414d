/*
 * number: what other files need of bool, int and float beyond exuvia.h.
 */
#ifndef EXVI_NUMBER_H
#define EXVI_NUMBER_H

#include "exuvia.h"

/* One of the two that a heap has. NULL: no memory. */
exv_bool *exvi_bool_new(exv_heap *heap, bool value);

/* Enough for any repr of a float, with its NUL. */
#define EXVI_FLOAT_TEXT 32

/* Write Python's repr of a float, whatever the locale; returns its length. */
size_t exvi_float_write(double value, char text[EXVI_FLOAT_TEXT]);

bool exvi_is_number(const exv_type *type); /* bool, int or float */

/* Are two numbers of whatever types equal; is the first less? Exact, also where a float cannot hold the int. */
bool exvi_number_equal(const void *a, const void *b);
bool exvi_number_less(const void *a, const void *b);

/* The same where one operand is a number, by the program's own arithmetic; false: that has no answer. */
bool exvi_number_ask_less(void *a, void *b, bool *result, exv_status *status);

#endif
