/*
 * ranges: see ranges.h.
 *
 * A marker costs no more than an empty tuple would. References to them are kept outside the list, so that a list that
 * was changed by others is never walked to find one.
 */
#include "ranges.h"

#include "die.h"
#include "platform.h"

#ifdef EXVI_STRESS
enum { FIRST_ROOM = 2 };
#else
enum { FIRST_ROOM = 256 };
#endif

typedef struct range {
    PyObject *begin;          /* owned: the marker in front */
    size_t objects;           /* that were put behind it; 0: a gap, or nothing */
} range;

static struct {
    const exvi_layout *layout;
    range *range;             /* [taken, count): count - 1 is open, its objects are still being put */
    size_t count, taken, room;
    size_t left;              /* objects in closed ranges */
} ranges;

static PyObject *marker_type; /* owned; of the interpreter that there is */

static int marker_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void marker_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *marker_new(void)
{
    static PyType_Slot slots[] = {
        {Py_tp_traverse, (void *)marker_traverse},
        {Py_tp_dealloc, (void *)marker_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {.name = "exuvia._core.marker", .basicsize = (int)sizeof(PyObject),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               .slots = slots};
    if (!marker_type)
        marker_type = PyType_FromSpec(&spec);
    PyObject *marker = marker_type ? PyType_GenericAlloc((PyTypeObject *)marker_type, 0) : NULL;
    if (!marker)
        PyErr_Clear();
    return marker;
}

static bool make_room(void)
{
    if (ranges.count < ranges.room)
        return true;
    size_t room = ranges.room ? 2 * ranges.room : FIRST_ROOM;
    range *larger = exvi_map_larger(ranges.range, ranges.room * sizeof *larger, room * sizeof *larger);
    if (!larger)
        return false;
    ranges.range = larger;
    ranges.room = room;
    return true;
}

/* A marker at the end of the oldest list begins a range. */
static bool add_marker(void)
{
    PyObject *marker = make_room() ? marker_new() : NULL;
    if (!marker)
        return false;
    exvi_gc_move(exvi_gc_head_of(marker), ranges.layout->head[EXVI_GENERATIONS - 1]);
    ranges.range[ranges.count++] = (range){marker, 0};
    return true;
}

bool exvi_ranges_begin(const exvi_layout *layout)
{
    ranges.layout = layout;
    return add_marker();
}

void exvi_ranges_put(exvi_gc_head *head)
{
    exv_assert(ranges.count > ranges.taken);
    exvi_gc_move(head, ranges.layout->head[EXVI_GENERATIONS - 1]);
    ranges.range[ranges.count - 1].objects++;
}

bool exvi_ranges_close(void)
{
    if (!add_marker())
        return false;
    ranges.left += ranges.range[ranges.count - 2].objects;
    return true;
}

size_t exvi_ranges_left(void)
{
    return ranges.left;
}

/* What stands between the two, without them. The walk finds what died meanwhile gone, and brings the headers into the
 * cache, where the collection needs them next. */
static size_t join(PyObject *begin, PyObject *end)
{
    exvi_gc_head *first = exvi_gc_next(exvi_gc_head_of(begin));
    exvi_gc_head *stop = exvi_gc_head_of(end);
    size_t count = 0;
    for (const exvi_gc_head *head = first; head != stop; head = exvi_gc_next(head))
        count++;
    if (count > 0)
        exvi_gc_splice(first, exvi_gc_prev(stop), ranges.layout->head[0]);
    return count;
}

size_t exvi_ranges_take(size_t most)
{
    size_t looked = 0, taken = 0;
    while (ranges.taken + 1 < ranges.count) {
        range *next = &ranges.range[ranges.taken];
        if (looked > 0 && looked + next->objects > most)
            break;
        taken += next->objects > 0 ? join(next->begin, next[1].begin) : 0;
        looked += next->objects;
        exv_assert(ranges.left >= next->objects);
        ranges.left -= next->objects;
        ranges.taken++;
        Py_CLEAR(next->begin);
    }
    exv_assert(ranges.left == 0 || ranges.taken + 1 < ranges.count);
    return taken;
}

static void give_back(void)
{
    if (ranges.range)
        exvi_unmap(ranges.range, ranges.room * sizeof *ranges.range);
    ranges = (typeof(ranges)){0};
}

void exvi_ranges_drop(void)
{
    for (; ranges.taken < ranges.count; ranges.taken++)
        Py_CLEAR(ranges.range[ranges.taken].begin);
    give_back();
}

void exvi_ranges_forget(void)
{
    give_back();
    marker_type = NULL;
}
