/*
 * printable: the characters that repr shows as they are; the others it escapes. As str.isprintable() of CPython 3.11,
 * whose Unicode version is 14.0: a character assigned since is escaped.
 */
#ifndef EXVI_PRINTABLE_H
#define EXVI_PRINTABLE_H

#include <stdbool.h>
#include <stdint.h>

bool exvi_is_printable(uint32_t character);

#endif
