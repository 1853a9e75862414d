/*
 * pace: see pace.h.
 *
 * Invariant: nothing learned leaves its bounds, whatever is measured, so a clock that jumps or a number that is far off
 * makes one search early or late, and no wait or portion larger than the budget allows.
 */
#include "pace.h"

#include "die.h"

enum { LAPS = 4 };                 /* CPython: a quarter of the survivors */
#define MOST_CUT 0.8               /* of a lap, if all were garbage */
enum { PATIENCE = 3 };
enum { SHARE = 5 };                /* of the budget, at most, a slice or a portion */
enum { LAST_ROUNDS = 4 };          /* before the next search ought to begin */
enum { LEAST_WAIT_NS = 20000 };    /* less is not worth going to sleep for */
#ifdef EXVI_STRESS
enum { LEAST_PORTION = 1, FIRST_PORTION = 2 };
#else
enum { LEAST_PORTION = 256, FIRST_PORTION = 512 };
#endif
enum { TOLERATED = 200000 };       /* births before a child counts as stuck */

static double bounded(double value, double least, double most)
{
    return value > most ? most : value >= least ? value : least; /* what is no number becomes the least */
}

static void smooth(double *learned, double latest, double least, double most)
{
    *learned = bounded((*learned + bounded(latest, least, most)) / 2, least, most);
}

bool exvi_is_due(const exvi_due *due)
{
    return due->enabled && due->count > due->threshold && due->waiting >= due->total / LAPS;
}

/* The rule of a shorter lap, where much is garbage: more of it dies while the search is up and until it is freed, which
 * stock does not have to wait for; and a search that finds much is cheap for what it brings. */
static exvi_due cut_short(const exvi_pace *pace, const exvi_due *due)
{
    double share = 1 - pace->yield * MOST_CUT;
    exvi_due sooner = *due;
    sooner.threshold = (int64_t)((double)due->threshold * share);
    sooner.total = (int64_t)((double)due->total * share);
    return sooner;
}

void exvi_pace_init(exvi_pace *pace, uint64_t budget_ns, unsigned processors)
{
    *pace = (exvi_pace){
        .budget_ns = budget_ns, .alone = processors < 2, .scan_ns = 100, .search_ns = 200, .free_ns = 500,
        .share = processors < 2 ? 0 : 1, .round_ns = 1e6, .round_births = 1,
        .ramp = FIRST_PORTION,
    };
}

void exvi_pace_alone(exvi_pace *pace, bool alone)
{
    if (alone != pace->alone)
        pace->share = alone ? 0 : 1;
    pace->alone = alone;
}

bool exvi_pace_is_small(const exvi_pace *pace, uint64_t objects, uint64_t clone_ns)
{
    double scan_ns = (double)objects * pace->scan_ns;
    return scan_ns < (double)pace->budget_ns || scan_ns < (double)clone_ns;
}

void exvi_pace_step(exvi_pace *pace, uint64_t births, uint64_t rounds, uint64_t ns, bool counted)
{
    pace->births += (double)births;
    pace->unseen = 0;
    if (rounds == 0)
        return;
    smooth(&pace->round_births, (double)births / (double)rounds, 1, 1e9);
    smooth(&pace->round_ns, (double)ns / (double)rounds, 1e3, 1e12);
    pace->rounds += (double)rounds;
    if (!counted)
        return;
    smooth(&pace->step_rounds, pace->rounds, 1, 1e9);
    pace->rounds = 0;
}

/* -------------------------------------------------------------- searching */

/* By the clock, if nobody waits. */
static double search_takes_ns(const exvi_pace *pace, uint64_t objects)
{
    return (double)objects * pace->search_ns / bounded(pace->share, 0.1, 1);
}

static double lap(const exvi_pace *pace, const exvi_due *due)
{
    double by_count = pace->step_rounds * (double)(due->threshold + 1) * pace->round_births;
    double by_births = (double)(due->total / LAPS);
    return by_births > by_count ? by_births : bounded(by_count, 1, 1e15);
}

/* Not before the threshold is passed, which the program may have set to put full collections off. */
bool exvi_pace_begins(const exvi_pace *pace, const exvi_due *due, uint64_t objects)
{
    exvi_due then = cut_short(pace, due);
    if (then.waiting < then.total / LAPS / 2)
        return exvi_is_due(due);
    double births = search_takes_ns(pace, objects) / pace->round_ns * pace->round_births;
    then.waiting += (int64_t)bounded(births, 0, 1e15);
    return exvi_is_due(&then);
}

void exvi_pace_began(exvi_pace *pace, const exvi_due *due, uint64_t objects, uint64_t now_ns)
{
    exvi_due cut = cut_short(pace, due);
    double whole = lap(pace, &cut);
    double left = whole * 5 / 4 - (double)due->waiting;
    pace->runway = left > whole / 4 ? left : whole / 4;
    pace->expected_ns = bounded((double)objects * pace->search_ns, 1e5, 1e15);
    pace->births = pace->unseen = pace->looked_births = pace->looked_child_ns = 0;
    pace->waited_ns = pace->looked_waited_ns = 0;
    pace->began_ns = now_ns;
}

