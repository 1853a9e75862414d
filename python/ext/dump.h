/*
 * dump: all objects of the process in a heap file, written in a snapshot child (docs/heap-file.md).
 *
 * The child finds the objects twice: once to know which there are, following references from the collector's lists, and
 * once in the order of memory, to write them down. It takes no lock, runs no Python code and allocates nothing for each
 * object but room in tables. A dump takes some 20 bytes of memory for each object, beside the pages that are copied.
 */
#ifndef EXVI_DUMP_H
#define EXVI_DUMP_H

#include "layout.h"

/* (file, info, values, asked, at_exit) -> (objects, references, bytes of the file, nanoseconds the program stood still,
 * nanoseconds of the child's CPU). A descriptor of an empty file, open for reading and writing; `info` is its section
 * of that name, as bytes, which ends with an object, `memory`: to its fields the child adds those that it knows.
 * OSError with the child's errno, ENOMEM included, or RuntimeError: no child can be had. Waits without the GIL; where
 * `asked`, until it is given up. `at_exit` is a function that atexit has, by which the others are found. */
PyObject *exvi_dump(const exvi_layout *layout, PyObject *args, bool (*is_given_up)(void));

#endif
