/*
 * gclist: CPython's doubly linked lists of tracked objects.
 *
 * In front of every object that the collector may track stand two words:
 *
 *     next   0: not tracked. Otherwise the next header; bits 0 and 1 are clear but inside a collection
 *     prev   the previous header, with two flags: 1 finalized, 2 being collected (then it holds a count instead)
 *
 * The list's head is such a pair without an object. Nothing here knows where the heads are (layout.h does), and
 * nothing here decides which objects to move (reclaim.h does). All of it needs the GIL, or runs in a snapshot child.
 */
#ifndef EXVI_GCLIST_H
#define EXVI_GCLIST_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>

/* Aligned to 4 only: so are the list heads in Debian's 3.13. */
typedef struct exvi_gc_head {
    uintptr_t next, prev;
} __attribute__((packed, aligned(4))) exvi_gc_head;

#define EXVI_GC_FINALIZED ((uintptr_t)1)
#define EXVI_GC_COLLECTING ((uintptr_t)2)
#define EXVI_GC_FLAGS ((uintptr_t)3)
#define EXVI_GC_COUNT_SHIFT 2

static inline exvi_gc_head *exvi_gc_head_of(const void *object)
{
    return (exvi_gc_head *)((uintptr_t)object - sizeof(exvi_gc_head));
}

static inline PyObject *exvi_gc_object_of(const exvi_gc_head *head)
{
    return (PyObject *)((uintptr_t)head + sizeof(exvi_gc_head));
}

static inline exvi_gc_head *exvi_gc_next(const exvi_gc_head *head)
{
    return (exvi_gc_head *)head->next;
}

static inline exvi_gc_head *exvi_gc_prev(const exvi_gc_head *head)
{
    return (exvi_gc_head *)(head->prev & ~EXVI_GC_FLAGS);
}

/* The list's length if it is circular with consistent links both ways and at most `most` long, or -1. */
Py_ssize_t exvi_gc_list_check(const exvi_gc_head *list, Py_ssize_t most);

/* Is this memory, which was not freed, the header of an object that is tracked, outside a collection, and alive? */
bool exvi_gc_is_listed(const exvi_gc_head *head);

/* Move from whatever list it is in to the end of `list`. */
void exvi_gc_move(exvi_gc_head *head, exvi_gc_head *list);

/* The same for all from `first` to `last`, neighbours in one list. */
void exvi_gc_splice(exvi_gc_head *first, exvi_gc_head *last, exvi_gc_head *list);

/* A walk from both ends towards the middle: two chains of cache misses at a time instead of one. Zeroed but for `list`
 * at first. The list must not change meanwhile. */
typedef struct exvi_gc_walk {
    const exvi_gc_head *list;
    exvi_gc_head *front, *back;   /* not yet handed out */
    bool started, ended;
} exvi_gc_walk;
size_t exvi_gc_walk_next(exvi_gc_walk *walk, void **objects, size_t room);

#endif
