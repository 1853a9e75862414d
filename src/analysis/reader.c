/*
 * reader: see reader.h.
 *
 * From top to bottom: sections, what they must be by themselves, what they must be to each other, kinds, look-ups.
 */
#include "reader.h"

#include "checksum.h"
#include "files.h"
#include "platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAMAGED "the file is damaged: "
#define TOO_MANY "the heap file has more objects or references than this program can number (4 billion in all)"
#define NO_MEMORY "no memory to read the heap file"

typedef struct reading {
    exvi_heap_file *file;
    const exvi_heap_header *head;
    exvi_checksum checksum;
    const void *start[EXVI_SECTIONS];
    uint64_t count[EXVI_SECTIONS]; /* of items */
} reading;

static bool refuse(exvi_heap_file *file, const char *why)
{
    snprintf(file->error, sizeof file->error, "%s", why);
    return false;
}

static bool refuse_section(exvi_heap_file *file, exvi_section section, const char *why)
{
    snprintf(file->error, sizeof file->error, DAMAGED "section %s %s; write it anew",
             exvi_section_forms[section].name, why);
    return false;
}

/* ----------------------------------------------------------------- sections */

static bool check_header(reading *r)
{
    static const char magic[sizeof r->head->magic] = EXVI_HEAP_MAGIC;
    exvi_heap_file *file = r->file;
    r->head = (const exvi_heap_header *)(const void *)file->start;
    if (file->bytes < sizeof *r->head || memcmp(r->head->magic, magic, sizeof magic) != 0)
        return refuse(file, "this is no heap file of Exuvia: it does not begin with EXVHEAP");
    if (r->head->version != EXVI_HEAP_VERSION || r->head->flags != 0) {
        snprintf(file->error, sizeof file->error, "the heap file is of version %" PRIu32 ", and this program reads %d: "
                 "use the Exuvia that wrote it", r->head->version, EXVI_HEAP_VERSION);
        return false;
    }
    if (r->head->table_offset == 0)
        return refuse(file, "the heap file is not whole: its writer has not finished, or was ended; write it anew");
    if (r->head->nodes > UINT32_MAX / 2 || r->head->edges > UINT32_MAX)
        return refuse(file, TOO_MANY);
    file->nodes = (uint32_t)r->head->nodes;
    file->edges = r->head->edges;
    return true;
}

static bool take_section(reading *r, const exvi_heap_entry *at)
{
    exvi_heap_file *file = r->file;
    exvi_section section = 0;
    while (section < EXVI_SECTIONS && strncmp(at->name, exvi_section_forms[section].name, sizeof at->name) != 0)
        section++;
    if (at->offset % 8 != 0 || at->offset > file->bytes || at->bytes > file->bytes - at->offset)
        return refuse(file, DAMAGED "a section lies outside of it; write it anew");
    if (section == EXVI_SECTIONS)
        return true; /* of a later writer */
    if (r->start[section])
        return refuse_section(file, section, "is there twice");
    if (at->bytes % exvi_section_forms[section].width != 0)
        return refuse_section(file, section, "has half an item");
    r->start[section] = file->start + at->offset;
    r->count[section] = at->bytes / exvi_section_forms[section].width;
    if (exvi_checksum_of(&r->checksum, r->start[section], at->bytes) != at->crc)
        return refuse_section(file, section, "has another checksum than it was written with");
    return true;
}

static bool take_sections(reading *r)
{
    exvi_heap_file *file = r->file;
    uint64_t offset = r->head->table_offset, count = r->head->table_count;
    if (offset % 8 != 0 || offset > file->bytes || count > (file->bytes - offset) / sizeof(exvi_heap_entry))
        return refuse(file, DAMAGED "its table lies outside of it; was it copied whole?");
    const exvi_heap_entry *table = (const exvi_heap_entry *)(const void *)(file->start + offset);
    exvi_checksum_begin(&r->checksum);
    if (exvi_checksum_of(&r->checksum, table, count * sizeof *table) != r->head->table_crc)
        return refuse(file, DAMAGED "its table has another checksum than it was written with; write it anew");
    for (uint64_t i = 0; i < count; i++)
        if (!take_section(r, &table[i]))
            return false;
    for (exvi_section section = 0; section < EXVI_NEEDED; section++)
        if (!r->start[section])
            return refuse_section(file, section, "is missing");
    return true;
}

