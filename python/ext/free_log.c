/*
 * free_log: see free_log.h.
 *
 * Bits lie in tables of 256 KiB, each for 32 MiB of address space, made when the first block in it is freed; pages of
 * a table are resident only where blocks were freed. A bit is set by a plain store into its byte: the GIL orders the
 * main interpreter's frees. Beside interpreters that may have a GIL of their own it is not begun to observe; one that
 * comes later has pools, hence bytes, of its own, and the tables stay until it is gone.
 *
 * Where somebody stands above us when we stop, our functions stay in the chain and only pass on; `stranded` remembers
 * it.
 */
#include "free_log.h"

#include "layout.h"

#include "address_map.h"
#include "die.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK_SHIFT = 4 };
#define TABLE_SIZE ((size_t)1 << (EXVI_TABLE_SHIFT - BLOCK_SHIFT - 3))

static struct {
    bool observing;
    bool stranded;                 /* in the chain below somebody, while not observing */
    bool lost;                     /* a freed block could not be recorded */
    PyMemAllocatorEx inner;        /* what we stand above */
    PyMemAllocatorEx own;
    exvi_address_map freed;        /* a bit for each 16 bytes */
    const void *seen;              /* the last block that passed */
} watch;

static void record(const void *block)
{
    watch.seen = block;
    if (!watch.observing || !block)
        return;
    uintptr_t address = (uintptr_t)block;
    uint8_t *table = exvi_address_map_find(&watch.freed, address);
    if (!table && !(table = exvi_address_map_add(&watch.freed, address))) {
        watch.lost = true;
        return;
    }
    uint8_t *byte = &table[(address >> (BLOCK_SHIFT + 3)) & (TABLE_SIZE - 1)];
    *byte = (uint8_t)(*byte | 1u << ((address >> BLOCK_SHIFT) & 7));
}

static void observed_free(void *context, void *block)
{
    record(block);
    watch.inner.free(context, block);
}

static void *observed_realloc(void *context, void *block, size_t size)
{
    record(block);
    return watch.inner.realloc(context, block, size);
}

static bool same_allocator(const PyMemAllocatorEx *a, const PyMemAllocatorEx *b)
{
    return a->ctx == b->ctx && a->malloc == b->malloc && a->calloc == b->calloc && a->realloc == b->realloc &&
           a->free == b->free;
}

static bool is_outermost(void)
{
    PyMemAllocatorEx current;
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &current);
    return same_allocator(&current, &watch.own);
}

/* Which address of a freed block passes us: NULL for none. */
static const void *freed_address(void **block)
{
    *block = PyObject_Malloc(48);
    watch.seen = NULL;
    if (*block)
        PyObject_Free(*block);
    return watch.seen;
}

static bool enter_chain(void)
{
    if (is_outermost())
        return true;
    void *block;
    if (watch.stranded) {
        const void *seen = freed_address(&block);
        if (seen || !block)
            return block && seen == block; /* without memory nobody can say whether we are in the chain */
    }
    PyMem_GetAllocator(PYMEM_DOMAIN_OBJ, &watch.inner);
    watch.own = watch.inner; /* allocation goes straight on, with the context it knows */
    watch.own.free = observed_free;
    watch.own.realloc = observed_realloc;
    PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &watch.own);
    watch.stranded = false;
    return true;
}

/* An interpreter with a GIL of its own frees while we, under ours, begin and end: it might be about to write a record.
 * The main interpreter is the oldest, so the last of the list. */
bool exvi_free_log_is_alone(void)
{
    return EXVI_LAYOUT_ONE_GIL || PyInterpreterState_Head() == PyInterpreterState_Main();
}

bool exvi_free_log_start(void)
{
    watch.lost = false;
    if (!exvi_free_log_is_alone())
        return false;
    exvi_address_map_drop(&watch.freed);
    if (!exvi_address_map_begin(&watch.freed, TABLE_SIZE, false))
        return false;
    watch.observing = enter_chain();
    if (watch.observing && exvi_free_log_accurate())
        return true;
    exvi_free_log_stop();
    return false;
}

void exvi_free_log_stop(void)
{
    watch.observing = false;
    if (is_outermost()) {
        PyMem_SetAllocator(PYMEM_DOMAIN_OBJ, &watch.inner);
        watch.stranded = false;
    } else if (watch.own.free) {
        watch.stranded = true;
    }
    if (exvi_free_log_is_alone())
        exvi_address_map_drop(&watch.freed);
}

bool exvi_free_log_accurate(void)
{
    void *block;
    const void *seen = watch.observing ? freed_address(&block) : NULL;
    return seen && seen == block && !watch.lost;
}

bool exvi_free_log_is_freed(const void *block)
{
    exv_assert(watch.observing);
    uintptr_t address = (uintptr_t)block;
    const uint8_t *table = exvi_address_map_find(&watch.freed, address);
    if (!table)
        return false;
    uint8_t byte = table[(address >> (BLOCK_SHIFT + 3)) & (TABLE_SIZE - 1)];
    return (byte >> ((address >> BLOCK_SHIFT) & 7) & 1) != 0;
}

/* An instance of a class made for this, with or without room for attributes, which decides about the words before it.
 * */
static PyObject *new_instance(bool with_dict)
{
    PyObject *namespace = PyDict_New();
    PyObject *none = PyTuple_New(0);
    if (namespace && none && !with_dict)
        PyDict_SetItemString(namespace, "__slots__", none);
    PyObject *base = with_dict ? (PyObject *)&PyBaseObject_Type : (PyObject *)&PySet_Type;
    PyObject *type = NULL;
    if (namespace && none)
        type = PyObject_CallFunction((PyObject *)&PyType_Type, "s(O)O", "probe", base, namespace);
    PyObject *object = type ? PyObject_CallNoArgs(type) : NULL;
    Py_XDECREF(type);
    Py_XDECREF(namespace);
    Py_XDECREF(none);
    PyErr_Clear();
    return object;
}

/* Consumes the object. */
static bool dies_where_expected(PyObject *object, size_t before)
{
    const char *block = (const char *)object - before;
    bool expected = object && exvi_layout_before(Py_TYPE(object)) == before && exvi_free_log_start();
    Py_XDECREF(object);
    if (!expected)
        return false;
    expected = exvi_free_log_is_freed(block);
    exvi_free_log_stop();
    return expected;
}

bool exvi_free_log_probe(exvi_report *report)
{
    bool plain = dies_where_expected(new_instance(false), 16);
    bool with_dict = dies_where_expected(new_instance(true), 32);
    return exvi_report_add(report, "allocator", plain && with_dict,
                           "blocks begin 16 bytes before an object: %s; 32: %s",
                           plain ? "seen" : "not seen", with_dict ? "seen" : "not seen");
}
