/*
 * plain_text: see plain_text.h.
 */
#include "plain_text.h"

bool exvi_plain_is(const char *text, const char *other)
{
    while (*text && *text == *other)
        text++, other++;
    return *text == *other;
}

static size_t put_character(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c >= 0xd800 && c < 0xe000)
        c = 0xfffd; /* half a pair */
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    for (size_t i = more; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(first[more] | c);
    return more + 1;
}

size_t exvi_plain_of(PyObject *str, char *to, size_t room)
{
    Py_ssize_t length = PyUnicode_GET_LENGTH(str);
    size_t size = 0;
    for (Py_ssize_t i = 0; i < length && size + 4 <= room; i++)
        size += put_character(to + size, PyUnicode_READ_CHAR(str, i));
    return size;
}

void exvi_plain_c(exvi_plain_text *text, const char *more)
{
    while (*more && text->size < sizeof text->text)
        text->text[text->size++] = *more++;
}

void exvi_plain_str(exvi_plain_text *text, PyObject *more)
{
    size_t room = sizeof text->text - text->size;
    if (PyUnicode_Check(more))
        text->size += exvi_plain_of(more, text->text + text->size, room < EXVI_PLAIN_MOST ? room : EXVI_PLAIN_MOST);
}

void exvi_plain_number(exvi_plain_text *text, uint64_t number)
{
    char digits[24], *at = digits + sizeof digits - 1;
    *at = 0;
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    exvi_plain_c(text, at);
}
