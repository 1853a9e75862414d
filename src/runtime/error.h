/*
 * error: the message of a heap's last failure.
 *
 * A fallible function ends with `return exvi_error(heap, EXV_..., "words")`; the message is the words with Python's
 * name of the error before them. Words that do not fit are cut at a whole character.
 */
#ifndef EXVI_ERROR_H
#define EXVI_ERROR_H

#include "exuvia.h"

#include <stdarg.h>

#define EXVI_ERROR_SIZE 256

/* Set the message; returns `status`, which is not EXV_OK. */
exv_status exvi_error(exv_heap *heap, exv_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

exv_status exvi_error_list(exv_heap *heap, exv_status status, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0), cold));

/* How many failures there were: another number than before means that somebody has set the message. */
uint64_t exvi_error_count(const exv_heap *heap);

/* As if there had been none. */
void exvi_error_forget(exv_heap *heap);

/* The same for exhausted memory; returns EXV_NO_MEMORY. */
exv_status exvi_no_memory(exv_heap *heap) __attribute__((cold));

/* The same for a size over EXV_MAX_SIZE, SIZE_MAX meaning one that overflowed; returns NULL. */
void *exvi_too_large(exv_heap *heap, size_t size) __attribute__((cold));

#endif
