/*
 * schedule: see schedule.h.
 *
 * At the end of a collection of generation 1 nearly everything tracked is in the oldest list, so that is where a
 * snapshot is taken. CPython looks at its rule when a young collection is due next:
 *
 *     count[2] > threshold[2]  and  long_lived_pending >= long_lived_total / 4
 *
 * With pending moved to `waiting` and the total at 4 or more, the second half is false. Handing the full collection
 * back is adding `waiting` to pending again. Invariant while a flight is up: taken_waiting and taken_count are what to
 * put back if it fails.
 */
#include "schedule.h"

#include "log.h"
#include "young.h"

#include "arenas.h"
#include "cgroup.h"
#include "platform.h"

enum { SMALLEST_TOTAL = 4, PATIENCE = 3, TOLERATED_WAITING = 200000, STRESS_WAIT_NS = 200000000 };
enum { YOUNG_SHARE = 5, BATCH_SHARE = 4 }; /* of the budget: a generation 1 that is short, and a batch of candidates */

const char *exvi_stop_name(exvi_stop stop)
{
    static const char *const name[EXVI_STOPS] = {"all", "clone", "reclaim", "young", "full"};
    return name[stop];
}

static struct {
    const exvi_layout *layout;
    bool installed;
    exvi_mode mode;
    uint64_t budget_ns;
    int depth;                  /* collections that run; above 1 only where they nest */
    uint64_t thread;            /* that runs the outermost one, or ran the last; 0: none since we were installed */
    int64_t ends;               /* of collections, that our callback was told */
    int64_t unseen;             /* of all collections that ended, those whose end our callback was not told */
    bool reclaiming;            /* the outermost one ends a batch */
    bool carries;               /* it has candidates to prove */
    size_t moved;               /* how many */
    int beside;                 /* and about how many young objects of the program's own */
    bool by_rule;               /* a full one, and CPython's rule held when it began */
    int before;                 /* the generation of the collection before */
    uint64_t began_ns;
    uint64_t clone_stop_ns;     /* of the snapshot taken in this stop */
    const char *left;           /* what left the next full collection to CPython; NULL: nothing special */
    Py_ssize_t waiting;
    Py_ssize_t taken_waiting;
    int taken_count;
    bool whole;                 /* the flight searches all generations */
    unsigned failures;          /* flights that failed since one succeeded */
    const char *failure;        /* why the last one did */
    unsigned pass;              /* due collections to pass over before the next attempt */
    uint64_t clone_ns;          /* of the last snapshot */
    exvi_schedule_stats stats;
    PyObject *callback;         /* owned */
    PyObject *generation_key, *collected_key, *uncollectable_key;
} schedule = {.stats.ns_per_object = 100};

/* -------------------------------------------------------- whose turn it is */

static void take_waiting(void)
{
    schedule.left = NULL;
    const exvi_layout *layout = schedule.layout;
    schedule.waiting += *layout->long_lived_pending;
    *layout->long_lived_pending = 0;
    if (*layout->long_lived_total < SMALLEST_TOTAL)
        *layout->long_lived_total = SMALLEST_TOTAL;
}

static void leave_to_stock(const char *reason)
{
    schedule.left = reason;
    *schedule.layout->long_lived_pending += schedule.waiting;
    schedule.waiting = 0;
}

static bool is_due(Py_ssize_t waiting)
{
    const exvi_layout *layout = schedule.layout;
    return *layout->enabled && *layout->threshold[0] > 0 && *layout->count[2] > *layout->threshold[2] &&
           waiting >= *layout->long_lived_total / 4;
}

/* What CPython looks at before a full collection of its own. Else the program asked for it. */
static bool is_by_rule(void)
{
    const exvi_layout *layout = schedule.layout;
    return *layout->count[0] > *layout->threshold[0] && is_due(*layout->long_lived_pending);
}

/* As CPython counts them. */
static uint64_t old_objects(void)
{
    const exvi_layout *layout = schedule.layout;
    Py_ssize_t objects = *layout->long_lived_total + *layout->long_lived_pending + schedule.waiting;
    return objects > 0 ? (uint64_t)objects : 0;
}

