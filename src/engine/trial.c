/*
 * trial: see trial.h.
 *
 * Marking goes along with the numbers, from 0 up. What is found to be reachable ahead only gets its mark, since it will
 * be passed; what lies behind goes on a stack. So a mark needs no second bit for "visited":
 *
 *     left[n] != 0, n ahead of the walk     reachable, will be visited when the walk gets there
 *     left[n] != 0, n behind or on it       visited, or on the stack
 *
 * What is taken from the stack lies anywhere. It is taken in handfuls, and each of the three steps (where do the
 * references begin, what are they, are they marked) is prefetched for the whole handful before the next is made.
 */
#include "trial.h"

#include "die.h"
#include "platform.h"

#ifdef EXVI_STRESS
enum { HANDFUL = 2, FIRST_STACK = 4, PATIENCE = 16 };
#else
enum { HANDFUL = 32, FIRST_STACK = 1 << 16, PATIENCE = 1 << 16 };
#endif
enum { EDGES_AHEAD = 48, NODES_AHEAD = 64, FEW = 8 };

typedef struct trial {
    exvi_walk *walk;
    const exvi_graph *graph;  /* asked whether to stop */
    uint32_t *stack;
    size_t depth, room;
    size_t at;                /* where the walk is */
    bool missed;              /* the stack could not grow: something marked behind the walk was not visited */
} trial;

static bool should_stop(const trial *t)
{
    return exvi_walk_ends(t->walk, t->graph);
}

/* ---------------------------------------------------------------- counting */

static inline void take_one(exvi_walk *walk, uint32_t to)
{
    uint8_t left = walk->left[to];
    if (exvi_likely((uint8_t)(left - 1) < EXVI_LEFT_MANY - 1)) {
        walk->left[to] = (uint8_t)(left - 1);
    } else if (left == EXVI_LEFT_MANY) {
        uint64_t *many = exvi_walk_many(walk, to);
        *many -= *many > 0;
    }
}

static bool take_internal_references(trial *t)
{
    exvi_walk *walk = t->walk;
    const uint32_t *edge = walk->edge;
    size_t edges = walk->edges;
    for (size_t i = 0; i < edges; i++) {
        if (i % PATIENCE == 0 && should_stop(t))
            return false;
        if (i + EDGES_AHEAD < edges)
            __builtin_prefetch(&walk->left[edge[i + EDGES_AHEAD] & ~EXVI_EDGE_FLAGS], 1);
        if (exvi_likely((edge[i] & EXVI_EDGE_FLAGS) == 0))
            take_one(walk, edge[i]);
    }
    return true;
}

static void settle_many(exvi_walk *walk)
{
    for (size_t i = 0; i < walk->many_room; i++)
        if (walk->many[i].key)
            walk->left[walk->many[i].key - 1] = walk->many[i].left > 0 ? EXVI_LEFT_MANY : 0;
}

/* ----------------------------------------------------------------- marking */

static bool grow_stack(trial *t)
{
    size_t room = t->room ? 2 * t->room : FIRST_STACK;
    uint32_t *stack = exvi_map_larger(t->stack, t->room * sizeof *stack, room * sizeof *stack);
    if (!stack)
        return false;
    t->stack = stack;
    t->room = room;
    return true;
}

static inline void reach(trial *t, uint32_t edge)
{
    uint32_t to = edge & ~EXVI_EDGE_FLAGS;
    if (t->walk->left[to] || exvi_unlikely(edge & EXVI_EDGE_WEAK))
        return;
    t->walk->left[to] = 1;
    if (to > t->at)
        return;
    if (exvi_unlikely(t->depth == t->room) && !grow_stack(t)) {
        t->missed = true;
        return;
    }
    __builtin_prefetch(&t->walk->node[to]);
    t->stack[t->depth++] = to;
}

static inline void visit(trial *t, uint32_t number)
{
    const exvi_walk *walk = t->walk;
    for (uint32_t e = walk->node[number].first; e < walk->node[number + 1].first; e++)
        reach(t, walk->edge[e]);
}

static void visit_handful(trial *t)
{
    const exvi_walk *walk = t->walk;
    uint32_t number[HANDFUL];
    unsigned count = 0;
    while (count < HANDFUL && t->depth > 0)
        number[count++] = t->stack[--t->depth];
    if (count > 1) {
        for (unsigned i = 0; i < count; i++)
            __builtin_prefetch(&walk->edge[walk->node[number[i]].first]);
        for (unsigned i = 0; i < count; i++) {
            uint32_t first = walk->node[number[i]].first, end = walk->node[number[i] + 1].first;
            for (uint32_t e = first; e < end && e < first + FEW; e++)
                __builtin_prefetch(&walk->left[walk->edge[e] & ~EXVI_EDGE_FLAGS], 1);
        }
    }
    for (unsigned i = 0; i < count; i++)
        visit(t, number[i]);
}

/* Once over all, visiting what is marked. False: told to stop. */
static bool walk_once(trial *t)
{
    exvi_walk *walk = t->walk;
    size_t handfuls = 0;
    for (t->at = 0; t->at < walk->members; t->at++) {
        if (t->at % PATIENCE == 0 && should_stop(t))
            return false;
        uint32_t ahead = walk->node[t->at].first + EDGES_AHEAD;
        if (ahead < walk->edges)
            __builtin_prefetch(&walk->left[walk->edge[ahead] & ~EXVI_EDGE_FLAGS]);
        if (!walk->left[t->at])
            continue;
        visit(t, (uint32_t)t->at);
        while (t->depth > 0) {
            visit_handful(t);
            if (++handfuls % PATIENCE == 0 && should_stop(t))
                return false;
        }
    }
    return true;
}

/* With a stack that cannot grow, another walk finds what is marked by then, and marks more. */
static bool mark_from_external(trial *t)
{
    do {
        t->missed = false;
        if (!walk_once(t))
            return false;
    } while (t->missed);
    return true;
}

bool exvi_trial(exvi_walk *walk, const exvi_graph *graph, size_t *unreachable)
{
    trial t = {.walk = walk, .graph = graph};
    *unreachable = 0;
    bool done = take_internal_references(&t); /* left > 0 means: referenced from outside */
    if (done) {
        settle_many(walk);
        done = mark_from_external(&t);        /* left > 0 means: reachable */
    }
    if (t.stack)
        exvi_unmap(t.stack, t.room * sizeof *t.stack);
    for (size_t i = 0; done && i < walk->members; i++)
        *unreachable += walk->left[i] == 0;
    return done;
}
