/*
 * tuple: what other files need of tuples beyond exuvia.h.
 */
#ifndef EXVI_TUPLE_H
#define EXVI_TUPLE_H

#include "exuvia.h"

/* Can it be part of a cycle as far as is known now? Not a simple value, not a tuple of such. */
bool exvi_may_cycle(const void *object);

#endif
