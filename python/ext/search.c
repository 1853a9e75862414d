/*
 * search: see search.h.
 *
 * References are what tp_traverse reports. From 3.14 on a suspended frame may hold references that are not counted,
 * which its traverse reports to every visitor but the collector's own. Counting them would make live objects look
 * dead, so such objects are visited in three rounds:
 *
 *     1. set a large count in the header of everything reported
 *     2. traverse with the collector's visitor, which takes one from it for each counted reference
 *     3. report each object as often as its count went down, and as borrowed where it did not
 *
 * The headers are the child's own copies by then, and nothing looks along the lists any more. What is still in excess
 * of an object's count is ignored: it makes a candidate, and candidates are proven again.
 */
#include "search.h"

#include "cookie.h"
#include "pages.h"
#include "slots.h"

#include "child.h"
#include "garbage.h"
#include "platform.h"

enum { BATCH = 256, PATIENCE = 64, MOST_YOUNG = 1 << 18 };

typedef struct host {
    const exvi_search *search;
    exvi_answer *answer;
    exvi_kinds *kinds;
    const exvi_graph *graph;
    uint64_t oldest;              /* objects in the list of the oldest */
    uint64_t listed;              /* found along lists */
    bool root_given;
} host;

/* ------------------------------------------------------------------ members */

/* Walking a long list would take as long as all the rest: then what CPython counted has to do. */
static size_t length_of(const exvi_layout *layout, int generation)
{
    const exvi_gc_head *list = layout->head[generation];
    size_t length = 0;
    for (const exvi_gc_head *head = exvi_gc_next(list); head != list && length < MOST_YOUNG; head = exvi_gc_next(head))
        length++;
    size_t counted = generation == 0 && *layout->count[0] > 0 ? (size_t)*layout->count[0] : 0;
    return length == MOST_YOUNG && counted > length ? counted : length;
}

static bool add_by_pages(host *h, exvi_walk *walk)
{
    size_t outside;
    if (h->search->generations < EXVI_GENERATIONS ||
        !exvi_pages_add_members(h->kinds, walk, h->graph, &outside))
        return false;
    size_t young = 0;
    for (int i = 0; i < EXVI_GENERATIONS - 1; i++)
        young += length_of(h->search->layout, i);
    h->oldest = walk->members > young ? walk->members - young : 0;
    h->listed = outside;
    return true;
}

static bool add_list(host *h, exvi_walk *walk, int generation)
{
    void *objects[BATCH];
    exvi_gc_walk along = {.list = h->search->layout->head[generation]};
    size_t count, batches = 0;
    while ((count = exvi_gc_walk_next(&along, objects, BATCH)) > 0) {
        if (batches++ % PATIENCE == 0 && exvi_walk_ends(walk, h->graph))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!exvi_walk_add(walk, objects[i]))
                return false;
        h->oldest += generation == EXVI_GENERATIONS - 1 ? count : 0;
    }
    return true;
}

static bool add_by_lists(host *h, exvi_walk *walk)
{
    exvi_walk_forget(walk);
    h->oldest = 0;
    for (int i = 0; i < h->search->generations; i++)
        if (!add_list(h, walk, i))
            return false;
    h->listed = walk->members;
    return true;
}

static bool add_members(void *arg, exvi_walk *walk)
{
    host *h = arg;
    return add_by_pages(h, walk) || (!exvi_walk_ends(walk, h->graph) && add_by_lists(h, walk));
}

/* --------------------------------------------------------------- references */

#define LARGE_COUNT ((uintptr_t)1 << 40)

static const uintptr_t armed = LARGE_COUNT << EXVI_GC_COUNT_SHIFT | EXVI_GC_COLLECTING;

static int arm(PyObject *child, void *arg)
{
    (void)arg;
    if (PyObject_IS_GC(child))
        exvi_gc_head_of(child)->prev = armed;
    return 0;
}

static int report_difference(PyObject *child, void *walk)
{
    if (!PyObject_IS_GC(child))
        return 0;
    exvi_gc_head *head = exvi_gc_head_of(child);
    uintptr_t counted = LARGE_COUNT - (head->prev >> EXVI_GC_COUNT_SHIFT);
    head->prev = armed; /* an object may be reported again */
    if (counted == 0)
        exvi_walk_reference(walk, child, EXVI_REFERENCE_BORROWED);
    for (; counted > 0; counted--)
        exvi_walk_reference(walk, child, 0);
    return 0;
}

static void traverse_in_rounds(const exvi_layout *layout, PyObject *object, exvi_walk *walk)
{
    traverseproc traverse = Py_TYPE(object)->tp_traverse;
    traverse(object, arm, NULL);
    traverse(object, layout->count_visit, object);
    traverse(object, report_difference, walk);
}

