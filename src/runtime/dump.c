/*
 * dump: see dump.h.
 *
 * What is dead is found as a collection would find it: of all objects, those that no reference from outside leads to,
 * nor one of an object that collections do not look at.
 */
#include "dump.h"

#include "files.h"
#include "inside.h"
#include "interned.h"
#include "platform.h"
#include "references.h"
#include "writer.h"

#include <errno.h>
#include <string.h>

enum { ALIVE = 64, PATIENCE = 1 << 14 }; /* a flag that is not for the file */
#define WAIT_NS UINT64_C(600000000000)

typedef struct named_type {
    const exv_type *type;
    uint32_t name, hidden;   /* strings; the second for keys of the type: "[str]" */
} named_type;

typedef struct dumper {
    exv_heap *heap;
    exvi_answer *answer;     /* NULL: in place */
    exvi_inside inside;
    void **stack;            /* of marking */
    size_t depth;
    uint64_t edges;          /* written */
    exvi_names strings;      /* and types */
    exvi_array root, big;
    exvi_writer writer;
    bool failed;             /* no memory */
} dumper;

static bool is_stopped(void *arg)
{
    const dumper *d = arg;
    return d->answer && exvi_answer_stopped(d->answer);
}

static bool goes_on(dumper *d, uint32_t number)
{
    return !d->failed && !d->strings.failed && (number % PATIENCE != 0 || !is_stopped(d));
}

/* -------------------------------------------------------------- what is alive */

static int mark(void *object, void *arg)
{
    dumper *d = arg;
    uint32_t number = exvi_inside_number(&d->inside, object);
    if (number != UINT32_MAX && !(d->inside.flags[number] & ALIVE)) {
        d->inside.flags[number] |= ALIVE;
        d->stack[d->depth++] = object;
    }
    return 0;
}

/* Collections do not look at it: what it refers to is held, whatever holds it. */
static bool is_out_of_sight(const exvi_header *header)
{
    return header->flags & EXVI_FROZEN ||
           (exvi_type_refers(header->type) && !(header->flags & (EXVI_TRACKED | EXVI_UNREACHABLE | EXVI_DYING)));
}

static bool mark_from(void *arg, uint32_t number, void *object)
{
    dumper *d = arg;
    const exvi_header *header = exvi_header_of(object);
    if (header->flags & EXVI_FROZEN || exvi_inside_held(&d->inside, number, object))
        mark(object, d);
    if (is_out_of_sight(header))
        exvi_object_visit(object, mark, d);
    while (d->depth > 0)
        exvi_object_visit(d->stack[--d->depth], mark, d);
    return goes_on(d, number);
}

static bool find_living(dumper *d)
{
    size_t size = (d->inside.count + 1) * sizeof *d->stack;
    d->stack = exvi_map(size, exvi_page_size());
    bool done = d->stack && exvi_inside_each(&d->inside, mark_from, d);
    if (d->stack)
        exvi_unmap(d->stack, size);
    return done;
}

/* ------------------------------------------------------------ types and names */

static named_type *type_at(const dumper *d, uint32_t number)
{
    return (named_type *)(void *)d->strings.type.item + number;
}

/* "[str]" */
static uint32_t hidden_name(dumper *d, const char *name)
{
    char text[84] = "[";
    size_t size = 1;
    for (; *name && size < sizeof text - 1; size++)
        text[size] = *name++;
    text[size++] = ']';
    return exvi_name(&d->strings, text, size);
}

static uint32_t new_type(dumper *d, exvi_name_slot *at, uint64_t hash, const named_type *entry)
{
    named_type *to = exvi_array_next(&d->strings.type);
    if (!to) {
        d->failed = true;
        return 0;
    }
    *to = *entry;
    *at = (exvi_name_slot){hash, (uint32_t)d->strings.type.count};
    d->strings.types.used++;
    return at->number - 1;
}

