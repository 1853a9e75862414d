/*
 * garbage: see garbage.h.
 */
#include "garbage.h"

#include "trial.h"

enum { BATCH = 256, PATIENCE = 64 };

static bool add_each(const exvi_graph *graph, exvi_walk *walk)
{
    void *objects[BATCH];
    size_t count, batches = 0;
    while ((count = graph->next(graph->host, objects, BATCH)) > 0) {
        if (batches++ % PATIENCE == 0 && exvi_walk_ends(walk, graph))
            return false;
        for (size_t i = 0; i < count; i++)
            if (!exvi_walk_add(walk, objects[i]))
                return false;
    }
    return true;
}

static bool add_members(const exvi_graph *graph, exvi_walk *walk)
{
    return graph->add_members ? graph->add_members(graph->host, walk) : add_each(graph, walk);
}

static int hold(void *child, void *arg)
{
    exvi_walk *walk = arg;
    uint32_t number = exvi_walk_number(walk, child);
    if (number != UINT32_MAX)
        walk->left[number] = EXVI_LEFT_HELD;
    return 0;
}

/* What is known to be alive, or what it refers to where it is no member itself, is held whatever the counts say. */
static void hold_roots(const exvi_graph *graph, exvi_walk *walk)
{
    void *objects[BATCH];
    size_t count;
    while (graph->next_root && (count = graph->next_root(graph->host, objects, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (exvi_walk_number(walk, objects[i]) != UINT32_MAX)
                hold(objects[i], walk);
            else
                graph->visit(graph->host, objects[i], EXVI_PHASE_MARK, hold, walk);
        }
    }
}

static bool write_down(const exvi_graph *graph, exvi_walk *walk)
{
    if (!exvi_walk_extract(walk, graph))
        return false;
    hold_roots(graph, walk);
    if (graph->release)
        graph->release(graph->host);
    return true;
}

static bool find(exvi_garbage *garbage, const exvi_graph *graph)
{
    exvi_walk *walk = &garbage->walk;
    size_t unreachable;
    return exvi_walk_begin(walk) &&
           add_members(graph, walk) &&              /* a bit for each */
           exvi_walk_rank(walk) &&                  /* numbers */
           write_down(graph, walk) &&               /* their references: the heap is not needed any more */
           exvi_trial(walk, graph, &unreachable) && /* left is 0: unreachable */
           exvi_components_find(&garbage->found, walk, unreachable);
}

exvi_cycle_end exvi_garbage_find(exvi_garbage *garbage, const exvi_graph *graph)
{
    exvi_components_drop(&garbage->found);
    garbage->examined = 0;
    if (!find(garbage, graph))
        return garbage->walk.stopped ? EXVI_CYCLE_STOPPED : EXVI_CYCLE_MEMORY;
    garbage->examined = garbage->walk.members;
    return EXVI_CYCLE_DONE;
}

void exvi_garbage_drop(exvi_garbage *garbage)
{
    exvi_walk_drop(&garbage->walk);
    exvi_components_drop(&garbage->found);
}
