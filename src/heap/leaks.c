/*
 * leaks: see leaks.h.
 *
 * Invariant: nothing of an object is changed here, but by the program's own report.
 */
#include "leaks.h"

#include "inside.h"
#include "platform.h"

#include <stdio.h>

typedef struct suspicion {
    void *object;            /* NULL: none */
    size_t offset;
} suspicion;

typedef struct looking {
    exvi_inside inside;
    suspicion *suspect;      /* by number */
    void *holder;            /* whose words are looked at */
} looking;

/* The caller has one reference to each that is not immortal. */
static uint32_t outside_of(const exvi_inside *inside, uint32_t number, const void *object)
{
    uint32_t held = exvi_inside_held(inside, number, object);
    return held == EXV_IMMORTAL || held == 0 ? 0 : held - 1;
}

/* ---------------------------------------------------------------- suspicions */

typedef struct tally {
    const void *child;
    size_t count;
} tally;

static int count_child(void *child, void *arg)
{
    tally *t = arg;
    t->count += child == t->child;
    return 0;
}

static size_t count_words(const void *object, const void *child)
{
    const exvi_header *header = exvi_header_of(object);
    size_t words = (exvi_block_size(exvi_page_of(header)) - sizeof *header) / sizeof(void *), count = 0;
    for (size_t i = 0; i < words; i++)
        count += ((void *const *)object)[i] == child;
    return count;
}

static void look_at_word(void *arg, uintptr_t word, size_t offset)
{
    looking *l = arg;
    const void *child = (const void *)word;
    uint32_t number = exvi_inside_number(&l->inside, child);
    if (number == UINT32_MAX || l->suspect[number].object || outside_of(&l->inside, number, child) == 0)
        return;
    tally reported = {.child = child};
    exvi_object_visit_own(l->holder, count_child, &reported);
    if (reported.count == 0 || (offset != SIZE_MAX && count_words(l->holder, child) > reported.count))
        l->suspect[number] = (suspicion){l->holder, offset};
}

/* The library's types report what they own; what else is in their payloads leads to weak references' targets, or is
 * left over behind the last item of a list. */
static bool is_ours(const exv_type *type)
{
    static const exv_type *const types[] = {
        &exv_list_type, &exv_tuple_type, &exv_dict_type, &exv_set_type, &exv_class_type, &exv_instance_type,
        &exv_weakref_type, &exv_names_type, &exv_weak_table_type,
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (type == types[i])
            return true;
    return false;
}

static bool look_at_object(void *arg, uint32_t number, void *object)
{
    looking *l = arg;
    (void)number;
    l->holder = object;
    if (!is_ours(exvi_header_of(object)->type))
        exvi_inside_words(&l->inside, object, look_at_word, l);
    return true;
}

/* -------------------------------------------------------------------- the report */

static void tell(const looking *l, void *object)
{
    exv_heap *heap = l->inside.heap;
    uint32_t number = exvi_inside_number(&l->inside, object);
    exv_leak leak = {
        .object = object,
        .type_name = exvi_type_name(object),
        .inside = l->inside.seen[number],
        .outside = outside_of(&l->inside, number, object),
        .suspect = l->suspect[number].object,
        .offset = l->suspect[number].offset,
    };
    leak.count = leak.inside + leak.outside;
    heap->leak_report(heap, &leak, heap->leak_report_arg);
}

void exvi_leaks_report(exv_heap *heap, void *const *objects, size_t count)
{
    looking l = {0};
    if (!heap->leak_report || count == 0)
        return;
    bool found = exvi_inside_find(&l.inside, heap, NULL, NULL);
    size_t room = (l.inside.count + 1) * sizeof *l.suspect;
    l.suspect = found ? exvi_map(room, exvi_page_size()) : NULL;
    if (l.suspect) {
        exvi_inside_each(&l.inside, look_at_object, &l);
        for (size_t i = 0; i < count; i++)
            tell(&l, objects[i]);
        exvi_unmap(l.suspect, room);
    }
    exvi_inside_drop(&l.inside);
}

/* ------------------------------------------------------------------------ public */

void exv_heap_set_leak_report(exv_heap *heap, exv_leak_fn *report, void *arg)
{
    heap->leak_report = report;
    heap->leak_report_arg = arg;
}

static void print_suspect(const exv_leak *leak)
{
    const char *name = exvi_header_of(leak->suspect)->type->name;
    if (leak->offset == SIZE_MAX)
        fprintf(stderr, "; a block of %s object %p leads to it", name, leak->suspect);
    else
        fprintf(stderr, "; %s object %p has its address at byte %zu", name, leak->suspect, leak->offset);
    fputs(", and its type does not report that as a reference", stderr);
}

void exv_leak_print(exv_heap *heap, const exv_leak *leak, void *arg)
{
    (void)heap, (void)arg;
    exv_str *shown = NULL;
    const char *text = exv_repr(leak->object, &shown) == EXV_OK ? exv_str_data(shown) : "";
    fprintf(stderr, "left: %s object %p %.200s: %u reference%s, %u from inside, %u from outside", leak->type_name,
            leak->object, text, leak->count, leak->count == 1 ? "" : "s", leak->inside, leak->outside);
    if (leak->suspect)
        print_suspect(leak);
    fputc('\n', stderr);
    exv_decref(shown);
}
