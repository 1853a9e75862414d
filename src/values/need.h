/*
 * need: what every function of the values needs: its heap's values, and arguments that are what they should be.
 */
#ifndef EXVI_NEED_H
#define EXVI_NEED_H

#include "object.h"
#include "value.h"

exvi_values *exvi_heap_values(exv_heap *heap);

/* Stop the program if a value is missing, or (checked build) is of another heap than `self`; or if `self` is not of
 * its type. */
void exvi_need_value(const char *function, const void *self, const void *value);
#ifdef EXVI_CHECKED
void exvi_need_type(const char *function, const void *self, const exv_type *type);
#else
#define exvi_need_type(function, self, type) ((void)0)
#endif

/* A type's function that failed, and did not say of what since the number of errors was that, gets words. */
exv_status exvi_told(exv_heap *heap, uint64_t errors_before, exv_status status, const char *what, const void *object);

#endif
