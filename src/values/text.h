/*
 * text: a growing buffer of UTF-8 in which a repr is put together.
 *
 * A failure sticks: after it, everything added is ignored and exvi_text_take() (str.h) gives NULL, so that callers
 * check once.
 */
#ifndef EXVI_TEXT_H
#define EXVI_TEXT_H

#include "exuvia.h"

typedef struct exvi_text {
    exv_heap *heap;
    char *data;        /* `small`, or a block of exv_alloc() */
    size_t size, room;
    bool failed;
    char small[240];
} exvi_text;

void exvi_text_begin(exvi_text *text, exv_heap *heap);
void exvi_text_add(exvi_text *text, const char *data, size_t size);
void exvi_text_add_string(exvi_text *text, const char *string);
void exvi_text_format(exvi_text *text, const char *format, ...) /* at most 255 bytes a call */
    __attribute__((format(printf, 2, 3)));
void exvi_text_end(exvi_text *text); /* gives the buffer back */

#endif
