/*
 * class: user-defined classes, and their instances with attributes.
 *
 * A class knows the names of its instances' attributes, in the order in which they first came; the place of a name
 * is its slot. So an instance has only an array of values, by slot:
 *
 *     instance -> | class | attributes | -> | value or NULL | value or NULL | ..     as many as the block has room for
 *
 * An instance with names that the class has no slot for, or with a few slots far apart, has a table of its own
 * instead; bit 0 of `attributes` says so. The idea is that of the maps of Self (Chambers, Ungar and Lee 1989) and of
 * PEP 412, without their chains of layouts: one list of names serves all instances.
 *
 * A class refers to nothing but str, so it is never tracked. It has no clear: slots keep their meaning while it lives.
 * The finalizer of an instance is the destructor of its class.
 *
 * Invariant: an instance has its class until it is cleared; after that, it can only have a table of its own.
 */
#include "error.h"
#include "need.h"
#include "str.h"
#include "table.h"

#include <string.h>

#ifdef EXVI_STRESS
#define MOST_SLOTS 12
#define FEW_SLOTS 4
#else
#define MOST_SLOTS 1000   /* names that a class keeps */
#define FEW_SLOTS 30      /* an array of so many values is made without asking how many are used */
#endif

struct exv_class {
    exv_destructor_fn *destructor;
    void *arg;
    void *owned;          /* NULL, or the same object as `arg`, which it has a reference to */
    exvi_table slots;     /* keys: str, never removed; no values */
    char name[];
};

#define OWN_TABLE ((uintptr_t)1)
struct exv_instance {
    exv_class *cls;
    uintptr_t attributes; /* 0; an array of values; or an exvi_table, plus OWN_TABLE */
};

/* ----------------------------------------------------------------- class */

exv_status exv_class_new(exv_heap *heap, const char *name, exv_destructor_fn *destructor, void *arg, exv_class **result)
{
    size_t size = strlen(name);
    exv_status status = exvi_utf8_check(heap, name, size);
    if (status != EXV_OK)
        return status;
    exv_class *self = exv_new_var(heap, &exv_class_type, size + 1);
    if (!self)
        return exvi_no_memory(heap);
    memcpy(self->name, name, size + 1);
    exv_untrack(self);
    self->destructor = destructor;
    self->arg = arg;
    *result = self;
    return EXV_OK;
}

exv_status exv_class_new_owning(exv_heap *heap, const char *name, exv_destructor_fn *destructor, void *object,
                                exv_class **result)
{
    exv_status status = exv_class_new(heap, name, destructor, object, result);
    if (status != EXV_OK)
        return status;
    (*result)->owned = exv_incref(object);
    exv_track(*result);
    return EXV_OK;
}

const char *exv_class_name(const exv_class *self)
{
    exvi_need_type(__func__, self, &exv_class_type);
    return self->name;
}

static exv_str *class_repr(void *object)
{
    exvi_text text;
    exvi_text_begin(&text, exv_get_heap(object));
    exvi_text_add_string(&text, "<class '");
    exvi_text_add_string(&text, exv_class_name(object));
    exvi_text_add_string(&text, "'>");
    return exvi_text_take(&text);
}

static int class_visit(void *object, exv_visit_fn *visit, void *arg)
{
    exv_class *self = object;
    int end = visit(self->owned, arg);
    return end ? end : exvi_table_visit(&self->slots, visit, arg);
}

static void class_edge(void *object, size_t index, exv_edge *edge)
{
    if (index == 0)
        *edge = (exv_edge){.kind = EXV_EDGE_INTERNAL, .name = "argument of the destructor"};
    else
        exvi_table_edge(&((const exv_class *)object)->slots, index - 1, edge);
}

static void class_destroy(void *object)
{
    exv_free(exv_get_heap(object), ((exv_class *)object)->slots.entries);
}

static exv_status class_call(void *self, void *const *args, size_t count, void **result)
{
    (void)args;
    if (count > 0)
        return exvi_error(exv_get_heap(self), EXV_TYPE_ERROR, "%.99s() takes no arguments", exv_class_name(self));
    *result = exv_instance_new(self);
    return *result ? EXV_OK : EXV_NO_MEMORY;
}

const exv_type exv_class_type = {
    .name = "type",
    .size = offsetof(exv_class, name),
    .item_size = 1,
    .visit = class_visit,
    .destroy = class_destroy,
    .repr = class_repr,
    .edge = class_edge,
    .call = class_call,
};

/* -------------------------------------------------------------- instances */

exv_instance *exv_instance_new(exv_class *cls)
{
    exvi_need_type(__func__, cls, &exv_class_type);
    exv_instance *self = exv_new(exv_get_heap(cls), &exv_instance_type);
    if (!self) {
        exvi_no_memory(exv_get_heap(cls));
        return NULL;
    }
    self->cls = exv_incref(cls);
    return self;
}

exv_class *exv_instance_get_class(exv_instance *self)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    return self->cls;
}

