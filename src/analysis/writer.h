/*
 * writer: a heap file is written, column by column at once (docs/heap-file.md).
 *
 * It makes raw system calls only and allocates nothing but its buffers, so a snapshot child may use it. How long the
 * columns are has to be known before the first word; what comes behind them may be as long as it likes. The header is
 * written last: before, and for ever if anything went wrong, the file says of itself that it is not whole.
 */
#ifndef EXVI_WRITER_H
#define EXVI_WRITER_H

#include "checksum.h"
#include "format.h"

#include <stdbool.h>

typedef struct exvi_writer {
    int file, why;           /* errno of what failed; 0: nothing */
    uint64_t nodes, edges;
    exvi_heap_entry entry[EXVI_SECTIONS]; /* of the table; columns first */
    unsigned sections;
    uint64_t end;            /* of the file so far */
    unsigned char *buffer;   /* a part for each column, and one for the section that is written behind them */
    size_t filled[EXVI_COLUMNS + 1];
    exvi_checksum checksum;
} exvi_writer;

/* The file is open for reading and writing, and empty. False: no memory. */
bool exvi_writer_begin(exvi_writer *writer, int file, uint64_t nodes, uint64_t edges);

/* The next value of a column; of its width. */
void exvi_writer_put(exvi_writer *writer, exvi_section column, uint64_t value);

/* These columns are complete, and can be read from the file. False: something failed. */
bool exvi_writer_columns_end(exvi_writer *writer, exvi_section first, exvi_section last);

/* A section behind the columns, whole or in pieces. */
void exvi_writer_section(exvi_writer *writer, exvi_section section);
void exvi_writer_add(exvi_writer *writer, const void *bytes, size_t size);
void exvi_writer_section_ends(exvi_writer *writer);

/* The same at once; none, where it is empty. */
void exvi_writer_whole(exvi_writer *writer, exvi_section section, const void *bytes, size_t size);

/* The table and the header. False: something failed, which `why` says; the file is not whole. */
bool exvi_writer_end(exvi_writer *writer);

void exvi_writer_drop(exvi_writer *writer); /* its buffers; the file stays open */

#endif