/* A heap that stock scans within the budget, or quicker than its page tables are copied. */
static bool is_small(void)
{
    double scan_ns = (double)old_objects() * schedule.stats.ns_per_object;
    return scan_ns < (double)schedule.budget_ns || scan_ns < (double)schedule.clone_ns;
}

static bool is_memory_tight(void)
{
    exvi_cgroup_state memory;
    return exvi_cgroup_read(&memory) && memory.limit_bytes > 0 &&
           (double)memory.used_bytes > 0.9 * (double)memory.limit_bytes;
}

/* ------------------------------------------------------------------ flights */

static size_t expected_objects(void)
{
    const exvi_layout *layout = schedule.layout;
    Py_ssize_t young = *layout->count[0] + (Py_ssize_t)*layout->count[1] * *layout->threshold[0];
    Py_ssize_t old = *layout->long_lived_total + *layout->long_lived_pending + schedule.waiting;
    Py_ssize_t all = old + (young > 0 ? young : 0);
    return all > 0 ? (size_t)all : 0;
}

/* `in_turn`: it stands for a full collection of CPython's, whose counts begin anew. */
static bool take_off(int generations, uint64_t deadline_ns, bool in_turn)
{
    exvi_flight_options options = {
        .generations = generations, .expected = expected_objects(), .deadline_ns = deadline_ns,
        .batch_ns = schedule.budget_ns / BATCH_SHARE,
    };
    exvi_fallback why;
    bool started = exvi_flight_start(&options, &why);
    schedule.clone_stop_ns = exvi_flight_stats_get()->last_start_ns;
    exvi_telemetry_pause(&schedule.stats.stops[EXVI_STOP_CLONE], schedule.clone_stop_ns);
    if (!started) {
        schedule.failure = exvi_fallback_name(why);
        return false;
    }
    schedule.whole = generations == EXVI_GENERATIONS;
    schedule.clone_ns = exvi_flight_stats_get()->last_clone_ns;
    if (in_turn) {
        schedule.taken_waiting = schedule.waiting;
        schedule.taken_count = *schedule.layout->count[2];
        schedule.waiting = 0;
        *schedule.layout->count[2] = 0;
    }
    return true;
}

static void put_back(void)
{
    schedule.waiting += schedule.taken_waiting;
    *schedule.layout->count[2] += schedule.taken_count;
    schedule.taken_waiting = schedule.taken_count = 0;
}

static void failed(void)
{
    schedule.failures++;
    schedule.pass = 1u << (schedule.failures < PATIENCE ? schedule.failures : PATIENCE);
}

static void abandon(exvi_fallback why)
{
    if (exvi_flight_now() == EXVI_FLIGHT_IDLE)
        return;
    exvi_flight_abandon(why);
    schedule.failure = exvi_fallback_name(why);
    put_back();
}

static void completed(void)
{
    schedule.taken_waiting = schedule.taken_count = 0;
    schedule.failures = schedule.pass = 0;
    exvi_arenas_collapse(schedule.budget_ns); /* again: memory that reclaiming gave back has halted it */
    if (!schedule.whole)
        return;
    const exvi_flight_stats *flights = exvi_flight_stats_get();
    uint64_t oldest = flights->last_oldest, relinked = flights->last.relinked;
    uint64_t found = flights->last.unreachable < relinked ? flights->last.unreachable : relinked; /* young ones aside */
    uint64_t survivors = oldest > found ? oldest - found : 0;
    *schedule.layout->long_lived_total = survivors < SMALLEST_TOTAL ? SMALLEST_TOTAL : (Py_ssize_t)survivors;
}

void exvi_schedule_poll(void)
{
    exvi_fallback why;
    bool searched = exvi_flight_now() == EXVI_FLIGHT_SEARCHING;
    if (exvi_flight_poll(&why)) {
        schedule.failure = exvi_fallback_name(why);
        put_back();
        failed();
    }
    if (searched && exvi_flight_now() == EXVI_FLIGHT_RECLAIMING)
        exvi_arenas_collapse(schedule.budget_ns); /* the child is gone; reclaiming may go on until the next snapshot */
}

static void collect_full(bool in_turn)
{
    if (schedule.pass > 0) {
        schedule.pass--;
    } else if (is_memory_tight()) {
        exvi_flight_count(EXVI_FALLBACK_MEMORY_TIGHT);
        leave_to_stock(exvi_fallback_name(EXVI_FALLBACK_MEMORY_TIGHT));
    } else if (!take_off(EXVI_GENERATIONS, EXVI_DEADLINE_NS, in_turn)) {
        failed();
    }
}

