/*
 * module: exuvia._core, what the Python package calls.
 *
 * Thin: it parses, calls one function of another file, and makes Python objects of the answer. The interpreter's state
 * that the others use is found once, by the first probe, and stays where it is for the process' life.
 */
#include "arenas.h"
#include "schedule.h"
#include "stale.h"

#include "platform.h"

static exvi_layout layout;
static exvi_report report;
static bool probed;

static bool probe(void)
{
    if (!probed || exvi_report_failed(&report)) {
        report.count = 0;
        probed = exvi_layout_probe(&layout, &report) && exvi_stale_probe(&report);
    }
    return probed;
}

static PyObject *core_probe(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (!exvi_schedule_is_installed())
        probe();
    PyObject *checks = PyList_New(0);
    for (int i = 0; checks && i < report.count; i++) {
        const exvi_check *check = &report.check[i];
        PyObject *item = Py_BuildValue("(sOs)", check->name, check->ok ? Py_True : Py_False, check->text);
        if (!item || PyList_Append(checks, item) < 0)
            Py_CLEAR(checks);
        Py_XDECREF(item);
    }
    return checks;
}

static PyObject *core_install(PyObject *self, PyObject *args)
{
    (void)self;
    int mode;
    double budget_ms;
    if (!PyArg_ParseTuple(args, "id", &mode, &budget_ms))
        return NULL;
    if (mode < EXVI_MODE_AUTO || mode > EXVI_MODE_STRESS || !(budget_ms > 0) || budget_ms > 1e6) {
        PyErr_SetString(PyExc_ValueError, "no such mode, or the pause budget is not in (0, 1000000] milliseconds");
        return NULL;
    }
    if (!probed) {
        const exvi_check *failed = exvi_report_failed(&report);
        PyErr_Format(PyExc_RuntimeError, "check '%s' failed: %s", failed ? failed->name : "probe",
                     failed ? failed->text : "not probed");
        return NULL;
    }
    if (!exvi_schedule_install(&layout, (exvi_mode)mode, (uint64_t)(budget_ms * 1e6)))
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *core_uninstall(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_schedule_uninstall();
    Py_RETURN_NONE;
}

static PyObject *core_is_installed(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_schedule_is_installed());
}

static PyObject *core_start(PyObject *self, PyObject *args)
{
    (void)self;
    int generations;
    double deadline = (double)EXVI_DEADLINE_NS / 1e9;
    if (!PyArg_ParseTuple(args, "i|d", &generations, &deadline))
        return NULL;
    if (generations < 1 || generations > EXVI_GENERATIONS || !(deadline > 0) || deadline > 1e6) {
        PyErr_SetString(PyExc_ValueError, "1 to 3 generations, and a deadline in seconds");
        return NULL;
    }
    return PyBool_FromLong(exvi_schedule_start(generations, (uint64_t)(deadline * 1e9)));
}

/* How the flight stands: 0 none, 1 searching, 2 candidates wait for young collections; and how many were completed. */
static PyObject *core_poll(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (exvi_schedule_is_installed() && !exvi_schedule_in_collection())
        exvi_schedule_poll();
    const exvi_flight_stats *stats = exvi_flight_stats_get();
    return Py_BuildValue("(iKK)", (int)exvi_flight_now(), (unsigned long long)stats->completed,
                         (unsigned long long)stats->last.unreachable);
}

static PyObject *core_in_collection(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_schedule_is_installed() && exvi_schedule_in_collection());
}

