/*
 * pace: when a search beside the program begins, and what the program pays for it. Numbers in, numbers out: nothing
 * here knows of objects, lists or children, so both hosts use it, and tests run it against a clock of their own.
 *
 * CPython's rule says when a full collection is due: more collections of the generation below than the threshold, and
 * objects that became old since the last one (births, here) at least a quarter of those that survived it. Call that
 * many births a lap. What died in a lap is what stock lets wait before it stops the program and collects. A search
 * takes a while, in which more dies, and what it found is not freed at once. So where the last ones found much, a lap
 * is shorter: by four fifths of what was garbage among the objects they looked at. And
 *
 *     births  0 ........ lap/2 ........ start ............ lap ............ lap * 5/4
 *                          |              |  <- search ->   |                   |
 *             never before |    begins early enough          stock's stop       the answer has to be there
 *
 *   - it begins when what is left of the lap is what its expected length will use up;
 *   - while it is behind, so that it would end later than a quarter of a lap after that, each young collection waits
 *     for it a slice, as long as all slices to come have to be, and a fifth of the pause budget at most; where it is
 *     not there by then, ever more, and the whole budget at most;
 *   - what it found is freed in portions, one a young collection, as large as they have to be to be done before the
 *     next one begins, and not so large that they take more than a fifth of the budget; but always as large as what may
 *     have died meanwhile, once the next one ought to begin.
 *
 * The ancestor is the pacer of Go's collector (A. Clements, "Go 1.5 concurrent garbage collector pacing", 2015): start
 * early by what was measured, let the mutator assist where it outruns the collector. No answer is thrown away because
 * the heap grew: it is still right, and what died since is the next search's.
 */
#ifndef EXVI_PACE_H
#define EXVI_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What CPython's rule for a full collection looks at. */
typedef struct exvi_due {
    bool enabled;             /* the collector is on, and the youngest threshold is not 0 */
    int64_t count, threshold; /* of the oldest generation */
    int64_t waiting;          /* objects that became old since the last full collection */
    int64_t total;            /* that survived it */
} exvi_due;

bool exvi_is_due(const exvi_due *due);

typedef struct exvi_pace {
    uint64_t budget_ns;       /* the longest stop wished for */
    bool alone;               /* the child has no processor of its own */

    /* Learned, each smoothed over the last few times. */
    double scan_ns;           /* an object, collected in place */
    double search_ns;         /* an object, of the child's processor time */
    double free_ns;           /* a candidate, proven and freed */
    double share;             /* processor time a child gets in a second in which nobody waits for it: 0 to 1 */
    double round_ns;          /* from one young collection to the next, waiting and reclaiming left out */
    double round_births;      /* objects that become old, for each */
    double yield;             /* garbage's share of what a search looked at: 0 to 1 */
    double step_rounds;       /* young collections for each count of the oldest generation */
    double rounds;            /* since the last count */

    /* The search at hand. */
    double expected_ns;       /* processor time */
    double runway;            /* births after which it has to be over */
    double births;            /* so far, as of the last count of the oldest generation */
    double unseen;            /* and since then, about */
    double looked_births, looked_child_ns; /* when it was last seen to get on */
    uint64_t looked_waited_ns;
    uint64_t waited_ns;       /* by young collections */
    uint64_t began_ns;

    double ramp;              /* the largest portion by now, which grows from a small one with each answer */
} exvi_pace;

void exvi_pace_init(exvi_pace *pace, uint64_t budget_ns, unsigned processors);

/* Has the child no processor of its own? Asked anew before a search, for that may change. */
void exvi_pace_alone(exvi_pace *pace, bool alone);

/* A heap that is scanned within the budget, or quicker than a clone of the process is made. */
bool exvi_pace_is_small(const exvi_pace *pace, uint64_t objects, uint64_t clone_ns);

/* So many young collections have ended in `ns`, and so many objects became old. Counted: and the oldest generation's
 * count went up, which it does not for each of the generation below that comes early. */
void exvi_pace_step(exvi_pace *pace, uint64_t births, uint64_t rounds, uint64_t ns, bool counted);

/* Is it time to begin, for a heap of so many objects? True as well whenever it is due. */
bool exvi_pace_begins(const exvi_pace *pace, const exvi_due *due, uint64_t objects);

void exvi_pace_began(exvi_pace *pace, const exvi_due *due, uint64_t objects, uint64_t now_ns);

/* A young collection ends while the search is up, and the child has used so much processor time. How long to wait for
 * it, in nanoseconds; 0: it is on time. */
uint64_t exvi_pace_wait_ns(exvi_pace *pace, uint64_t child_ns, uint64_t now_ns);
void exvi_pace_waited(exvi_pace *pace, uint64_t ns);

/* The heap has doubled, and since the last look, births as many as the runway ago, the child has got nowhere. */
bool exvi_pace_is_stuck(exvi_pace *pace, const exvi_due *due, uint64_t child_ns);

/* The search is over. */
void exvi_pace_searched(exvi_pace *pace, uint64_t child_ns, uint64_t objects, uint64_t found, uint64_t now_ns);

/* How many of the candidates that are left the young collection that begins should bring. */
size_t exvi_pace_portion(const exvi_pace *pace, const exvi_due *due, uint64_t objects, size_t left);
size_t exvi_pace_largest_portion(const exvi_pace *pace); /* half the budget's worth */
void exvi_pace_freed(exvi_pace *pace, size_t candidates, uint64_t ns);

/* So many objects were collected in place. */
void exvi_pace_scanned(exvi_pace *pace, uint64_t ns, uint64_t objects);

/* Attempts that failed in a row: the next 2, 4, 8 occasions are passed over, and after three failures it is tired: a
 * collection in place has to come first. */
typedef struct exvi_backoff {
    unsigned failures, pass;
} exvi_backoff;
void exvi_backoff_failed(exvi_backoff *backoff);
bool exvi_backoff_passes(exvi_backoff *backoff);     /* one occasion; true: pass it over */
bool exvi_backoff_is_tired(const exvi_backoff *backoff);

#endif
