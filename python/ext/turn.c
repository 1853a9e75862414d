/*
 * turn: see turn.h.
 *
 * At the end of a collection of generation 1 nearly everything tracked is in the oldest list, so that is where a
 * snapshot is taken. CPython looks at its rule when a young collection is due next:
 *
 *     count[2] > threshold[2]  and  long_lived_pending >= long_lived_total / 4
 *
 * With pending moved to `waiting` and the total at 4 or more, the second half is false. Handing the full collection
 * back is adding `waiting` to pending again. Invariant while a search or its answer is up: taken_waiting and
 * taken_count are what to put back if it fails.
 */
#include "turn.h"

#include "early.h"

#include "arenas.h"
#include "die.h"
#include "files.h"
#include "pace.h"
#include "platform.h"
#include "snapshot.h"

enum { SMALLEST_TOTAL = 4, SMALLEST_OBJECT = 32, STRESS_WAIT_NS = 200000000 };
enum { EARLY_SHARE = 5, LANDING_SHARE = 8 }; /* of the budget: a generation 1 that is short, a step of landing */

static struct {
    const exvi_layout *layout;
    exvi_mode mode;
    uint64_t budget_ns;
    const char *left;           /* what left the next full collection to CPython; NULL: nothing special */
    Py_ssize_t waiting;
    Py_ssize_t taken_waiting;
    int taken_count;
    bool whole;                 /* all generations are searched */
    const char *failure;        /* why the last one failed */
    bool inside;                /* a collection has begun, and not ended as far as we were told */
    exvi_asked asked;           /* for by the program */
    uint64_t asked_unreachable; /* what that found */
    exvi_backoff backoff;
    exvi_pace pace;
    uint64_t stepped_ns;        /* when generation 1 was collected last, */
    int stepped_count;          /* and generation 2's count then */
    uint64_t rounds;            /* young collections since then, */
    uint64_t own_ns;            /* and the time in between that was ours: waits, clones, candidates */
} turn;

/* -------------------------------------------------------- whose turn it is */

static void step(Py_ssize_t births)
{
    uint64_t now = exvi_clock_ns();
    uint64_t ns = now - turn.stepped_ns;
    int count = *turn.layout->count[2];
    ns = ns > turn.own_ns ? ns - turn.own_ns : 0;
    if (turn.stepped_ns != 0)
        exvi_pace_step(&turn.pace, births > 0 ? (uint64_t)births : 0, turn.rounds, ns, count > turn.stepped_count);
    turn.stepped_count = count;
    turn.stepped_ns = now;
    turn.rounds = turn.own_ns = 0;
}

static void take_waiting(void)
{
    turn.left = NULL;
    const exvi_layout *layout = turn.layout;
    turn.waiting += *layout->long_lived_pending;
    *layout->long_lived_pending = 0;
    if (*layout->long_lived_total < SMALLEST_TOTAL)
        *layout->long_lived_total = SMALLEST_TOTAL;
}

static void leave_to_stock(const char *reason)
{
    turn.left = reason;
    *turn.layout->long_lived_pending += turn.waiting;
    turn.waiting = 0;
}

static exvi_due due_with(Py_ssize_t waiting)
{
    const exvi_layout *layout = turn.layout;
    return (exvi_due){
        .enabled = *layout->enabled && *layout->threshold[0] > 0, .count = *layout->count[2],
        .threshold = *layout->threshold[2], .waiting = waiting, .total = *layout->long_lived_total,
    };
}

/* What CPython looks at before a full collection of its own. */
static bool is_by_rule(void)
{
    const exvi_layout *layout = turn.layout;
    exvi_due due = due_with(*layout->long_lived_pending);
    return *layout->count[0] > *layout->threshold[0] && exvi_is_due(&due);
}

/* As CPython counts them. */
static uint64_t old_objects(void)
{
    const exvi_layout *layout = turn.layout;
    Py_ssize_t objects = *layout->long_lived_total + *layout->long_lived_pending + turn.waiting + turn.taken_waiting;
    return objects > 0 ? (uint64_t)objects : 0;
}

