/*
 * layout: see layout.h.
 *
 * What is searched for, from the one place that can be found for certain: a fresh tracked object is the last of
 * generation 0, so what follows it is that list's head.
 *
 *     ... enabled debug | gen 0 | gen 1 | gen 2 | (A) | permanent | statistics (B) | collecting (C) | garbage
 *     | callbacks | (D) | long_lived_total | long_lived_pending
 *
 * A generation is a list head, a threshold and a count: 24 bytes aligned to 8, in Debian's 3.13 aligned to 4, and 32
 * where the head is aligned to 16. How many words A, B, C and D are depends on the version; the table below says what
 * to expect, and each field found is checked against what the gc module shows.
 */
#define _GNU_SOURCE
#include "layout.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

#if PY_VERSION_HEX < 0x030e0000
enum { HEAD_POINTER_WORDS = 1, STATISTICS_WORDS = 9, FRAME_WORDS = 0, SIZE_WORDS = 0 };
#elif PY_VERSION_HEX < 0x030f0000
enum { HEAD_POINTER_WORDS = 0, STATISTICS_WORDS = 9, FRAME_WORDS = 0, SIZE_WORDS = 3 };
#else
enum { HEAD_POINTER_WORDS = 0, STATISTICS_WORDS = 1, FRAME_WORDS = 1, SIZE_WORDS = 1 };
#endif

/* From 3.13 on CPython publishes offsets for debuggers: words at the begin of _PyRuntime, behind a cookie and the
 * version. GC is the collector's state in an interpreter's, SIZE and COLLECTING are of that state. */
#if PY_VERSION_HEX < 0x030e0000
enum { PUBLISHED_VERSION = 1, PUBLISHED_GC = 10, PUBLISHED_SIZE = 71, PUBLISHED_COLLECTING = 72 };
#elif PY_VERSION_HEX < 0x030f0000
enum { PUBLISHED_VERSION = 1, PUBLISHED_GC = 11, PUBLISHED_SIZE = 81, PUBLISHED_COLLECTING = 82 };
#else
enum { PUBLISHED_VERSION = 1, PUBLISHED_GC = 11, PUBLISHED_SIZE = 94, PUBLISHED_COLLECTING = 95 };
#endif

enum { LONGEST_LIST = 1 << 30 };

typedef struct probe {
    exvi_layout *layout;
    exvi_report *report;
    PyObject *gc;
    size_t stride;
    visitproc first_visit;       /* what the collector gave to our traverse function first */
    int collecting_inside;       /* the flag as seen from a callback */
    Py_ssize_t old_length;       /* of the oldest list, and what stands for it, at the collection's end */
    Py_ssize_t total, pending;
} probe;

static probe *running; /* for the traverse function and the callback, which get no argument of ours */

/* ------------------------------------------------------------ calling gc */

/* Calls gc.name(args...) and reads up to three ints from the result; -1 and a cleared error if that does not work. */
static int gc_ints(PyObject *gc, const char *name, PyObject *args, long result[3])
{
    PyObject *function = PyObject_GetAttrString(gc, name);
    PyObject *answer = function ? PyObject_Call(function, args, NULL) : NULL;
    int count = -1;
    if (answer && PyTuple_Check(answer)) {
        count = (int)PyTuple_GET_SIZE(answer);
        for (int i = 0; i < count && i < 3; i++)
            result[i] = PyLong_AsLong(PyTuple_GET_ITEM(answer, i));
    } else if (answer && PyLong_Check(answer)) {
        count = 1;
        result[0] = PyLong_AsLong(answer);
    } else if (answer) {
        count = 0;
    }
    Py_XDECREF(answer);
    Py_XDECREF(function);
    if (PyErr_Occurred()) {
        PyErr_Clear();
        return -1;
    }
    return count;
}

static int gc_call(PyObject *gc, const char *name, long result[3])
{
    PyObject *empty = PyTuple_New(0);
    int count = empty ? gc_ints(gc, name, empty, result) : -1;
    Py_XDECREF(empty);
    return count;
}

