/*
 * module: exuvia._core, what the Python package calls.
 *
 * Thin: it parses, calls one function of another file, and makes Python objects of the answer. The interpreter's state
 * that the others use is found once, by the first probe, and stays where it is for the interpreter's life. A program
 * that embeds Python may end it and begin another, which imports the module again.
 */
#include "analysis.h"
#include "announce.h"
#include "arenas.h"
#include "asker.h"
#include "callback.h"
#include "cookie.h"
#include "dump.h"
#include "frames.h"
#include "free_log.h"
#include "lander.h"
#include "libc_heap.h"
#include "log.h"
#include "mailbox.h"
#include "numbers.h"
#include "reclaim.h"
#include "record.h"
#include "safe_point.h"
#include "sigterm.h"
#include "stops.h"

#include "filters.h"
#include "platform.h"

static exvi_layout layout;
static exvi_report report;
static bool probed;
static bool probing; /* by a finalizer or another thread, one may be asked for within one */

static bool check_filters(exvi_filters filters)
{
    static const char *const text[] = {
        "no filter of system calls",
        "this process was made under its filters: they let processes be made",
        "a filter was put on this process after it was made, and may kill at clone(): nothing is tried. A filter that "
        "its parent has, too, is known to let processes be made",
    };
    return exvi_report_add(&report, "seccomp", filters != EXVI_FILTERS_UNKNOWN, "%s", text[filters]);
}

static bool check_page_size(void)
{
    size_t kib = exvi_page_size() >> 10;
    return exvi_report_add(&report, "page_size", kib == 4 || kib == 16,
                           "pages of %zu KiB; it was tried with those of 4 and 16 KiB", kib);
}

/* Filters may have come since the last time. */
static void probe(void)
{
    exvi_filters filters = exvi_filters_look();
    if (probing || (probed && !exvi_report_failed(&report) && filters != EXVI_FILTERS_UNKNOWN))
        return;
    probing = true;
    report.count = 0;
    exvi_cookie_find();
    probed = check_filters(filters) && check_page_size() && exvi_layout_probe(&layout, &report) &&
             exvi_free_log_probe(&report);
    if (probed)
        exvi_frames_probe(&report);
    probing = false;
}

static PyObject *core_probe(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (probing)
        return Py_BuildValue("[(sOs)]", "checks", Py_False, "they are running: within them nothing can be installed");
    if (!exvi_callback_is_installed())
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

/* False: RuntimeError names the check that failed. */
static bool is_probed(void)
{
    const exvi_check *failed = exvi_report_failed(&report);
    if (!probed)
        PyErr_Format(PyExc_RuntimeError, "check '%s' failed: %s", failed ? failed->name : "probe",
                     failed ? failed->text : "not probed");
    return probed;
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
    if (!is_probed())
        return NULL;
    if (!exvi_callback_install(&layout, (exvi_mode)mode, (uint64_t)(budget_ms * 1e6)))
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *core_dump(PyObject *self, PyObject *args)
{
    (void)self;
    return is_probed() ? exvi_dump(&layout, args, exvi_mailbox_is_given_up) : NULL;
}

static PyObject *core_uninstall(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_mailbox_open(NULL, NULL);
    exvi_callback_uninstall();
    Py_RETURN_NONE;
}

static PyObject *core_is_installed(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_callback_is_installed() && exvi_callback_is_listed());
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
    return PyBool_FromLong(exvi_callback_start(generations, (uint64_t)(deadline * 1e9), false));
}

/* How the flight stands: 0 none, 1 searching, 2 candidates wait for young collections; how many came to an end, and
 * what the last one found. */
static PyObject *core_poll(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (exvi_callback_is_installed() && !exvi_callback_in_collection()) {
        exvi_turn_poll();
        exvi_log_write();
    }
    const exvi_reclaim_stats *stats = exvi_reclaim_stats_get();
    exvi_reclaim_state now = exvi_reclaim_now();
    int state = now == EXVI_RECLAIM_IDLE ? 0 : now == EXVI_RECLAIM_SEARCHING ? 1 : 2;
    return Py_BuildValue("(iKK)", state, (unsigned long long)stats->finished,
                         (unsigned long long)stats->last.unreachable);
}

/* What became of the search that start(3) began: 0 nothing to tell, 1 under way, 2 done, 3 failed; and what it found.
 * */
static PyObject *core_asked(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    uint64_t unreachable;
    exvi_asked asked = exvi_turn_asked(&unreachable);
    return Py_BuildValue("(iK)", (int)asked, (unsigned long long)unreachable);
}

static PyObject *core_in_collection(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_callback_is_installed() && exvi_callback_in_collection());
}

static PyObject *core_collects_here(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_callback_is_installed() && exvi_callback_collects_here());
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

/* CPython warns of forks beside other threads. */
static PyObject *core_forking(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_mailbox_forking();
    exvi_lander_wait();
    Py_RETURN_NONE;
}

static PyObject *core_fork_over(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_mailbox_fork_over();
    Py_RETURN_NONE;
}