static bool is_left_to_stock(void)
{
    return exvi_backoff_is_tired(&turn.backoff) || turn.mode == EXVI_MODE_INLINE ||
           (turn.mode == EXVI_MODE_AUTO && exvi_pace_is_small(&turn.pace, old_objects(), exvi_reclaim_clone_ns()));
}

/* --------------------------------------------------------------- snapshots */

/* What is young is guessed from the thresholds, which is far off where these are huge: never more than the memory of
 * the process can hold. */
static size_t expected_objects(void)
{
    const exvi_layout *layout = turn.layout;
    Py_ssize_t young = *layout->count[0] + (Py_ssize_t)*layout->count[1] * *layout->threshold[0];
    uint64_t expected = old_objects() + (young > 0 ? (uint64_t)young : 0);
    uint64_t most = exvi_resident_bytes() / SMALLEST_OBJECT;
    return (size_t)(most > 0 && most < expected ? most : expected);
}

/* Of the child, which may get half of a processor. */
static uint64_t expected_ns(size_t objects)
{
    return (uint64_t)(2 * turn.pace.search_ns * (double)objects);
}

/* `in_turn`: it stands for a full collection of CPython's, whose counts begin anew. */
static bool take_snapshot(const exvi_reclaim_options *options, bool in_turn, exvi_fallback *why)
{
    exvi_due due = due_with(turn.waiting);
    exv_assert(turn.taken_waiting == 0 && turn.taken_count == 0);
    bool started = exvi_reclaim_start(options, why);
    if (!started) {
        turn.failure = exvi_fallback_name(*why);
        return false;
    }
    exvi_pace_began(&turn.pace, &due, options->expected, exvi_clock_ns());
    turn.whole = options->generations == EXVI_GENERATIONS;
    if (in_turn) {
        turn.taken_waiting = turn.waiting;
        turn.taken_count = *turn.layout->count[2];
        turn.waiting = 0;
        *turn.layout->count[2] = 0;
    }
    return true;
}

static void put_back(void)
{
    turn.waiting += turn.taken_waiting;
    *turn.layout->count[2] += turn.taken_count;
    turn.taken_waiting = turn.taken_count = 0;
}

static void asked_ends(exvi_asked end, uint64_t unreachable)
{
    if (turn.asked == EXVI_ASKED_UNDER_WAY) {
        turn.asked = end;
        turn.asked_unreachable = unreachable;
    }
}

exvi_asked exvi_turn_asked(uint64_t *unreachable)
{
    exvi_asked asked = turn.asked;
    *unreachable = asked == EXVI_ASKED_DONE ? turn.asked_unreachable : 0;
    if (asked != EXVI_ASKED_UNDER_WAY)
        turn.asked = EXVI_ASKED_NOT;
    return asked;
}

static void failed(exvi_fallback why)
{
    turn.failure = exvi_fallback_name(why);
    put_back();
    exvi_backoff_failed(&turn.backoff);
    if (why == EXVI_FALLBACK_MEMORY_TIGHT)
        leave_to_stock(turn.failure);
    asked_ends(EXVI_ASKED_FAILED, 0);
}

static void abandon(exvi_fallback why)
{
    if (exvi_reclaim_now() == EXVI_RECLAIM_IDLE)
        return;
    exvi_reclaim_abandon(why);
    turn.failure = exvi_fallback_name(why);
    put_back();
    asked_ends(EXVI_ASKED_FAILED, 0);
}

static void completed(void)
{
    turn.taken_waiting = turn.taken_count = 0;
    turn.backoff = (exvi_backoff){0};
    asked_ends(EXVI_ASKED_DONE, exvi_reclaim_stats_get()->last.unreachable);
    exvi_arenas_collapse(turn.budget_ns); /* again: memory that was given back meanwhile has halted it */
    if (!turn.whole)
        return;
    const exvi_reclaim_stats *stats = exvi_reclaim_stats_get();
    uint64_t oldest = stats->last_oldest, relinked = stats->last.relinked;
    uint64_t found = stats->last.unreachable < relinked ? stats->last.unreachable : relinked; /* young ones aside */
    uint64_t survivors = oldest > found ? oldest - found : 0;
    *turn.layout->long_lived_total = survivors < SMALLEST_TOTAL ? SMALLEST_TOTAL : (Py_ssize_t)survivors;
}

