/*
 * cycles: see cycles.h.
 *
 * Objects are sorted by ring (a counting sort), then each ring is looked at once for its shape; what a shape is made of
 * is told of the first ring that has it.
 */
#include "cycles.h"

#include "platform.h"
#include "tally.h"

enum { MOST_WALKED = 100000 };

typedef struct sorted {
    uint32_t *row;   /* where the objects of each ring begin; rings->count + 2 */
    uint32_t *node;
    uint32_t *back;  /* node -> where the search for a short way came from, + 1; 0 elsewhere */
    uint32_t count;
} sorted;

typedef struct shape {
    uint64_t types, edges; /* sums of hashes: in whatever order */
    uint64_t bytes, held;
    bool is_ring;
} shape;

static uint32_t *map_of(size_t count)
{
    return exvi_map((count + 1) * sizeof(uint32_t), exvi_page_size());
}

static void unmap_of(uint32_t *start, size_t count)
{
    if (start)
        exvi_unmap(start, (count + 1) * sizeof *start);
}

static bool sort_by_ring(const exvi_study *study, sorted *s)
{
    const exvi_rings *rings = &study->rings;
    uint32_t nodes = study->file.nodes;
    for (uint32_t node = 0; node < nodes; node++)
        s->count += rings->name[node] != 0;
    s->row = map_of((size_t)rings->count + 2);
    s->node = map_of(s->count);
    s->back = map_of(nodes);
    if (!s->row || !s->node || !s->back)
        return false;
    for (uint32_t node = 0; node < nodes; node++)
        if (rings->name[node])
            s->row[rings->name[node] + 1]++;
    for (uint32_t ring = 1; ring <= rings->count + 1; ring++)
        s->row[ring] += s->row[ring - 1];
    for (uint32_t node = 0; node < nodes; node++)
        if (rings->name[node])
            s->node[s->row[rings->name[node]]++] = node;
    for (uint32_t ring = rings->count + 1; ring > 0; ring--)
        s->row[ring] = s->row[ring - 1];
    s->row[0] = 0;
    return true;
}

/* -------------------------------------------------------------------- shape */

/* The next reference of the node that stays in its ring, from `place` on; EXVI_NO_NODE: none. */
static uint32_t next_inside(const exvi_study *study, uint32_t node, uint32_t *place)
{
    const uint32_t *name = study->rings.name;
    while (*place < exvi_graph_degree(&study->graph, node)) {
        uint32_t to = exvi_graph_target(&study->graph, node, (*place)++);
        if (to != EXVI_NO_NODE && name[to] == name[node])
            return to;
    }
    return EXVI_NO_NODE;
}

static uint64_t hash_edge(const exvi_study *study, uint32_t node, uint32_t place, uint32_t to)
{
    uint64_t hash = exvi_mix(exvi_heap_kind(&study->file, node), exvi_heap_kind(&study->file, to));
    return exvi_mix(hash, exvi_graph_label(&study->graph, node, place));
}

static shape shape_of(const exvi_study *study, const uint32_t *node, uint32_t count)
{
    const exvi_heap_file *file = &study->file;
    const exvi_dominators *d = &study->dominators;
    shape found = {.is_ring = count > 1};
    for (uint32_t i = 0; i < count; i++) {
        const exvi_heap_code *code = exvi_heap_code_of(file, node[i]);
        found.types += exvi_mix(2, exvi_heap_kind(file, node[i]));
        if (code)
            found.edges += exvi_mix(exvi_mix(code->file, code->name), code->line);
        found.bytes += exvi_heap_size(file, node[i]);
        uint32_t above = d->node[d->dominator[d->number[node[i]]]];
        if (above >= study->graph.root || study->rings.name[above] != study->rings.name[node[i]])
            found.held += exvi_retained(d, node[i]);
        uint32_t place = 0;
        for (uint32_t to; (to = next_inside(study, node[i], &place)) != EXVI_NO_NODE; found.is_ring = true)
            found.edges += hash_edge(study, node[i], place - 1, to);
    }
    return found;
}

