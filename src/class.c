/*
 * class: user-defined classes, and their instances with attributes.
 *
 * A class has its name in its own block and holds no references: it is a simple object. An instance owns a
 * reference to its class and a table of attributes; its finalizer is the destructor of the class.
 *
 * Invariant: an instance has its class until it is cleared; after that, only destroy functions can still see it.
 */
#include "error.h"
#include "str.h"
#include "table.h"
#include "text.h"
#include "value.h"

#include <string.h>

struct exv_class {
    exv_destructor_fn *destructor;
    void *arg;
    char name[];
};

struct exv_instance {
    exv_class *cls;
    exvi_table attributes;
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
    self->destructor = destructor;
    self->arg = arg;
    *result = self;
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

const exv_type exv_class_type = {
    .name = "type",
    .size = sizeof(exv_class),
    .item_size = 1,
    .repr = class_repr,
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

static exvi_entry *find(exv_instance *self, const char *name, uint64_t *hash)
{
    exv_heap *heap = exv_get_heap(self);
    size_t size = strlen(name);
    *hash = exvi_str_hash_of(heap, name, size);
    return exvi_table_find_text(heap, &self->attributes, name, size, *hash);
}

static exv_status attribute_error(exv_instance *self, const char *name)
{
    return exvi_error(exv_get_heap(self), EXV_ATTRIBUTE_ERROR, "'%s' object has no attribute '%s'",
                      exvi_type_name(self), name);
}

exv_status exv_attr_get(exv_instance *self, const char *name, void **result)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    uint64_t hash;
    const exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return attribute_error(self, name);
    *result = exvi_table_value(&self->attributes, entry);
    return EXV_OK;
}

exv_status exv_attr_set(exv_instance *self, const char *name, void *value)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    exvi_need_value(__func__, self, value);
    uint64_t hash;
    exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return exvi_table_insert_text(exv_get_heap(self), &self->attributes, name, hash, value);
    exvi_table_replace(entry, value);
    return EXV_OK;
}

exv_status exv_attr_delete(exv_instance *self, const char *name)
{
    exvi_need_type(__func__, self, &exv_instance_type);
    uint64_t hash;
    exvi_entry *entry = find(self, name, &hash);
    if (!entry)
        return attribute_error(self, name);
    exvi_table_remove(&self->attributes, entry);
    return EXV_OK;
}

static int instance_visit(void *object, exv_visit_fn *visit, void *arg)
{
    const exv_instance *self = object;
    int end = visit(self->cls, arg);
    return end ? end : exvi_table_visit(&self->attributes, visit, arg);
}

/* The class goes last: until then, messages can say what the instance is. */
static void instance_clear(void *object)
{
    exv_instance *self = object;
    exvi_table_clear(exv_get_heap(object), &self->attributes);
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
};
