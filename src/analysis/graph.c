/*
 * graph: see graph.h.
 *
 * The tree is made from the groups of the file first; what it has not reached then gets entries of its own, one for
 * each source of the component graph, and the tree goes on from there. `order` is the queue.
 */
#include "graph.h"

#include "platform.h"
#include "rings.h"

#include <string.h>

#define UNSEEN UINT32_MAX

static const char *const LATE[] = {"interned", "threads", "held by C"};

static void *map_of(size_t count, size_t width)
{
    return exvi_map((count + 1) * width, exvi_page_size());
}

static void unmap_of(void *start, size_t count, size_t width)
{
    if (start)
        exvi_unmap(start, (count + 1) * width);
}

/* ------------------------------------------------------------------- groups */

static bool is_late(const exvi_heap_file *file, uint32_t string)
{
    for (size_t i = 0; i < sizeof LATE / sizeof LATE[0]; i++)
        if (exvi_string_is(file, string, LATE[i]))
            return true;
    return false;
}

static uint32_t find_group(const exvi_graph *graph, uint32_t name)
{
    uint32_t group = 0;
    while (group < graph->groups && graph->group_name[group] != name)
        group++;
    return group;
}

/* In the order of the file, the late ones last. False: more groups than there is room for. */
static bool name_groups(exvi_graph *graph, bool late)
{
    const exvi_heap_file *file = graph->file;
    uint32_t last = UNSEEN;
    for (uint32_t i = 0; i < file->roots; i++) {
        uint32_t name = file->root[i].group;
        if (name == last)
            continue;
        last = name;
        if (is_late(file, name) != late || find_group(graph, name) < graph->groups)
            continue;
        if (graph->groups + 2 >= graph->group_room)
            return false;
        graph->group_name[graph->groups++] = name;
    }
    return true;
}

/* A counting sort of the file's roots by group. */
static void list_entries(exvi_graph *graph)
{
    const exvi_heap_file *file = graph->file;
    uint32_t *row = graph->entry_row, group = 0;
    for (int fill = 0; fill <= 1; fill++) {
        for (uint32_t i = 0; i < file->roots; i++) {
            const exvi_heap_root *root = &file->root[i];
            if (i == 0 || root->group != root[-1].group)
                group = find_group(graph, root->group);
            if (fill) {
                graph->entry[row[group]] = root->node;
                graph->entry_label[row[group]] = root->label;
            }
            row[fill ? group : group + 1]++;
        }
        for (uint32_t g = graph->groups; fill && g > 0; g--)
            row[g] = row[g - 1];
        for (uint32_t g = 0; !fill && g < graph->groups; g++)
            row[g + 1] += row[g];
    }
    row[0] = 0;
    graph->entries = file->roots;
}

/* --------------------------------------------------------------------- tree */

typedef struct queue {
    uint32_t head, tail;
} queue;

static void reach(exvi_graph *graph, queue *q, uint32_t node, uint32_t from)
{
    if (graph->parent[node] != UNSEEN)
        return;
    graph->parent[node] = from;
    graph->order[q->tail++] = node;
}

static void spread(exvi_graph *graph, queue *q)
{
    while (q->head < q->tail) {
        uint32_t node = graph->order[q->head++], degree = exvi_graph_degree(graph, node);
        for (uint32_t place = 0; node != graph->root && place < degree; place++) {
            uint32_t to = exvi_graph_target(graph, node, place);
            if (to != EXVI_NO_NODE)
                reach(graph, q, to, node);
        }
    }
}

static void reach_groups(exvi_graph *graph, queue *q, uint32_t from, uint32_t to)
{
    for (uint32_t group = from; group < to; group++)
        reach(graph, q, graph->root + 1 + group, graph->root);
    spread(graph, q);
}

/* ------------------------------------------------- what no root leads to */

static bool is_unreached(const exvi_graph *graph, uint32_t node)
{
    return graph->parent[node] == UNSEEN;
}

static bool has_class_beside(const exvi_heap_file *file, uint32_t node)
{
    return !exvi_string_is(file, file->type[file->type_of[node]].module, "builtins");
}

