/*
 * need: what every function of the values needs: its heap's values, the name of an object's type for messages, and
 * arguments that are what they should be.
 */
#ifndef EXVI_NEED_H
#define EXVI_NEED_H

#include "value.h"

exvi_values *exvi_heap_values(exv_heap *heap);

/* The name of an object's type as messages give it; of an instance, its class. Borrowed. */
const char *exvi_type_name(const void *object);

/* Stop the program if a value is missing, or (checked build) is of another heap than `self`; or if `self` is not of
 * its type. */
void exvi_need_value(const char *function, const void *self, const void *value);
#ifdef EXVI_CHECKED
void exvi_need_type(const char *function, const void *self, const exv_type *type);
#else
#define exvi_need_type(function, self, type) ((void)0)
#endif

#endif