/* The child uses no more of its time, so what it has used is asked for before each look at it. */
void exvi_turn_poll(void)
{
    exvi_fallback why;
    bool searched = exvi_reclaim_now() == EXVI_RECLAIM_SEARCHING;
    if (exvi_reclaim_poll(&why))
        failed(why);
    if (!searched || exvi_reclaim_now() != EXVI_RECLAIM_LANDING)
        return;
    const exvi_record *answer = exvi_reclaim_answer();
    exvi_pace_searched(&turn.pace, answer->child_cpu_ns, answer->examined, answer->candidates, exvi_clock_ns());
    exvi_arenas_collapse(turn.budget_ns); /* the child is gone; candidates may be there until the next snapshot */
}

static exvi_reclaim_options options_for(int generations, uint64_t deadline_ns)
{
    size_t objects = expected_objects();
    exvi_pace_alone(&turn.pace, exvi_snapshot_is_crowded()); /* which may change from one search to the next */
    return (exvi_reclaim_options){
        .generations = generations, .expected = objects, .deadline_ns = deadline_ns, .shares = turn.pace.alone,
        .search_ns = expected_ns(objects),
    };
}

bool exvi_turn_start(int generations, uint64_t deadline_ns, bool idle, uint64_t *clone_ns)
{
    if (exvi_reclaim_now() != EXVI_RECLAIM_IDLE)
        return false;
    take_waiting();
    exvi_reclaim_options options = options_for(generations, deadline_ns);
    options.idle = idle;
    exvi_fallback why;
    bool started = take_snapshot(&options, generations == EXVI_GENERATIONS, &why);
    *clone_ns = exvi_reclaim_stats_get()->last_start_ns;
    if (generations == EXVI_GENERATIONS)
        turn.asked = started ? EXVI_ASKED_UNDER_WAY : EXVI_ASKED_NOT;
    return started;
}

/* True: an attempt was made. */
static bool collect_full(bool in_turn)
{
    exvi_fallback why;
    if (exvi_backoff_passes(&turn.backoff))
        return false;
    exvi_reclaim_options options = options_for(EXVI_GENERATIONS, EXVI_DEADLINE_NS);
    if (take_snapshot(&options, in_turn, &why))
        return true;
    exvi_backoff_failed(&turn.backoff);
    if (why == EXVI_FALLBACK_MEMORY_TIGHT) /* what is left is the shortest stop: now, and in place */
        leave_to_stock(turn.failure);
    return true;
}

/* ------------------------------------------------------------- collections */

bool exvi_turn_full_begins(void)
{
    turn.inside = true;
    bool by_rule = is_by_rule();
    abandon(EXVI_FALLBACK_FULL_COLLECTION);
    return by_rule;
}

/* CPython has set the total to what is left. */
void exvi_turn_full_ended(uint64_t began_ns, uint64_t ns, Py_ssize_t collected, Py_ssize_t uncollectable, bool by_rule)
{
    uint64_t unreachable = (uint64_t)(collected + uncollectable);
    uint64_t examined = (uint64_t)*turn.layout->long_lived_total + unreachable;
    exvi_record_add(&(exvi_record){
        .kind = by_rule ? EXVI_RECORD_INPLACE : EXVI_RECORD_USER, .reason = by_rule ? turn.left : NULL,
        .began_ns = began_ns, .examined = examined, .reclaim_ns = ns, .longest_ns = ns, .unreachable = unreachable,
        .uncollectable = (uint64_t)uncollectable,
    });
    turn.inside = false;
    turn.waiting = 0;
    turn.asked = EXVI_ASKED_NOT; /* it has freed all that was asked for */
    turn.backoff = (exvi_backoff){0};
    exvi_pace_scanned(&turn.pace, ns, examined);
}