/* Of each component that none leads to, one object, an instance of a class of the program where it has one; in
 * first[name], as object + 1. */
static void pick_sources(const exvi_graph *graph, const exvi_rings *rings, uint32_t *first)
{
    const exvi_heap_file *file = graph->file;
    const uint32_t none = UNSEEN;
    for (uint32_t node = 0; node < file->nodes; node++) {
        if (rings->name[node] == 0)
            continue;
        for (uint32_t place = exvi_graph_degree(graph, node); place-- > 0;) {
            uint32_t to = exvi_graph_target(graph, node, place);
            if (to != EXVI_NO_NODE && rings->name[to] && rings->name[to] != rings->name[node])
                first[rings->name[to]] = none;
        }
        uint32_t *chosen = &first[rings->name[node]];
        if (*chosen == 0 || (*chosen != none && has_class_beside(file, node) && !has_class_beside(file, *chosen - 1)))
            *chosen = node + 1;
    }
}

static bool make_room_for_entries(exvi_graph *graph, size_t room)
{
    uint32_t *entry = map_of(room, sizeof *entry), *label = map_of(room, sizeof *label);
    if (entry && label) {
        memcpy(entry, graph->entry, graph->entries * sizeof *entry);
        memcpy(label, graph->entry_label, graph->entries * sizeof *label);
    }
    unmap_of(graph->entry, graph->entry_room, sizeof *entry);
    unmap_of(graph->entry_label, graph->entry_room, sizeof *label);
    graph->entry = entry;
    graph->entry_label = label;
    graph->entry_room = room;
    return entry && label;
}

static void add_sources(exvi_graph *graph, const uint32_t *first, uint32_t count, bool dead)
{
    uint32_t before = graph->entries;
    for (uint32_t name = 1; name <= count; name++) {
        if (first[name] == 0 || first[name] == UNSEEN)
            continue;
        uint32_t node = first[name] - 1;
        if (((graph->file->flags[node] & EXVI_HEAP_DEAD) != 0) == dead) {
            graph->entry[graph->entries] = node;
            graph->entry_label[graph->entries++] = 0;
        }
    }
    if (graph->entries == before)
        return;
    graph->group_name[graph->groups++] = dead ? EXVI_GROUP_DEAD : EXVI_GROUP_LOST;
    graph->entry_row[graph->groups] = graph->entries;
    graph->all++;
}

/* `stack` is the part of order[] that is not used yet, with room for all that is not reached. */
static void complete_the_dead(const exvi_graph *graph, exvi_heap_file *file, uint32_t *stack)
{
    uint32_t tail = 0;
    for (uint32_t node = 0; node < file->nodes; node++)
        if (is_unreached(graph, node) && (file->flags[node] & EXVI_HEAP_DEAD))
            stack[tail++] = node;
    while (tail > 0) {
        uint32_t node = stack[--tail], degree = exvi_graph_degree(graph, node);
        for (uint32_t place = 0; place < degree; place++) {
            uint32_t to = exvi_graph_reference(file, node, place);
            if (to == EXVI_NO_NODE || !is_unreached(graph, to) || (file->flags[to] & EXVI_HEAP_DEAD))
                continue;
            file->flags[to] |= EXVI_HEAP_DEAD;
            stack[tail++] = to;
        }
    }
}

static bool group_the_rest(exvi_graph *graph)
{
    exvi_rings rings;
    bool done = exvi_rings_find(&rings, graph, is_unreached);
    size_t count = rings.count;
    uint32_t *first = done ? map_of(count, sizeof *first) : NULL;
    done = first && make_room_for_entries(graph, graph->entries + count);
    if (done) {
        pick_sources(graph, &rings, first);
        add_sources(graph, first, rings.count, true);
        add_sources(graph, first, rings.count, false);
    }
    unmap_of(first, count, sizeof *first);
    exvi_rings_drop(&rings);
    return done;
}

/* --------------------------------------------------------------------- make */

