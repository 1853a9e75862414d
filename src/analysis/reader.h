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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXVI_HEAP_VERSION = 1 };
#define EXVI_NO_NODE UINT32_MAX

enum { /* nflag */
    EXVI_HEAP_GENERATION = 3,
    EXVI_HEAP_TRACKED = 4,
    EXVI_HEAP_GC = 8,
    EXVI_HEAP_DEAD = 16,
    EXVI_HEAP_ESTIMATE = 32,
};

enum { EXVI_TYPE_HEAP = 1, EXVI_TYPE_GC = 2 };

typedef enum exvi_edge_kind {
    EXVI_EDGE_NONE, EXVI_EDGE_INDEX, EXVI_EDGE_ATTRIBUTE, EXVI_EDGE_KEY, EXVI_EDGE_SHOWN, EXVI_EDGE_HIDDEN,
    EXVI_EDGE_INTERNAL, EXVI_EDGE_LOCAL, EXVI_EDGE_WEAK, EXVI_EDGE_CELL, EXVI_EDGE_KINDS,
} exvi_edge_kind;
#define EXVI_EDGE_KIND(label) ((label) >> 28)
#define EXVI_EDGE_VALUE(label) ((label) & 0x0FFFFFFFu)

typedef struct exvi_heap_type {
    uint64_t address;
    uint32_t name, module, node, flags;
    uint64_t basic_size, item_size, zero;
} exvi_heap_type;

typedef struct exvi_heap_root {
    uint32_t group, label, node, zero;
} exvi_heap_root;

typedef struct exvi_heap_code {
    uint32_t node, file, name, line;
} exvi_heap_code;

typedef struct exvi_heap_value {
    uint32_t node, string;
} exvi_heap_value;

typedef struct exvi_heap_bigsize {
    uint64_t node, bytes;
} exvi_heap_bigsize;

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