static bool check_counts(reading *r)
{
    const uint64_t nodes = r->head->nodes, edges = r->head->edges;
    for (exvi_section section = 0; section < EXVI_COLUMNS; section++)
        if (r->count[section] != exvi_column_items(section, nodes, edges))
            return refuse_section(r->file, section, "is of another length than the header says");
    if (2 * nodes + edges + r->count[EXVI_ROOTS] > UINT32_MAX - 4096)
        return refuse(r->file, TOO_MANY);
    if (r->count[EXVI_STROFF] < 2)
        return refuse_section(r->file, EXVI_STROFF, "has no string");
    for (exvi_section section = EXVI_TYPES; section < EXVI_SECTIONS; section++)
        if (r->count[section] >= 1u << 31 && section != EXVI_STRBYTE)
            return refuse_section(r->file, section, "is longer than anything can be");
    return true;
}

static void name_sections(reading *r)
{
    exvi_heap_file *file = r->file;
    file->address = r->start[EXVI_NADDR];
    file->type_of = r->start[EXVI_NTYPE];
    file->size = r->start[EXVI_NSIZE];
    file->references = r->start[EXVI_NREF];
    file->row = r->start[EXVI_EROW];
    file->to = r->start[EXVI_EDST];
    file->label = r->start[EXVI_ELABEL];
    file->type = r->start[EXVI_TYPES];
    file->types = (uint32_t)r->count[EXVI_TYPES];
    file->string_row = r->start[EXVI_STROFF];
    file->strings = (uint32_t)(r->count[EXVI_STROFF] - 1);
    file->text = r->start[EXVI_STRBYTE];
    file->root = r->start[EXVI_ROOTS];
    file->roots = (uint32_t)r->count[EXVI_ROOTS];
    file->bigsize = r->start[EXVI_BIGSIZE];
    file->bigsizes = (size_t)r->count[EXVI_BIGSIZE];
    file->code = r->start[EXVI_CODE];
    file->codes = (uint32_t)r->count[EXVI_CODE];
    file->value = r->start[EXVI_VALUES];
    file->values = (uint32_t)r->count[EXVI_VALUES];
    file->info = r->start[EXVI_INFO];
    file->info_bytes = (size_t)r->count[EXVI_INFO];
}

/* --------------------------------------------------- what may lead anywhere */

static bool check_strings(exvi_heap_file *file, uint64_t bytes)
{
    const uint64_t *row = file->string_row;
    if (row[0] != 0 || row[1] != 0 || row[file->strings] != bytes)
        return refuse_section(file, EXVI_STROFF, "does not fit the strings");
    for (uint32_t i = 0; i < file->strings; i++)
        if (row[i] > row[i + 1])
            return refuse_section(file, EXVI_STROFF, "is not in order");
    return true;
}

static bool check_types(exvi_heap_file *file)
{
    for (uint32_t i = 0; i < file->types; i++) {
        const exvi_heap_type *type = &file->type[i];
        if (type->name >= file->strings || type->module >= file->strings ||
            (type->node >= file->nodes && type->node != EXVI_NO_NODE))
            return refuse_section(file, EXVI_TYPES, "leads to what is not there");
    }
    return true;
}

static bool check_nodes(exvi_heap_file *file)
{
    for (uint32_t i = 0; i < file->nodes; i++) {
        if (i > 0 && file->address[i] <= file->address[i - 1])
            return refuse_section(file, EXVI_NADDR, "is not in order");
        if (file->type_of[i] >= file->types)
            return refuse_section(file, EXVI_NTYPE, "leads to what is not there");
        if (file->row[i] > file->row[i + 1])
            return refuse_section(file, EXVI_EROW, "is not in order");
    }
    if (file->row[0] != 0 || file->row[file->nodes] != file->edges)
        return refuse_section(file, EXVI_EROW, "does not fit the references");
    return true;
}

