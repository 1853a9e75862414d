/*
 * writer: see writer.h.
 */
#include "writer.h"

#include "files.h"
#include "platform.h"

#include <errno.h>

enum { HEADER = sizeof(exvi_heap_header), PART = 1 << 16, BEHIND = EXVI_COLUMNS };

static uint64_t aligned(uint64_t offset)
{
    return (offset + 7) & ~UINT64_C(7);
}

static uint64_t length_of(const exvi_writer *writer, exvi_section column)
{
    return exvi_column_items(column, writer->nodes, writer->edges) * exvi_section_forms[column].width;
}

static void name_section(exvi_writer *writer, exvi_section section)
{
    exvi_heap_entry *entry = &writer->entry[writer->sections++];
    const char *name = exvi_section_forms[section].name;
    *entry = (exvi_heap_entry){.offset = writer->end};
    for (int i = 0; i < 8 && name[i]; i++)
        entry->name[i] = name[i];
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

static void flush(exvi_writer *writer, unsigned which, exvi_heap_entry *entry)
{
    size_t size = writer->filled[which];
    if (size == 0)
        return;
    entry->crc = exvi_checksum_more(&writer->checksum, entry->crc, part_of(writer, which), size);
    write_at(writer, entry->offset + entry->bytes, part_of(writer, which), size);
    entry->bytes += size;
    writer->filled[which] = 0;
}

bool exvi_writer_begin(exvi_writer *writer, int file, uint64_t nodes, uint64_t edges)
{
    *writer = (exvi_writer){.file = file, .nodes = nodes, .edges = edges, .end = HEADER};
    writer->buffer = exvi_map((size_t)(EXVI_COLUMNS + 1) * PART, exvi_page_size());
    if (!writer->buffer)
        return false;
    exvi_checksum_begin(&writer->checksum);
    const exvi_heap_header unfinished = {.magic = EXVI_HEAP_MAGIC, .version = EXVI_HEAP_VERSION};
    write_at(writer, 0, &unfinished, sizeof unfinished);
    for (exvi_section i = 0; i < EXVI_COLUMNS; i++) {
        name_section(writer, i);
        writer->end = aligned(writer->end + length_of(writer, i));
    }
    return true;
}

void exvi_writer_put(exvi_writer *writer, exvi_section column, uint64_t value)
{
    unsigned width = exvi_section_forms[column].width;
    unsigned char *at = part_of(writer, column) + writer->filled[column];
    for (unsigned i = 0; i < width; i++, value >>= 8)
        at[i] = (unsigned char)value;
    writer->filled[column] += width;
    if (writer->filled[column] == PART)
        flush(writer, column, &writer->entry[column]);
}

bool exvi_writer_columns_end(exvi_writer *writer, exvi_section first, exvi_section last)
{
    for (exvi_section i = first; i <= last; i++) {
        flush(writer, i, &writer->entry[i]);
        if (writer->entry[i].bytes != length_of(writer, i) && writer->why == 0)
            writer->why = EILSEQ;
    }
    return writer->why == 0;
}

void exvi_writer_section(exvi_writer *writer, exvi_section section)
{
    writer->end = aligned(writer->end);
    name_section(writer, section);
}

void exvi_writer_add(exvi_writer *writer, const void *bytes, size_t size)
{
    const unsigned char *from = bytes;
    unsigned char *part = part_of(writer, BEHIND);
    for (size_t i = 0; i < size; i++) {
        part[writer->filled[BEHIND]++] = from[i];
        if (writer->filled[BEHIND] == PART)
            flush(writer, BEHIND, &writer->entry[writer->sections - 1]);
    }
}

void exvi_writer_section_ends(exvi_writer *writer)
{
    exvi_heap_entry *entry = &writer->entry[writer->sections - 1];
    flush(writer, BEHIND, entry);
    writer->end = entry->offset + entry->bytes;
}

void exvi_writer_whole(exvi_writer *writer, exvi_section section, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    exvi_writer_section(writer, section);
    exvi_writer_add(writer, bytes, size);
    exvi_writer_section_ends(writer);
}

bool exvi_writer_end(exvi_writer *writer)
{
    writer->end = aligned(writer->end);
    size_t size = writer->sections * sizeof writer->entry[0];
    const exvi_heap_header whole = {
        .magic = EXVI_HEAP_MAGIC, .version = EXVI_HEAP_VERSION, .nodes = writer->nodes, .edges = writer->edges,
        .table_offset = writer->end, .table_count = writer->sections,
        .table_crc = exvi_checksum_of(&writer->checksum, writer->entry, size),
    };
    write_at(writer, writer->end, writer->entry, size);
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
