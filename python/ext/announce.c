/*
 * announce: see announce.h.
 *
 * The info of later versions has more in it; gc.get_stats() has the same names, so it tells which.
 */
#include "announce.h"

#include "record.h"

static struct {
    const exvi_layout *layout; /* NULL: nothing is told */
    const PyObject *ours;      /* compared, never touched */
    uint64_t seen;             /* the number of the last record that was looked at */
    bool telling;
    bool candidates, duration; /* are in the info */
} announce;

static bool learn_names(void)
{
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *all = gc ? PyObject_CallMethod(gc, "get_stats", NULL) : NULL;
    PyObject *oldest = all ? PySequence_GetItem(all, EXVI_GENERATIONS - 1) : NULL;
    if (oldest) {
        announce.candidates = PyMapping_HasKeyString(oldest, "candidates") != 0;
        announce.duration = PyMapping_HasKeyString(oldest, "duration") != 0;
    }
    Py_XDECREF(gc);
    Py_XDECREF(all);
    Py_XDECREF(oldest);
    return oldest != NULL;
}

bool exvi_announce_to(const exvi_layout *layout, const PyObject *ours)
{
    if (layout && !learn_names())
        return false;
    announce.layout = layout;
    announce.ours = ours;
    announce.seen = exvi_record_made();
    return true;
}

bool exvi_announce_is_waiting(void)
{
    return announce.layout && !announce.telling && exvi_record_made() > announce.seen;
}

static bool add(PyObject *info, const char *name, PyObject *value)
{
    bool done = value && PyDict_SetItemString(info, name, value) == 0;
    Py_XDECREF(value);
    return done;
}

/* NULL: as it is at the beginning. */
static PyObject *info_of(const exvi_record *record)
{
    static const exvi_record nothing;
    const exvi_record *of = record ? record : &nothing;
    PyObject *info = PyDict_New();
    if (!info)
        return NULL;
    bool done = add(info, "generation", PyLong_FromLong(EXVI_GENERATIONS - 1)) &&
                add(info, "collected", PyLong_FromUnsignedLongLong(of->unreachable - of->uncollectable)) &&
                add(info, "uncollectable", PyLong_FromUnsignedLongLong(of->uncollectable));
    if (announce.candidates)
        done = done && add(info, "candidates", PyLong_FromUnsignedLongLong(of->examined));
    if (announce.duration)
        done = done && add(info, "duration", PyFloat_FromDouble((double)(of->clone_ns + of->reclaim_ns) / 1e9));
    if (!done)
        Py_CLEAR(info);
    return info;
}

/* The list may change under our hands. */
static void call_each(const char *phase, PyObject *info)
{
    PyObject *callbacks = announce.layout->callbacks;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++) {
        PyObject *function = PyList_GET_ITEM(callbacks, i);
        if (function == announce.ours)
            continue;
        Py_INCREF(function);
        PyObject *answer = PyObject_CallFunction(function, "sO", phase, info);
        if (!answer)
            PyErr_WriteUnraisable(function);
        Py_XDECREF(answer);
        Py_DECREF(function);
    }
}

static void tell(const exvi_record *record)
{
    PyObject *before = info_of(NULL), *after = info_of(record);
    int *collecting = announce.layout->collecting;
    if (before && after) {
        *collecting = 1;
        call_each("start", before);
        call_each("stop", after);
        *collecting = 0;
    }
    Py_XDECREF(before);
    Py_XDECREF(after);
    PyErr_Clear();
}

void exvi_announce(void)
{
    if (!exvi_announce_is_waiting() || *announce.layout->collecting)
        return;
    exvi_record *records = PyMem_RawMalloc(EXVI_RECORDS * sizeof *records);
    size_t count = records ? exvi_record_read(records) : 0;
    uint64_t seen = announce.seen;
    announce.seen = exvi_record_made();
    announce.telling = true;
    for (size_t i = 0; i < count && announce.layout; i++)
        if (records[i].number > seen && records[i].kind == EXVI_RECORD_BACKGROUND)
            tell(&records[i]);
    announce.telling = false;
    PyMem_RawFree(records);
}

void exvi_announce_forked(void)
{
    announce.seen = exvi_record_made();
}

void exvi_announce_forget(void)
{
    announce.layout = NULL;
    announce.telling = false;
}