/* Generation 1 is a long stop by itself, and one of generation 0 will come soon, as the last one did. But garbage must
 * not wait until the next full collection is due. */
static bool is_spared(int generation, int before)
{
    exvi_due due = due_with(turn.waiting);
    return generation == 1 && before == 0 && !exvi_is_due(&due);
}

static size_t bring(void)
{
    const exvi_layout *layout = turn.layout;
    exvi_due due = due_with(turn.waiting);
    bool asked_for = *layout->count[0] <= *layout->threshold[0];
    size_t left = exvi_reclaim_left();
    size_t portion = asked_for ? left : exvi_pace_portion(&turn.pace, &due, old_objects(), left);
    size_t most = exvi_pace_largest_portion(&turn.pace);
    bool whole;
    size_t moved = exvi_reclaim_bring(portion < most ? portion : most, &whole);
    if (!whole)
        failed(EXVI_FALLBACK_FROZEN);
    return moved;
}

size_t exvi_turn_young_begins(int generation, int before)
{
    exvi_fallback why;
    turn.inside = true;
    turn.rounds++;
    if (exvi_reclaim_now() == EXVI_RECLAIM_IDLE)
        return 0;
    if (turn.mode == EXVI_MODE_STRESS)
        exvi_reclaim_wait(STRESS_WAIT_NS); /* so that there are candidates to prove, again and again */
    exvi_turn_poll();
    if (exvi_reclaim_now() == EXVI_RECLAIM_LANDING && !exvi_reclaim_land(turn.budget_ns / LANDING_SHARE, &why))
        failed(why);
    bool idle = exvi_reclaim_now() == EXVI_RECLAIM_IDLE;
    return idle || exvi_reclaim_left() == 0 || is_spared(generation, before) ? 0 : bring();
}

bool exvi_turn_land(void)
{
    exvi_fallback why;
    bool inside = *turn.layout->collecting != 0 || (EXVI_LAYOUT_NESTS && turn.inside);
    if (inside) /* the flag is 0 too soon, where the collection that ended was inside another */
        return exvi_reclaim_now() != EXVI_RECLAIM_IDLE;
    exvi_turn_poll();
    if (exvi_reclaim_now() == EXVI_RECLAIM_LANDING && !exvi_reclaim_land(turn.budget_ns / LANDING_SHARE, &why))
        failed(why);
    return exvi_reclaim_now() == EXVI_RECLAIM_SEARCHING || exvi_reclaim_now() == EXVI_RECLAIM_LANDING;
}

bool exvi_turn_frees(void)
{
    return exvi_reclaim_now() == EXVI_RECLAIM_FREEING && *turn.layout->enabled;
}

const exvi_layout *exvi_turn_layout(void)
{
    return turn.layout;
}

/* The candidates' own part in a young collection: what it would have taken anyway is no reason for smaller portions,
 * nor is the time in which others had the processor. The former is known from earlier ones only, so it is believed up
 * to half of the stop. */
static uint64_t candidates_part(const exvi_turn_young *end)
{
    uint64_t anyway = exvi_early_ns(end->generation > 0);
    uint64_t ns = end->cpu_ns < end->ns ? end->cpu_ns : end->ns;
    return anyway < ns / 2 ? ns - anyway : ns / 2;
}

static void portion_ended(const exvi_turn_young *end)
{
    uint64_t part_ns = candidates_part(end);
    exvi_portion_end portion = {end->ns, end->unreachable, end->uncollectable};
    turn.own_ns += part_ns;
    if (end->brought > 0)
        exvi_pace_freed(&turn.pace, end->brought, part_ns);
    if (exvi_reclaim_brought(&portion))
        completed();
}

