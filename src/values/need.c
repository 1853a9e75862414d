/*
 * need: see need.h.
 */
#include "need.h"

#include "error.h"

#include "exv_heap.h"

exvi_values *exvi_heap_values(exv_heap *heap)
{
    return &heap->values;
}

void exvi_need_value(const char *function, const void *self, const void *value)
{
    if (!value)
        exvi_die(function, "NULL is not a value (%s object %p)", exvi_type_name(self), self);
#ifdef EXVI_CHECKED
    if (exv_get_heap(value) != exv_get_heap(self))
        exvi_die(function, "%s object %p and %s object %p are of different heaps", exvi_type_name(self), self,
                 exvi_type_name(value), value);
#endif
}

#ifdef EXVI_CHECKED
void exvi_need_type(const char *function, const void *self, const exv_type *type)
{
    if (!self)
        exvi_die(function, "NULL is not a %s", type->name);
    if (exv_get_type(self) != type)
        exvi_die(function, "object %p is not a %s but a %s", self, type->name, exvi_type_name(self));
}
#endif

exv_status exvi_told(exv_heap *heap, uint64_t errors_before, exv_status status, const char *what, const void *object)
{
    if (status == EXV_OK || exvi_error_count(heap) != errors_before)
        return status;
    return exvi_error(heap, status, "%s of a '%.99s' object failed", what, exvi_type_name(object));
}
