/*
 * format: the heap file as it stands on the disk, for who writes and who reads it. docs/heap-file.md tells what each
 * part means. Little-endian; a file begins with the header, and sections stand where the table says.
 */
#ifndef EXVI_FORMAT_H
#define EXVI_FORMAT_H

#include <stdint.h>

#define EXVI_HEAP_MAGIC {'E', 'X', 'V', 'H', 'E', 'A', 'P', '\n'} /* no string: without a NUL */
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

typedef enum exvi_label_kind {
    EXVI_LABEL_NONE, EXVI_LABEL_INDEX, EXVI_LABEL_ATTRIBUTE, EXVI_LABEL_KEY, EXVI_LABEL_SHOWN, EXVI_LABEL_HIDDEN,
    EXVI_LABEL_INTERNAL, EXVI_LABEL_LOCAL, EXVI_LABEL_WEAK, EXVI_LABEL_CELL, EXVI_LABEL_KINDS,
} exvi_label_kind;
#define EXVI_LABEL_KIND(label) ((label) >> 28)
#define EXVI_LABEL_VALUE(label) ((label) & 0x0FFFFFFFu)

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

typedef struct exvi_heap_header {
    char magic[8];
    uint32_t version, flags;
    uint64_t nodes, edges, table_offset; /* the last one is 0 until the file is whole */
    uint32_t table_count, table_crc;
    uint8_t zero[16];
} exvi_heap_header;

typedef struct exvi_heap_entry { /* of the table */
    char name[8];
    uint64_t offset, bytes;
    uint32_t crc, zero;
} exvi_heap_entry;

/* Columns are as long as the header says; a file has all before NEEDED. */
typedef enum exvi_section {
    EXVI_NADDR, EXVI_NTYPE, EXVI_NSIZE, EXVI_NREF, EXVI_NFLAG, EXVI_EROW, EXVI_EDST, EXVI_ELABEL, EXVI_COLUMNS,
    EXVI_TYPES = EXVI_COLUMNS, EXVI_STROFF, EXVI_STRBYTE, EXVI_NEEDED,
    EXVI_ROOTS = EXVI_NEEDED, EXVI_BIGSIZE, EXVI_CODE, EXVI_VALUES, EXVI_INFO, EXVI_SECTIONS
} exvi_section;

typedef struct exvi_section_form {
    const char *name;
    unsigned width;          /* bytes of an item */
} exvi_section_form;
extern const exvi_section_form exvi_section_forms[EXVI_SECTIONS];

/* Items of a column in a file of so many objects and references. */
uint64_t exvi_column_items(exvi_section column, uint64_t nodes, uint64_t edges);

#endif
