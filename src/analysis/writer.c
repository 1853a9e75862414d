/*
 * writer: see writer.h.
 */
#include "writer.h"

#include "files.h"
#include "platform.h"

#include <errno.h>

enum { VERSION = 1, HEADER = 64, PART = 1 << 16, BEHIND = EXVI_COLUMNS };

typedef struct header {
    char magic[8];
    uint32_t version, flags;
    uint64_t nodes, edges, table_offset;
    uint32_t table_count, table_crc;
    char zero[16];
} header;
_Static_assert(sizeof(header) == HEADER && sizeof(exvi_written_section) == 32, "as documented");

static const struct {
    char name[8];
    unsigned width;
} column[EXVI_COLUMNS] = {
    [EXVI_COLUMN_ADDRESS] = {"naddr", 8}, [EXVI_COLUMN_TYPE] = {"ntype", 4}, [EXVI_COLUMN_SIZE] = {"nsize", 4},
    [EXVI_COLUMN_COUNT] = {"nref", 4},    [EXVI_COLUMN_FLAGS] = {"nflag", 1}, [EXVI_COLUMN_ROW] = {"erow", 8},
    [EXVI_COLUMN_TO] = {"edst", 4},       [EXVI_COLUMN_LABEL] = {"elabel", 4},
};

static uint64_t aligned(uint64_t offset)
{
    return (offset + 7) & ~UINT64_C(7);
}

static uint64_t length_of(const exvi_writer *writer, unsigned which)
{
    uint64_t items = which == EXVI_COLUMN_ROW ? writer->nodes + 1
                     : which >= EXVI_COLUMN_TO ? writer->edges : writer->nodes;
    return items * column[which].width;
}

static void name_section(exvi_writer *writer, const char *name)
{
    exvi_written_section *section = &writer->section[writer->sections++];
    *section = (exvi_written_section){.offset = writer->end};
    for (int i = 0; i < 8 && name[i]; i++)
        section->name[i] = name[i];
}

static void write_at(exvi_writer *writer, uint64_t offset, const void *bytes, size_t size)
{
    if (writer->why == 0)
        (void)exvi_file_put(writer->file, offset, bytes, size, &writer->why);
}

static unsigned char *part_of(exvi_writer *writer, unsigned which)
{
    return writer->buffer + (size_t)which * PART;
}

static void flush(exvi_writer *writer, unsigned which, exvi_written_section *section)
{
    size_t size = writer->filled[which];
    if (size == 0)
        return;
    section->crc = exvi_checksum_more(&writer->checksum, section->crc, part_of(writer, which), size);
    write_at(writer, section->offset + section->bytes, part_of(writer, which), size);
    section->bytes += size;
    writer->filled[which] = 0;
}

bool exvi_writer_begin(exvi_writer *writer, int file, uint64_t nodes, uint64_t edges)
{
    *writer = (exvi_writer){.file = file, .nodes = nodes, .edges = edges, .end = HEADER};
    writer->buffer = exvi_map((size_t)(EXVI_COLUMNS + 1) * PART, exvi_page_size());
    if (!writer->buffer)
        return false;
    exvi_checksum_begin(&writer->checksum);
    const header unfinished = {.magic = "EXVHEAP\n", .version = VERSION};
    write_at(writer, 0, &unfinished, sizeof unfinished);
    for (unsigned i = 0; i < EXVI_COLUMNS; i++) {
        name_section(writer, column[i].name);
        writer->end = aligned(writer->end + length_of(writer, i));
    }
    return true;
}

void exvi_writer_put(exvi_writer *writer, exvi_column which, uint64_t value)
{
    unsigned width = column[which].width;
    unsigned char *at = part_of(writer, which) + writer->filled[which];
    for (unsigned i = 0; i < width; i++, value >>= 8)
        at[i] = (unsigned char)value;
    writer->filled[which] += width;
    if (writer->filled[which] == PART)
        flush(writer, which, &writer->section[which]);
}

bool exvi_writer_columns_end(exvi_writer *writer, unsigned first, unsigned last)
{
    for (unsigned i = first; i <= last; i++) {
        flush(writer, i, &writer->section[i]);
        if (writer->section[i].bytes != length_of(writer, i) && writer->why == 0)
            writer->why = EILSEQ;
    }
    return writer->why == 0;
}

void exvi_writer_section(exvi_writer *writer, const char *name)
{
    writer->end = aligned(writer->end);
    name_section(writer, name);
}

void exvi_writer_add(exvi_writer *writer, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    unsigned char *part = part_of(writer, BEHIND);
    for (size_t i = 0; i < size; i++) {
        part[writer->filled[BEHIND]++] = from[i];
        if (writer->filled[BEHIND] == PART)
            flush(writer, BEHIND, &writer->section[writer->sections - 1]);
    }
}

void exvi_writer_section_ends(exvi_writer *writer)
{
    exvi_written_section *section = &writer->section[writer->sections - 1];
    flush(writer, BEHIND, section);
    writer->end = section->offset + section->bytes;
}

bool exvi_writer_end(exvi_writer *writer)
{
    writer->end = aligned(writer->end);
    size_t size = writer->sections * sizeof writer->section[0];
    const header whole = {
        .magic = "EXVHEAP\n", .version = VERSION, .nodes = writer->nodes, .edges = writer->edges,
        .table_offset = writer->end, .table_count = writer->sections,
        .table_crc = exvi_checksum_of(&writer->checksum, writer->section, size),
    };
    write_at(writer, writer->end, writer->section, size);
    write_at(writer, 0, &whole, sizeof whole);
    writer->end += size;
    return writer->why == 0;
}

void exvi_writer_drop(exvi_writer *writer)
{
    if (writer->buffer)
        exvi_unmap(writer->buffer, (size_t)(EXVI_COLUMNS + 1) * PART);
    writer->buffer = NULL;
}