static uint32_t type_of(dumper *d, void *object)
{
    const exv_type *type = exvi_header_of(object)->type;
    const char *class_name = exvi_type_name(object);
    uint32_t name = exvi_name_c(&d->strings, class_name);
    uint64_t hash = exvi_name_mix((uintptr_t)type + name * UINT64_C(0x9e3779b97f4a7c15));
    if (!exvi_name_table_room(&d->strings.types)) {
        d->failed = true;
        return 0;
    }
    exvi_name_slot *at;
    for (size_t i = 0; (at = exvi_name_slot_at(&d->strings.types, hash, i))->number; i++)
        if (type_at(d, at->number - 1)->type == type && type_at(d, at->number - 1)->name == name)
            return at->number - 1;
    return new_type(d, at, hash, &(named_type){type, name, hidden_name(d, class_name)});
}

/* The references of exv_references in the order in which exvi_fields() has them. */
static void name_field(const exv_type *type, size_t index, exv_edge *edge)
{
    const exv_references *r = type->references;
    if (index < r->field_count) {
        edge->kind = r->field_names ? EXV_EDGE_ATTRIBUTE : EXV_EDGE_UNNAMED;
        edge->name = r->field_names ? r->field_names[index] : NULL;
        return;
    }
    edge->kind = EXV_EDGE_INDEX;
    edge->index = (index - r->field_count) / (r->item_field_count ? r->item_field_count : 1);
}

static exvi_label_kind kind_of(const exv_edge *edge)
{
    switch (edge->kind) {
    case EXV_EDGE_UNNAMED:
        break;
    case EXV_EDGE_INDEX:
        return EXVI_LABEL_INDEX;
    case EXV_EDGE_ATTRIBUTE:
        return EXVI_LABEL_ATTRIBUTE;
    case EXV_EDGE_KEY:
        return EXVI_LABEL_KEY;
    case EXV_EDGE_VALUE:
        return edge->name ? EXVI_LABEL_SHOWN : EXVI_LABEL_HIDDEN;
    case EXV_EDGE_INTERNAL:
        return EXVI_LABEL_INTERNAL;
    }
    return EXVI_LABEL_NONE;
}

static uint32_t name_of(dumper *d, const exv_edge *edge)
{
    if (edge->name)
        return edge->name_size ? exvi_name(&d->strings, edge->name, edge->name_size)
                               : exvi_name_c(&d->strings, edge->name);
    return edge->key ? type_at(d, type_of(d, (void *)(uintptr_t)edge->key))->hidden : 0;
}

static uint32_t label_of(dumper *d, void *object, size_t index)
{
    const exv_type *type = exvi_header_of(object)->type;
    exv_edge edge = {0};
    if (type->edge)
        type->edge(object, index, &edge);
    else if (type->references)
        name_field(type, index, &edge);
    exvi_label_kind kind = kind_of(&edge);
    uint32_t value = 0;
    if (kind == EXVI_LABEL_INDEX || kind == EXVI_LABEL_KEY)
        value = edge.index < EXVI_NAMES_MOST ? (uint32_t)edge.index : EXVI_NAMES_MOST;
    else if (kind != EXVI_LABEL_NONE)
        value = name_of(d, &edge);
    return (uint32_t)kind << 28 | value;
}

/* ---------------------------------------------------------------- the columns */

typedef struct writing {
    dumper *d;
    void *object;
    size_t index;            /* of the reference that comes next */
    bool of_weak_tables;     /* values that the object keeps alive there */
} writing;

static void write_reference(dumper *d, const void *child, uint32_t label)
{
    exvi_writer_put(&d->writer, EXVI_EDST, exvi_inside_number(&d->inside, child));
    exvi_writer_put(&d->writer, EXVI_ELABEL, label);
    d->edges++;
}

static int write_child(void *child, void *arg)
{
    writing *w = arg;
    dumper *d = w->d;
    size_t index = w->index++;
    if (exvi_inside_number(&d->inside, child) == UINT32_MAX)
        return 0;
    uint32_t label = w->of_weak_tables
                         ? (uint32_t)EXVI_LABEL_INTERNAL << 28 | exvi_name_c(&d->strings, "value in a weak table")
                         : label_of(d, w->object, index);
    write_reference(d, child, label);
    return 0;
}