/* ------------------------------------------------------------ one short way */

/* An instance of a class of the program, if there is one: where a person would begin to read. */
static uint32_t pick_start(const exvi_study *study, const uint32_t *node, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const exvi_heap_type *type = &study->file.type[study->file.type_of[node[i]]];
        if ((type->flags & EXVI_TYPE_HEAP) && !exvi_string_is(&study->file, type->module, "builtins"))
            return node[i];
    }
    return node[0];
}

static void answer_way_step(const exvi_study *study, exvi_answer *answer, uint32_t from, uint32_t to)
{
    char name[EXVI_NAME_SIZE];
    uint32_t place = 0;
    while (exvi_graph_target(&study->graph, from, place) != to)
        place++;
    exvi_answer_object(answer, NULL);
    exvi_answer_text(answer, "edge",
                     exvi_label_text(&study->file, exvi_graph_label(&study->graph, from, place), name));
    exvi_answer_node(answer, &study->file, to);
    exvi_answer_close(answer);
}

/* A shortest ring through `start`: from there on, breadth first, until a reference leads back. `queue` has room for
 * the ring's objects. */
static void answer_way(const exvi_study *study, exvi_answer *answer, sorted *s, uint32_t start, uint32_t *queue)
{
    uint32_t head = 0, tail = 0, last = EXVI_NO_NODE, length = 0;
    queue[tail++] = start;
    s->back[start] = start + 1;
    while (head < tail && last == EXVI_NO_NODE && tail < MOST_WALKED) {
        uint32_t node = queue[head++], place = 0;
        for (uint32_t to; last == EXVI_NO_NODE && (to = next_inside(study, node, &place)) != EXVI_NO_NODE;) {
            if (to == start)
                last = node;
            else if (!s->back[to]) {
                s->back[to] = node + 1;
                queue[tail++] = to;
            }
        }
    }
    uint32_t *way = &queue[tail]; /* the queue has twice the room */
    for (uint32_t at = last; at != EXVI_NO_NODE && at != start; at = s->back[at] - 1)
        way[length++] = at;
    exvi_answer_list(answer, "ring");
    if (last != EXVI_NO_NODE) {
        exvi_answer_object(answer, NULL);
        exvi_answer_text(answer, "edge", "");
        exvi_answer_node(answer, &study->file, start);
        exvi_answer_close(answer);
        uint32_t from = start;
        for (; length > 0; from = way[length])
            answer_way_step(study, answer, from, way[--length]);
        answer_way_step(study, answer, from, start);
    }
    exvi_answer_close(answer);
    while (tail > 0)
        s->back[queue[--tail]] = 0;
}

/* ------------------------------------------------------------------ answers */

