#!/usr/bin/env python3
"""Write src/values/printable.c: which characters repr shows as they are, taken from this Python's Unicode database.

Run it with the Python whose repr the library is to match: tools/make_printable.py > src/values/printable.c
"""
import unicodedata

HEAD = """\
/*
 * printable: see printable.h. Made by tools/make_printable.py from the Unicode character database {version}, not by
 * hand.
 *
 * The numbers are where printable and unprintable characters take turns: those below the first are unprintable, those
 * from there to the second printable, and so on. Unprintable are controls, formats, surrogates, private use, what is
 * not assigned, and separators other than the space.
 */
#include "printable.h"

#include <stddef.h>

static const uint32_t turns[] = {{
"""
TAIL = """\
};

bool exvi_is_printable(uint32_t character)
{
    size_t low = 0, high = sizeof turns / sizeof *turns; /* turns[low - 1] <= character < turns[high] */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (turns[middle] <= character)
            low = middle + 1;
        else
            high = middle;
    }
    return low % 2 == 1;
}
"""


def turns():
    printable = False
    for code in range(0x110000):
        if chr(code).isprintable() != printable:
            printable = not printable
            yield code


def main():
    print(HEAD.format(version=unicodedata.unidata_version), end="")
    line = "   "
    for word in (f" {code:#x}," for code in turns()):
        if len(line) + len(word) > 118:
            print(line)
            line = "   "
        line += word
    print(line)
    print(TAIL, end="")


main()