static bool set_threshold(PyObject *gc, const long value[3])
{
    long unused[3];
    PyObject *args = Py_BuildValue("(lll)", value[0], value[1], value[2]);
    bool done = args && gc_ints(gc, "set_threshold", args, unused) >= 0;
    Py_XDECREF(args);
    return done;
}

/* ---------------------------------------------------------------- checks */

static bool check_build(probe *p)
{
#ifdef Py_GIL_DISABLED
    return exvi_report_add(p->report, "build", false, "free-threaded CPython has another collector");
#elif !defined(__linux__)
    return exvi_report_add(p->report, "build", false, "this is not Linux");
#else
    unsigned long now = Py_Version;
    unsigned major = (unsigned)(now >> 24), minor = (unsigned)(now >> 16 & 0xff), micro = (unsigned)(now >> 8 & 0xff);
    if (now >> 16 != PY_VERSION_HEX >> 16)
        return exvi_report_add(p->report, "build", false, "built for %d.%d, running on %u.%u", PY_MAJOR_VERSION,
                               PY_MINOR_VERSION, major, minor);
    if ((now & 0xf0) != 0xf0)
        return exvi_report_add(p->report, "build", false, "%u.%u.%u is not a final release", major, minor, micro);
    if (minor == 14 && micro < 5)
        return exvi_report_add(p->report, "build", false,
                               "3.14.%u has the incremental collector; 3.14.5 and later do not", micro);
    return exvi_report_add(p->report, "build", true, "CPython %u.%u.%u with a GIL, Linux", major, minor, micro);
#endif
}

static bool check_interpreter(probe *p)
{
    bool main = PyInterpreterState_Get() == PyInterpreterState_Main();
    return exvi_report_add(p->report, "interpreter", main, main ? "the main interpreter" : "a sub-interpreter");
}

static bool thresholds_are(const exvi_gc_head *first, size_t stride, const long value[3])
{
    for (int i = 0; i < EXVI_GENERATIONS; i++) {
        const int *fields = (const int *)((const char *)first + (size_t)i * stride + sizeof(exvi_gc_head));
        if (fields[0] != value[i])
            return false;
    }
    return true;
}

static bool find_generations(probe *p)
{
    static const long distinctive[3] = {100003, 1009, 2017};
    long old[3];
    PyObject *fresh = PyList_New(0);
    if (!fresh)
        return exvi_report_add(p->report, "generations", false, "no memory");
    exvi_gc_head *mine = exvi_gc_head_of(fresh);
    exvi_gc_head *first = exvi_gc_next(mine);
    bool found = first && ((uintptr_t)first & EXVI_GC_FLAGS) == 0 && exvi_gc_prev(first) == mine;
    Py_DECREF(fresh);
    if (!found || gc_call(p->gc, "get_threshold", old) != 3)
        return exvi_report_add(p->report, "generations", false, "a fresh object is not the last of generation 0");

    bool before[2], during[2];
    for (int i = 0; i < 2; i++)
        before[i] = thresholds_are(first, 24 + 8 * (size_t)i, old);
    bool set = set_threshold(p->gc, distinctive);
    for (int i = 0; i < 2; i++)
        during[i] = set && thresholds_are(first, 24 + 8 * (size_t)i, distinctive);
    set = set_threshold(p->gc, old) && set;
    for (int i = 0; i < 2; i++)
        if (set && before[i] && during[i] && thresholds_are(first, 24 + 8 * (size_t)i, old))
            p->stride = 24 + 8 * (size_t)i;
    if (p->stride == 0)
        return exvi_report_add(p->report, "generations", false, "the thresholds are not beside the lists");
    for (int i = 0; i < EXVI_GENERATIONS; i++) {
        p->layout->head[i] = (exvi_gc_head *)((char *)first + (size_t)i * p->stride);
        p->layout->threshold[i] = (int *)(p->layout->head[i] + 1);
        p->layout->count[i] = p->layout->threshold[i] + 1;
    }
    return exvi_report_add(p->report, "generations", true, "three lists, %zu bytes apart", p->stride);
}