static bool check_edges(exvi_heap_file *file)
{
    for (uint64_t i = 0; i < file->edges; i++) {
        if (file->to[i] >= file->nodes)
            return refuse_section(file, EXVI_EDST, "leads to what is not there");
        uint32_t kind = EXVI_LABEL_KIND(file->label[i]), value = EXVI_LABEL_VALUE(file->label[i]);
        bool is_number = kind == EXVI_LABEL_NONE || kind == EXVI_LABEL_INDEX || kind == EXVI_LABEL_KEY ||
                         kind == EXVI_LABEL_WEAK;
        if (kind >= EXVI_LABEL_KINDS || (!is_number && value >= file->strings))
            return refuse_section(file, EXVI_ELABEL, "leads to what is not there");
    }
    return true;
}

static bool check_roots(exvi_heap_file *file)
{
    for (uint32_t i = 0; i < file->roots; i++) {
        const exvi_heap_root *root = &file->root[i];
        if (root->group >= file->strings || root->label >= file->strings || root->node >= file->nodes)
            return refuse_section(file, EXVI_ROOTS, "leads to what is not there");
    }
    return true;
}

static bool check_lists(exvi_heap_file *file)
{
    for (size_t i = 0; i < file->bigsizes; i++)
        if (file->bigsize[i].node >= file->nodes || (i > 0 && file->bigsize[i].node <= file->bigsize[i - 1].node))
            return refuse_section(file, EXVI_BIGSIZE, "is not in order");
    for (uint32_t i = 0; i < file->codes; i++) {
        const exvi_heap_code *code = &file->code[i];
        if (code->node >= file->nodes || (i > 0 && code->node <= code[-1].node) || code->file >= file->strings ||
            code->name >= file->strings)
            return refuse_section(file, EXVI_CODE, "is not in order");
    }
    for (uint32_t i = 0; i < file->values; i++) {
        const exvi_heap_value *value = &file->value[i];
        if (value->node >= file->nodes || (i > 0 && value->node <= value[-1].node) || value->string >= file->strings)
            return refuse_section(file, EXVI_VALUES, "is not in order");
    }
    return true;
}

static bool copy_flags(exvi_heap_file *file, const uint8_t *flags)
{
    file->flags = exvi_map((size_t)file->nodes + 1, exvi_page_size());
    if (!file->flags)
        return refuse(file, NO_MEMORY);
    memcpy(file->flags, flags, file->nodes);
    return true;
}

/* -------------------------------------------------------------------- kinds */

static bool same_string(const exvi_heap_file *file, uint32_t a, uint32_t b)
{
    size_t size = exvi_string_size(file, a);
    return a == b || (size == exvi_string_size(file, b) &&
                      memcmp(exvi_string_text(file, a), exvi_string_text(file, b), size) == 0);
}

static uint64_t hash_string(const exvi_heap_file *file, uint32_t string, uint64_t hash)
{
    const char *text = exvi_string_text(file, string);
    for (size_t i = 0; i < exvi_string_size(file, string); i++)
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001B3); /* FNV-1a */
    return (hash ^ 0xFF) * UINT64_C(0x100000001B3);
}

static bool find_kinds(exvi_heap_file *file)
{
    size_t room = 16;
    while (room < 2 * (size_t)file->types)
        room *= 2;
    file->kind = exvi_map((file->types + 1) * sizeof *file->kind, exvi_page_size());
    uint32_t *table = exvi_map(room * sizeof *table, exvi_page_size()); /* type + 1; 0: free */
    for (uint32_t i = 0; file->kind && table && i < file->types; i++) {
        const exvi_heap_type *type = &file->type[i];
        size_t place = hash_string(file, type->name, hash_string(file, type->module, UINT64_C(0xCBF29CE484222325)));
        for (place &= room - 1; table[place]; place = (place + 1) & (room - 1)) {
            const exvi_heap_type *other = &file->type[table[place] - 1];
            if (same_string(file, type->name, other->name) && same_string(file, type->module, other->module))
                break;
        }
        if (!table[place])
            table[place] = i + 1;
        file->kind[i] = table[place] - 1;
    }
    if (table)
        exvi_unmap(table, room * sizeof *table);
    return file->kind && table ? true : refuse(file, NO_MEMORY);
}

