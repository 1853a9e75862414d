/*
 * weaktable: tables whose keys are weak and whose values live as long as their keys.
 *
 * An entry is a weak reference to its key that has the value (weakref.h), and it is the key that reports the value to
 * searches, not the table: so a value that leads back to its key is an ordinary ring, through however many tables, and
 * nothing in the engine knows of any of it. The other side of it: what a value refers to, its table too, is alive as
 * long as the key.
 *
 * The table is a hash by the keys' addresses, with open addressing. Invariant: an entry whose key is dead leaves it
 * before anyone can have a new object at that address, or is not taken for one: it leads nowhere.
 */
#include "object.h"

struct exv_weak_table {
    exv_weakref **slot; /* owned, NULL or `gone` */
    size_t room;        /* a power of two, or 0 */
    size_t used;        /* not NULL */
    size_t size;
};

#define gone ((exv_weakref *)(uintptr_t)1)

static bool is_entry(const exv_weakref *ref)
{
    return ref && ref != gone;
}

static size_t first_slot(const exv_weak_table *self, const void *key)
{
    return (size_t)((((uintptr_t)key >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (self->room - 1);
}

/* Where `ref` stands, or if that is NULL the entry that leads to `key`; NULL: nowhere. */
static exv_weakref **find(const exv_weak_table *self, const void *key, const exv_weakref *ref)
{
    if (self->room == 0)
        return NULL;
    for (size_t at = first_slot(self, key); self->slot[at]; at = (at + 1) & (self->room - 1)) {
        exv_weakref *entry = self->slot[at];
        if (ref ? entry == ref : is_entry(entry) && exvi_weakref_target(entry) == key)
            return &self->slot[at];
    }
    return NULL;
}

static void insert(exv_weak_table *self, exv_weakref *entry)
{
    size_t at = first_slot(self, exvi_weakref_key(entry));
    while (self->slot[at])
        at = (at + 1) & (self->room - 1);
    self->slot[at] = entry;
    self->used++;
    self->size++;
}

/* Room for one more. Entries that lead nowhere stay until their callbacks come. */
static bool make_room(exv_weak_table *self)
{
    exv_heap *heap = exvi_heap_of(self);
    if ((self->used + 1) * 4 <= self->room * 3)
        return true;
    size_t room = 8;
    while ((self->size + 1) * 2 > room)
        room *= 2;
    exv_weak_table old = *self;
    exv_weakref **slot = exv_calloc(heap, room, sizeof *slot);
    if (!slot)
        return false;
    *self = (exv_weak_table){.slot = slot, .room = room};
    for (size_t i = 0; i < old.room; i++)
        if (is_entry(old.slot[i]))
            insert(self, old.slot[i]);
    exv_free(heap, old.slot);
    return true;
}

static void take_out(exv_weak_table *self, exv_weakref **slot)
{
    exv_weakref *entry = *slot;
    *slot = gone;
    self->size--;
    exvi_weakref_forget(entry);
    exv_decref(entry); /* last: the value may die of it */
}

static void key_died(exv_weakref *entry, void *table)
{
    exv_weakref **slot = table ? find(table, exvi_weakref_key(entry), entry) : NULL;
    if (slot)
        take_out(table, slot);
}

/* -------------------------------------------------------------- the type */

static int visit(void *object, exv_visit_fn *each, void *arg)
{
    const exv_weak_table *self = object;
    for (size_t i = 0; i < self->room; i++) {
        int end = is_entry(self->slot[i]) ? each(self->slot[i], arg) : 0;
        if (end)
            return end;
    }
    return 0;
}

static void name_entry(void *self, size_t index, exv_edge *edge)
{
    (void)self, (void)index;
    *edge = (exv_edge){.kind = EXV_EDGE_INTERNAL, .name = "entry"};
}

static void clear(void *object)
{
    exv_weak_table *self = object, old = *self;
    *self = (exv_weak_table){0};
    for (size_t i = 0; i < old.room; i++)
        if (is_entry(old.slot[i]))
            exvi_weakref_forget(old.slot[i]); /* all, before the first value dies */
    for (size_t i = 0; i < old.room; i++)
        if (is_entry(old.slot[i]))
            exv_decref(old.slot[i]);
    exv_free(exvi_heap_of(object), old.slot);
}

static void destroy(void *object)
{
    exv_free(exvi_heap_of(object), ((exv_weak_table *)object)->slot);
}

const exv_type exv_weak_table_type = {
    .name = "weak table",
    .size = sizeof(exv_weak_table),
    .visit = visit,
    .clear = clear,
    .destroy = destroy,
    .edge = name_entry,
};

/* ---------------------------------------------------------------- public */

exv_weak_table *exv_weak_table_new(exv_heap *heap)
{
    return exv_new(heap, &exv_weak_table_type);
}

size_t exv_weak_table_size(const exv_weak_table *self)
{
    exvi_object_expect(__func__, self);
    return self->size;
}

void *exv_weak_table_get(const exv_weak_table *self, const void *key)
{
    exvi_object_expect(__func__, self);
    exv_weakref **slot = find(self, key, NULL);
    return slot ? exvi_weakref_value(*slot) : NULL;
}

exv_status exv_weak_table_set(exv_weak_table *self, void *key, void *value)
{
    exvi_object_expect(__func__, self);
    exvi_object_expect(__func__, key);
    exvi_object_expect(__func__, value);
    exv_heap *heap = exvi_heap_of(self);
    const exv_type *type = exvi_header_of(key)->type;
    if (!type->visit && !type->references)
        return exvi_error(heap, EXV_TYPE_ERROR,
                          "a %s cannot be the key of a weak table, since the collector does not look at it: "
                          "its type needs visit or references, if only empty ones",
                          type->name);
    exv_track(key);
    exv_weakref **slot = find(self, key, NULL);
    if (slot) {
        exvi_weakref_set_value(*slot, value);
        return EXV_OK;
    }
    exv_weakref *entry = exv_weakref_new(key, key_died, self); /* may collect: entries may go meanwhile */
    if (!entry)
        return exvi_no_memory(heap);
    if (!exvi_weakref_target(entry) || !make_room(self)) { /* the key is dying: so would be the value */
        exv_status status = exvi_weakref_target(entry) ? exvi_no_memory(heap) : EXV_OK;
        exv_decref(entry);
        return status;
    }
    exvi_weakref_set_value(entry, value);
    insert(self, entry);
    return EXV_OK;
}

bool exv_weak_table_delete(exv_weak_table *self, const void *key)
{
    exvi_object_expect(__func__, self);
    exv_weakref **slot = find(self, key, NULL);
    if (slot)
        take_out(self, slot);
    return slot != NULL;
}

bool exv_weak_table_next(const exv_weak_table *self, size_t *position, void **key, void **value)
{
    exvi_object_expect(__func__, self);
    for (; *position < self->room; ++*position) {
        exv_weakref *entry = self->slot[*position];
        if (!is_entry(entry) || !exvi_weakref_target(entry))
            continue;
        ++*position;
        if (key)
            *key = exvi_weakref_target(entry);
        if (value)
            *value = exvi_weakref_value(entry);
        return true;
    }
    return false;
}
