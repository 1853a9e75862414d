/*
 * rings: see rings.h.
 *
 * While the search goes on, name[node] is 0 for what was not seen, the place on the path or the stack (or the place
 * that it leads back to), or, from `nodes` down, the name of a finished component: the two never meet, as there are at
 * most `nodes` objects. Names are turned around at the end.
 */
#include "rings.h"

#include "platform.h"

#define LED_BACK 1u

typedef struct frame {
    uint32_t node;
    uint32_t next; /* (place of the next reference to look at) * 2 + LED_BACK; a degree is below 2^31 */
} frame;

typedef struct search {
    const exvi_graph *graph;
    exvi_pick *pick;
    uint32_t *name;
    frame *path;
    uint32_t *stack;
    uint32_t length, depth, index, last;
} search;

static void enter(search *s, uint32_t node)
{
    s->path[s->length++] = (frame){node, 0};
    s->name[node] = ++s->index;
}

static void lower(search *s, frame *top, uint32_t name)
{
    if (name < s->name[top->node]) {
        s->name[top->node] = name;
        top->next |= LED_BACK;
    }
}

static void leave(search *s)
{
    frame done = s->path[--s->length];
    uint32_t lowest = s->name[done.node];
    if (done.next & LED_BACK) {
        s->stack[s->depth++] = done.node;
    } else {
        s->index--;
        while (s->depth > 0 && s->name[s->stack[s->depth - 1]] >= lowest) {
            s->name[s->stack[--s->depth]] = s->last;
            s->index--;
        }
        s->name[done.node] = s->last--;
    }
    if (s->length > 0)
        lower(s, &s->path[s->length - 1], s->name[done.node]);
}

static void follow(search *s)
{
    frame *top = &s->path[s->length - 1];
    if (top->next >> 1 == exvi_graph_degree(s->graph, top->node)) {
        leave(s);
        return;
    }
    uint32_t to = exvi_graph_target(s->graph, top->node, top->next >> 1);
    top->next += 2;
    if (to == EXVI_NO_NODE || !s->pick(s->graph, to))
        return;
    if (s->name[to] == 0)
        enter(s, to);
    else
        lower(s, top, s->name[to]);
}

bool exvi_rings_find(exvi_rings *rings, const exvi_graph *graph, exvi_pick *pick)
{
    const uint32_t nodes = graph->file->nodes;
    size_t picked = 0;
    for (uint32_t node = 0; node < nodes; node++)
        picked += pick(graph, node);
    *rings = (exvi_rings){.bytes = ((size_t)nodes + 1) * sizeof *rings->name};
    rings->name = exvi_map(rings->bytes, exvi_page_size());
    size_t scratch = (picked + 1) * (sizeof(frame) + sizeof(uint32_t));
    frame *path = rings->name ? exvi_map(scratch, exvi_page_size()) : NULL;
    if (!path)
        return false;
    search s = {.graph = graph, .pick = pick, .name = rings->name, .path = path,
                .stack = (uint32_t *)(void *)(path + picked + 1), .last = nodes};
    for (uint32_t node = 0; node < nodes; node++) {
        if (s.name[node] || !pick(graph, node))
            continue;
        enter(&s, node);
        while (s.length > 0)
            follow(&s);
    }
    for (uint32_t node = 0; node < nodes; node++)
        if (s.name[node])
            s.name[node] = nodes + 1 - s.name[node];
    rings->count = nodes - s.last;
    exvi_unmap(path, scratch);
    return true;
}

void exvi_rings_drop(exvi_rings *rings)
{
    if (rings->name)
        exvi_unmap(rings->name, rings->bytes);
    *rings = (exvi_rings){0};
}