static size_t class_place(const exvi_heap_file *file, uint32_t node)
{
    return (size_t)(node * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (file->class_room - 1);
}

static bool find_classes(exvi_heap_file *file)
{
    size_t room = 16;
    while (room < 2 * (size_t)file->types)
        room *= 2;
    file->class_room = room;
    file->class_table = exvi_map(room * sizeof *file->class_table, exvi_page_size()); /* type + 1; 0: free */
    for (uint32_t i = 0; file->class_table && i < file->types; i++) {
        if (file->type[i].node == EXVI_NO_NODE)
            continue;
        size_t place = class_place(file, file->type[i].node);
        while (file->class_table[place])
            place = (place + 1) & (room - 1);
        file->class_table[place] = i + 1;
    }
    return file->class_table ? true : refuse(file, NO_MEMORY);
}

/* --------------------------------------------------------------------- open */

bool exvi_heap_file_open(exvi_heap_file *file, const char *path)
{
    int why;
    *file = (exvi_heap_file){0};
    file->start = exvi_file_map(path, &file->bytes, &why);
    if (!file->start)
        return refuse(file, why ? strerror(why) : "the file is empty");
    reading r = {.file = file};
    bool done = check_header(&r) && take_sections(&r) && check_counts(&r);
    if (done) {
        name_sections(&r);
        done = check_strings(file, r.count[EXVI_STRBYTE]) && check_types(file) && check_nodes(file) &&
               check_edges(file) && check_roots(file) && check_lists(file) && find_kinds(file) &&
               find_classes(file) && copy_flags(file, r.start[EXVI_NFLAG]);
    }
    if (!done)
        exvi_heap_file_close(file);
    return done;
}

void exvi_heap_file_close(exvi_heap_file *file)
{
    if (file->kind)
        exvi_unmap(file->kind, (file->types + 1) * sizeof *file->kind);
    if (file->flags)
        exvi_unmap(file->flags, (size_t)file->nodes + 1);
    file->flags = NULL;
    if (file->class_table)
        exvi_unmap(file->class_table, file->class_room * sizeof *file->class_table);
    file->class_table = NULL;
    if (file->start)
        exvi_unmap((void *)(uintptr_t)file->start, file->bytes);
    file->kind = NULL;
    file->start = NULL;
}

/* ----------------------------------------------------------------- look-ups */

/* The item whose first number, of 4 or 8 bytes, is `key`, in a sorted list. */
static const void *find_sorted(const void *list, size_t count, size_t width, size_t key_bytes, uint64_t key)
{
    const char *start = list;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t here = 0;
        memcpy(&here, start + middle * width, key_bytes); /* little-endian: the low bytes come first */
        if (here < key)
            low = middle + 1;
        else
            high = middle;
    }
    uint64_t here = 0;
    if (low < count)
        memcpy(&here, start + low * width, key_bytes);
    return low < count && here == key ? start + low * width : NULL;
}

uint64_t exvi_heap_size(const exvi_heap_file *file, uint32_t node)
{
    if (file->size[node] != UINT32_MAX)
        return file->size[node];
    const exvi_heap_bigsize *big = find_sorted(file->bigsize, file->bigsizes, sizeof *big, 8, node);
    return big ? big->bytes & (UINT64_MAX >> 16) : UINT32_MAX; /* no sum of them wraps around */
}

uint32_t exvi_heap_find(const exvi_heap_file *file, uint64_t address)
{
    const uint64_t *found = find_sorted(file->address, file->nodes, sizeof *found, 8, address);
    return found ? (uint32_t)(found - file->address) : EXVI_NO_NODE;
}

uint32_t exvi_heap_class(const exvi_heap_file *file, uint32_t node)
{
    for (size_t place = class_place(file, node); file->class_table[place]; place = (place + 1) & (file->class_room - 1))
        if (file->type[file->class_table[place] - 1].node == node)
            return file->class_table[place] - 1;
    return UINT32_MAX;
}

const exvi_heap_code *exvi_heap_code_of(const exvi_heap_file *file, uint32_t node)
{
    return find_sorted(file->code, file->codes, sizeof *file->code, 4, node);
}

const exvi_heap_value *exvi_heap_value_of(const exvi_heap_file *file, uint32_t node)
{
    return find_sorted(file->value, file->values, sizeof *file->value, 4, node);
}

bool exvi_string_is(const exvi_heap_file *file, uint32_t string, const char *text)
{
    size_t size = strlen(text);
    return exvi_string_size(file, string) == size && memcmp(exvi_string_text(file, string), text, size) == 0;
}
