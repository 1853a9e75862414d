/*
 * kinds: see kinds.h.
 */
#include "kinds.h"

#include "platform.h"

enum { DEEPEST = 64 }; /* bases that are looked at in what may be no type */

/* Can the bases be followed? Those of a type that was freed, or of what only looks like one, lead anywhere. */
static bool has_bases(const PyTypeObject *type)
{
    for (int depth = 0; depth < DEEPEST; depth++) {
        if ((uintptr_t)type % sizeof(void *) != 0 || !exvi_is_readable(&type->tp_base))
            return false;
        type = type->tp_base;
        if (!type)
            return true;
    }
    return false;
}

/* A type is an object whose type is a subclass of `type`, has been made ready, and gives its objects a header. */
static bool is_tracked_type(uintptr_t word)
{
    const PyTypeObject *type = (const PyTypeObject *)word;
    if (word % sizeof(void *) != 0 || !exvi_is_readable(type) || !exvi_is_readable(&type->tp_flags))
        return false;
    const PyTypeObject *metatype = type->ob_base.ob_base.ob_type;
    if ((uintptr_t)metatype % sizeof(void *) != 0 || !exvi_is_readable(&metatype->tp_flags))
        return false;
    const unsigned long needed = Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_READY;
    return (metatype->tp_flags & Py_TPFLAGS_TYPE_SUBCLASS) != 0 && (type->tp_flags & needed) == needed &&
           exvi_is_readable(&type->tp_traverse) && type->tp_traverse && exvi_is_readable(&type->tp_del) &&
           exvi_is_readable(&type->tp_finalize) && has_bases(type);
}

static bool is_weakref(const PyTypeObject *type)
{
    for (; type; type = type->tp_base)
        if (type == &_PyWeakref_RefType || type == &_PyWeakref_ProxyType || type == &_PyWeakref_CallableProxyType)
            return true;
    return false;
}

static bool may_borrow(const exvi_layout *layout, traverseproc traverse)
{
    uintptr_t function = (uintptr_t)traverse;
    return EXVI_LAYOUT_BORROWS && (traverse == layout->frame_like[0] || traverse == layout->frame_like[1] ||
                                   function < layout->text_start || function >= layout->text_end);
}

static uint32_t kind_of_type(const exvi_layout *layout, const PyTypeObject *type)
{
    uint32_t kind = EXVI_KIND_TRACKED;
    kind |= exvi_layout_before(type) == 32 ? EXVI_KIND_PREHEADER : 0;
    kind |= type == &PyList_Type ? EXVI_KIND_LIST : type == &PyTuple_Type ? EXVI_KIND_TUPLE : 0;
    kind |= is_weakref(type) ? EXVI_KIND_WEAKREF : 0;
    kind |= may_borrow(layout, type->tp_traverse) ? EXVI_KIND_BORROWS : 0;
    kind |= type->tp_finalize || type->tp_del ? EXVI_KIND_FINALIZES : 0;
    return kind;
}

uint32_t exvi_kind_find(exvi_kinds *kinds, uintptr_t type, bool sure)
{
    exvi_kind_entry *entry = &kinds->entry[(type >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - EXVI_KINDS_SHIFT)];
    bool tracked = sure || is_tracked_type(type);
    *entry = (exvi_kind_entry){type, tracked ? kind_of_type(kinds->layout, (const PyTypeObject *)type) : 0};
    return entry->kind;
}