static void answer_types(const exvi_study *study, exvi_answer *answer, const uint32_t *node, uint32_t count)
{
    exvi_tally types = {0};
    char name[EXVI_NAME_SIZE];
    for (uint32_t i = 0; i < count; i++)
        exvi_tally_add(&types, exvi_heap_kind(&study->file, node[i]), 0, exvi_heap_size(&study->file, node[i]), 0);
    exvi_tally_sort(&types, false);
    exvi_answer_list(answer, "types");
    for (size_t i = 0; i < types.count; i++) {
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", types.item[i].count);
        exvi_answer_number(answer, "bytes", types.item[i].bytes);
        exvi_answer_text(answer, "type", exvi_kind_name(&study->file, (uint32_t)types.item[i].key, name));
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    answer->failed = answer->failed || types.failed;
    exvi_tally_drop(&types);
}

static void answer_codes(const exvi_study *study, exvi_answer *answer, const uint32_t *node, uint32_t count)
{
    exvi_tally codes = {0};
    char name[EXVI_NAME_SIZE];
    for (uint32_t i = 0; i < count; i++) {
        const exvi_heap_code *code = exvi_heap_code_of(&study->file, node[i]);
        if (code)
            exvi_tally_add(&codes, (uint64_t)code->file << 32 | code->name,
                           (uint64_t)exvi_heap_kind(&study->file, node[i]) << 32 | code->line, 0, node[i]);
    }
    exvi_tally_sort(&codes, false);
    exvi_answer_list(answer, "code");
    for (size_t i = 0; i < codes.count; i++) {
        uint32_t example = (uint32_t)codes.item[i].example;
        const exvi_heap_code *code = exvi_heap_code_of(&study->file, example);
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", codes.item[i].count);
        exvi_answer_text(answer, "type", exvi_kind_name(&study->file, study->file.type_of[example], name));
        exvi_answer_bytes(answer, "name", exvi_string_text(&study->file, code->name),
                          exvi_string_size(&study->file, code->name));
        exvi_answer_bytes(answer, "file", exvi_string_text(&study->file, code->file),
                          exvi_string_size(&study->file, code->file));
        exvi_answer_number(answer, "line", code->line);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    answer->failed = answer->failed || codes.failed;
    exvi_tally_drop(&codes);
}

static bool answer_shape(exvi_study *study, exvi_answer *answer, sorted *s, const exvi_tally_item *item, uint64_t held)
{
    uint32_t ring = (uint32_t)item->example, count = s->row[ring + 1] - s->row[ring];
    const uint32_t *node = s->node + s->row[ring];
    uint32_t *queue = map_of(2 * (size_t)count);
    if (!queue)
        return exvi_study_no_memory(study);
    exvi_answer_object(answer, NULL);
    exvi_answer_number(answer, "rings", item->count);
    exvi_answer_number(answer, "objects", item->count * count);
    exvi_answer_number(answer, "bytes", item->bytes);
    exvi_answer_number(answer, "held", held);
    answer_way(study, answer, s, pick_start(study, node, count), queue);
    answer_types(study, answer, node, count);
    answer_codes(study, answer, node, count);
    exvi_answer_close(answer);
    unmap_of(queue, 2 * (size_t)count);
    return true;
}

/* What is held goes into a tally beside the one of own bytes, by the same keys. */
static bool answer_shapes(exvi_study *study, exvi_answer *answer, sorted *s, uint32_t limit)
{
    exvi_tally shapes = {0}, held = {0};
    for (uint32_t ring = 1; ring <= study->rings.count; ring++) {
        shape found = shape_of(study, s->node + s->row[ring], s->row[ring + 1] - s->row[ring]);
        if (!found.is_ring)
            continue;
        exvi_tally_add(&shapes, found.types, found.edges, found.bytes, ring);
        exvi_tally_add(&held, found.types, found.edges, found.held, ring);
    }
    bool done = (!shapes.failed && !held.failed) || exvi_study_no_memory(study);
    exvi_tally_sort(&held, true);
    exvi_answer_number(answer, "different_shapes", held.count);
    exvi_answer_list(answer, "shapes");
    for (size_t i = 0; done && i < held.count && (limit == 0 || i < limit); i++)
        done = answer_shape(study, answer, s, exvi_tally_get(&shapes, held.item[i].key, held.item[i].more),
                            held.item[i].bytes);
    exvi_answer_close(answer);
    exvi_tally_drop(&shapes);
    exvi_tally_drop(&held);
    return done;
}

bool exvi_cycles_answer(exvi_study *study, exvi_answer *answer, uint32_t limit)
{
    sorted s = {0};
    if (!exvi_study_dominators(study) || !exvi_study_rings(study))
        return false;
    bool done = sort_by_ring(study, &s) || exvi_study_no_memory(study);
    if (done) {
        exvi_totals totals = exvi_study_totals(study);
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "dead", totals.dead);
        exvi_answer_number(answer, "dead_bytes", totals.dead_bytes);
        done = answer_shapes(study, answer, &s, limit);
        exvi_answer_close(answer);
    }
    unmap_of(s.row, (size_t)study->rings.count + 2);
    unmap_of(s.node, s.count);
    unmap_of(s.back, study->file.nodes);
    return done;
}