/* Where a weak reference leads; the analyzer knows that it keeps nothing alive. */
static const void *weak_target(const dumper *d, const void *object)
{
    if (exvi_header_of(object)->type != &exv_weakref_type)
        return NULL;
    const void *target = exvi_weakref_target(object);
    return exvi_inside_number(&d->inside, target) == UINT32_MAX ? NULL : target;
}

static void write_references(dumper *d, void *object)
{
    writing w = {.d = d, .object = object};
    exvi_object_visit_own(object, write_child, &w);
    w.of_weak_tables = true;
    if (exvi_header_of(object)->flags & EXVI_WEAK)
        exvi_weakrefs_visit_values(d->heap, object, write_child, &w);
    const void *target = weak_target(d, object);
    if (target)
        write_reference(d, target, (uint32_t)EXVI_LABEL_WEAK << 28);
}

static unsigned generation_of(const exvi_header *header)
{
    const exvi_page *page = exvi_page_of(header);
    uint32_t index = exvi_block_index(page, header);
    if (header->flags & EXVI_FROZEN)
        return EXV_GENERATIONS;
    return page->young[0][index / 64] >> (index % 64) & 1 ? 0 : page->young[1][index / 64] >> (index % 64) & 1 ? 1 : 2;
}

static unsigned flags_of(const dumper *d, uint32_t number, const exvi_header *header)
{
    bool tracked = header->flags & EXVI_TRACKED, ends = header->flags & (EXVI_UNREACHABLE | EXVI_DYING);
    unsigned flags = exvi_type_refers(header->type) ? EXVI_HEAP_GC : 0u;
    if (tracked)
        flags |= EXVI_HEAP_TRACKED | generation_of(header);
    if ((tracked || ends) && !(d->inside.flags[number] & ALIVE))
        flags |= EXVI_HEAP_DEAD;
    return flags;
}

static void note_big(dumper *d, uint32_t number, uint64_t size)
{
    exvi_heap_bigsize *to = exvi_array_next(&d->big);
    if (to)
        *to = (exvi_heap_bigsize){number, size};
    else
        d->failed = true;
}

static uint32_t count_of(const exvi_header *header)
{
    if (header->flags & EXVI_DYING)
        return 1;
    if (header->refcount >= EXVI_IMMORTAL_COUNT)
        return UINT32_MAX;
    uint64_t count = exvi_references_to(header + 1, header->refcount);
    return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX - 1;
}

static bool write_object(void *arg, uint32_t number, void *object)
{
    dumper *d = arg;
    const exvi_header *header = exvi_header_of(object);
    size_t size = exvi_block_size(exvi_page_of(header)) + exvi_inside_words(&d->inside, object, NULL, NULL);
    exvi_writer_put(&d->writer, EXVI_NADDR, (uintptr_t)object);
    exvi_writer_put(&d->writer, EXVI_NTYPE, type_of(d, object));
    exvi_writer_put(&d->writer, EXVI_NSIZE, size < UINT32_MAX ? size : UINT32_MAX);
    if (size >= UINT32_MAX)
        note_big(d, number, size);
    exvi_writer_put(&d->writer, EXVI_NREF, count_of(header));
    exvi_writer_put(&d->writer, EXVI_NFLAG, flags_of(d, number, header));
    exvi_writer_put(&d->writer, EXVI_EROW, d->edges);
    write_references(d, object);
    return goes_on(d, number);
}

static bool count_weak(void *arg, uint32_t number, void *object)
{
    dumper *d = arg;
    d->inside.references += weak_target(d, object) != NULL;
    return goes_on(d, number);
}