/* Snapshots failed again and again: until CPython has collected fully once. */
static bool is_tired(void)
{
    return schedule.failures >= PATIENCE;
}

static bool is_left_to_stock(void)
{
    return is_tired() || schedule.mode == EXVI_MODE_INLINE || (schedule.mode == EXVI_MODE_AUTO && is_small());
}

/* Garbage must not pile up. What a search has found is a start: freeing it in larger steps is a shorter stop than a
 * collection in place. */
static void overtaken(void)
{
    if (exvi_flight_now() == EXVI_FLIGHT_RECLAIMING) {
        exvi_flight_hurry();
        return;
    }
    abandon(EXVI_FALLBACK_OVERTAKEN);
    leave_to_stock(exvi_fallback_name(EXVI_FALLBACK_OVERTAKEN));
}

static void after_generation_1(void)
{
    bool stress = schedule.mode == EXVI_MODE_STRESS;
    bool idle = exvi_flight_now() == EXVI_FLIGHT_IDLE;
    if (idle && is_left_to_stock()) {
        leave_to_stock(is_tired() ? schedule.failure : NULL);
        return;
    }
    take_waiting();
    bool due = is_due(schedule.waiting);
    if (idle && (stress || due)) {
        collect_full(due);
    } else if (!idle && due && schedule.waiting > TOLERATED_WAITING &&
               schedule.waiting > *schedule.layout->long_lived_total) {
        overtaken();
    }
}

bool exvi_schedule_in_collection(void)
{
    return *schedule.layout->collecting != 0;
}

bool exvi_schedule_collects_here(void)
{
    return exvi_schedule_in_collection() && (schedule.thread == 0 || schedule.thread == exvi_thread_id());
}

bool exvi_schedule_start(int generations, uint64_t deadline_ns)
{
    if (!schedule.installed || exvi_schedule_in_collection() || exvi_flight_now() != EXVI_FLIGHT_IDLE)
        return false;
    schedule.depth = 0;
    take_waiting();
    bool started = take_off(generations, deadline_ns, generations == EXVI_GENERATIONS);
    exvi_telemetry_pause(&schedule.stats.stops[EXVI_STOP_ALL], schedule.clone_stop_ns);
    exvi_log_ask();
    return started;
}

/* ----------------------------------------------------------- the callback */

/* Generation 1 is a long stop by itself, and one of generation 0 will come soon, as the last one did. But garbage must
 * not wait until the next full collection is due. */
static bool is_spared(int generation)
{
    return generation == 1 && schedule.before == 0 && !is_due(schedule.waiting);
}

static void bring_candidates(void)
{
    schedule.beside = *schedule.layout->count[0]; /* not yet set back by the collection */
    schedule.moved = exvi_flight_reclaim();
    schedule.carries = schedule.moved > 0;
    schedule.reclaiming = exvi_flight_now() == EXVI_FLIGHT_RECLAIMING;
    if (!schedule.reclaiming) {
        put_back(); /* all candidates were dropped */
        schedule.failure = exvi_flight_stats_get()->last_failure;
        failed();
    }
}

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
    if (!EXVI_LAYOUT_NESTS || schedule.depth == 0)
        return false;
    int64_t unseen = collections_ended() - schedule.ends;
    bool inside = unseen == schedule.unseen;
    schedule.unseen = unseen;
    return inside;
}

static void began(int generation)
{
    /* A start ends whatever stop was missed, unless it is of a collection inside the one that runs. */
    schedule.depth = is_inside() ? schedule.depth + 1 : 1;
    if (schedule.depth > 1)
        return;
    schedule.thread = exvi_thread_id();
    exvi_log_hold();
    schedule.began_ns = exvi_clock_ns();
    schedule.clone_stop_ns = 0;
    schedule.reclaiming = schedule.carries = false;
    schedule.by_rule = generation == 2 && is_by_rule();
    exvi_young_began(schedule.layout, generation);
    if (exvi_flight_now() == EXVI_FLIGHT_IDLE)
        return;
    if (generation == 2) {
        abandon(EXVI_FALLBACK_FULL_COLLECTION);
        return;
    }
    if (schedule.mode == EXVI_MODE_STRESS)
        exvi_flight_wait(STRESS_WAIT_NS); /* so that there are candidates to prove, again and again */
    exvi_schedule_poll();
    if (exvi_flight_now() == EXVI_FLIGHT_RECLAIMING && !is_spared(generation))
        bring_candidates();
}

