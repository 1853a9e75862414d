/*
 * error: see error.h.
 *
 * Invariant: the buffer holds a terminated text, "" until the first failure; text that was valid UTF-8 stays so
 * when cut. Allocates nothing, and runs nobody's code: out of memory can be reported too. What an error carries besides
 * is raise.c's.
 */
#include "exv_heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *exv_error_message(const exv_heap *heap)
{
    return heap->error;
}

/* Python's name of the error; the two that Python does not know are its RuntimeError. */
static const char *name_of(exv_status status)
{
    switch (status) {
    case EXV_OK:
        break;
    case EXV_NO_MEMORY:
        return "MemoryError";
    case EXV_NAME_ERROR:
        return "NameError";
    case EXV_TYPE_ERROR:
        return "TypeError";
    case EXV_VALUE_ERROR:
        return "ValueError";
    case EXV_INDEX_ERROR:
        return "IndexError";
    case EXV_KEY_ERROR:
        return "KeyError";
    case EXV_ATTRIBUTE_ERROR:
        return "AttributeError";
    case EXV_OVERFLOW_ERROR:
        return "OverflowError";
    case EXV_ZERO_DIVISION_ERROR:
        return "ZeroDivisionError";
    case EXV_UNICODE_ERROR:
        return "UnicodeDecodeError";
    case EXV_RECURSION_ERROR:
        return "RecursionError";
    case EXV_OS_ERROR:
        return "OSError";
    case EXV_BUSY:
    case EXV_UNSUPPORTED:
    case EXV_RUNTIME_ERROR:
        return "RuntimeError";
    case EXV_ERROR:
        return "";
    }
    return "SystemError";
}

/* A text that filled the buffer may end inside a character: drop the torn one. */
static void trim_torn_character(char *text)
{
    size_t size = strlen(text);
    size_t start = size;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (size - (start - 1) < wanted)
        text[start - 1] = '\0';
}

/* Each failure ends with this: what the one before it carried is not its value. */
static exv_status note(exv_heap *heap, exv_status status)
{
    heap->error_status = status;
    heap->error_carries = false;
    heap->errors++;
    return status;
}

void exvi_error_forget(exv_heap *heap)
{
    heap->error[0] = '\0';
    heap->error_status = EXV_OK;
    heap->error_carries = false;
}

uint64_t exvi_error_count(const exv_heap *heap)
{
    return heap->errors;
}

exv_status exvi_error_list(exv_heap *heap, exv_status status, const char *format, va_list arguments)
{
    char words[EXVI_ERROR_SIZE]; /* first to here: an argument may lie in the old message */
    vsnprintf(words, sizeof words, format, arguments);
    char *error = heap->error;
    const char *name = name_of(status);
    snprintf(error, EXVI_ERROR_SIZE, "%s%s", name, *name ? ": " : "");
    size_t used = strlen(error);
    size_t fits = strnlen(words, EXVI_ERROR_SIZE - 1 - used);
    memcpy(error + used, words, fits);
    error[used + fits] = '\0';
    trim_torn_character(error);
    return note(heap, status);
}

exv_status exvi_error(exv_heap *heap, exv_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    exvi_error_list(heap, status, format, arguments);
    va_end(arguments);
    return status;
}

void *exvi_too_large(exv_heap *heap, size_t size)
{
    if (size == SIZE_MAX)
        exvi_error(heap, EXV_NO_MEMORY, "more bytes than a size can say");
    else
        exvi_error(heap, EXV_NO_MEMORY, "%zu bytes are more than a block can have", size);
    return NULL;
}

exv_status exvi_no_memory(exv_heap *heap)
{
    size_t limit = heap->blocks.regions.arena.limit_bytes;
    if (limit)
        return exvi_error(heap, EXV_NO_MEMORY, "the heap's limit is %zu bytes", limit);
    snprintf(heap->error, EXVI_ERROR_SIZE, "%s", name_of(EXV_NO_MEMORY));
    return note(heap, EXV_NO_MEMORY);
}