static bool check_counts(probe *p)
{
    long count[3] = {0};
    int before = *p->layout->count[0];
    bool read = gc_call(p->gc, "get_count", count) == 3;
    int after = *p->layout->count[0];
    long low = before < after ? before : after, high = before < after ? after : before;
    bool ok = read && count[0] >= low - 2 && count[0] <= high + 2 && count[1] == *p->layout->count[1] &&
              count[2] == *p->layout->count[2];
    return exvi_report_add(p->report, "counts", ok, "gc.get_count() %s the counts beside the lists",
                           ok ? "equals" : "does not equal");
}

static bool find_enabled(probe *p)
{
    int *first = (int *)p->layout->head[0];
    int was = PyGC_IsEnabled();
    int *found = NULL;
    int matches = 0;
    for (int *field = first - 1; field >= first - 8; field--) {
        PyGC_Enable();
        bool match = *field == 1;
        PyGC_Disable();
        match = match && *field == 0;
        PyGC_Enable();
        if (match && *field == 1) {
            found = field;
            matches++;
        }
    }
    if (!was)
        PyGC_Disable();
    p->layout->enabled = found;
    return exvi_report_add(p->report, "enabled", matches == 1, "%d fields follow gc.enable() and gc.disable()",
                           matches);
}

static uintptr_t align_up(uintptr_t address, uintptr_t alignment)
{
    return (address + alignment - 1) & ~(alignment - 1);
}

static bool find_permanent(probe *p)
{
    uintptr_t after = (uintptr_t)p->layout->head[0] + EXVI_GENERATIONS * p->stride;
    if (HEAD_POINTER_WORDS) {
        after = align_up(after, sizeof(uintptr_t));
        if (*(uintptr_t *)after != (uintptr_t)p->layout->head[0])
            return exvi_report_add(p->report, "permanent", false, "no pointer to generation 0 after the lists");
        after += sizeof(uintptr_t);
    }
    after = align_up(after, p->stride % 16 == 0 ? 16 : 4);
    exvi_gc_head *head = (exvi_gc_head *)after;
    long frozen[3] = {-1};
    bool read = gc_call(p->gc, "get_freeze_count", frozen) == 1;
    /* Only an empty list may be believed by its links alone; the others are followed link by link. */
    bool ok = read && (frozen[0] == 0 ? head->next == after && head->prev == after
                                      : head->next != after && exvi_gc_list_check(head, frozen[0]) == frozen[0]);
    p->layout->permanent = head;
    return exvi_report_add(p->report, "permanent", ok, "%ld frozen objects", frozen[0]);
}

static bool find_state(probe *p)
{
    uintptr_t after = align_up((uintptr_t)p->layout->permanent + p->stride, sizeof(uintptr_t));
    uintptr_t *word = (uintptr_t *)after + STATISTICS_WORDS;
    PyObject *garbage = PyObject_GetAttrString(p->gc, "garbage");
    PyObject *callbacks = PyObject_GetAttrString(p->gc, "callbacks");
    p->layout->collecting = (int *)word;
    word += 1 + FRAME_WORDS;
    bool ok = garbage && callbacks && word[0] == (uintptr_t)garbage && word[1] == (uintptr_t)callbacks &&
              PyList_CheckExact(callbacks);
    p->layout->callbacks = (PyObject *)word[1];
    word += 2 + SIZE_WORDS;
    p->layout->long_lived_total = (Py_ssize_t *)word;
    p->layout->long_lived_pending = (Py_ssize_t *)word + 1;
    Py_XDECREF(garbage);
    Py_XDECREF(callbacks);
    PyErr_Clear();
    return exvi_report_add(p->report, "state", ok, "gc.garbage and gc.callbacks %s where they are expected",
                           ok ? "stand" : "do not stand");
}

