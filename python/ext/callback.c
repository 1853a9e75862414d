/*
 * callback: see callback.h.
 *
 * Invariant: depth is the number of collections that run, as far as the callback was told of their beginnings; only the
 * outermost is acted on, and above 1 it is only where collections nest.
 */
#include "callback.h"

#include "early.h"
#include "lander.h"
#include "log.h"
#include "mailbox.h"
#include "stops.h"

#include "arenas.h"
#include "platform.h"

static struct {
    const exvi_layout *layout;
    bool installed;
    int depth;
    uint64_t thread;            /* that runs the outermost one, or ran the last; 0: none since we were installed */
    int64_t ends;               /* of collections, that our callback was told */
    int64_t unseen;             /* of all collections that ended, those whose end our callback was not told */
    int before;                 /* the generation of the collection before */
    uint64_t began_ns;
    size_t brought;             /* candidates that the outermost one proves, */
    uint64_t began_cpu_ns;      /* then the thread's processor time when it began */
    bool by_rule;               /* a full one, and CPython's rule held when it began */
    PyObject *function;         /* owned */
    PyObject *generation_key, *collected_key, *uncollectable_key;
} callback;

/* ------------------------------------------------------------- a collection */

/* By gc.get_stats(), which counts a collection when it ends. -1: it cannot be had. */
static int64_t collections_ended(void)
{
    int64_t sum = -1;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *generations = gc ? PyObject_CallMethod(gc, "get_stats", NULL) : NULL;
    for (Py_ssize_t i = 0; generations && PyList_Check(generations) && i < PyList_GET_SIZE(generations); i++) {
        PyObject *count = PyMapping_GetItemString(PyList_GET_ITEM(generations, i), "collections");
        sum += (i == 0) + (count ? PyLong_AsLongLong(count) : 0);
        Py_XDECREF(count);
    }
    Py_XDECREF(generations);
    Py_XDECREF(gc);
    PyErr_Clear();
    return sum;
}

/* A collection that begins while one runs as far as we know. It is inside that one, unless its end was kept from us, by
 * a callback before ours that took itself out of the list. */
static bool is_inside(void)
{
    if (!EXVI_LAYOUT_NESTS || callback.depth == 0)
        return false;
    int64_t unseen = collections_ended() - callback.ends;
    bool inside = unseen == callback.unseen;
    callback.unseen = unseen;
    return inside;
}

static void began(int generation)
{
    /* A start ends whatever stop was missed, unless it is of a collection inside the one that runs. */
    callback.depth = is_inside() ? callback.depth + 1 : 1;
    if (callback.depth > 1)
        return;
    callback.thread = exvi_thread_id();
    exvi_log_hold();
    callback.began_ns = exvi_clock_ns();
    callback.brought = 0;
    exvi_early_began(callback.layout, generation);
    if (generation == EXVI_GENERATIONS - 1)
        callback.by_rule = exvi_turn_full_begins();
    else
        callback.brought = exvi_turn_young_begins(generation, callback.before);
    if (callback.brought > 0)
        callback.began_cpu_ns = exvi_thread_cpu_ns();
}

static void act_on_end(int generation, uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    if (generation == EXVI_GENERATIONS - 1) {
        exvi_turn_full_ended(callback.began_ns, ns, collected, uncollectable, callback.by_rule);
        return;
    }
    exvi_turn_young_ended(&(exvi_turn_young){
        .generation = generation, .ns = ns, .unreachable = (uint64_t)(collected + uncollectable),
        .uncollectable = (uint64_t)uncollectable, .brought = callback.brought,
        .cpu_ns = callback.brought > 0 ? exvi_thread_cpu_ns() - callback.began_cpu_ns : 0,
    });
}

static void ended(int generation, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    callback.ends++;
    if (callback.depth > 1) {
        callback.depth--;
        return;
    }
    if (callback.depth == 0)
        return; /* the start was before our callback came */
    callback.depth = 0;
    exvi_stop_end stop = {.generation = generation, .carried = callback.brought > 0};
    act_on_end(generation, exvi_clock_ns() - callback.began_ns, collected, uncollectable);
    callback.before = generation;
    if (generation < EXVI_GENERATIONS - 1)
        exvi_turn_pay(generation, &stop.clone_ns, &stop.wait_ns);
    if (stop.clone_ns > 0)
        exvi_stops_note(EXVI_STOP_CLONE, stop.clone_ns);
    stop.ns = exvi_clock_ns() - callback.began_ns; /* the stop is over: from here on nothing takes long */
    exvi_stops_collection(&stop);
    exvi_lander_follow();
    exvi_mailbox_resume();
    exvi_log_ask();
}

