/*
 * plain_text: names as a snapshot child writes and compares them: UTF-8 in a buffer, without libc, whose functions may
 * be somebody's own.
 */
#ifndef EXVI_PLAIN_TEXT_H
#define EXVI_PLAIN_TEXT_H

#include <Python.h>

#include <stdbool.h>

enum { EXVI_PLAIN_MOST = 400 };   /* bytes of a name */

bool exvi_plain_is(const char *text, const char *other);

/* UTF-8 of a str, as many whole characters as there is room for; how many bytes. Half pairs become U+FFFD. */
size_t exvi_plain_of(PyObject *str, char *to, size_t room);

/* A short text that is put together, from size 0 on; what there is no room for is left out. */
typedef struct exvi_plain_text {
    size_t size;
    char text[3 * EXVI_PLAIN_MOST];
} exvi_plain_text;
void exvi_plain_c(exvi_plain_text *text, const char *more);
void exvi_plain_str(exvi_plain_text *text, PyObject *more); /* EXVI_PLAIN_MOST of it; what is no str is left out, too */
void exvi_plain_number(exvi_plain_text *text, uint64_t number);

#endif
