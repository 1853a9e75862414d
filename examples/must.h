/*
 * must.h: what the examples do with a call that fails: say so and stop.
 */
#ifndef MUST_H
#define MUST_H

#include <exuvia.h>
#include <stdio.h>
#include <stdlib.h>

static inline void must(exv_heap *heap, exv_status status)
{
    if (status != EXV_OK) {
        fprintf(stderr, "%s\n", exv_error_message(heap));
        exit(1);
    }
}

static inline void *made(void *object)
{
    if (!object) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return object;
}

#endif
