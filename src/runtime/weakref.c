/*
 * weakref: see weakref.h.
 *
 * The table is a hash of targets with chaining: `chain` links the first weak references of the targets of a slot,
 * `next` those of one target. A weak reference is tracked, be it that it owns the argument of its callback or not, so
 * that a collection knows whether it is itself unreachable: then its callback is not called, as in Python.
 */
#include "weakref.h"

#include "object.h"

#include <string.h>

struct exv_weakref {
    void *target;      /* NULL: dead */
    exv_weakref_fn *callback;
    void *arg;
    exv_weakref *next; /* to the same target; or to be called next */
    exv_weakref *chain;
    void *owned;       /* the same object as `arg`, which it has a reference to; NULL when it was cleared */
    bool owns;         /* that is so: without it nothing is called */
    const void *key;   /* of an entry of a weak table: what the target is or was */
    void *value;       /* owned; reported by the target as long as there is one */
};

static exv_weakref **slot_of(exv_weakref **slots, size_t room, const void *target)
{
    uint64_t hash = ((uintptr_t)target >> 4) * UINT64_C(0x9e3779b97f4a7c15);
    return &slots[(size_t)(hash >> 32) & (room - 1)];
}

/* Where the link to the first weak reference to `target` stands. */
static exv_weakref **find_first(exvi_weakrefs *table, const void *target)
{
    exv_weakref **link = slot_of(table->slots, table->room, target);
    while ((*link)->target != target)
        link = &(*link)->chain;
    return link;
}

static bool grow(exv_heap *heap)
{
    exvi_weakrefs *table = &heap->weakrefs;
    size_t room = table->room ? 2 * table->room : 64;
    exv_weakref **slots = exv_calloc(heap, room, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < table->room; i++) {
        for (exv_weakref *ref = table->slots[i], *rest; ref; ref = rest) {
            rest = ref->chain;
            exv_weakref **slot = slot_of(slots, room, ref->target);
            ref->chain = *slot;
            *slot = ref;
        }
    }
    exv_free(heap, table->slots);
    table->slots = slots;
    table->room = room;
    return true;
}

bool exvi_weakref_lead(exv_weakref *ref, void *target, exv_weakref_fn *callback, void *arg)
{
    exv_heap *heap = exvi_heap_of(target);
    exvi_weakrefs *table = &heap->weakrefs;
    exvi_header *header = exvi_header_of(target);
    if (header->flags & EXVI_DYING) /* it cannot be had any more */
        return true;
    if (!(header->flags & EXVI_WEAK) && table->targets >= table->room && !grow(heap))
        return false;
    ref->target = target;
    ref->callback = callback;
    ref->arg = arg;
    exv_weakref **link;
    if (header->flags & EXVI_WEAK) {
        link = find_first(table, target);
        ref->next = *link; /* the newest is called first, as in Python */
        ref->chain = ref->next->chain;
        ref->next->chain = NULL;
    } else {
        link = slot_of(table->slots, table->room, target);
        ref->chain = *link;
        table->targets++;
        header->flags |= EXVI_WEAK;
    }
    *link = ref;
    return true;
}

void exvi_weakref_own(exv_weakref *ref)
{
    ref->owns = true;
    ref->owned = exv_incref(ref->arg);
}

void *exv_weakref_incref(exv_weakref *ref)
{
    exvi_object_expect(__func__, ref);
#ifdef EXVI_CHECKED
    const exv_type *type = exvi_header_of(ref)->type;
    if (type != &exv_weakref_type)
        exvi_die(__func__, "object %p is not a weakref but a %s", (void *)ref, type->name);
#endif
    if (!ref->target || exvi_header_of(ref->target)->flags & EXVI_DYING) /* its death was put off */
        return NULL;
    return exv_incref(ref->target);
}

void *exvi_weakref_target(const exv_weakref *ref)
{
    return ref->target && !(exvi_header_of(ref->target)->flags & EXVI_DYING) ? ref->target : NULL;
}

const void *exvi_weakref_key(const exv_weakref *ref)
{
    return ref->key;
}

void *exvi_weakref_value(const exv_weakref *ref)
{
    return ref->value;
}

void exvi_weakref_set_value(exv_weakref *ref, void *value)
{
    ref->key = ref->target;
    EXV_SET(ref->value, value);
}

void exvi_weakref_forget(exv_weakref *ref)
{
    ref->arg = NULL;
}

int exvi_weakrefs_visit_values(const exv_heap *heap, void *target, exv_visit_fn *visit, void *arg)
{
    const exvi_weakrefs *table = &heap->weakrefs;
    const exv_weakref *ref = table->room ? *slot_of(table->slots, table->room, target) : NULL;
    while (ref && ref->target != target) /* the checker asks before it knows that there is one */
        ref = ref->chain;
    int end = 0;
    for (; ref && !end; ref = ref->next)
        end = visit(ref->value, arg);
    return end;
}

void *exvi_weakref_awaited(const exv_weakref *ref)
{
    return ref->callback ? ref->target : NULL;
}

/* Take all weak references to a target out of the table; they lead nowhere from now on. */
static exv_weakref *cut(exv_heap *heap, void *target)
{
    exv_weakref **link = find_first(&heap->weakrefs, target);
    exv_weakref *first = *link;
    *link = first->chain;
    first->chain = NULL;
    heap->weakrefs.targets--;
    exvi_header_of(target)->flags &= ~(uint32_t)EXVI_WEAK;
    for (exv_weakref *ref = first; ref; ref = ref->next)
        ref->target = NULL;
    return first;
}

