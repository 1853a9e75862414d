/*
 * str: immutable text in UTF-8, in one block with its object.
 *
 *     | hash 8 | size 8 | ascii 1 | data ... NUL |
 *
 * Invariants: the data is valid UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing beyond U+10FFFF) and ends
 * with a NUL that is not counted; hash == 0 means: not computed yet. Characters are counted when asked for.
 */
#define _GNU_SOURCE /* memmem() */
#include "str.h"

#include "error.h"
#include "need.h"
#include "hash.h"
#include "printable.h"

#include <string.h>

struct exv_str {
    uint64_t hash;
    size_t size;
    bool ascii;
    char data[];
};

/* ----------------------------------------------------------------- UTF-8 */

static bool is_ascii(const char *data, size_t size)
{
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, data + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            return false;
    }
    for (; i < size; i++)
        if ((unsigned char)data[i] & 0x80)
            return false;
    return true;
}

/* The bytes of the character that begins with `lead`; 0: none does. */
static size_t width_of(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2 || lead > 0xf4)
        return 0;
    return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* May `next` be the second byte after `lead`? Here overlong forms, surrogates and what is too large are kept out. */
static bool may_follow(unsigned char lead, unsigned char next)
{
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    return next >= low && next <= high;
}

/* How many bytes from `start` on belong to one character, as far as they are valid. */
static size_t valid_bytes(const unsigned char *start, size_t room)
{
    size_t width = width_of(*start);
    size_t valid = width > 0;
    while (valid < width && valid < room &&
           (valid == 1 ? may_follow(start[0], start[1]) : (start[valid] & 0xc0) == 0x80))
        valid++;
    return valid;
}

static exv_status refuse(exv_heap *heap, const unsigned char *data, size_t size, size_t at)
{
    size_t valid = valid_bytes(data + at, size - at);
    const char *why = valid == 0          ? "invalid start byte"
                      : valid < size - at ? "invalid continuation byte"
                                          : "unexpected end of data";
    if (valid <= 1)
        return exvi_error(heap, EXV_UNICODE_ERROR, "'utf-8' codec can't decode byte 0x%02x in position %zu: %s",
                          data[at], at, why);
    return exvi_error(heap, EXV_UNICODE_ERROR, "'utf-8' codec can't decode bytes in position %zu-%zu: %s", at,
                      at + valid - 1, why);
}

/* The first place from which on the bytes are not UTF-8; `size` if all are. */
static size_t find_invalid(const unsigned char *data, size_t size)
{
    size_t at = 0;
    while (at < size) {
        if (data[at] < 0x80) {
            at++;
            continue;
        }
        size_t valid = valid_bytes(data + at, size - at);
        if (valid == 0 || valid < width_of(data[at]))
            break;
        at += valid;
    }
    return at;
}

exv_status exvi_utf8_check(exv_heap *heap, const char *utf8, size_t size)
{
    if (is_ascii(utf8, size))
        return EXV_OK;
    size_t at = find_invalid((const unsigned char *)utf8, size);
    return at == size ? EXV_OK : refuse(heap, (const unsigned char *)utf8, size, at);
}

