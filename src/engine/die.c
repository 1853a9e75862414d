/*
 * die: the end of a program that misused the library. See die.h.
 *
 * The line is put together on the stack and written with one write(2), so that it comes out whole even when the
 * heap, the C library's streams or another thread are in disorder. That one system call stays here because this file
 * lies below platform, which uses it.
 */
#include "die.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the text written so far ends: snprintf's result counts what did not fit, too. */
static size_t end_of(size_t start, int written, size_t room)
{
    size_t end = start + (written > 0 ? (size_t)written : 0);
    return end < room ? end : room - 1;
}

static bool by_trap;

void exvi_die_by_trap(void)
{
    by_trap = true;
}

void exvi_die(const char *function, const char *format, ...)
{
    char line[512];
    size_t room = sizeof line - 1; /* one byte for the newline */
    size_t end = end_of(0, snprintf(line, room, "exuvia: %s: ", function), room);

    va_list arguments;
    va_start(arguments, format);
    end = end_of(end, vsnprintf(line + end, room - end, format, arguments), room);
    va_end(arguments);

    line[end] = '\n';
    ssize_t written = write(STDERR_FILENO, line, end + 1);
    (void)written; /* nothing can be done about a closed standard error */
    if (by_trap)
        __builtin_trap();
    abort();
}
