/*
 * raise: a program's own errors, and what a failure carries.
 *
 * Invariant: the heap owns a reference to `error_value`, or it is NULL. That is the value of the last failure exactly
 * while `error_carries`: a later failure only takes the mark away, since giving up a reference runs code, which has no
 * place where something just failed.
 */
#include "exv_heap.h"
#include "object.h"

#include <stdarg.h>

/* The old value goes before the new failure is written down: its death may fail, too, and leave another. */
static void give_up_value(exv_heap *heap)
{
    heap->error_carries = false;
    while (heap->error_value)
        EXV_CLEAR(heap->error_value);
}

exv_status exv_raise(exv_heap *heap, exv_status status, void *value, const char *format, ...)
{
    exvi_heap_enter(heap, __func__);
    if (status <= EXV_OK || status > EXV_ERROR)
        exvi_die(__func__, "%d is no error", (int)status);
    exv_incref(value);
    give_up_value(heap);
    va_list arguments;
    va_start(arguments, format);
    exvi_error_list(heap, status, format, arguments);
    va_end(arguments);
    heap->error_value = value;
    heap->error_carries = true;
    exvi_heap_leave(heap);
    return status;
}

exv_status exv_error_status(const exv_heap *heap)
{
    return heap->error_status;
}

void *exv_error_get_value(const exv_heap *heap)
{
    return heap->error_carries ? heap->error_value : NULL;
}

void exv_error_clear(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    give_up_value(heap);
    exvi_error_forget(heap);
    exvi_heap_leave(heap);
}
