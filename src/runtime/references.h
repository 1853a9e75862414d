/*
 * references: what a type tells of its objects' references, by functions or by where they lie.
 *
 * With exv_references the library reads and clears the fields itself, and an object whose fields are all NULL is seen
 * to hold nothing, so that its death can be short.
 */
#ifndef EXVI_REFERENCES_H
#define EXVI_REFERENCES_H

#include "header.h"

/* Can its objects refer to others? Only such are tracked. */
static inline bool exvi_type_refers(const exv_type *type)
{
    return ((uintptr_t)type->visit | (uintptr_t)type->references) != 0;
}

/* Can it break a cycle? */
static inline bool exvi_type_clears(const exv_type *type)
{
    return type->clear || type->references;
}

/* How many references there are to an object, of which its header counts `count`, or that less what somebody knows of.
 * A proxy's foreign object has its own. Asked last, this leaves the one who asks with nothing to save. */
uint64_t exvi_references_to_proxy(const void *object, uint32_t count);
static inline uint64_t exvi_references_to(const void *object, uint32_t count)
{
    return exvi_unlikely(exvi_header_of(object)->type->foreign_count != NULL) ? exvi_references_to_proxy(object, count)
                                                                              : count;
}

/* A reference may lie wherever the program has room for one. */
static inline void **exvi_field_at(const void *start, size_t offset)
{
    return (void **)((uintptr_t)start + offset);
}

/* Call each(field, arg) for the fields of an object until it returns other than 0, which is then returned. */
typedef int exvi_field_fn(void **field, void *arg);

static inline __attribute__((always_inline)) int exvi_fields_of_items(const void *object, const exv_type *type,
                                                                      exvi_field_fn *each, void *arg)
{
    const exv_references *r = type->references;
    const char *item = (const char *)object + type->size;
    for (size_t left = type->item_size ? *exvi_count_place(object) : 0; left > 0; left--, item += type->item_size) {
        for (uint32_t i = 0; i < r->item_field_count; i++) {
            int end = each(exvi_field_at(item, r->item_fields[i]), arg);
            if (end)
                return end;
        }
    }
    return 0;
}

static inline __attribute__((always_inline)) int exvi_fields_of_arrays(const void *object, const exv_references *r,
                                                                       exvi_field_fn *each, void *arg)
{
    for (uint32_t i = 0; i < r->array_count; i++) {
        const exv_array *array = &r->arrays[i];
        void **items = *exvi_field_at(object, array->items);
        size_t count = items ? *(const size_t *)(const void *)exvi_field_at(object, array->count) : 0;
        for (size_t at = 0; at < count; at++) {
            int end = each(&items[at], arg);
            if (end)
                return end;
        }
    }
    return 0;
}

static inline __attribute__((always_inline)) int exvi_fields(const void *object, const exv_type *type,
                                                             exvi_field_fn *each, void *arg)
{
    const exv_references *r = type->references;
    for (uint32_t i = 0; i < r->field_count; i++) {
        int end = each(exvi_field_at(object, r->fields[i]), arg);
        if (end)
            return end;
    }
    int end = r->item_field_count ? exvi_fields_of_items(object, type, each, arg) : 0;
    return end || !r->array_count ? end : exvi_fields_of_arrays(object, r, each, arg);
}

/* Does it hold no reference now? Seen for single fields only; false where that is not known. */
static inline bool exvi_holds_nothing(const void *object, const exv_type *type)
{
    const exv_references *r = type->references;
    if (!r)
        return !type->visit && !type->clear;
    if (r->item_field_count | r->array_count)
        return false;
    uintptr_t any = 0;
    for (const uint32_t *at = r->fields, *end = at + r->field_count; at < end; at++)
        any |= (uintptr_t)*exvi_field_at(object, *at);
    return any == 0;
}

#endif
