/*
 * text: a growing buffer of UTF-8 in which a repr is put together.
 *
 * A failure sticks: after it, everything added is ignored and exvi_text_take() gives NULL, so that callers check
 * once.
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

/* Add the repr of any object; a failure of it sticks. */
void exvi_text_add_repr(exvi_text *text, void *object);

/* The end of the text: an owned str, or NULL if something failed. Gives the buffer back. */
exv_str *exvi_text_take(exvi_text *text);

#endif