static void learn_cost(uint64_t ns, Py_ssize_t found)
{
    double objects = (double)(*schedule.layout->long_lived_total + found);
    if (objects < 1000)
        return;
    double cost = (double)ns / objects;
    cost = cost < 10 ? 10 : cost > 5000 ? 5000 : cost;
    schedule.stats.ns_per_object = (schedule.stats.ns_per_object + cost) / 2;
}

/* The candidates' own part in a young collection: what it would have taken anyway is no reason for smaller batches.
 * That is known from earlier ones only, so it is believed up to half of the stop, or to the young objects' share in
 * number, where they are the most. */
static uint64_t candidates_part(int generation, uint64_t ns)
{
    uint64_t anyway = exvi_young_ns(generation > 0);
    uint64_t beside = schedule.beside > 0 ? (uint64_t)schedule.beside : 0;
    uint64_t share = (uint64_t)((double)ns * (double)schedule.moved / (double)(schedule.moved + beside + 1));
    uint64_t least = share < ns / 2 ? share : ns / 2;
    return anyway < ns - least ? ns - anyway : least;
}

/* CPython has set the total to what is left. */
static void record_in_place(uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    uint64_t unreachable = (uint64_t)(collected + uncollectable);
    exvi_record_add(&(exvi_record){
        .kind = schedule.by_rule ? EXVI_RECORD_INPLACE : EXVI_RECORD_USER,
        .reason = schedule.by_rule ? schedule.left : NULL, .began_ns = schedule.began_ns,
        .examined = (uint64_t)*schedule.layout->long_lived_total + unreachable, .reclaim_ns = ns, .longest_ns = ns,
        .unreachable = unreachable, .uncollectable = (uint64_t)uncollectable,
    });
}

static void full_ended(uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    schedule.stats.full_collections++;
    record_in_place(ns, collected, uncollectable);
    schedule.waiting = 0;
    schedule.failures = schedule.pass = 0;
    learn_cost(ns, collected + uncollectable);
}

static void batch_ended(int generation, uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    exvi_batch_end batch = {
        .stop_ns = ns, .part_ns = candidates_part(generation, ns),
        .unreachable = (uint64_t)(collected + uncollectable), .uncollectable = (uint64_t)uncollectable,
    };
    if (exvi_flight_reclaimed(&batch))
        completed();
}

static void young_ended(int generation, uint64_t ns, uint64_t found)
{
    schedule.stats.young_collections++;
    exvi_young_end end = {
        .generation = generation, .ns = ns, .found = found, .carried = schedule.carries, .old = old_objects(),
        .in_flight = exvi_flight_now() != EXVI_FLIGHT_IDLE, .may_hurry = !is_left_to_stock(),
    };
    exvi_young_ended(schedule.layout, &end, schedule.budget_ns / YOUNG_SHARE);
    if (generation == 1)
        after_generation_1();
}

/* The stop is over: from here on nothing takes long. */
static void note_stop(int generation)
{
    exv_telemetry *stops = schedule.stats.stops;
    uint64_t ns = exvi_clock_ns() - schedule.began_ns;
    exvi_stop kind = generation == 2 ? EXVI_STOP_FULL : schedule.carries ? EXVI_STOP_RECLAIM : EXVI_STOP_YOUNG;
    stops[EXVI_STOP_ALL].collections++;
    exvi_telemetry_pause(&stops[EXVI_STOP_ALL], ns);
    exvi_telemetry_pause(&stops[kind], ns - schedule.clone_stop_ns);
    exvi_log_ask();
}