/* The character at *place of valid text, which moves on. */
static uint32_t next_character(const unsigned char **place)
{
    const unsigned char *p = *place;
    size_t width = width_of(*p);
    *place += width;
    if (width == 1)
        return p[0];
    if (width == 2)
        return (p[0] & 0x1fu) << 6 | (p[1] & 0x3fu);
    if (width == 3)
        return (p[0] & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
    return (p[0] & 0x07u) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
}

/* ---------------------------------------------------------------- making */

/* Data to be filled in; the terminating NUL is there. */
static exv_str *new_blank(exv_heap *heap, size_t size)
{
    exv_str *self = size < EXV_MAX_SIZE ? exv_new_var(heap, &exv_str_type, size + 1) : NULL;
    if (self)
        self->size = size;
    else
        exvi_no_memory(heap);
    return self;
}

exv_str *exvi_str_new_valid(exv_heap *heap, const char *utf8, size_t size)
{
    exv_str *self = new_blank(heap, size);
    if (!self)
        return NULL;
    if (size > 0)
        memcpy(self->data, utf8, size);
    self->ascii = is_ascii(self->data, size);
    return self;
}

exv_str *exvi_text_take(exvi_text *text)
{
    exv_str *result = text->failed ? NULL : exvi_str_new_valid(text->heap, text->data, text->size);
    exvi_text_end(text);
    return result;
}

exv_status exv_str_new(exv_heap *heap, const char *utf8, size_t size, exv_str **result)
{
    exv_status status = exvi_utf8_check(heap, utf8, size);
    if (status != EXV_OK)
        return status;
    exv_str *self = exvi_str_new_valid(heap, utf8, size);
    if (!self)
        return EXV_NO_MEMORY;
    *result = self;
    return EXV_OK;
}

exv_status exv_str_from(exv_heap *heap, const char *utf8, exv_str **result)
{
    return exv_str_new(heap, utf8, strlen(utf8), result);
}

exv_status exv_str_concat(exv_str *a, exv_str *b, exv_str **result)
{
    exvi_need_type(__func__, a, &exv_str_type);
    exvi_need_type(__func__, b, &exv_str_type);
    if (a->size == 0 || b->size == 0) {
        *result = exv_incref(a->size == 0 ? b : a);
        return EXV_OK;
    }
    exv_str *self = new_blank(exv_get_heap(a), a->size + b->size); /* both < EXV_MAX_SIZE: no overflow */
    if (!self)
        return EXV_NO_MEMORY;
    memcpy(self->data, a->data, a->size);
    memcpy(self->data + a->size, b->data, b->size);
    self->ascii = a->ascii && b->ascii;
    *result = self;
    return EXV_OK;
}

/* Each is a str: else Python's message. Their sizes are added to *size, which may not wrap. */
static exv_status measure(exv_heap *heap, void *const *items, size_t count, size_t *size)
{
    for (size_t i = 0; i < count; i++) {
        if (exv_get_type(items[i]) != &exv_str_type)
            return exvi_error(heap, EXV_TYPE_ERROR, "sequence item %zu: expected str instance, %.99s found", i,
                              exvi_type_name(items[i]));
        if (__builtin_add_overflow(*size, ((const exv_str *)items[i])->size, size))
            return exvi_no_memory(heap);
    }
    return EXV_OK;
}

/* No code runs while items are read: they may be those of a list. */
exv_status exv_str_join(exv_str *separator, void *const *items, size_t count, exv_str **result)
{
    exvi_need_type(__func__, separator, &exv_str_type);
    exv_heap *heap = exv_get_heap(separator);
    size_t size = 0;
    if (count > 1 && __builtin_mul_overflow(separator->size, count - 1, &size))
        return exvi_no_memory(heap);
    exv_status status = measure(heap, items, count, &size);
    exv_str *self = status == EXV_OK ? new_blank(heap, size) : NULL;
    if (!self)
        return status == EXV_OK ? EXV_NO_MEMORY : status;
    char *end = self->data;
    self->ascii = true;
    for (size_t i = 0; i < count; i++) {
        const exv_str *parts[] = {separator, items[i]};
        for (size_t k = i == 0; k < 2; k++) {
            memcpy(end, parts[k]->data, parts[k]->size);
            end += parts[k]->size;
            self->ascii = self->ascii && parts[k]->ascii;
        }
    }
    *result = self;
    return EXV_OK;
}

/* Where the character of this number begins; at most at the end. */
static size_t offset_of(const exv_str *self, size_t place)
{
    if (self->ascii)
        return place < self->size ? place : self->size;
    size_t offset = 0;
    for (; place > 0 && offset < self->size; place--)
        offset += width_of((unsigned char)self->data[offset]);
    return offset;
}

exv_status exv_str_slice(exv_str *self, ptrdiff_t start, ptrdiff_t stop, exv_str **result)
{
    exvi_need_type(__func__, self, &exv_str_type);
    size_t length = exv_str_length(self);
    size_t from = offset_of(self, exvi_slice_place(start, length));
    size_t to = offset_of(self, exvi_slice_place(stop, length));
    if (from == 0 && to == self->size) {
        *result = exv_incref(self);
        return EXV_OK;
    }
    exv_str *slice = exvi_str_new_valid(exv_get_heap(self), self->data + from, from < to ? to - from : 0);
    if (!slice)
        return EXV_NO_MEMORY;
    *result = slice;
    return EXV_OK;
}

/* --------------------------------------------------------------- reading */

const char *exv_str_data(const exv_str *self)
{
    exvi_need_type(__func__, self, &exv_str_type);
    return self->data;
}

size_t exv_str_size(const exv_str *self)
{
    exvi_need_type(__func__, self, &exv_str_type);
    return self->size;
}

/* Characters of valid text. */
static size_t count_characters(const char *data, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < size; i++)
        length += ((unsigned char)data[i] & 0xc0) != 0x80;
    return length;
}