/* What the child gets of a processor in the time in which nobody waits for it. */
static double share_so_far(const exvi_pace *pace, uint64_t child_ns, uint64_t now_ns)
{
    double clock_ns = (double)(now_ns - pace->began_ns) - (double)pace->waited_ns;
    double own_ns = (double)child_ns - (double)pace->waited_ns;
    return clock_ns < 1e6 ? pace->share : bounded(own_ns / clock_ns, 0, 1);
}

uint64_t exvi_pace_wait_ns(exvi_pace *pace, uint64_t child_ns, uint64_t now_ns)
{
    pace->unseen += pace->round_births;
    double to_do_ns = pace->expected_ns - (double)child_ns;
    if (to_do_ns <= 0)
        to_do_ns = pace->expected_ns / 10; /* it takes longer than expected */
    double rounds = bounded((pace->runway - pace->births - pace->unseen) / pace->round_births, 1, 1e9);
    double by_itself_ns = pace->round_ns * share_so_far(pace, child_ns, now_ns);
    double late = bounded((pace->births + pace->unseen) / pace->runway, 1, SHARE);
    double wait_ns = bounded(to_do_ns / rounds - by_itself_ns, 0, (double)pace->budget_ns / SHARE * late);
    return wait_ns < LEAST_WAIT_NS ? 0 : (uint64_t)wait_ns;
}

void exvi_pace_waited(exvi_pace *pace, uint64_t ns)
{
    pace->waited_ns += ns;
}

bool exvi_pace_is_stuck(exvi_pace *pace, const exvi_due *due, uint64_t child_ns)
{
    double patience = pace->runway > TOLERATED ? pace->runway : TOLERATED;
    if (pace->births - pace->looked_births < patience)
        return false;
    double done_ns = (double)child_ns - pace->looked_child_ns;
    double waited_ns = (double)(pace->waited_ns - pace->looked_waited_ns);
    pace->looked_births = pace->births;
    pace->looked_child_ns = (double)child_ns;
    pace->looked_waited_ns = pace->waited_ns;
    /* a child that hangs still looks around now and then */
    bool gets_nowhere = done_ns < pace->expected_ns / 20 || done_ns * 50 < waited_ns;
    return due->waiting > due->total && gets_nowhere;
}

void exvi_pace_searched(exvi_pace *pace, uint64_t child_ns, uint64_t objects, uint64_t found,
                         uint64_t now_ns)
{
    if (objects >= 1000) {
        double yield = bounded((double)found / (double)objects, 0, 1);
        pace->yield = yield > pace->yield ? yield : (3 * pace->yield + yield) / 4;
        smooth(&pace->search_ns, (double)child_ns / (double)objects, 5, 5000);
    }
    smooth(&pace->share, share_so_far(pace, child_ns, now_ns), 0, 1);
    pace->ramp = FIRST_PORTION;
}

/* -------------------------------------------------------------- reclaiming */

static double portion_of(const exvi_pace *pace, uint64_t budget_ns)
{
    double portion = bounded((double)budget_ns / pace->free_ns, LEAST_PORTION, 1 << 20);
    return portion < pace->ramp ? portion : pace->ramp;
}

size_t exvi_pace_largest_portion(const exvi_pace *pace)
{
    return (size_t)portion_of(pace, pace->budget_ns / 2);
}

size_t exvi_pace_portion(const exvi_pace *pace, const exvi_due *due, uint64_t objects, size_t left)
{
    exvi_due cut = cut_short(pace, due);
    double next = lap(pace, &cut) - search_takes_ns(pace, objects) / pace->round_ns * pace->round_births;
    next = bounded(next, lap(pace, &cut) * 3 / 4, 1e15); /* births at which the next search begins */
    double rounds = bounded((next - (double)due->waiting) / pace->round_births, 1, 1e9);
    double portion = bounded((double)left / rounds, LEAST_PORTION, portion_of(pace, pace->budget_ns / SHARE));
    if (rounds < LAST_ROUNDS && portion < 1.5 * pace->round_births)
        portion = 1.5 * pace->round_births; /* or what dies would outnumber what is freed */
    return portion < (double)left ? (size_t)portion : left;
}

/* Garbage differs up to six times within one answer in what it costs: what is dear counts at once, and what is cheap at
 * the end of one may be dear at the beginning of the next. */
void exvi_pace_freed(exvi_pace *pace, size_t candidates, uint64_t ns)
{
    pace->ramp = bounded(2 * pace->ramp, FIRST_PORTION, 1 << 20);
    if (candidates < LEAST_PORTION / 2 + 1)
        return;
    double cost = bounded((double)ns / (double)candidates, 20, 1e6);
    pace->free_ns = cost > pace->free_ns ? cost : (7 * pace->free_ns + cost) / 8;
}

void exvi_pace_scanned(exvi_pace *pace, uint64_t ns, uint64_t objects)
{
    if (objects >= 1000)
        smooth(&pace->scan_ns, (double)ns / (double)objects, 1, 5000);
}

/* ----------------------------------------------------------------- backoff */

void exvi_backoff_failed(exvi_backoff *backoff)
{
    backoff->failures++;
    backoff->pass = 1u << (backoff->failures < PATIENCE ? backoff->failures : PATIENCE);
}

bool exvi_backoff_passes(exvi_backoff *backoff)
{
    if (backoff->pass == 0)
        return false;
    backoff->pass--;
    return true;
}

bool exvi_backoff_is_tired(const exvi_backoff *backoff)
{
    return backoff->failures >= PATIENCE;
}