static bool write_objects(dumper *d)
{
    if (!exvi_inside_each(&d->inside, write_object, d))
        return false;
    exvi_writer_put(&d->writer, EXVI_EROW, d->edges);
    return exvi_writer_columns_end(&d->writer, EXVI_NADDR, EXVI_ELABEL);
}

/* ------------------------------------------------------------------ the others */

static void add_root(dumper *d, const char *group, uint32_t label, const void *object)
{
    uint32_t number = exvi_inside_number(&d->inside, object);
    if (number == UINT32_MAX)
        return;
    exvi_heap_root *to = exvi_array_next(&d->root);
    if (to)
        *to = (exvi_heap_root){.group = exvi_name_c(&d->strings, group), .label = label, .node = number};
    else
        d->failed = true;
}

static bool add_held(void *arg, uint32_t number, void *object)
{
    dumper *d = arg;
    uint32_t held = exvi_inside_held(&d->inside, number, object);
    const char *own = object == d->heap->garbage ? "garbage" : exvi_header_of(object)->type->name;
    if (exvi_header_of(object)->flags & EXVI_OWN)
        add_root(d, "held by the heap", exvi_name_c(&d->strings, own), object);
    else if (held == EXV_IMMORTAL)
        add_root(d, "immortal", 0, object);
    else if (held > 0)
        add_root(d, "held by the program",
                 exvi_name_number(&d->strings, held, held == 1 ? " reference" : " references"), object);
    return goes_on(d, number);
}

static bool find_roots(dumper *d)
{
    const exvi_collector *c = &d->heap->collector;
    add_root(d, "held by the heap", exvi_name_c(&d->strings, "argument of the listener"), d->heap->listener_owned);
    add_root(d, "held by the heap", exvi_name_c(&d->strings, "value of the last failure"), d->heap->error_value);
    for (size_t i = 0; i < c->callback_count; i++)
        add_root(d, "held by the heap", exvi_name_c(&d->strings, "argument of a callback"), c->callbacks[i].owned);
    return exvi_inside_each(&d->inside, add_held, d);
}

static void write_types(dumper *d)
{
    exvi_writer_section(&d->writer, EXVI_TYPES);
    for (uint32_t i = 0; i < d->strings.type.count; i++) {
        const named_type *entry = type_at(d, i);
        const exvi_heap_type written = {
            .address = (uintptr_t)entry->type, .name = entry->name, .node = EXVI_NO_NODE,
            .flags = exvi_type_refers(entry->type) ? EXVI_TYPE_GC : 0,
            .basic_size = entry->type->size, .item_size = entry->type->item_size,
        };
        exvi_writer_add(&d->writer, &written, sizeof written);
    }
    exvi_writer_section_ends(&d->writer);
}

static void write_array(dumper *d, exvi_section section, const exvi_array *a)
{
    exvi_writer_whole(&d->writer, section, a->item, a->count * a->size);
}

static bool write_rest(dumper *d)
{
    static const char info[] = "{\"interpreter\": \"libexuvia\"}";
    write_array(d, EXVI_BIGSIZE, &d->big);
    write_types(d);
    write_array(d, EXVI_ROOTS, &d->root);
    write_array(d, EXVI_STROFF, &d->strings.row);
    write_array(d, EXVI_STRBYTE, &d->strings.text);
    exvi_writer_whole(&d->writer, EXVI_INFO, info, sizeof info - 1);
    return !d->failed && !d->strings.failed && exvi_writer_end(&d->writer);
}

/* ---------------------------------------------------------------------- the job */

static bool write_all(dumper *d, int file)
{
    d->root.size = sizeof(exvi_heap_root);
    d->big.size = sizeof(exvi_heap_bigsize);
    return exvi_names_begin(&d->strings, sizeof(named_type)) &&
           exvi_inside_find(&d->inside, d->heap, is_stopped, d) && /* numbers; references from inside */
           exvi_inside_each(&d->inside, count_weak, d) &&          /* now how long each column is */
           find_living(d) &&
           exvi_writer_begin(&d->writer, file, d->inside.count, d->inside.references) &&
           write_objects(d) && find_roots(d) && write_rest(d);
}