void exvi_turn_young_ended(const exvi_turn_young *end)
{
    turn.inside = false;
    if (exvi_reclaim_now() == EXVI_RECLAIM_FREEING || end->brought > 0)
        portion_ended(end);
    exvi_early_end early = {
        .generation = end->generation, .ns = end->ns, .found = end->unreachable, .carried = end->brought > 0,
        .old = old_objects(), .in_flight = exvi_reclaim_now() != EXVI_RECLAIM_IDLE, .may_hurry = !is_left_to_stock(),
    };
    exvi_early_ended(turn.layout, &early, turn.budget_ns / EARLY_SHARE);
}

/* ----------------------------------------------------------------- payment */

/* Garbage must not pile up without bound where a child gets nowhere. */
static void give_up_if_stuck(void)
{
    exvi_due due = due_with(turn.waiting);
    if (exvi_reclaim_now() != EXVI_RECLAIM_SEARCHING ||
        !exvi_pace_is_stuck(&turn.pace, &due, exvi_reclaim_child_ns()))
        return;
    abandon(EXVI_FALLBACK_OVERTAKEN);
    leave_to_stock(exvi_fallback_name(EXVI_FALLBACK_OVERTAKEN));
}

/* Returns true if a snapshot was taken, or tried to. */
static bool after_generation_1(void)
{
    bool idle = exvi_reclaim_now() == EXVI_RECLAIM_IDLE;
    if (idle && is_left_to_stock()) {
        leave_to_stock(exvi_backoff_is_tired(&turn.backoff) ? turn.failure : NULL);
        turn.stepped_ns = 0; /* what stock does in between is nothing to learn from */
        return false;
    }
    step(*turn.layout->long_lived_pending);
    take_waiting();
    exvi_due due = due_with(turn.waiting);
    if (!idle) {
        give_up_if_stuck();
        return false;
    }
    bool failed_last = turn.backoff.failures > 0; /* and CPython comes next, as soon as it is due */
    bool begins = failed_last ? exvi_is_due(&due) : exvi_pace_begins(&turn.pace, &due, old_objects());
    return (turn.mode == EXVI_MODE_STRESS || begins) && collect_full(begins);
}

static uint64_t wait_for_child(void)
{
    if (exvi_reclaim_now() != EXVI_RECLAIM_SEARCHING || turn.mode == EXVI_MODE_STRESS)
        return 0;
    uint64_t before = exvi_clock_ns();
    uint64_t wait_ns = exvi_pace_wait_ns(&turn.pace, exvi_reclaim_child_ns(), before);
    if (wait_ns == 0)
        return 0;
    exvi_reclaim_wait(wait_ns);
    uint64_t ns = exvi_clock_ns() - before;
    exvi_pace_waited(&turn.pace, ns);
    return ns;
}

void exvi_turn_pay(int generation, uint64_t *clone_ns, uint64_t *wait_ns)
{
    *clone_ns = generation == 1 && after_generation_1() ? exvi_reclaim_stats_get()->last_start_ns : 0;
    *wait_ns = *clone_ns == 0 ? wait_for_child() : 0;
    turn.own_ns += *clone_ns + *wait_ns;
}

/* ------------------------------------------------------- coming and going */

void exvi_turn_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns)
{
    double scan_ns = turn.pace.scan_ns;
    turn = (typeof(turn)){.layout = layout, .mode = mode, .budget_ns = pause_budget_ns};
    exvi_pace_init(&turn.pace, pause_budget_ns, exvi_processors());
    if (scan_ns > 0)
        turn.pace.scan_ns = scan_ns; /* of an earlier installation */
    exvi_reclaim_init(layout);
    exvi_early_reset();
}

void exvi_turn_uninstall(void)
{
    abandon(EXVI_FALLBACK_CANCELLED);
    leave_to_stock(NULL);
}

void exvi_turn_forked(void)
{
    abandon(EXVI_FALLBACK_CANCELLED);
}

void exvi_turn_read(exvi_turn_stats *stats)
{
    *stats = (exvi_turn_stats){.ns_per_object = turn.pace.scan_ns};
    if (!turn.layout)
        return;
    stats->waiting = (uint64_t)(turn.waiting + *turn.layout->long_lived_pending);
    stats->tracked = (uint64_t)*turn.layout->long_lived_total + stats->waiting;
}
