/*
 * dominators: see dominators.h.
 */
#include "dominators.h"

#include "platform.h"

typedef struct work {
    const exvi_graph *graph;
    exvi_dominators *d;
    uint32_t *row, *from;      /* of each number, the numbers that lead to it */
    uint32_t *parent;          /* in the depth-first tree; shortened while semidominators are found */
    uint32_t *semi, *label;
    uint32_t *stack;           /* of places in rows, and then of what find_label() goes up */
    uint64_t references;
} work;

static void *map_of(size_t count, size_t width)
{
    return exvi_map((count + 1) * width, exvi_page_size());
}

static void unmap_of(void *start, size_t count, size_t width)
{
    if (start)
        exvi_unmap(start, (count + 1) * width);
}

/* -------------------------------------------------------------- depth first */

/* Numbers in order of discovery. number[] is 0 for the root and for what was not seen. */
static void number_nodes(work *w)
{
    exvi_dominators *d = w->d;
    uint32_t count = 1, top = 0; /* `top` is the number of the node that is looked at */
    d->node[0] = w->graph->root;
    for (;;) {
        uint32_t node = d->node[top];
        if (w->stack[top] == exvi_graph_degree(w->graph, node)) {
            if (top == 0)
                break;
            top = w->parent[top];
            continue;
        }
        uint32_t to = exvi_graph_target(w->graph, node, w->stack[top]++);
        if (to == EXVI_NO_NODE)
            continue;
        w->row[to]++;
        w->references++;
        if (d->number[to] || to == w->graph->root)
            continue;
        d->number[to] = count;
        d->node[count] = to;
        w->parent[count] = top;
        top = count++;
    }
    d->count = count;
}

/* row[] counts by node; afterwards it is where the list of each number ends, and with fill_rows() where it begins. */
static bool make_rows(work *w)
{
    w->from = map_of(w->references, sizeof *w->from);
    if (!w->from)
        return false;
    for (uint32_t i = 0; i < w->d->count; i++)
        w->label[i] = w->row[w->d->node[i]];
    uint32_t sum = 0;
    for (uint32_t i = 0; i < w->d->count; i++)
        w->row[i] = sum += w->label[i];
    w->row[w->d->count] = sum;
    return true;
}

static void fill_rows(work *w)
{
    for (uint32_t i = 0; i < w->d->count; i++) {
        uint32_t node = w->d->node[i], degree = exvi_graph_degree(w->graph, node);
        for (uint32_t place = 0; place < degree; place++) {
            uint32_t to = exvi_graph_target(w->graph, node, place);
            if (to != EXVI_NO_NODE)
                w->from[--w->row[w->d->number[to]]] = i;
        }
    }
}

/* ----------------------------------------------------------- semidominators */

/* The least semidominator on the way up from `v` through what is linked: numbers from `linked` up. */
static uint32_t find_label(work *w, uint32_t v, uint32_t linked)
{
    uint32_t depth = 0;
    while (w->parent[v] >= linked) {
        w->stack[depth++] = v;
        v = w->parent[v];
    }
    uint32_t best = w->label[v], above = w->parent[v];
    while (depth > 0) {
        v = w->stack[--depth];
        w->parent[v] = above;
        if (w->semi[best] < w->semi[w->label[v]])
            w->label[v] = best;
        best = w->label[v];
    }
    return best;
}

static void find_semidominators(work *w)
{
    for (uint32_t i = 0; i < w->d->count; i++) {
        w->semi[i] = w->label[i] = i;
        w->d->dominator[i] = w->parent[i];
    }
    for (uint32_t i = w->d->count; --i > 0;) {
        uint32_t semi = w->parent[i];
        for (uint32_t edge = w->row[i]; edge < w->row[i + 1]; edge++) {
            uint32_t candidate = w->semi[find_label(w, w->from[edge], i + 1)];
            if (candidate < semi)
                semi = candidate;
        }
        w->semi[i] = semi;
    }
}

/* The nearest common ancestor of the semidominator and the parent, in what there is of the tree. */
static void find_dominators(work *w)
{
    uint32_t *dominator = w->d->dominator;
    for (uint32_t i = 1; i < w->d->count; i++)
        while (dominator[i] > w->semi[i])
            dominator[i] = dominator[dominator[i]];
}

