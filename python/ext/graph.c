/*
 * graph: see graph.h.
 *
 * References are what tp_traverse reports. From 3.14 on a suspended frame may hold references that are not counted,
 * which its traverse reports to every visitor but the collector's own. Counting them would make live objects look
 * dead, so in the counting phase such objects are visited in three rounds:
 *
 *     1. set a large count in the header of everything reported
 *     2. traverse with the collector's visitor, which takes one from it for each counted reference
 *     3. report each object as often as its count went down
 *
 * The headers are the child's own copies by then. What is still in excess of an object's count is ignored: it makes a
 * candidate, and candidates are proven again.
 */
#include "graph.h"

#include "cycle.h"
#include "child.h"
#include "platform.h"

typedef struct host {
    const exvi_search *search;
    const exvi_answer *answer;
    int generation;               /* whose list is walked */
    uint64_t oldest;              /* objects in the list of the oldest */
    exvi_gc_walk walk;
    bool root_given;
    exvi_visit_fn *marking;       /* the engine's visitor of its first phase, which marks */
} host;

static size_t next_members(void *arg, void **objects, size_t room)
{
    host *h = arg;
    while (h->generation < h->search->generations) {
        h->walk.list = h->search->layout->head[h->generation];
        size_t count = exvi_gc_walk_next(&h->walk, objects, room);
        h->oldest += h->generation == EXVI_GENERATIONS - 1 ? count : 0;
        if (count > 0)
            return count;
        h->generation++;
        h->walk = (exvi_gc_walk){0};
    }
    return 0;
}

static size_t next_root(void *arg, void **objects, size_t room)
{
    host *h = arg;
    if (h->root_given || room == 0)
        return 0;
    h->root_given = true;
    objects[0] = h->search->root;
    return 1;
}

static uint64_t refcount(void *arg, void *object)
{
    (void)arg;
    return (uint64_t)Py_REFCNT((PyObject *)object); /* of an immortal object: more than all references from inside */
}

static bool should_stop(void *arg)
{
    const host *h = arg;
    return exvi_answer_stopped(h->answer);
}

/* ------------------------------------------- references that are not counted */

#define LARGE_COUNT ((uintptr_t)1 << 40)

static const uintptr_t armed = LARGE_COUNT << EXVI_GC_COUNT_SHIFT | EXVI_GC_COLLECTING;

typedef struct report_to {
    exvi_visit_fn *visit;
    void *arg;
} report_to;

static int arm(PyObject *child, void *arg)
{
    (void)arg;
    if (PyObject_IS_GC(child))
        exvi_gc_head_of(child)->prev = armed;
    return 0;
}

static int report_difference(PyObject *child, void *arg)
{
    const report_to *to = arg;
    if (!PyObject_IS_GC(child))
        return 0;
    exvi_gc_head *head = exvi_gc_head_of(child);
    uintptr_t counted = LARGE_COUNT - (head->prev >> EXVI_GC_COUNT_SHIFT);
    head->prev = armed; /* an object may be reported again */
    for (; counted > 0; counted--)
        to->visit(child, to->arg);
    return 0;
}

static void visit_counted(const exvi_layout *layout, PyObject *object, exvi_visit_fn *visit, void *arg)
{
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    report_to to = {visit, arg};
    traverse(object, arm, NULL);
    traverse(object, layout->count_visit, object);
    traverse(object, report_difference, &to);
}

static bool may_borrow(const exvi_layout *layout, traverseproc traverse)
{
    uintptr_t function = (uintptr_t)traverse;
    return traverse == layout->frame_like[0] || traverse == layout->frame_like[1] || function < layout->text_start ||
           function >= layout->text_end;
}

static void visit_object(void *arg, void *object, exvi_visit_fn *visit, void *visit_arg)
{
    host *h = arg;
    traverseproc traverse = Py_TYPE((PyObject *)object)->tp_traverse;
    if (!h->marking)
        h->marking = visit; /* the root is the first to be visited */
    if (EXVI_LAYOUT_BORROWS && visit != h->marking && may_borrow(h->search->layout, traverse))
        visit_counted(h->search->layout, object, visit, visit_arg);
    else
        traverse(object, (visitproc)visit, visit_arg);
}

/* ---------------------------------------------------------------- the search */

static uint64_t word_of(const void *found)
{
    uint64_t last = (uint64_t)(uintptr_t)found & EXVI_WORD_LAST;
    PyObject *object = (PyObject *)((uintptr_t)found & ~(uintptr_t)EXVI_WORD_FLAGS);
    uint64_t preheader = exvi_layout_before(Py_TYPE(object)) == 32 ? EXVI_WORD_PREHEADER : 0;
    return (uint64_t)(uintptr_t)object | last | preheader;
}

static bool put_candidates(exvi_answer *answer, const exvi_cycle *cycle)
{
    uint64_t words[512];
    size_t filled = 0;
    for (size_t i = 0; i < cycle->count; i++) {
        words[filled++] = word_of(cycle->found[i]);
        if (filled < 512 && i + 1 < cycle->count)
            continue;
        if (!exvi_answer_put(answer, words, filled))
            return false;
        filled = 0;
    }
    return true;
}

exvi_search_end exvi_graph_search(exvi_answer *answer, void *arg)
{
    static exvi_cycle cycle; /* of the child: never used in the parent */
    const exvi_search *search = arg;
    if (search->idle)
        exvi_child_yield();
    host h = {.search = search, .answer = answer};
    exvi_graph graph = {
        .host = &h, .dense = true, .next = next_members, .next_root = next_root,
        .refcount = refcount, .visit = visit_object, .stop = should_stop,
    };
    exvi_cycle_end end = exvi_cycle_find(&cycle, &graph);
    answer->examined = cycle.examined;
    if (end == EXVI_CYCLE_DONE)
        end = exvi_cycle_group(&cycle, &graph);
    if (end == EXVI_CYCLE_DONE && !(exvi_answer_put(answer, &h.oldest, 1) && put_candidates(answer, &cycle)))
        end = EXVI_CYCLE_MEMORY;
    if (end == EXVI_CYCLE_DONE)
        return EXVI_SEARCH_DONE;
    return end == EXVI_CYCLE_MEMORY ? EXVI_SEARCH_MEMORY : EXVI_SEARCH_STOPPED;
}
