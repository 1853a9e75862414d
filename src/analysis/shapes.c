/*
 * shapes: see shapes.h.
 */
#include "shapes.h"

#include "platform.h"
#include "tally.h"

enum { LONGEST_PERIOD = 6, FIRST_ROOM = 1024 };

typedef struct making {
    exvi_shapes *shapes;
    const exvi_graph *graph;
    const uint32_t *labels;
    uint32_t *table; /* shape + 1; 0: free */
    size_t table_room;
    uint32_t most;
} making;

static bool is_same(const exvi_shape *a, uint32_t kind, uint32_t label)
{
    return a->kind == kind && a->label == label;
}

static size_t place_of(const making *m, uint32_t parent, uint32_t kind, uint32_t label)
{
    size_t place = exvi_mix(exvi_mix(parent, kind), label) & (m->table_room - 1);
    for (; m->table[place]; place = (place + 1) & (m->table_room - 1)) {
        const exvi_shape *shape = &m->shapes->shape[m->table[place] - 1];
        if (shape->parent == parent && is_same(shape, kind, label))
            break;
    }
    return place;
}

static bool grow(making *m)
{
    exvi_shapes *s = m->shapes;
    size_t room = s->room ? 2 * s->room : FIRST_ROOM;
    exvi_shape *shape = exvi_map_larger(s->shape, s->room * sizeof *shape, room * sizeof *shape);
    if (!shape)
        return false;
    s->shape = shape;
    s->room = room;
    if (m->table)
        exvi_unmap(m->table, m->table_room * sizeof *m->table);
    m->table_room = 2 * room;
    m->table = exvi_map(m->table_room * sizeof *m->table, exvi_page_size());
    for (uint32_t i = 0; m->table && i < s->count; i++)
        m->table[place_of(m, shape[i].parent, shape[i].kind, shape[i].label)] = i + 1;
    return m->table != NULL;
}

/* Whether the new step, and those above it, say again what stands so many shapes higher. Answers that shape, or 0. */
static uint32_t find_repeated(const exvi_shape *shape, uint32_t parent, uint32_t kind, uint32_t label)
{
    for (int period = 1; period <= LONGEST_PERIOD; period++) {
        uint32_t low = parent, high = parent;
        for (int i = 1; i < period; i++)
            high = shape[high].parent;
        if (high == 0 || !is_same(&shape[high], kind, label))
            continue;
        uint32_t found = high;
        int same = 1;
        for (; same < period; same++, low = shape[low].parent) {
            high = shape[high].parent;
            if (high == 0 || !is_same(&shape[high], shape[low].kind, shape[low].label))
                break;
        }
        if (same == period)
            return found;
    }
    return 0;
}

static bool add(making *m, uint32_t node, uint32_t parent_node)
{
    const exvi_heap_file *file = m->graph->file;
    exvi_shapes *s = m->shapes;
    bool is_object = node < m->graph->root;
    uint32_t kind = is_object ? exvi_heap_kind(file, node) : EXVI_SHAPE_GROUP + (node - m->graph->root - 1);
    uint32_t label = m->graph->parent[node] == parent_node ? m->labels[node] : 0;
    uint32_t parent = s->of[parent_node];
    uint32_t shape = is_object ? find_repeated(s->shape, parent, kind, label) : 0;
    if (!shape && s->shape[parent].depth == EXVI_SHAPE_DEPTH)
        shape = parent;
    if (shape) {
        s->shape[shape].repeats = true;
    } else {
        size_t place = place_of(m, parent, kind, label);
        if (!m->table[place] && s->count == s->room) {
            if (!grow(m))
                return false;
            place = place_of(m, parent, kind, label);
        }
        if (!m->table[place] && s->count < m->most) {
            s->shape[s->count] = (exvi_shape){.parent = parent, .kind = kind, .label = label, .example = node,
                                                .depth = s->shape[parent].depth + 1};
            m->table[place] = ++s->count;
        }
        shape = m->table[place] ? m->table[place] - 1 : parent;
    }
    s->of[node] = shape;
    if (is_object) {
        s->shape[shape].count++;
        s->shape[shape].bytes += exvi_heap_size(file, node);
    }
    return true;
}

static bool add_all(making *m, const exvi_dominators *d)
{
    const exvi_graph *graph = m->graph;
    m->shapes->shape[0] = (exvi_shape){.kind = UINT32_MAX, .example = graph->root};
    m->shapes->count = 1;
    m->shapes->of[graph->root] = 0;
    for (uint32_t i = 1; i < graph->all; i++) {
        uint32_t node = d ? d->node[i] : graph->order[i];
        if (!add(m, node, d ? d->node[d->dominator[i]] : graph->parent[node]))
            return false;
    }
    return true;
}

bool exvi_shapes_make(exvi_shapes *shapes, const exvi_graph *graph, const exvi_dominators *dominators, uint32_t most)
{
    making m = {.shapes = shapes, .graph = graph, .most = most};
    *shapes = (exvi_shapes){.nodes = (size_t)graph->all + 1};
    uint32_t *labels = exvi_graph_labels(graph);
    m.labels = labels;
    shapes->of = exvi_map(shapes->nodes * sizeof *shapes->of, exvi_page_size());
    bool done = labels && shapes->of && grow(&m) && add_all(&m, dominators);
    if (labels)
        exvi_unmap(labels, ((size_t)graph->all + 1) * sizeof *labels);
    if (m.table)
        exvi_unmap(m.table, m.table_room * sizeof *m.table);
    return done;
}

void exvi_shapes_drop(exvi_shapes *shapes)
{
    if (shapes->shape)
        exvi_unmap(shapes->shape, shapes->room * sizeof *shapes->shape);
    if (shapes->of)
        exvi_unmap(shapes->of, shapes->nodes * sizeof *shapes->of);
    *shapes = (exvi_shapes){0};
}
