/*
 * builder: text put together piece by piece.
 *
 * An object that holds a text (text.h) and gives a str at the end. A failure sticks until then, so that a caller may
 * check once; pieces of C text are examined there, since a character may be divided between two.
 */
#include "error.h"
#include "need.h"
#include "str.h"
#include "value.h"

#include <stdarg.h>
#include <stdio.h>

struct exv_builder {
    exvi_text text;
    exv_status status;
};

exv_builder *exv_builder_new(exv_heap *heap)
{
    exv_builder *self = exv_new(heap, &exv_builder_type);
    if (self)
        exvi_text_begin(&self->text, heap);
    else
        exvi_no_memory(heap);
    return self;
}

size_t exv_builder_size(const exv_builder *self)
{
    exvi_need_type(__func__, self, &exv_builder_type);
    return self->text.size;
}

exv_status exv_builder_add(exv_builder *self, const char *utf8, size_t size)
{
    exvi_need_type(__func__, self, &exv_builder_type);
    exvi_text_add(&self->text, utf8, size);
    if (self->text.failed && self->status == EXV_OK)
        self->status = EXV_NO_MEMORY;
    return self->status;
}

/* What shows itself is code of the program, which may add to this builder: its piece goes before. */
exv_status exv_builder_add_value(exv_builder *self, void *value)
{
    exvi_need_type(__func__, self, &exv_builder_type);
    exvi_need_value(__func__, self, value);
    exv_str *shown;
    exv_status status = exv_to_str(value, &shown);
    if (status != EXV_OK && self->status == EXV_OK)
        self->status = status;
    if (status != EXV_OK)
        return self->status;
    status = exv_builder_add(self, exv_str_data(shown), exv_str_size(shown));
    exv_decref(shown);
    return status;
}

exv_status exv_builder_format(exv_builder *self, const char *format, ...)
{
    exvi_need_type(__func__, self, &exv_builder_type);
    char line[256], *long_line = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0)
        return self->status = exvi_error(self->text.heap, EXV_VALUE_ERROR, "the format cannot be printed");
    if ((size_t)size >= sizeof line) {
        long_line = exv_alloc(self->text.heap, (size_t)size + 1);
        if (!long_line)
            return self->status = exvi_no_memory(self->text.heap);
        va_start(arguments, format);
        vsnprintf(long_line, (size_t)size + 1, format, arguments);
        va_end(arguments);
    }
    exv_status status = exv_builder_add(self, long_line ? long_line : line, (size_t)size);
    exv_free(self->text.heap, long_line);
    return status;
}

exv_status exv_builder_finish(exv_builder *self, exv_str **result)
{
    exvi_need_type(__func__, self, &exv_builder_type);
    exv_heap *heap = self->text.heap;
    exv_status status = self->status;
    if (status == EXV_OK)
        status = exv_str_new(heap, self->text.data, self->text.size, result);
    exvi_text_end(&self->text);
    exvi_text_begin(&self->text, heap);
    self->status = EXV_OK;
    return status;
}

static void builder_destroy(void *object)
{
    exv_builder *self = object;
    exvi_text_end(&self->text);
}

const exv_type exv_builder_type = {
    .name = "builder",
    .size = sizeof(exv_builder),
    .destroy = builder_destroy,
};