static Py_ssize_t info_number(PyObject *info, PyObject *key)
{
    PyObject *value = PyDict_GetItemWithError(info, key);
    Py_ssize_t number = value && PyLong_Check(value) ? PyLong_AsSsize_t(value) : -1;
    PyErr_Clear();
    return number;
}

static PyObject *on_collection(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)self;
    if (!callback.installed || count != 2 || !PyUnicode_Check(args[0]) || !PyDict_Check(args[1]))
        Py_RETURN_NONE;
    int generation = (int)info_number(args[1], callback.generation_key);
    if (generation < 0 || generation >= EXVI_GENERATIONS)
        Py_RETURN_NONE;
    if (PyUnicode_CompareWithASCIIString(args[0], "start") == 0) {
        began(generation);
    } else {
        Py_ssize_t collected = info_number(args[1], callback.collected_key);
        Py_ssize_t uncollectable = info_number(args[1], callback.uncollectable_key);
        bool known = collected >= 0 && uncollectable >= 0;
        ended(generation, known ? collected : 0, known ? uncollectable : 0);
    }
    Py_RETURN_NONE;
}

bool exvi_callback_in_collection(void)
{
    return *callback.layout->collecting != 0;
}

bool exvi_callback_collects_here(void)
{
    return exvi_callback_in_collection() && (callback.thread == 0 || callback.thread == exvi_thread_id());
}

bool exvi_callback_start(int generations, uint64_t deadline_ns, bool idle)
{
    uint64_t clone_ns = 0;
    if (!callback.installed || exvi_callback_in_collection() || exvi_reclaim_now() != EXVI_RECLAIM_IDLE)
        return false;
    callback.depth = 0;
    bool started = exvi_turn_start(generations, deadline_ns, idle, &clone_ns);
    exvi_stops_note(EXVI_STOP_CLONE, clone_ns);
    exvi_stops_note(EXVI_STOP_ALL, clone_ns);
    exvi_lander_follow();
    exvi_log_ask();
    return started;
}

/* ------------------------------------------------------- coming and going */

static Py_ssize_t callback_index(void)
{
    PyObject *callbacks = callback.layout->callbacks;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++)
        if (PyList_GET_ITEM(callbacks, i) == callback.function)
            return i;
    return -1;
}

static bool make_callback(void)
{
    static PyMethodDef method = {
        "exuvia_collection", (PyCFunction)(void (*)(void))on_collection, METH_FASTCALL,
        "Exuvia's part in a collection."};
    if (callback.function)
        return true;
    callback.generation_key = PyUnicode_InternFromString("generation");
    callback.collected_key = PyUnicode_InternFromString("collected");
    callback.uncollectable_key = PyUnicode_InternFromString("uncollectable");
    if (!callback.generation_key || !callback.collected_key || !callback.uncollectable_key)
        return false;
    callback.function = PyCFunction_New(&method, NULL);
    return callback.function != NULL;
}

bool exvi_callback_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns)
{
    callback.layout = layout;
    if (!make_callback())
        return false;
    if (callback_index() < 0 && PyList_Insert(layout->callbacks, 0, callback.function) < 0)
        return false;
    exvi_turn_install(layout, mode, pause_budget_ns);
    callback.depth = 0;
    callback.thread = 0;
    callback.unseen = EXVI_LAYOUT_NESTS ? collections_ended() - callback.ends : 0;
    callback.installed = true;
    return true;
}

/* While the lander is waited for other threads run: they must not begin a search that nobody would end, and may install
 * us anew. */
void exvi_callback_uninstall(void)
{
    if (!callback.installed)
        return;
    callback.installed = false;
    Py_ssize_t at = callback_index();
    if (at >= 0 && PyList_SetSlice(callback.layout->callbacks, at, at + 1, NULL) < 0)
        PyErr_Clear();
    exvi_turn_uninstall();
    exvi_lander_wait();
    if (!callback.installed)
        exvi_arenas_rest();
}

void exvi_callback_ended(void)
{
    if (!callback.installed)
        return;
    exvi_reclaim_ended();
    exvi_lander_follow();
    exvi_arenas_rest();
    callback.installed = false;
}

void exvi_callback_forget(void)
{
    exvi_reclaim_forget();
    exvi_lander_forked();
    callback.layout = NULL;
    callback.function = callback.generation_key = callback.collected_key = callback.uncollectable_key = NULL;
}

bool exvi_callback_is_installed(void)
{
    return callback.installed;
}

/* Without it nothing of ours is called any more, so what was moved from CPython's sight goes back. */
bool exvi_callback_is_listed(void)
{
    if (callback_index() >= 0)
        return true;
    exvi_turn_uninstall();
    return false;
}

const PyObject *exvi_callback_function(void)
{
    return callback.function;
}

void exvi_callback_forked(void)
{
    exvi_lander_forked();
    exvi_turn_forked();
    exvi_log_forked();
}