static void add_items(exvi_walk *walk, PyObject *const *items, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++)
        exvi_walk_reference(walk, items[i], 0); /* NULL where a tuple is being made: no member */
}

static void add_weak_target(exvi_walk *walk, const PyWeakReference *ref)
{
    if (ref->wr_callback && ref->wr_object != Py_None)
        exvi_walk_reference(walk, ref->wr_object, EXVI_REFERENCE_WEAK);
}

static void extract(void *arg, exvi_walk *walk, void *const *objects, size_t count)
{
    const host *h = arg;
    for (size_t i = 0; i < count; i++) {
        PyObject *object = objects[i];
        uint32_t kind = exvi_kind_of(h->kinds, Py_TYPE(object));
        uint64_t references = exvi_layout_immortal(object) ? EXVI_HELD : (uint64_t)Py_REFCNT(object);
        exvi_walk_node(walk, references, kind);
        if ((kind & EXVI_KIND_LIST) != 0)
            add_items(walk, ((PyListObject *)object)->ob_item, Py_SIZE(object));
        else if ((kind & EXVI_KIND_TUPLE) != 0)
            add_items(walk, ((PyTupleObject *)object)->ob_item, Py_SIZE(object));
        else if ((kind & EXVI_KIND_BORROWS) != 0)
            traverse_in_rounds(h->search->layout, object, walk);
        else
            Py_TYPE(object)->tp_traverse(object, (visitproc)exvi_walk_visit, walk);
        if ((kind & EXVI_KIND_WEAKREF) != 0)
            add_weak_target(walk, (const PyWeakReference *)object);
    }
}

/* -------------------------------------------------------------- the others */

static size_t next_root(void *arg, void **objects, size_t room)
{
    host *h = arg;
    if (h->root_given || room == 0)
        return 0;
    h->root_given = true;
    objects[0] = h->search->root;
    return 1;
}

static void visit_root(void *arg, void *object, exvi_phase phase, exvi_visit_fn *visit, void *visit_arg)
{
    (void)arg, (void)phase;
    Py_TYPE((PyObject *)object)->tp_traverse(object, (visitproc)visit, visit_arg);
}

static bool should_stop(void *arg)
{
    const host *h = arg;
    return exvi_answer_stopped(h->answer);
}

/* What the program writes from now on is not copied. */
static void give_pages_back(void *arg)
{
    const host *h = arg;
    exvi_slots_leave();
    exvi_answer_release(h->answer);
}

/* ---------------------------------------------------------------- the search */

static uint64_t word_of(const exvi_garbage *garbage, size_t i)
{
    uint32_t kind = garbage->walk.node[garbage->found.number[i]].word;
    return garbage->found.object[i] | ((kind & EXVI_KIND_PREHEADER) != 0 ? EXVI_WORD_PREHEADER : 0);
}

static bool put_candidates(exvi_answer *answer, const exvi_garbage *garbage)
{
    uint64_t words[512];
    size_t filled = 0;
    for (size_t i = 0; i < garbage->found.count; i++) {
        words[filled++] = word_of(garbage, i);
        if (filled < 512 && i + 1 < garbage->found.count)
            continue;
        if (!exvi_answer_put(answer, words, filled))
            return false;
        filled = 0;
    }
    return true;
}

exvi_search_end exvi_graph_search(exvi_answer *answer, void *arg)
{
    static exvi_garbage garbage; /* of the child: never used in the parent */
    static exvi_kinds kinds;
    const exvi_search *search = arg;
    exvi_cookie_wipe();
    if (search->idle)
        exvi_child_yield();
    kinds.layout = search->layout;
    host h = {.search = search, .answer = answer, .kinds = &kinds};
    exvi_graph graph = {
        .host = &h, .next_root = next_root, .visit = visit_root, .stop = should_stop,
        .add_members = add_members, .extract = extract, .release = give_pages_back,
    };
    h.graph = &graph;
    exvi_cycle_end end = exvi_garbage_find(&garbage, &graph);
    answer->examined = garbage.examined;
    const uint64_t head[EXVI_ANSWER_HEAD] = {h.oldest, h.listed};
    if (end == EXVI_CYCLE_DONE &&
        !(exvi_answer_put(answer, head, EXVI_ANSWER_HEAD) && put_candidates(answer, &garbage)))
        end = EXVI_CYCLE_MEMORY;
    if (end == EXVI_CYCLE_DONE)
        return EXVI_SEARCH_DONE;
    return end == EXVI_CYCLE_MEMORY ? EXVI_SEARCH_MEMORY : EXVI_SEARCH_STOPPED;
}
