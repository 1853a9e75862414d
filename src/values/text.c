/*
 * text: see text.h.
 *
 * Invariant: size <= room, and data is `small` exactly while room == sizeof small. Who adds bytes answers for their
 * being UTF-8 in the end.
 */
#include "text.h"

#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void exvi_text_begin(exvi_text *text, exv_heap *heap)
{
    text->heap = heap;
    text->data = text->small;
    text->size = 0;
    text->room = sizeof text->small;
    text->failed = false;
}

static bool grow(exvi_text *text, size_t wanted)
{
    size_t room = wanted + wanted / 2;
    bool was_small = text->data == text->small;
    char *data = exv_realloc(text->heap, was_small ? NULL : text->data, room);
    if (!data)
        return false;
    if (was_small)
        memcpy(data, text->small, text->size);
    text->data = data;
    text->room = room;
    return true;
}

void exvi_text_add(exvi_text *text, const char *data, size_t size)
{
    if (text->failed)
        return;
    if (size > text->room - text->size && !grow(text, text->size + size)) {
        text->failed = true;
        exvi_no_memory(text->heap);
        return;
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

void exvi_text_add_string(exvi_text *text, const char *string)
{
    exvi_text_add(text, string, strlen(string));
}

void exvi_text_format(exvi_text *text, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    exvi_text_add(text, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

void exvi_text_end(exvi_text *text)
{
    if (text->data != text->small)
        exv_free(text->heap, text->data);
    text->data = text->small;
}