/* Wait without the GIL, as short as a poll should be apart. */
static PyObject *core_pause(PyObject *self, PyObject *args)
{
    (void)self;
    double seconds;
    if (!PyArg_ParseTuple(args, "d", &seconds))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    exvi_sleep_ns((uint64_t)(seconds * 1e9));
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *core_forked(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (exvi_schedule_is_installed())
        exvi_schedule_forked();
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------- statistics */

static bool set_number(PyObject *dict, const char *name, uint64_t value)
{
    PyObject *number = PyLong_FromUnsignedLongLong(value);
    bool done = number && PyDict_SetItemString(dict, name, number) == 0;
    Py_XDECREF(number);
    return done;
}

static PyObject *record_dict(const exvi_flight_record *record)
{
    PyObject *dict = PyDict_New();
    if (!dict)
        return NULL;
    bool done = set_number(dict, "examined", record->examined) && set_number(dict, "clone_ns", record->clone_ns) &&
                set_number(dict, "search_ns", record->search_ns) &&
                set_number(dict, "child_cpu_ns", record->child_cpu_ns) &&
                set_number(dict, "child_bytes", record->child_bytes) &&
                set_number(dict, "reclaim_ns", record->reclaim_ns) &&
                set_number(dict, "candidates", record->candidates) && set_number(dict, "stale", record->stale) &&
                set_number(dict, "relinked", record->relinked) && set_number(dict, "unreachable", record->unreachable);
    if (!done)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *fallback_dict(const exvi_flight_stats *flights)
{
    PyObject *dict = PyDict_New();
    for (int i = 0; dict && i < EXVI_FALLBACKS; i++)
        if (!set_number(dict, exvi_fallback_name((exvi_fallback)i), flights->fallback[i]))
            Py_CLEAR(dict);
    return dict;
}

static PyObject *pause_dict(const exv_telemetry *telemetry)
{
    PyObject *buckets = PyTuple_New(EXV_PAUSE_BUCKETS);
    for (int i = 0; buckets && i < EXV_PAUSE_BUCKETS; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(telemetry->pause_bucket[i]);
        if (number)
            PyTuple_SET_ITEM(buckets, i, number);
        else
            Py_CLEAR(buckets);
    }
    if (!buckets)
        return NULL;
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:N}", "count", (unsigned long long)telemetry->pauses,
                         "total_ns", (unsigned long long)telemetry->pause_total_ns,
                         "max_ns", (unsigned long long)telemetry->pause_max_ns,
                         "p50_ns", (unsigned long long)exv_pause_percentile(telemetry, 50),
                         "p99_ns", (unsigned long long)exv_pause_percentile(telemetry, 99), "buckets", buckets);
}

static PyObject *core_stats(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_schedule_stats schedule;
    exvi_schedule_read(&schedule);
    const exvi_flight_stats *flights = exvi_flight_stats_get();
    PyObject *last = record_dict(&flights->last);
    PyObject *sum = record_dict(&flights->sum);
    PyObject *fallbacks = fallback_dict(flights);
    PyObject *pauses = pause_dict(&schedule.telemetry);
    if (!last || !sum || !fallbacks || !pauses) {
        Py_XDECREF(last);
        Py_XDECREF(sum);
        Py_XDECREF(fallbacks);
        Py_XDECREF(pauses);
        return NULL;
    }
    return Py_BuildValue("{s:K,s:K,s:K,s:K,s:K,s:K,s:d,s:K,s:N,s:N,s:N,s:N}",
                         "started", (unsigned long long)flights->started,
                         "completed", (unsigned long long)flights->completed,
                         "young_collections", (unsigned long long)schedule.young_collections,
                         "full_collections", (unsigned long long)schedule.full_collections,
                         "tracked", (unsigned long long)schedule.tracked,
                         "waiting", (unsigned long long)schedule.waiting,
                         "ns_per_object", schedule.ns_per_object,
                         "arena_bytes", (unsigned long long)exvi_arenas_bytes(),
                         "last", last, "sum", sum, "fallbacks", fallbacks, "pauses", pauses);
}

static PyObject *core_huge_arenas(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_arenas_install();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"probe", core_probe, METH_NOARGS, NULL},
    {"install", core_install, METH_VARARGS, NULL},
    {"uninstall", core_uninstall, METH_NOARGS, NULL},
    {"is_installed", core_is_installed, METH_NOARGS, NULL},
    {"start", core_start, METH_VARARGS, NULL},
    {"poll", core_poll, METH_NOARGS, NULL},
    {"pause", core_pause, METH_VARARGS, NULL},
    {"in_collection", core_in_collection, METH_NOARGS, NULL},
    {"forked", core_forked, METH_NOARGS, NULL},
    {"stats", core_stats, METH_NOARGS, NULL},
    {"huge_arenas", core_huge_arenas, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "exuvia._core", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModule_Create(&definition);
}
