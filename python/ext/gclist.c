/*
 * gclist: see gclist.h.
 *
 * Invariant of a list outside a collection: for each header h in it, prev(next(h)) == h == next(prev(h)).
 */
#include "gclist.h"

#include "die.h"

Py_ssize_t exvi_gc_list_check(const exvi_gc_head *list, Py_ssize_t most)
{
    Py_ssize_t length = 0;
    for (const exvi_gc_head *head = list;;) {
        const exvi_gc_head *next = exvi_gc_next(head);
        if (!next || ((uintptr_t)next & EXVI_GC_FLAGS) != 0 || exvi_gc_prev(next) != head)
            return -1;
        if (next == list)
            return length;
        if (length == most)
            return -1;
        length++;
        head = next;
    }
}

bool exvi_gc_is_listed(const exvi_gc_head *head)
{
    uintptr_t next = head->next;
    if (next == 0 || (next & EXVI_GC_FLAGS) != 0)
        return false;
    if ((head->prev & EXVI_GC_COLLECTING) != 0 || !exvi_gc_prev(head))
        return false;
    /* Before the neighbours are looked at: a dying object's links may be the trashcan's, not a list's. */
    if (Py_REFCNT(exvi_gc_object_of(head)) <= 0)
        return false;
    return exvi_gc_prev(exvi_gc_next(head)) == head && exvi_gc_next(exvi_gc_prev(head)) == head;
}

void exvi_gc_splice(exvi_gc_head *first, exvi_gc_head *last, exvi_gc_head *list)
{
    exvi_gc_head *next = exvi_gc_next(last);
    exvi_gc_head *prev = exvi_gc_prev(first);
    exv_assert(exvi_gc_prev(next) == last && exvi_gc_next(prev) == first && exvi_gc_next(exvi_gc_prev(list)) == list);
    prev->next = (uintptr_t)next;
    next->prev = (next->prev & EXVI_GC_FLAGS) | (uintptr_t)prev;

    exvi_gc_head *end = exvi_gc_prev(list);
    end->next = (uintptr_t)first;
    first->prev = (first->prev & EXVI_GC_FLAGS) | (uintptr_t)end;
    last->next = (uintptr_t)list;
    list->prev = (uintptr_t)last;
}

void exvi_gc_move(exvi_gc_head *head, exvi_gc_head *list)
{
    exvi_gc_splice(head, head, list);
}

size_t exvi_gc_walk_next(exvi_gc_walk *walk, void **objects, size_t room)
{
    if (!walk->started) {
        walk->started = true;
        walk->front = exvi_gc_next(walk->list);
        walk->back = exvi_gc_prev(walk->list);
        walk->ended = walk->front == walk->list;
    }
    size_t count = 0;
    while (!walk->ended && count + 2 <= room) {
        exvi_gc_head *front = walk->front;
        exvi_gc_head *back = walk->back;
        objects[count++] = exvi_gc_object_of(front);
        if (front != back)
            objects[count++] = exvi_gc_object_of(back);
        walk->ended = front == back || exvi_gc_next(front) == back;
        walk->front = exvi_gc_next(front);
        walk->back = exvi_gc_prev(back);
    }
    return count;
}