/* Within one the lists are not whole, and none can be watched. */
static bool check_idle(probe *p)
{
    return *p->layout->collecting == 0 ||
           exvi_report_add(p->report, "collecting", false, "a collection is running: install outside of finalizers");
}

static bool check_lists(probe *p)
{
    Py_ssize_t length[EXVI_GENERATIONS];
    for (int i = 0; i < EXVI_GENERATIONS; i++) {
        length[i] = exvi_gc_list_check(p->layout->head[i], LONGEST_LIST);
        if (length[i] < 0)
            return exvi_report_add(p->report, "lists", false, "the list of generation %d is not circular", i);
    }
    return exvi_report_add(p->report, "lists", true, "%zd, %zd and %zd objects", length[0], length[1], length[2]);
}

/* -------------------------------------------- what a collection shows */

static int probe_traverse(PyObject *self, visitproc visit, void *arg)
{
    if (running && !running->first_visit)
        running->first_visit = visit;
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void probe_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyObject *traversed_type; /* made once: a dying type would take old objects with it during the collection */

void exvi_layout_forget(void)
{
    traversed_type = NULL;
}

static PyObject *new_traversed(void)
{
    static PyType_Slot slots[] = {
        {Py_tp_traverse, (void *)probe_traverse},
        {Py_tp_dealloc, (void *)probe_dealloc},
        {0, NULL},
    };
    static PyType_Spec spec = {.name = "exuvia._core.probe", .basicsize = (int)sizeof(PyObject),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, .slots = slots};
    if (!traversed_type)
        traversed_type = PyType_FromSpec(&spec);
    return traversed_type ? PyType_GenericAlloc((PyTypeObject *)traversed_type, 0) : NULL;
}

static PyObject *note_collecting(PyObject *self, PyObject *args)
{
    (void)self;
    (void)args;
    if (running) {
        const exvi_layout *layout = running->layout;
        running->collecting_inside = *layout->collecting;
        running->old_length = exvi_gc_list_check(layout->head[2], LONGEST_LIST);
        running->total = *layout->long_lived_total;
        running->pending = *layout->long_lived_pending;
    }
    Py_RETURN_NONE;
}

/* A full collection with a traversed object and a callback in place. */
static bool collect_watched(probe *p)
{
    static PyMethodDef method = {"note", note_collecting, METH_VARARGS, NULL};
    long found[3];
    PyObject *traversed = new_traversed();
    PyObject *callback = traversed ? PyCFunction_New(&method, NULL) : NULL;
    bool done = callback && PyList_Append(p->layout->callbacks, callback) == 0;
    if (done) {
        Py_ssize_t at = PyList_GET_SIZE(p->layout->callbacks) - 1;
        p->first_visit = NULL;
        p->collecting_inside = 0;
        running = p;
        done = gc_call(p->gc, "collect", found) == 1;
        running = NULL;
        if (at < PyList_GET_SIZE(p->layout->callbacks) && PyList_GET_ITEM(p->layout->callbacks, at) == callback)
            done = PyList_SetSlice(p->layout->callbacks, at, at + 1, NULL) == 0 && done;
    }
    Py_XDECREF(callback);
    Py_XDECREF(traversed);
    PyErr_Clear();
    return done;
}

static bool check_totals(probe *p)
{
    /* Finalizers and weak references of the first collection may move the numbers apart; garbage runs out. */
    for (int attempt = 0; attempt < 4; attempt++) {
        if (!collect_watched(p))
            return exvi_report_add(p->report, "totals", false, "gc.collect() did not run");
        if (p->old_length > 0 && p->old_length == p->total && p->pending == 0)
            return exvi_report_add(p->report, "totals", true, "%zd objects after a full collection", p->total);
    }
    return exvi_report_add(p->report, "totals", false, "the oldest list has %zd objects, not %zd, of which %zd wait",
                           p->old_length, p->total, p->pending);
}

static bool check_collecting(probe *p)
{
    bool ok = p->collecting_inside == 1 && *p->layout->collecting == 0;
    return exvi_report_add(p->report, "collecting", ok, "%d inside a collection, %d outside", p->collecting_inside,
                           *p->layout->collecting);
}

/* The captured visitor must do to a header what only the collector's counting does: take one from its count. */
static bool check_visitor(probe *p)
{
    PyObject *target = p->first_visit ? PyList_New(0) : NULL;
    if (!target)
        return exvi_report_add(p->report, "visitor", false, "the collector's visitor was not seen");
    exvi_gc_head *head = exvi_gc_head_of(target);
    uintptr_t saved = head->prev;
    head->prev = (uintptr_t)1000 << EXVI_GC_COUNT_SHIFT | EXVI_GC_COLLECTING;
    p->first_visit(target, target);
    bool ok = head->prev == ((uintptr_t)999 << EXVI_GC_COUNT_SHIFT | EXVI_GC_COLLECTING);
    head->prev = saved;
    Py_DECREF(target);
    p->layout->count_visit = p->first_visit;
    return exvi_report_add(p->report, "visitor", ok, "the first visitor of a collection %s",
                           ok ? "counts references" : "does not count references");
}

static int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    exvi_layout *layout = arg;
    uintptr_t function = (uintptr_t)PyList_Type.tp_traverse;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        uintptr_t end = start + info->dlpi_phdr[i].p_memsz;
        if (info->dlpi_phdr[i].p_type == PT_LOAD && function >= start && function < end) {
            layout->text_start = start;
            layout->text_end = end;
            return 1;
        }
    }
    return 0;
}