static bool make_room(exvi_graph *graph)
{
    const exvi_heap_file *file = graph->file;
    const uint32_t most_groups = 1024;
    graph->group_room = file->roots < most_groups ? file->roots + 2 : most_groups;
    graph->entry_room = file->roots;
    size_t all = (size_t)file->nodes + 1 + graph->group_room;
    graph->group_name = map_of(graph->group_room, sizeof *graph->group_name);
    graph->entry_row = map_of(graph->group_room, sizeof *graph->entry_row);
    graph->entry = map_of(graph->entry_room, sizeof *graph->entry);
    graph->entry_label = map_of(graph->entry_room, sizeof *graph->entry_label);
    graph->parent = map_of(all, sizeof *graph->parent);
    graph->order = map_of(all, sizeof *graph->order);
    if (!graph->group_name || !graph->entry_row || !graph->entry || !graph->entry_label || !graph->parent ||
        !graph->order)
        return false;
    memset(graph->parent, 0xFF, all * sizeof *graph->parent);
    return true;
}

bool exvi_graph_make(exvi_graph *graph, exvi_heap_file *file)
{
    queue q = {0};
    *graph = (exvi_graph){.file = file, .root = file->nodes};
    if (!make_room(graph) || !name_groups(graph, false))
        return false;
    uint32_t early = graph->groups;
    if (!name_groups(graph, true))
        return false;
    list_entries(graph);
    graph->all = graph->root + 1 + graph->groups;

    reach(graph, &q, graph->root, graph->root);
    reach_groups(graph, &q, 0, early);
    uint32_t told = graph->groups;
    reach_groups(graph, &q, early, told);
    if (q.tail < graph->all) {
        complete_the_dead(graph, file, graph->order + q.tail);
        if (!group_the_rest(graph))
            return false;
        reach_groups(graph, &q, told, graph->groups);
    }
    return true;
}

void exvi_graph_drop(exvi_graph *graph)
{
    size_t all = graph->file ? (size_t)graph->file->nodes + 1 + graph->group_room : 0;
    unmap_of(graph->group_name, graph->group_room, sizeof *graph->group_name);
    unmap_of(graph->entry_row, graph->group_room, sizeof *graph->entry_row);
    unmap_of(graph->entry, graph->entry_room, sizeof *graph->entry);
    unmap_of(graph->entry_label, graph->entry_room, sizeof *graph->entry_label);
    unmap_of(graph->parent, all, sizeof *graph->parent);
    unmap_of(graph->order, all, sizeof *graph->order);
    *graph = (exvi_graph){0};
}

/* ------------------------------------------------------------------- labels */

uint32_t exvi_graph_label(const exvi_graph *graph, uint32_t node, uint32_t place)
{
    if (node < graph->root) {
        uint64_t edge = graph->file->row[node] + place;
        if (edge == graph->file->row[node + 1])
            return EXVI_LABEL_CLASS;
        uint32_t label = graph->file->label[edge], kind = EXVI_LABEL_KIND(label);
        return kind == EXVI_LABEL_INDEX || kind == EXVI_LABEL_KEY ? kind << 28 : label;
    }
    if (node == graph->root)
        return 0;
    uint32_t label = graph->entry_label[graph->entry_row[node - graph->root - 1] + place];
    return EXVI_LABEL_ROOT << 28 | (label & 0x0FFFFFFFu);
}

uint32_t *exvi_graph_labels(const exvi_graph *graph)
{
    uint32_t *label = map_of(graph->all, sizeof *label);
    if (!label)
        return NULL;
    memset(label, 0xFF, graph->all * sizeof *label);
    for (uint32_t node = 0; node < graph->all; node++) {
        uint32_t degree = exvi_graph_degree(graph, node);
        for (uint32_t place = 0; place < degree; place++) {
            uint32_t to = exvi_graph_target(graph, node, place);
            if (to != EXVI_NO_NODE && graph->parent[to] == node && label[to] == UINT32_MAX)
                label[to] = exvi_graph_label(graph, node, place);
        }
    }
    return label;
}
