/*
 * bytes: immutable bytes, in one block with their object. hash == 0 means: not computed yet.
 */
#include "error.h"
#include "need.h"
#include "hash.h"
#include "str.h"

#include <string.h>

struct exv_bytes {
    uint64_t hash;
    unsigned char data[];
};

exv_bytes *exv_bytes_new(exv_heap *heap, const void *data, size_t size)
{
    exv_bytes *self = exv_new_var(heap, &exv_bytes_type, size);
    if (!self)
        exvi_no_memory(heap);
    else if (size > 0)
        memcpy(self->data, data, size);
    return self;
}

const unsigned char *exv_bytes_data(const exv_bytes *self)
{
    exvi_need_type(__func__, self, &exv_bytes_type);
    return self->data;
}

size_t exv_bytes_size(const exv_bytes *self)
{
    exvi_need_type(__func__, self, &exv_bytes_type);
    return exv_get_count(self);
}

static void add_byte(exvi_text *text, unsigned char byte, char quote)
{
    char c = (char)byte;
    if (c == '\n')
        exvi_text_add(text, "\\n", 2);
    else if (c == '\r')
        exvi_text_add(text, "\\r", 2);
    else if (c == '\t')
        exvi_text_add(text, "\\t", 2);
    else if (c == '\\' || c == quote)
        exvi_text_add(text, (char[]){'\\', c}, 2);
    else if (byte >= 0x20 && byte < 0x7f)
        exvi_text_add(text, &c, 1);
    else
        exvi_text_format(text, "\\x%02x", byte);
}

static exv_str *bytes_repr(void *object)
{
    const exv_bytes *self = object;
    size_t size = exv_get_count(self);
    char quote = memchr(self->data, '\'', size) && !memchr(self->data, '"', size) ? '"' : '\'';
    exvi_text text;
    exvi_text_begin(&text, exv_get_heap(object));
    exvi_text_add(&text, (char[]){'b', quote}, 2);
    for (size_t i = 0; i < size; i++)
        add_byte(&text, self->data[i], quote);
    exvi_text_add(&text, &quote, 1);
    return exvi_text_take(&text);
}

static exv_status bytes_equal(void *self, void *other, bool *result)
{
    const exv_bytes *a = self, *b = other;
    size_t size = exv_get_count(a);
    *result = size == exv_get_count(b) && memcmp(a->data, b->data, size) == 0;
    return EXV_OK;
}

static exv_status bytes_less(void *self, void *other, bool *result)
{
    const exv_bytes *a = self, *b = other;
    size_t size = exv_get_count(a), other_size = exv_get_count(b);
    int order = memcmp(a->data, b->data, size < other_size ? size : other_size);
    *result = order < 0 || (order == 0 && size < other_size);
    return EXV_OK;
}

static exv_status bytes_hash(void *object, uint64_t *result)
{
    exv_bytes *self = object;
    if (self->hash == 0) {
        exv_heap *heap = exv_get_heap(object);
        uint64_t hash = exvi_hash_bytes(exvi_heap_values(heap)->hash_key, self->data, exv_get_count(self));
        self->hash = hash ? hash : 1;
    }
    *result = self->hash;
    return EXV_OK;
}

const exv_type exv_bytes_type = {
    .name = "bytes",
    .size = sizeof(exv_bytes),
    .item_size = 1,
    .repr = bytes_repr,
    .equal = bytes_equal,
    .hash = bytes_hash,
    .less = bytes_less,
};