static void sum_retained(const work *w)
{
    exvi_dominators *d = w->d;
    for (uint32_t i = d->count; i-- > 0;) {
        if (d->node[i] < w->graph->root)
            d->retained[i] += exvi_heap_size(w->graph->file, d->node[i]);
        if (i > 0)
            d->retained[d->dominator[i]] += d->retained[i];
    }
}

/* --------------------------------------------------------------------- find */

static bool begin(work *w)
{
    size_t all = w->graph->all;
    w->d->count = w->graph->all;
    uint32_t **tables[] = {&w->d->node, &w->d->number, &w->d->dominator, &w->row, &w->parent, &w->semi, &w->label,
                           &w->stack};
    bool done = true;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        done = (*tables[i] = map_of(all, sizeof(uint32_t))) && done;
    return done;
}

static void end(work *w)
{
    uint32_t *tables[] = {w->row, w->parent, w->semi, w->label, w->stack};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        unmap_of(tables[i], w->graph->all, sizeof(uint32_t));
    unmap_of(w->from, w->references, sizeof(uint32_t));
}

bool exvi_dominators_find(exvi_dominators *dominators, const exvi_graph *graph)
{
    *dominators = (exvi_dominators){0};
    work w = {.graph = graph, .d = dominators};
    bool done = begin(&w);
    if (done)
        number_nodes(&w);
    done = done && make_rows(&w);
    if (done) {
        fill_rows(&w);
        find_semidominators(&w);
        find_dominators(&w);
    }
    end(&w);
    done = done && (dominators->retained = map_of(graph->all, sizeof *dominators->retained));
    if (done)
        sum_retained(&w);
    return done;
}

void exvi_dominators_drop(exvi_dominators *dominators)
{
    unmap_of(dominators->node, dominators->count, sizeof(uint32_t));
    unmap_of(dominators->number, dominators->count, sizeof(uint32_t));
    unmap_of(dominators->dominator, dominators->count, sizeof(uint32_t));
    unmap_of(dominators->retained, dominators->count, sizeof(uint64_t));
    *dominators = (exvi_dominators){0};
}

/* ------------------------------------------------------------------ by kind */

/* Down and up the dominator tree; `open` counts the objects of a kind on the way from the root. */
static void walk_tree(const exvi_dominators *d, const exvi_graph *graph, uint32_t *child, const uint32_t *sibling,
                      uint32_t *open, uint64_t *bytes)
{
    const exvi_heap_file *file = graph->file;
    for (uint32_t i = 0;;) {
        uint32_t next = child[i];
        if (next) {
            child[i] = sibling[next];
            if (d->node[next] < graph->root) {
                uint32_t kind = exvi_heap_kind(file, d->node[next]);
                if (open[kind]++ == 0)
                    bytes[kind] += d->retained[next];
            }
            i = next;
        } else {
            if (i == 0)
                break;
            if (d->node[i] < graph->root)
                open[exvi_heap_kind(file, d->node[i])]--;
            i = d->dominator[i];
        }
    }
}

bool exvi_dominators_by_kind(const exvi_dominators *dominators, const exvi_graph *graph, uint64_t *bytes)
{
    const exvi_dominators *d = dominators;
    uint32_t *child = map_of(d->count, sizeof *child), *sibling = map_of(d->count, sizeof *sibling);
    uint32_t *open = map_of(graph->file->types, sizeof *open);
    bool done = child && sibling && open;
    if (done) {
        for (uint32_t i = d->count; --i > 0;) {
            sibling[i] = child[d->dominator[i]];
            child[d->dominator[i]] = i;
        }
        for (uint32_t type = 0; type < graph->file->types; type++)
            bytes[type] = 0;
        walk_tree(d, graph, child, sibling, open, bytes);
    }
    unmap_of(child, d->count, sizeof *child);
    unmap_of(sibling, d->count, sizeof *sibling);
    unmap_of(open, graph->file->types, sizeof *open);
    return done;
}

uint64_t *exvi_dominators_heaviest(const exvi_dominators *dominators)
{
    const exvi_dominators *d = dominators;
    uint64_t *heaviest = map_of(d->count, sizeof *heaviest);
    for (uint32_t i = d->count; heaviest && --i > 0;)
        if (heaviest[d->dominator[i]] < d->retained[i])
            heaviest[d->dominator[i]] = d->retained[i];
    return heaviest;
}