/* 0, or an errno. */
static int dump(exv_heap *heap, int file, exvi_answer *answer)
{
    dumper d = {.heap = heap, .answer = answer};
    bool done = write_all(&d, file);
    int why = done ? 0 : d.writer.why ? d.writer.why : ENOMEM;
    exvi_writer_drop(&d.writer);
    exvi_names_drop(&d.strings);
    exvi_array_drop(&d.root);
    exvi_array_drop(&d.big);
    exvi_inside_drop(&d.inside);
    return why;
}

static exvi_search_end dump_in_child(exvi_answer *answer, void *arg)
{
    exv_heap *heap = arg;
    uint64_t why = (uint64_t)dump(heap, heap->dump.file, answer);
    if (exvi_answer_stopped(answer))
        return EXVI_SEARCH_STOPPED;
    return exvi_answer_put(answer, &why, 1) ? EXVI_SEARCH_DONE : EXVI_SEARCH_MEMORY;
}

static exv_status start(exv_heap *heap, int file)
{
    exvi_dump *own = &heap->dump;
    if (own->active)
        return exvi_error(heap, EXV_BUSY, "a heap file is being written already");
    if (exvi_file_appends(file)) /* its header is written last, at its beginning */
        return exvi_error(heap, EXV_OS_ERROR, "the heap file could not be written: its descriptor is open to append");
    own->active = true;
    own->file = file;
    own->snapshot.file = &own->file;
    own->in_place = exvi_snapshot_start(&own->snapshot, dump_in_child, heap, 1, WAIT_NS) != EXV_OK;
    own->why = own->in_place ? dump(heap, file, NULL) : 0;
    return EXV_OK;
}

static exv_status tell(exv_heap *heap, int why)
{
    if (why == 0)
        return EXV_OK;
    return why == ENOMEM ? exvi_no_memory(heap)
                         : exvi_error(heap, EXV_OS_ERROR, "the heap file could not be written: %s", strerror(why));
}

static exv_status wait_for(exv_heap *heap, uint64_t timeout_ns)
{
    exvi_dump *own = &heap->dump;
    if (!own->active)
        return EXV_OK;
    exvi_flight flight = own->in_place ? EXVI_FLIGHT_NONE : exvi_snapshot_wait(&own->snapshot, timeout_ns);
    if (flight == EXVI_FLIGHT_RUNNING)
        return exvi_error(heap, EXV_BUSY, "the heap file is still being written");
    own->active = false;
    int why = flight == EXVI_FLIGHT_ANSWERED ? (int)own->snapshot.answer->word[0] : own->why;
    exv_reason reason = own->snapshot.reason;
    exvi_snapshot_end(&own->snapshot);
    if (flight == EXVI_FLIGHT_FAILED)
        return exvi_error(heap, EXV_UNSUPPORTED, "the heap file was not finished: %s", exv_reason_name(reason));
    return tell(heap, why);
}

void exvi_dump_cancel(exv_heap *heap)
{
    if (heap->dump.active)
        exvi_snapshot_end(&heap->dump.snapshot);
    heap->dump.active = false;
}

/* --------------------------------------------------------------------- public */

exv_status exv_heap_dump_start(exv_heap *heap, int fd)
{
    exvi_heap_enter(heap, __func__);
    exv_status status = start(heap, fd);
    exvi_heap_leave(heap);
    return status;
}

exv_status exv_heap_dump_wait(exv_heap *heap, uint64_t timeout_ns)
{
    exvi_heap_enter(heap, __func__);
    exv_status status = wait_for(heap, timeout_ns);
    exvi_heap_leave(heap);
    return status;
}

exv_status exv_heap_dump(exv_heap *heap, int fd)
{
    exv_status status = exv_heap_dump_start(heap, fd);
    return status == EXV_OK ? exv_heap_dump_wait(heap, UINT64_MAX) : status;
}
