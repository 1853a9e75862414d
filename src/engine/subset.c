/*
 * subset: see subset.h.
 *
 * The members get numbers. Each is visited once; the references that lead to members are written down, and from then on
 * numbers are followed and no object is looked at:
 *
 *     object[n]                      the member
 *     edge[first[n] .. first[n+1])   the members that it refers to
 *     outside[n]                     its references less those from members; or REACHED
 *     slot[hash of an address]       n + 1, or 0
 *
 * What a member refers to is a number if its address is found in `slot`, a table that fits into the cache: an old
 * object that a young one refers to costs no access to it or to anything beside it.
 *
 * Where there is no memory for the edges, members are visited a second time instead.
 */
#include "subset.h"

#include "die.h"
#include "platform.h"

#include <string.h>

#ifdef EXVI_STRESS
enum { FIRST_ROOM = 512, FIRST_EDGES = 2 };
#else
enum { FIRST_ROOM = 1024, FIRST_EDGES = 1024 };
#endif
enum { BATCH = 256, AHEAD = 6, PATIENCE = 4096 };
#define MOST_MEMBERS ((size_t)UINT32_MAX / 8)
#define REACHED INT64_MAX
#define HELD (INT64_MAX / 2) /* far more than any count, and far from REACHED */

typedef struct scan {
    const exvi_graph *graph;
    exvi_subset *subset;
    void **object;
    size_t count;
    int64_t *outside;
    uint32_t *first, *queue, *slot;
    unsigned shift;              /* of a hash, to an index of `slot` */
    size_t mask;
    size_t edges, queued;
    bool unrecorded;             /* there was no memory for the edges */
    bool failed, stopped;
} scan;

/* --------------------------------------------------------------- members */

static bool should_stop(scan *s)
{
    s->stopped = s->stopped || (s->graph->stop && s->graph->stop(s->graph->host));
    return s->failed || s->stopped;
}

static bool grow_found(exvi_cycle *answer)
{
    size_t room = answer->found_room ? 2 * answer->found_room : FIRST_ROOM;
    void **found = exvi_map_larger(answer->found, answer->found_room * sizeof *found, room * sizeof *found);
    if (!found)
        return false;
    answer->found = found;
    answer->found_room = room;
    return true;
}

/* They are gathered where the answer will be. */
static void gather_members(scan *s, exvi_cycle *answer)
{
    size_t more = 1;
    for (; more > 0 && !should_stop(s); s->count += more) {
        if (answer->found_room - s->count < BATCH && !grow_found(answer)) {
            s->failed = true;
            return;
        }
        more = s->graph->next(s->graph->host, answer->found + s->count, answer->found_room - s->count);
    }
    s->object = answer->found;
    s->failed = s->failed || s->count > MOST_MEMBERS;
}

/* One mapping for all that goes by the number of members. */
static void make_tables(scan *s)
{
    exvi_subset *subset = s->subset;
    unsigned bits = 6;
    while (((size_t)1 << bits) < 2 * s->count)
        bits++;
    size_t slots = (size_t)1 << bits;
    size_t bytes = s->count * (sizeof *s->outside + sizeof *s->queue) + (s->count + 1) * sizeof *s->first +
                   slots * sizeof *s->slot;
    if (bytes > subset->tables_bytes) {
        if (subset->tables)
            exvi_unmap(subset->tables, subset->tables_bytes);
        size_t rounded = (bytes + exvi_page_size() - 1) & ~(exvi_page_size() - 1);
        subset->tables = exvi_map(rounded, exvi_page_size());
        subset->tables_bytes = subset->tables ? rounded : 0;
    }
    if (!subset->tables) {
        s->failed = true;
        return;
    }
    s->outside = subset->tables;
    s->queue = (uint32_t *)(s->outside + s->count);
    s->first = s->queue + s->count;
    s->slot = s->first + s->count + 1;
    s->shift = 64 - bits;
    s->mask = slots - 1;
    memset(s->slot, 0, slots * sizeof *s->slot);
}