/* ------------------------------------------------------- where values lie */

/* An attribute's name, and where the class of an instance has it. */
typedef struct attribute {
    const char *name;
    size_t size;
    uint64_t hash;
    exvi_entry *slot; /* of the class; NULL: it has none for this name, or is gone */
} attribute;

static attribute attribute_of(exv_instance *self, const char *name)
{
    exv_heap *heap = exv_get_heap(self);
    attribute a = {.name = name, .size = strlen(name)};
    a.hash = exvi_str_hash_of(heap, name, a.size);
    if (self->cls)
        a.slot = exvi_table_find_text(heap, &self->cls->slots, name, a.size, a.hash);
    return a;
}

/* NULL: it has an array. */
static exvi_table *own_table(const exv_instance *self)
{
    return self->attributes & OWN_TABLE ? (exvi_table *)(self->attributes - OWN_TABLE) : NULL;
}

static void **get_array(const exv_instance *self, size_t *room)
{
    void **values = (void **)self->attributes;
    *room = values ? exv_usable_size(exv_get_heap(self), values) / sizeof *values : 0;
    return values;
}

static exvi_entry *find_own(exv_instance *self, exvi_table *table, const attribute *a)
{
    return exvi_table_find_text(exv_get_heap(self), table, a->name, a->size, a->hash);
}

/* Where the value of an attribute lies; NULL if it is not there. */
static void **find(exv_instance *self, const attribute *a)
{
    exvi_table *table = own_table(self);
    if (table) {
        exvi_entry *entry = find_own(self, table, a);
        return entry ? &entry->more[0] : NULL;
    }
    if (!a->slot)
        return NULL;
    size_t room, slot = exvi_table_position(&self->cls->slots, a->slot);
    void **values = get_array(self, &room);
    return slot < room && values[slot] ? &values[slot] : NULL;
}

/* -------------------------------------------------------- a new attribute */

static exv_status add_slot(exv_instance *self, attribute *a)
{
    exv_heap *heap = exv_get_heap(self);
    exv_str *key;
    exv_status status = exv_str_new(heap, a->name, a->size, &key);
    if (status != EXV_OK)
        return status;
    status = exvi_table_insert(heap, &self->cls->slots, key, a->hash, NULL);
    exv_decref(key);
    if (status == EXV_OK)
        a->slot = exvi_table_at(&self->cls->slots, self->cls->slots.filled - 1);
    return status;
}

/* Would the array have to become long, with less than a quarter of it in use? */
static bool is_far(const exv_instance *self, size_t slot)
{
    size_t room, used = 1;
    void **values = get_array(self, &room);
    if (slot < FEW_SLOTS || slot < room)
        return false;
    for (size_t i = 0; i < room; i++)
        used += values[i] != NULL;
    return used < (slot + 1) / 4;
}

/* A longer array. Up to FEW_SLOTS, one for all names there are: the other instances have them too, most likely. */
static bool grow_array(exv_instance *self, size_t slot)
{
    exv_heap *heap = exv_get_heap(self);
    size_t room, known = self->cls->slots.live, wanted = slot + 1 + slot / 8;
    void **values = get_array(self, &room);
    if (slot < FEW_SLOTS)
        wanted = known < FEW_SLOTS ? known : FEW_SLOTS;
    values = exv_realloc(heap, values, wanted * sizeof *values);
    if (!values)
        return false;
    self->attributes = (uintptr_t)values;
    memset(values + room, 0, exv_usable_size(heap, values) - room * sizeof *values);
    return true;
}

static exv_status add_to_array(exv_instance *self, const attribute *a, void *value)
{
    size_t room, slot = exvi_table_position(&self->cls->slots, a->slot);
    void **values = get_array(self, &room);
    if (slot >= room) {
        if (!grow_array(self, slot))
            return exvi_no_memory(exv_get_heap(self));
        values = get_array(self, &room);
    }
    values[slot] = exv_incref(value);
    return EXV_OK;
}

static void drop_array(exv_heap *heap, void **values, size_t room)
{
    for (size_t i = 0; i < room; i++)
        exv_decref(values[i]);
    exv_free(heap, values);
}

/* Change from the array to a table. The values are in both for a while, so none of them dies. */
static exv_status leave_array(exv_instance *self)
{
    exv_heap *heap = exv_get_heap(self);
    size_t room;
    void **values = get_array(self, &room);
    exvi_table *table = exv_calloc(heap, 1, sizeof *table);
    if (!table)
        return exvi_no_memory(heap);
    exv_status status = EXV_OK;
    for (size_t i = 0; i < room && status == EXV_OK; i++) {
        if (!values[i])
            continue;
        const exvi_entry *slot = exvi_table_at(&self->cls->slots, i);
        status = exvi_table_insert(heap, table, slot->key, exvi_table_hash(&self->cls->slots, slot), values[i]);
    }
    if (status == EXV_OK) {
        self->attributes = (uintptr_t)table + OWN_TABLE;
        drop_array(heap, values, room);
        return EXV_OK;
    }
    exvi_table_clear(heap, table);
    exv_free(heap, table);
    return status;
}

