/*
 * early: see early.h.
 *
 * Invariant: `stands_for` is less than a period, the young collections from one generation 1 to the next at CPython's
 * own pace.
 */
#include "early.h"

#include <limits.h>

enum {
    WORTH = 8,             /* generation 1 finds much where such a part of its own objects is dead */
    CALM = 3,              /* so many at CPython's own pace have to find little before one comes early */
    UNSEEN = 16,           /* and again after early ones have taken on such a part of the old objects, */
    UNSEEN_IN_FLIGHT = 4,  /* or such a part while a snapshot is up: page faults make one several times as long */
    HORIZON = 2000,        /* collections of generation 0 in which a full one is due, or none comes early */
    STRETCH = 4            /* one at CPython's own pace is not awaited where it would take so many times the limit, */
};
#define STRETCH_NS UINT64_C(2000000) /* and longer than this */

static struct {
    uint64_t ns[2];
    uint64_t found;        /* by one of generation 0, smoothed */
    uint64_t spent_ns;     /* by generation 0 since the last one of generation 1 */
    int pace;              /* collections of generation 0 that one of generation 1 follows; 0: as CPython has it */
    int threshold;         /* generation 1's, for which that was found */
    int behind;            /* collections of generation 0 since the last one of generation 1 */
    int calm;              /* the last ones at CPython's own pace that found little, in a row */
    uint64_t unseen;       /* objects at most that early ones have made old since one came at CPython's own pace */
    bool hurried;          /* we have made generation 1 due */
    bool by_itself;        /* the collection that runs is CPython's, not the program's own */
    bool early;            /* it came because we made it due */
    bool stretched;        /* that one is as good as one at CPython's own pace, which would be too long */
    int64_t stands_for;    /* young collections since generation 2's count went up, if the last of them came early */
} young;

void exvi_early_reset(void)
{
    young = (typeof(young)){0};
}

uint64_t exvi_early_ns(int generation)
{
    return young.ns[generation];
}

static void smooth(uint64_t *value, uint64_t latest)
{
    *value = (3 * *value + latest) / 4;
}

/* What most of them take: one of many that was long, or waited for a processor, says little. */
static void settle(uint64_t *usual, uint64_t latest)
{
    *usual = latest < *usual || *usual == 0 ? (*usual + 3 * latest) / 4 : (15 * *usual + latest) / 16;
}

static int64_t natural_pace(const exvi_layout *layout)
{
    return (int64_t)*layout->threshold[1] + 1;
}

static bool heeds_thresholds(const exvi_layout *layout, const exvi_early_end *end)
{
    int64_t until_full = natural_pace(layout) * ((int64_t)*layout->threshold[2] + 1);
    return end->may_hurry && until_full <= HORIZON && young.threshold == *layout->threshold[1] &&
           *layout->count[1] <= *layout->threshold[1];
}

/* An early one cannot find what dies later, so it tells nothing of how much that is. Where generation 1 finds much at
 * CPython's own pace, or where full collections are too rare to make it good, none comes early. */
static bool may_hurry(const exvi_layout *layout, const exvi_early_end *end)
{
    uint64_t most = end->old / (end->in_flight ? UNSEEN_IN_FLIGHT : UNSEEN);
    return heeds_thresholds(layout, end) && young.calm >= CALM && young.unseen <= most;
}

/* Where old objects die, each of generation 0 has many more than its threshold, and one of generation 1 at CPython's
 * own pace is a stop of a tenth of a second and more. So it is not awaited, but where the last one found much. */
static bool may_stretch(const exvi_layout *layout, const exvi_early_end *end, uint64_t limit_ns)
{
    return young.spent_ns > STRETCH * limit_ns && young.spent_ns > STRETCH_NS && young.calm > 0 &&
           heeds_thresholds(layout, end);
}

/* Generation 1 looks again at what generation 0 has looked at, and takes longer for it, farther from the cache. The
 * pace follows what the last one took, the time spent what the next one will: all at once it is long where a program
 * that has loaded its data, in the order of memory, begins to work on it. */
static void hurry(const exvi_layout *layout, const exvi_early_end *end, uint64_t limit_ns)
{
    bool late = young.pace > 0 && young.behind >= young.pace;
    bool sooner = (late || young.spent_ns > limit_ns) && may_hurry(layout, end);
    if (!sooner && !may_stretch(layout, end, limit_ns))
        return;
    *layout->count[1] = *layout->threshold[1] + 1;
    young.hurried = true;
    young.stretched = !sooner;
}

/* One that came early is a part of one at CPython's pace, and so is what it adds to generation 2's count. */
static void set_count_right(const exvi_layout *layout)
{
    int64_t period = natural_pace(layout) + 1;
    young.stands_for = young.early ? young.stands_for + young.behind + 1 : 0;
    if (young.stands_for >= period)
        young.stands_for -= period;
    else if (young.early && *layout->count[2] > 0)
        --*layout->count[2];
}

/* At most, that generation 1 has looked at. */
static uint64_t objects(const exvi_layout *layout)
{
    return (uint64_t)young.behind * (uint64_t)*layout->threshold[0];
}

/* After a collection of generation 1 by itself. */
static void adapt(const exvi_layout *layout, const exvi_early_end *end, uint64_t limit_ns)
{
    bool much = end->found > young.found && (end->found - young.found) * WORTH > objects(layout);
    bool tells = !young.early || young.stretched; /* how much dies later */
    young.calm = much ? 0 : !tells || young.calm == CALM ? young.calm : young.calm + 1;
    if (tells)
        young.unseen = 0;
    if (young.threshold != *layout->threshold[1])
        young.pace = young.calm = 0; /* the program wishes another one */
    young.threshold = *layout->threshold[1];
    if (much)
        young.pace = 0;
    else if (end->ns > limit_ns && ((young.early && !young.stretched) || young.pace == 0))
        young.pace = young.behind > 1 ? young.behind / 2 : 1;
    else if (end->ns < limit_ns / 4)
        young.pace *= 2;
    if (young.pace >= natural_pace(layout))
        young.pace = 0;
}

void exvi_early_began(const exvi_layout *layout, int generation)
{
    young.by_itself = *layout->enabled && *layout->count[0] > *layout->threshold[0] &&
                      (generation != 1 || *layout->count[1] > *layout->threshold[1]);
    young.early = generation == 1 && young.hurried && young.by_itself;
    if (generation > 0)
        young.hurried = false;
    if (generation == 2) {
        young.behind = 0;
        young.stands_for = 0;
        young.spent_ns = 0;
    }
}

void exvi_early_ended(const exvi_layout *layout, const exvi_early_end *end, uint64_t limit_ns)
{
    if (!end->carried)
        settle(&young.ns[end->generation], end->ns);
    if (end->generation == 0) {
        if (!end->carried)
            smooth(&young.found, end->found);
        young.behind++;
        young.spent_ns += end->carried ? young.ns[0] : end->ns;
        hurry(layout, end, limit_ns);
        return;
    }
    set_count_right(layout);
    if (young.early && !young.stretched)
        young.unseen += objects(layout);
    if (young.by_itself && !end->carried)
        adapt(layout, end, limit_ns);
    young.spent_ns = 0;
    young.behind = 0;
}
