/*
 * sort: a stable merge sort of references, with an order that may fail.
 */
#ifndef EXVI_SORT_H
#define EXVI_SORT_H

#include "exuvia.h"

/* Sort `count` items; `scratch` has room for half of them, rounded up. Asks about n log2 n times, and about once
 * for each item where they are sorted already. Fails as `less` fails: the items are then in some order, each still
 * there. */
exv_status exvi_sort(void **items, void **scratch, size_t count, exv_less_fn *less, void *arg);

#endif