static void ended(int generation, Py_ssize_t collected, Py_ssize_t uncollectable)
{
    schedule.ends++;
    if (schedule.depth > 1) {
        schedule.depth--;
        return;
    }
    if (schedule.depth == 0)
        return; /* the start was before our callback came */
    schedule.depth = 0;
    uint64_t ns = exvi_clock_ns() - schedule.began_ns;
    if (schedule.reclaiming)
        batch_ended(generation, ns, collected, uncollectable);
    if (generation == 2) {
        full_ended(ns, collected, uncollectable);
    } else {
        young_ended(generation, ns, (uint64_t)(collected + uncollectable));
    }
    schedule.reclaiming = false;
    schedule.before = generation;
    note_stop(generation);
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
    if (!schedule.installed || count != 2 || !PyUnicode_Check(args[0]) || !PyDict_Check(args[1]))
        Py_RETURN_NONE;
    int generation = (int)info_number(args[1], schedule.generation_key);
    if (generation < 0 || generation >= EXVI_GENERATIONS)
        Py_RETURN_NONE;
    if (PyUnicode_CompareWithASCIIString(args[0], "start") == 0) {
        began(generation);
    } else {
        Py_ssize_t collected = info_number(args[1], schedule.collected_key);
        Py_ssize_t uncollectable = info_number(args[1], schedule.uncollectable_key);
        bool known = collected >= 0 && uncollectable >= 0;
        ended(generation, known ? collected : 0, known ? uncollectable : 0);
    }
    Py_RETURN_NONE;
}

/* ------------------------------------------------------- coming and going */

static Py_ssize_t callback_index(void)
{
    PyObject *callbacks = schedule.layout->callbacks;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(callbacks); i++)
        if (PyList_GET_ITEM(callbacks, i) == schedule.callback)
            return i;
    return -1;
}

static bool make_callback(void)
{
    static PyMethodDef method = {
        "exuvia_collection", (PyCFunction)(void (*)(void))on_collection, METH_FASTCALL,
        "Exuvia's part in a collection."};
    if (schedule.callback)
        return true;
    schedule.generation_key = PyUnicode_InternFromString("generation");
    schedule.collected_key = PyUnicode_InternFromString("collected");
    schedule.uncollectable_key = PyUnicode_InternFromString("uncollectable");
    if (!schedule.generation_key || !schedule.collected_key || !schedule.uncollectable_key)
        return false;
    schedule.callback = PyCFunction_New(&method, NULL);
    return schedule.callback != NULL;
}

bool exvi_schedule_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns)
{
    schedule.layout = layout;
    if (!make_callback())
        return false;
    exvi_flight_init(layout);
    if (callback_index() < 0 && PyList_Insert(layout->callbacks, 0, schedule.callback) < 0)
        return false;
    schedule.mode = mode;
    schedule.budget_ns = pause_budget_ns;
    schedule.depth = 0;
    schedule.thread = 0;
    schedule.unseen = EXVI_LAYOUT_NESTS ? collections_ended() - schedule.ends : 0;
    schedule.waiting = schedule.taken_waiting = schedule.taken_count = 0;
    schedule.failures = schedule.pass = 0;
    exvi_young_reset();
    schedule.installed = true;
    return true;
}

void exvi_schedule_uninstall(void)
{
    if (!schedule.installed)
        return;
    abandon(EXVI_FALLBACK_CANCELLED);
    exvi_arenas_rest();
    leave_to_stock(NULL);
    schedule.installed = false;
    Py_ssize_t at = callback_index();
    if (at >= 0 && PyList_SetSlice(schedule.layout->callbacks, at, at + 1, NULL) < 0)
        PyErr_Clear();
}

void exvi_schedule_ended(void)
{
    if (!schedule.installed)
        return;
    exvi_flight_abandon(EXVI_FALLBACK_CANCELLED);
    exvi_arenas_rest();
    schedule.installed = false;
}

void exvi_schedule_forget(void)
{
    schedule.layout = NULL;
    schedule.callback = schedule.generation_key = schedule.collected_key = schedule.uncollectable_key = NULL;
}

bool exvi_schedule_is_installed(void)
{
    return schedule.installed;
}

void exvi_schedule_forked(void)
{
    abandon(EXVI_FALLBACK_CANCELLED);
    exvi_log_forked();
}

void exvi_schedule_read(exvi_schedule_stats *stats)
{
    *stats = schedule.stats;
    if (!schedule.layout)
        return;
    stats->waiting = (uint64_t)(schedule.waiting + *schedule.layout->long_lived_pending);
    stats->tracked = (uint64_t)*schedule.layout->long_lived_total + stats->waiting;
}