static PyObject *core_forked(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (exvi_callback_is_installed())
        exvi_callback_forked();
    exvi_reclaim_forked(); /* from here on a process that answers for itself */
    exvi_record_forked();
    exvi_stops_forked();
    exvi_announce_forked();
    exvi_safe_point_forget();
    exvi_mailbox_forked();
    Py_RETURN_NONE;
}

/* A young collection by the main thread, soon. False: not installed, or one is asked for already. */
static PyObject *core_ask_young(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    return PyBool_FromLong(exvi_callback_is_installed() && exvi_safe_point_ask(&layout));
}

/* Whether the program's own callbacks are told of collections in the background. */
static PyObject *core_announce(PyObject *self, PyObject *on)
{
    (void)self;
    if (!exvi_announce_to(PyObject_IsTrue(on) == 1 && probed ? &layout : NULL, exvi_callback_function()))
        return NULL;
    Py_RETURN_NONE;
}

/* The function that answers requests of other processes from now on, or None. */
static PyObject *core_mailbox_open(PyObject *self, PyObject *answer)
{
    (void)self;
    exvi_mailbox_open(&layout, answer == Py_None || !probed ? NULL : answer);
    Py_RETURN_NONE;
}

static PyObject *core_term_watch(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (!exvi_sigterm_watch())
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *core_term_taken(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_sigterm_taken();
    Py_RETURN_NONE;
}

/* -------------------------------------------------------------------- log */

static PyObject *core_log_open(PyObject *self, PyObject *path)
{
    (void)self;
    const char *name = PyBytes_AsString(path);
    if (!name)
        return NULL;
    if (!probed) {
        PyErr_SetString(PyExc_RuntimeError, "a log needs an interpreter whose checks hold");
        return NULL;
    }
    if (!exvi_log_open(&layout, name))
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *core_log_write(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_log_write();
    Py_RETURN_NONE;
}

/* Lines written, lines missing, errno of the last that is. */
static PyObject *core_log_close(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    exvi_log_end end = exvi_log_close();
    return Py_BuildValue("(KKi)", (unsigned long long)end.written, (unsigned long long)end.missing, end.why);
}

static PyObject *core_malloc_free(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    bool known;
    size_t bytes;
    Py_BEGIN_ALLOW_THREADS
    known = exvi_libc_heap_free(&bytes);
    Py_END_ALLOW_THREADS
    if (!known)
        Py_RETURN_NONE;
    return PyLong_FromSize_t(bytes);
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
    {"asked", core_asked, METH_NOARGS, NULL},
    {"pause", core_pause, METH_VARARGS, NULL},
    {"in_collection", core_in_collection, METH_NOARGS, NULL},
    {"collects_here", core_collects_here, METH_NOARGS, NULL},
    {"forking", core_forking, METH_NOARGS, NULL},
    {"fork_over", core_fork_over, METH_NOARGS, NULL},
    {"forked", core_forked, METH_NOARGS, NULL},
    {"ask_young", core_ask_young, METH_NOARGS, NULL},
    {"announce", core_announce, METH_O, NULL},
    {"term_watch", core_term_watch, METH_NOARGS, NULL},
    {"term_taken", core_term_taken, METH_NOARGS, NULL},
    {"stats", exvi_numbers_all, METH_VARARGS, NULL},
    {"log_open", core_log_open, METH_O, NULL},
    {"log_write", core_log_write, METH_NOARGS, NULL},
    {"log_close", core_log_close, METH_NOARGS, NULL},
    {"mailbox_open", core_mailbox_open, METH_O, NULL},
    {"ask_process", exvi_asker_ask, METH_VARARGS, NULL},
    {"dump", core_dump, METH_VARARGS, NULL},
    {"heap_ask", exvi_analysis_ask, METH_VARARGS, NULL},
    {"malloc_free", core_malloc_free, METH_NOARGS, NULL},
    {"huge_arenas", core_huge_arenas, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static bool asked_at_exit;

/* The interpreter is gone, and if nobody has called uninstall() before, it was with us installed. */
static void ended(void)
{
    asked_at_exit = false;
    exvi_mailbox_forget();
    exvi_callback_ended();
    exvi_log_forget();
    exvi_announce_forget();
    exvi_safe_point_forget();
}

/* All state is the main interpreter's. From 3.12 on one with a GIL of its own is refused before it gets here. */
static int begin(PyObject *module)
{
    (void)module;
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError, "exuvia is for the main interpreter, not for a sub-interpreter");
        return -1;
    }
    if (!asked_at_exit && Py_AtExit(ended) < 0) {
        PyErr_SetString(PyExc_ImportError, "exuvia: the interpreter has no room for one more exit function");
        return -1;
    }
    asked_at_exit = true;
    if (!exvi_callback_is_installed()) { /* perhaps there was another interpreter before */
        probed = false;
        exvi_layout_forget();
        exvi_callback_forget();
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)begin}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "exuvia._core", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&definition);
}