static exv_status add_to_own_table(exv_instance *self, const attribute *a, void *value)
{
    exv_heap *heap = exv_get_heap(self);
    if (a->slot)
        return exvi_table_insert(heap, own_table(self), a->slot->key, a->hash, value);
    return exvi_table_insert_text(heap, own_table(self), a->name, a->hash, value);
}

/* An attribute that is not there. Fails with nothing changed but, maybe, a name more that the class knows. */
static exv_status add(exv_instance *self, attribute *a, void *value)
{
    exv_status status = EXV_OK;
    if (!a->slot && self->cls && self->cls->slots.filled < MOST_SLOTS)
        status = add_slot(self, a);
    if (status == EXV_OK && !own_table(self)) {
        if (a->slot && !is_far(self, exvi_table_position(&self->cls->slots, a->slot)))
            return add_to_array(self, a, value);
        status = leave_array(self);
    }
    return status == EXV_OK ? add_to_own_table(self, a, value) : status;
}

/* -------------------------------------------------------------- attributes */

static exv_status attribute_error(exv_instance *self, const char *name)
{
    return exvi_error(exv_get_heap(self), EXV_ATTRIBUTE_ERROR, "'%s' object has no attribute '%s'",
                      exvi_type_name(self), name);
}

exv_status exv_attr_get(exv_instance *self, const char *name, void **result)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    attribute a = attribute_of(self, name);
    void **place = find(self, &a);
    if (!place)
        return attribute_error(self, name);
    *result = *place;
    return EXV_OK;
}

exv_status exv_attr_set(exv_instance *self, const char *name, void *value)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    exvi_need_value(__func__, self, value);
    attribute a = attribute_of(self, name);
    void **place = find(self, &a);
    if (!place)
        return add(self, &a, value);
    void *old = *place;
    *place = exv_incref(value);
    exv_decref(old);
    return EXV_OK;
}

exv_status exv_attr_delete(exv_instance *self, const char *name)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    attribute a = attribute_of(self, name);
    void **place = find(self, &a);
    if (!place)
        return attribute_error(self, name);
    exvi_table *table = own_table(self);
    if (table) {
        exvi_table_remove(table, find_own(self, table, &a));
        return EXV_OK;
    }
    void *old = *place;
    *place = NULL;
    exv_decref(old);
    return EXV_OK;
}

/* ---------------------------------------------------------- life and death */

static int instance_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_instance *self = object;
    const exvi_table *table = own_table(self);
    int end = visit(self->cls, arg);
    if (end || table)
        return end ? end : exvi_table_visit(table, visit, arg);
    size_t room;
    void **values = get_array(self, &room);
    for (size_t i = 0; i < room && !end; i++)
        end = visit(values[i], arg);
    return end;
}

static void name_attribute(const exv_str *name, exv_edge *edge)
{
    *edge = (exv_edge){.kind = EXV_EDGE_ATTRIBUTE, .name = exv_str_data(name), .name_size = exv_str_size(name)};
}

static void instance_edge(void *object, size_t index, exv_edge *edge)
{
    const exv_instance *self = object;
    const exvi_table *table = own_table(self);
    if (index == 0)
        *edge = (exv_edge){.kind = EXV_EDGE_INTERNAL, .name = "class"};
    else if (!table)
        name_attribute(exvi_table_at(&self->cls->slots, index - 1)->key, edge);
    else if (exvi_table_edge(table, index - 1, edge), edge->kind == EXV_EDGE_VALUE)
        name_attribute(edge->key, edge);
}

/* NULL: it was cleared. */
static const char *instance_class_name(void *object)
{
    const exv_class *cls = ((const exv_instance *)object)->cls;
    return cls ? cls->name : NULL;
}

static void drop_attributes(exv_instance *self)
{
    exv_heap *heap = exv_get_heap(self);
    exvi_table *table = own_table(self);
    size_t room = 0;
    void **values = table ? NULL : get_array(self, &room);
    self->attributes = 0;
    drop_array(heap, values, room);
    if (!table)
        return;
    exvi_table_clear(heap, table);
    exv_free(heap, table);
}

/* The class goes last: until then, messages can say what the instance is. */
static void instance_clear(void *object)
{
    exv_instance *self = object;
    drop_attributes(self);
    EXV_CLEAR(self->cls);
}

static void instance_finalize(void *object)
{
    exv_instance *self = object;
    if (self->cls && self->cls->destructor)
        self->cls->destructor(self, self->cls->arg);
}

const exv_type exv_instance_type = {
    .name = "instance",
    .size = sizeof(exv_instance),
    .visit = instance_visit,
    .clear = instance_clear,
    .finalize = instance_finalize,
    .edge = instance_edge,
    .class_name = instance_class_name,
};