static bool find_traversals(probe *p)
{
    p->layout->frame_like[0] = PyGen_Type.tp_traverse;
    p->layout->frame_like[1] = PyFrame_Type.tp_traverse;
    bool found = dl_iterate_phdr(find_text, p->layout) == 1;
    return exvi_report_add(p->report, "functions", found, "the interpreter's functions %s found",
                           found ? "are" : "cannot be");
}

/* A second witness: what was found by probing lies where CPython says. */
static bool check_published(probe *p)
{
    const uint64_t *word = dlsym(RTLD_DEFAULT, "_PyRuntime");
    if (!word || memcmp(word, "xdebugpy", sizeof *word) != 0)
        return exvi_report_add(p->report, "published", true, "no offsets for debuggers are in sight to compare with");
    uintptr_t state = (uintptr_t)PyInterpreterState_Main() + word[PUBLISHED_GC];
    uintptr_t end = state + word[PUBLISHED_SIZE];
    bool ok = word[PUBLISHED_VERSION] == Py_Version &&
              state + word[PUBLISHED_COLLECTING] == (uintptr_t)p->layout->collecting &&
              state <= (uintptr_t)p->layout->enabled && (uintptr_t)(p->layout->long_lived_pending + 1) <= end;
    return exvi_report_add(p->report, "published", ok, "CPython's offsets for debuggers %s what was found",
                           ok ? "agree with" : "contradict");
}

bool exvi_layout_probe(exvi_layout *layout, exvi_report *report)
{
    memset(layout, 0, sizeof *layout);
    probe p = {.layout = layout, .report = report};
    if (!check_build(&p) || !check_interpreter(&p))
        return false;
    p.gc = PyImport_ImportModule("gc");
    if (!p.gc) {
        PyErr_Clear();
        return exvi_report_add(report, "generations", false, "no module gc");
    }
    bool ok = find_generations(&p) && check_counts(&p) && find_enabled(&p) && find_permanent(&p) && find_state(&p) &&
              check_idle(&p) && check_lists(&p) && check_totals(&p) && check_collecting(&p) && check_visitor(&p) &&
              find_traversals(&p) && check_published(&p);
    Py_DECREF(p.gc);
    return ok;
}