/* The slot of an address; 0 is in it if that is no member. */
static inline uint32_t *slot_of(const scan *s, const void *object)
{
    size_t at = (size_t)((((uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> s->shift);
    while (s->slot[at] && s->object[s->slot[at] - 1] != object)
        at = (at + 1) & s->mask;
    return &s->slot[at];
}

/* An object may have been handed out twice. */
static void number_members(scan *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        uint32_t *slot = slot_of(s, s->object[i]);
        if (*slot)
            continue;
        s->object[count] = s->object[i];
        s->outside[count] = 0;
        *slot = (uint32_t)++count;
    }
    s->count = count;
}

/* -------------------------------------------------------------- counting */

static bool grow_edges(exvi_subset *subset)
{
    size_t room = subset->edge_room ? 2 * subset->edge_room : FIRST_EDGES;
    if (room > UINT32_MAX)
        return false;
    uint32_t *edge = exvi_map_larger(subset->edge, subset->edge_room * sizeof *edge, room * sizeof *edge);
    if (!edge)
        return false;
    subset->edge = edge;
    subset->edge_room = room;
    return true;
}

static int note_reference(void *child, void *arg)
{
    scan *s = arg;
    if (!child)
        return 0;
    uint32_t number = *slot_of(s, child);
    if (number == 0)
        return 0;
    s->outside[number - 1]--;
    if (exvi_unlikely(s->edges == s->subset->edge_room) && !s->unrecorded)
        s->unrecorded = !grow_edges(s->subset);
    if (exvi_likely(!s->unrecorded))
        s->subset->edge[s->edges++] = number - 1;
    return 0;
}

static void visit_members(scan *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (i % PATIENCE == 0 && should_stop(s))
            return;
        if (i + AHEAD < s->count)
            __builtin_prefetch((void *)((uintptr_t)s->object[i + AHEAD] - 16));
        uint64_t refcount = s->graph->refcount(s->graph->host, s->object[i]);
        s->outside[i] += refcount < HELD ? (int64_t)refcount : HELD;
        s->first[i] = (uint32_t)s->edges;
        s->graph->visit(s->graph->host, s->object[i], EXVI_PHASE_COUNT, note_reference, s);
    }
    s->first[s->count] = (uint32_t)s->edges;
}

/* Before marking writes over the counts. */
static void compare_counts(scan *s)
{
    for (size_t i = 0; i < s->count && s->graph->excess; i++) {
        if (exvi_likely(s->outside[i] >= 0))
            continue;
        uint64_t refcount = s->graph->refcount(s->graph->host, s->object[i]);
        s->graph->excess(s->graph->host, s->object[i], refcount, refcount - (uint64_t)s->outside[i]);
    }
}

/* --------------------------------------------------------------- marking */

static inline void reach(scan *s, uint32_t number)
{
    if (s->outside[number] == REACHED)
        return;
    s->outside[number] = REACHED;
    s->queue[s->queued++] = number;
}

static int reach_reference(void *child, void *arg)
{
    uint32_t number = child ? *slot_of(arg, child) : 0;
    if (number)
        reach(arg, number - 1);
    return 0;
}

static void mark_from_external(scan *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->outside[i] > 0)
            reach(s, i);
    for (size_t at = 0; at < s->queued; at++) {
        uint32_t number = s->queue[at];
        if (s->unrecorded)
            s->graph->visit(s->graph->host, s->object[number], EXVI_PHASE_COUNT, reach_reference, s);
        else
            for (uint32_t e = s->first[number]; e < s->first[number + 1]; e++)
                reach(s, s->subset->edge[e]);
        if (at % PATIENCE == 0 && should_stop(s))
            return;
    }
}

static size_t keep_unreachable(scan *s)
{
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->outside[i] != REACHED)
            s->object[count++] = s->object[i];
    exv_assert(count + s->queued == s->count);
    return count;
}

exvi_cycle_end exvi_subset_find(exvi_subset *subset, const exvi_graph *graph, exvi_cycle *answer)
{
    scan s = {.graph = graph, .subset = subset};
    exv_assert(!graph->next_root);
    answer->count = 0;
    answer->examined = 0;
    gather_members(&s, answer);
    if (!s.failed && !s.stopped)
        make_tables(&s);
    if (s.failed || s.stopped)
        return s.failed ? EXVI_CYCLE_MEMORY : EXVI_CYCLE_STOPPED;

    number_members(&s);     /* each has one number */
    answer->examined = s.count;
    visit_members(&s);      /* outside > 0 means: referenced from outside */
    if (!s.stopped)
        compare_counts(&s);
    if (!s.stopped)
        mark_from_external(&s); /* not REACHED means: unreachable */
    if (s.stopped)
        return EXVI_CYCLE_STOPPED;
    answer->count = keep_unreachable(&s);
    return EXVI_CYCLE_DONE;
}

/* --------------------------------------------------------------- scratch */

size_t exvi_subset_bytes(const exvi_subset *subset)
{
    return subset->tables_bytes + subset->edge_room * sizeof *subset->edge;
}

void exvi_subset_drop(exvi_subset *subset)
{
    if (subset->tables)
        exvi_unmap(subset->tables, subset->tables_bytes);
    if (subset->edge)
        exvi_unmap(subset->edge, subset->edge_room * sizeof *subset->edge);
    *subset = (exvi_subset){0};
}
