/*
 * reader: a heap file, mapped and checked. docs/heap-file.md has the format.
 *
 * Everything that an index or an offset may lead to is checked when the file is opened, so that whoever reads it
 * later needs no check of his own: a damaged file is a message, and never more.
 *
 * Types of one module and name are one `kind`, the first of them: a class that a function makes anew at each call is
 * one line to a person.
 *
 * What this does not do: a file that is cut short by somebody else while it is mapped is as with any mapped file.
 */
#ifndef EXVI_READER_H
#define EXVI_READER_H

#include "format.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct exvi_heap_file {
    const char *start;
    size_t bytes;
    uint32_t nodes, types, roots, codes, values, strings;
    size_t bigsizes, info_bytes;
    uint64_t edges;
    const uint64_t *address, *row, *string_row;
    const uint32_t *type_of, *size, *references, *to, *label;
    uint8_t *flags;          /* a copy: graph.h completes what is dead */
    const exvi_heap_bigsize *bigsize;
    const exvi_heap_type *type;
    const exvi_heap_root *root;
    const exvi_heap_code *code;
    const exvi_heap_value *value;
    const char *text, *info;
    uint32_t *kind;          /* type -> the first type of its module and name */
    uint32_t *class_table;   /* a hash table of types by the nodes of their type objects */
    size_t class_room;
    char error[256];         /* why it could not be opened: cause and cure */
} exvi_heap_file;

/* False: `error` says why, and there is nothing to close. */
bool exvi_heap_file_open(exvi_heap_file *file, const char *path);
void exvi_heap_file_close(exvi_heap_file *file);

uint64_t exvi_heap_size(const exvi_heap_file *file, uint32_t node); /* own bytes */
uint32_t exvi_heap_find(const exvi_heap_file *file, uint64_t address); /* or EXVI_NO_NODE */
const exvi_heap_code *exvi_heap_code_of(const exvi_heap_file *file, uint32_t node); /* or NULL */
const exvi_heap_value *exvi_heap_value_of(const exvi_heap_file *file, uint32_t node); /* or NULL */

/* The type whose type object the node is, or UINT32_MAX. */
uint32_t exvi_heap_class(const exvi_heap_file *file, uint32_t node);

static inline uint32_t exvi_heap_kind(const exvi_heap_file *file, uint32_t node)
{
    return file->kind[file->type_of[node]];
}

static inline size_t exvi_string_size(const exvi_heap_file *file, uint32_t string)
{
    return (size_t)(file->string_row[string + 1] - file->string_row[string]);
}

static inline const char *exvi_string_text(const exvi_heap_file *file, uint32_t string)
{
    return file->text + file->string_row[string];
}

bool exvi_string_is(const exvi_heap_file *file, uint32_t string, const char *text);

#endif