size_t exv_str_length(const exv_str *self)
{
    exvi_need_type(__func__, self, &exv_str_type);
    return self->ascii ? self->size : count_characters(self->data, self->size);
}

ptrdiff_t exv_str_find(const exv_str *self, const exv_str *part, ptrdiff_t start)
{
    exvi_need_type(__func__, self, &exv_str_type);
    exvi_need_type(__func__, part, &exv_str_type);
    size_t length = exv_str_length(self);
    if (start > 0 && (size_t)start > length)
        return -1;
    size_t from = offset_of(self, exvi_slice_place(start, length));
    const char *found = memmem(self->data + from, self->size - from, part->data, part->size);
    if (!found)
        return -1;
    size_t offset = (size_t)(found - self->data);
    return (ptrdiff_t)(self->ascii ? offset : count_characters(self->data, offset));
}

/* UTF-8 is in the order of the characters. */
int exv_str_compare(const exv_str *a, const exv_str *b)
{
    exvi_need_type(__func__, a, &exv_str_type);
    exvi_need_type(__func__, b, &exv_str_type);
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    if (order == 0)
        order = (a->size > b->size) - (a->size < b->size);
    return (order > 0) - (order < 0);
}

bool exvi_str_is(const exv_str *self, const char *utf8, size_t size)
{
    return self->size == size && memcmp(self->data, utf8, size) == 0;
}

bool exvi_str_has(const exv_str *self, uint64_t hash, const char *utf8, size_t size)
{
    return (self->hash == hash || self->hash == 0) && exvi_str_is(self, utf8, size);
}

/* ------------------------------------------------ repr, equality, hashing */

static char quote_of(const exv_str *self)
{
    bool has_single = memchr(self->data, '\'', self->size) != NULL;
    bool has_double = memchr(self->data, '"', self->size) != NULL;
    return has_single && !has_double ? '"' : '\'';
}

static void add_escape(exvi_text *text, uint32_t character)
{
    if (character == '\n')
        exvi_text_add(text, "\\n", 2);
    else if (character == '\r')
        exvi_text_add(text, "\\r", 2);
    else if (character == '\t')
        exvi_text_add(text, "\\t", 2);
    else if (character < 0x100)
        exvi_text_format(text, "\\x%02x", character);
    else if (character < 0x10000)
        exvi_text_format(text, "\\u%04x", character);
    else
        exvi_text_format(text, "\\U%08x", character);
}

static exv_str *str_repr(void *object)
{
    const exv_str *self = object;
    const unsigned char *place = (const unsigned char *)self->data, *end = place + self->size;
    char quote = quote_of(self);
    exvi_text text;
    exvi_text_begin(&text, exv_get_heap(object));
    exvi_text_add(&text, &quote, 1);
    while (place < end) {
        const unsigned char *start = place;
        uint32_t character = next_character(&place);
        if (character == '\\' || character == (unsigned char)quote)
            exvi_text_add(&text, "\\", 1);
        if (exvi_is_printable(character))
            exvi_text_add(&text, (const char *)start, (size_t)(place - start));
        else
            add_escape(&text, character);
    }
    exvi_text_add(&text, &quote, 1);
    return exvi_text_take(&text);
}

static exv_status str_equal(void *object, void *other, bool *result)
{
    const exv_str *a = object, *b = other;
    *result = exvi_str_is(a, b->data, b->size);
    return EXV_OK;
}

static exv_status str_less(void *object, void *other, bool *result)
{
    *result = exv_str_compare(object, other) < 0;
    return EXV_OK;
}

uint64_t exvi_str_hash_of(exv_heap *heap, const char *utf8, size_t size)
{
    uint64_t hash = exvi_hash_bytes(exvi_heap_values(heap)->hash_key, utf8, size);
    return hash ? hash : 1; /* 0 is kept for: not computed */
}

static exv_status str_hash(void *object, uint64_t *result)
{
    exv_str *self = object;
    if (self->hash == 0)
        self->hash = exvi_str_hash_of(exv_get_heap(object), self->data, self->size);
    *result = self->hash;
    return EXV_OK;
}

const exv_type exv_str_type = {
    .name = "str",
    .size = offsetof(exv_str, data),
    .item_size = 1,
    .repr = str_repr,
    .equal = str_equal,
    .hash = str_hash,
    .less = str_less,
};