/* Weak references whose callback is to be called, each with a reference of its own, in the order of the calls. */
typedef struct call_queue {
    exv_weakref *first, **end;
} call_queue;

static void enqueue(call_queue *calls, exv_weakref *cut_off)
{
    for (exv_weakref *ref = cut_off, *rest; ref; ref = rest) {
        rest = ref->next;
        ref->next = NULL;
        if (!ref->callback || (ref->owns && !ref->owned) ||
            exvi_header_of(ref)->flags & (EXVI_DYING | EXVI_UNREACHABLE))
            continue;
        *calls->end = exv_incref(ref);
        calls->end = &ref->next;
    }
}

static void call_all(call_queue *calls)
{
    for (exv_weakref *ref = calls->first, *rest; ref; ref = rest) {
        rest = ref->next;
        ref->next = NULL;
        ref->callback(ref, ref->arg);
        EXV_CLEAR(ref->owned);
        exv_decref(ref);
    }
}

void exvi_weakrefs_die(exv_heap *heap, void *target)
{
    call_queue calls = {.end = &calls.first};
    enqueue(&calls, cut(heap, target));
    call_all(&calls);
}

void exvi_weakrefs_die_together(exv_heap *heap, void *const *unreachable, size_t count)
{
    call_queue calls = {.end = &calls.first};
    for (size_t i = 0; i < count && heap->weakrefs.targets; i++)
        if (exvi_header_of(unreachable[i])->flags & EXVI_WEAK)
            enqueue(&calls, cut(heap, unreachable[i]));
    call_all(&calls);
}

static bool is_live_object(const exv_heap *heap, const void *object)
{
    exvi_page *page;
    uint32_t index;
    return exvi_block_find(&heap->blocks, exvi_header_of(object), &page, &index) && page->kind == EXVI_OBJECT;
}

static const char *check_target(const exv_heap *heap, const exv_weakref *first, size_t slot)
{
    const exvi_weakrefs *table = &heap->weakrefs;
    const void *target = first->target;
    if (!is_live_object(heap, target) || !(exvi_header_of(target)->flags & EXVI_WEAK))
        return "a weak reference leads to what is dead";
    if (slot_of(table->slots, table->room, target) != &table->slots[slot])
        return "a target of weak references is in the wrong place";
    for (const exv_weakref *ref = first->next; ref; ref = ref->next)
        if (!is_live_object(heap, ref) || ref->target != target || ref->chain)
            return "the weak references to one target are in disorder";
    return NULL;
}

const char *exvi_weakrefs_check(const exv_heap *heap)
{
    const exvi_weakrefs *table = &heap->weakrefs;
    size_t targets = 0;
    for (size_t i = 0; i < table->room; i++) {
        for (const exv_weakref *first = table->slots[i]; first; first = first->chain, targets++) {
            const char *wrong = is_live_object(heap, first) ? check_target(heap, first, i) : "a weak reference is dead";
            if (wrong)
                return wrong;
        }
    }
    return targets == table->targets ? NULL : "the number of targets of weak references is wrong";
}

void exvi_weakrefs_drop(exv_heap *heap)
{
    exvi_weakrefs *table = &heap->weakrefs;
    for (size_t i = 0; i < table->room; i++)
        for (exv_weakref *first = table->slots[i]; first; first = first->chain)
            for (exv_weakref *ref = first; ref; ref = ref->next)
                ref->target = NULL;
    exv_free(heap, table->slots);
    *table = (exvi_weakrefs){0};
}

/* A weak reference that dies before its target leaves the table. */
static void leave_table(void *self)
{
    exv_weakref *ref = self;
    if (!ref->target)
        return;
    exv_heap *heap = exvi_heap_of(self);
    exv_weakref **link = find_first(&heap->weakrefs, ref->target);
    exv_weakref *first = *link;
    if (first != ref) {
        while (first->next != ref)
            first = first->next;
        first->next = ref->next;
    } else if (ref->next) {
        ref->next->chain = ref->chain;
        *link = ref->next;
    } else {
        *link = ref->chain;
        heap->weakrefs.targets--;
        exvi_header_of(ref->target)->flags &= ~(uint32_t)EXVI_WEAK;
    }
}

static int visit_owned(void *self, exv_visit_fn *visit, void *arg)
{
    const exv_weakref *ref = self;
    int end = visit(ref->owned, arg);
    return end || ref->target ? end : visit(ref->value, arg);
}

static void name_owned(void *self, size_t index, exv_edge *edge)
{
    (void)self;
    *edge = (exv_edge){.kind = EXV_EDGE_INTERNAL, .name = index == 0 ? "argument of the callback" : "value"};
}

static void clear_owned(void *self)
{
    exv_weakref *ref = self;
    EXV_CLEAR(ref->owned);
    EXV_CLEAR(ref->value);
}

const exv_type exv_weakref_type = {
    .name = "weakref",
    .size = sizeof(exv_weakref),
    .visit = visit_owned,
    .clear = clear_owned,
    .destroy = leave_table,
    .edge = name_owned,
};
