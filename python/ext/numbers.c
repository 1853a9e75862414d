/*
 * numbers: see numbers.h.
 *
 * The functions that make a part answer a new reference, or NULL with an exception set; add() takes it in either case,
 * so that a failure in between falls through to the end.
 */
#include "numbers.h"

#include "arenas.h"
#include "reclaim.h"
#include "stops.h"
#include "turn.h"

typedef struct copy {
    exvi_turn_stats turn;
    exvi_stops stops;
    exvi_reclaim_stats rounds;
    unsigned long long since;
    size_t count;
    exvi_record records[EXVI_RECORDS];
} copy;

/* Takes the value. */
static bool add(PyObject *dict, const char *name, PyObject *value)
{
    bool done = dict && value && PyDict_SetItemString(dict, name, value) == 0;
    Py_XDECREF(value);
    return done;
}

static bool add_number(PyObject *dict, const char *name, uint64_t value)
{
    return add(dict, name, PyLong_FromUnsignedLongLong(value));
}

/* The dictionary if all went well into it, else NULL. */
static PyObject *whole(PyObject *dict, bool done)
{
    if (!done)
        Py_CLEAR(dict);
    return dict;
}

static PyObject *record_dict(const exvi_record *record)
{
    PyObject *dict = PyDict_New();
    bool done = add(dict, "kind", PyUnicode_FromString(exvi_record_kind_name(record->kind))) &&
                add(dict, "reason", record->reason ? PyUnicode_FromString(record->reason) : Py_NewRef(Py_None)) &&
                add(dict, "time", PyFloat_FromDouble((double)record->wall_ns / 1e9));
    for (const exvi_record_field *field = exvi_record_fields; done && field->name; field++)
        done = add_number(dict, field->name, exvi_record_value(record, field));
    return whole(dict, done);
}

static PyObject *record_tuple(const copy *from)
{
    size_t first = 0;
    while (first < from->count && from->records[first].number <= from->since)
        first++;
    PyObject *tuple = PyTuple_New((Py_ssize_t)(from->count - first));
    for (size_t i = first; tuple && i < from->count; i++) {
        PyObject *dict = record_dict(&from->records[i]);
        if (dict)
            PyTuple_SET_ITEM(tuple, (Py_ssize_t)(i - first), dict);
        else
            Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *fallback_dict(const exvi_reclaim_stats *rounds)
{
    PyObject *dict = PyDict_New();
    bool done = dict != NULL;
    for (int i = 0; done && i < EXVI_FALLBACKS; i++)
        done = add_number(dict, exvi_fallback_name((exvi_fallback)i), rounds->fallback[i]);
    return whole(dict, done);
}

static PyObject *bucket_tuple(const exv_telemetry *telemetry)
{
    PyObject *buckets = PyTuple_New(EXV_PAUSE_BUCKETS);
    for (int i = 0; buckets && i < EXV_PAUSE_BUCKETS; i++) {
        PyObject *number = PyLong_FromUnsignedLongLong(telemetry->pause_bucket[i]);
        if (number)
            PyTuple_SET_ITEM(buckets, i, number);
        else
            Py_CLEAR(buckets);
    }
    return buckets;
}

static PyObject *stop_dict(const exv_telemetry *telemetry)
{
    PyObject *dict = PyDict_New();
    return whole(dict, add_number(dict, "count", telemetry->pauses) &&
                       add_number(dict, "total_ns", telemetry->pause_total_ns) &&
                       add_number(dict, "max_ns", telemetry->pause_max_ns) &&
                       add_number(dict, "p50_ns", exv_pause_percentile(telemetry, 50)) &&
                       add_number(dict, "p99_ns", exv_pause_percentile(telemetry, 99)) &&
                       add(dict, "buckets", bucket_tuple(telemetry)));
}

static PyObject *stops_dict(const exvi_stops *stops)
{
    PyObject *dict = PyDict_New();
    bool done = dict != NULL;
    for (int i = 0; done && i < EXVI_STOPS; i++)
        done = add(dict, exvi_stop_name((exvi_stop)i), stop_dict(&stops->of[i]));
    return whole(dict, done);
}

static bool add_counts(PyObject *dict, const copy *from)
{
    return add_number(dict, "started", from->rounds.started) &&
           add_number(dict, "completed", from->rounds.completed) &&
           add_number(dict, "young_collections", from->stops.young_collections) &&
           add_number(dict, "full_collections", from->stops.full_collections) &&
           add_number(dict, "tracked", from->turn.tracked) &&
           add_number(dict, "waiting", from->turn.waiting) &&
           add(dict, "ns_per_object", PyFloat_FromDouble(from->turn.ns_per_object)) &&
           add_number(dict, "arena_bytes", exvi_arenas_bytes()) &&
           add(dict, "in_flight", PyUnicode_FromString(exvi_reclaim_state_name(exvi_reclaim_now())));
}

static PyObject *dict_of(const copy *from)
{
    PyObject *dict = PyDict_New();
    return whole(dict, add_counts(dict, from) && add(dict, "last", record_dict(&from->rounds.last)) &&
                       add(dict, "sum", record_dict(&from->rounds.sum)) &&
                       add(dict, "collections", record_tuple(from)) &&
                       add(dict, "fallbacks", fallback_dict(&from->rounds)) &&
                       add(dict, "pauses", stops_dict(&from->stops)));
}

PyObject *exvi_numbers_all(PyObject *self, PyObject *args)
{
    (void)self;
    unsigned long long since = 0;
    if (!PyArg_ParseTuple(args, "|K", &since))
        return NULL;
    copy *from = PyMem_RawMalloc(sizeof *from);
    if (!from)
        return PyErr_NoMemory();
    from->since = since;
    exvi_turn_read(&from->turn);
    from->stops = *exvi_stops_get();
    from->rounds = *exvi_reclaim_stats_get();
    from->count = exvi_record_read(from->records);
    PyObject *dict = dict_of(from);
    PyMem_RawFree(from);
    return dict;
}
