/*
 * census: see census.h.
 */
#include "census.h"

#include "platform.h"
#include "tally.h"

enum { MOST_HOLDERS = 1000 };

typedef struct line {
    uint64_t bytes, retained;
    uint32_t count, estimated, dead, generation[4];
    uint64_t dead_bytes;
} line;

typedef struct table {
    line *of; /* by kind */
    size_t bytes;
} table;

static bool count_kinds(exvi_study *study, table *counted, bool retained)
{
    const exvi_heap_file *file = &study->file;
    if (!exvi_study_dead(study))
        return false;
    counted->bytes = ((size_t)file->types + 1) * sizeof(line);
    counted->of = exvi_map(counted->bytes, exvi_page_size());
    if (!counted->of)
        return exvi_study_no_memory(study);
    for (uint32_t node = 0; node < file->nodes; node++) {
        line *of = &counted->of[exvi_heap_kind(file, node)];
        uint8_t flags = file->flags[node];
        uint64_t bytes = exvi_heap_size(file, node);
        of->count++;
        of->bytes += bytes;
        of->estimated += (flags & EXVI_HEAP_ESTIMATE) != 0;
        if (flags & EXVI_HEAP_TRACKED)
            of->generation[flags & EXVI_HEAP_GENERATION]++;
        if (flags & EXVI_HEAP_DEAD) {
            of->dead++;
            of->dead_bytes += bytes;
        }
    }
    if (!retained)
        return true;
    size_t size = ((size_t)file->types + 1) * sizeof(uint64_t);
    uint64_t *bytes = exvi_study_dominators(study) ? exvi_map(size, exvi_page_size()) : NULL;
    bool done = bytes && exvi_dominators_by_kind(&study->dominators, &study->graph, bytes);
    for (uint32_t type = 0; done && type < file->types; type++)
        counted->of[type].retained = bytes[type];
    if (bytes)
        exvi_unmap(bytes, size);
    return done || exvi_study_no_memory(study);
}

static void answer_line(exvi_answer *answer, const exvi_heap_file *file, uint32_t type, const line *of, bool retained)
{
    char name[EXVI_NAME_SIZE];
    exvi_answer_object(answer, NULL);
    exvi_answer_number(answer, "count", of->count);
    exvi_answer_number(answer, "bytes", of->bytes);
    if (retained)
        exvi_answer_number(answer, "retained", of->retained);
    exvi_answer_text(answer, "type", exvi_kind_name(file, type, name));
    exvi_answer_bytes(answer, "module", exvi_string_text(file, file->type[type].module),
                      exvi_string_size(file, file->type[type].module));
    static const char *const generations[] = {"young", "middle", "old", "frozen"};
    for (int i = 0; i < 4; i++)
        if (of->generation[i])
            exvi_answer_number(answer, generations[i], of->generation[i]);
    if (of->dead) {
        exvi_answer_number(answer, "dead", of->dead);
        exvi_answer_number(answer, "dead_bytes", of->dead_bytes);
    }
    if (of->estimated)
        exvi_answer_number(answer, "estimated", of->estimated);
    exvi_answer_close(answer);
}

static bool answer_kinds(exvi_study *study, exvi_answer *answer, const char *key, const table *counted, uint32_t limit,
                         bool by_retained, bool retained)
{
    exvi_tally order = {0};
    for (uint32_t type = 0; type < study->file.types; type++) {
        const line *of = &counted->of[type];
        if (of->count > 0)
            exvi_tally_add(&order, type, 0, by_retained ? of->retained : of->bytes, 0)->count = of->count;
    }
    exvi_tally_sort(&order, true);
    exvi_answer_list(answer, key);
    for (size_t i = 0; i < order.count && (limit == 0 || i < limit); i++) {
        uint32_t type = (uint32_t)order.item[i].key;
        answer_line(answer, &study->file, type, &counted->of[type], retained);
    }
    exvi_answer_close(answer);
    bool done = !order.failed;
    exvi_tally_drop(&order);
    return done || exvi_study_no_memory(study);
}

static void answer_totals(exvi_study *study, exvi_answer *answer)
{
    exvi_totals totals = exvi_study_totals(study);
    exvi_answer_number(answer, "objects", study->file.nodes);
    exvi_answer_number(answer, "references", study->file.edges);
    exvi_answer_number(answer, "bytes", totals.bytes);
    exvi_answer_number(answer, "dead", totals.dead);
    exvi_answer_number(answer, "dead_bytes", totals.dead_bytes);
    exvi_answer_bytes(answer, "info", study->file.info, study->file.info_bytes);
}

bool exvi_census_answer(exvi_study *study, exvi_answer *answer, uint32_t limit, bool retained)
{
    table counted = {0};
    bool done = count_kinds(study, &counted, retained);
    if (done) {
        exvi_answer_object(answer, NULL);
        answer_totals(study, answer);
        done = answer_kinds(study, answer, "types", &counted, limit, false, retained);
        exvi_answer_close(answer);
    }
    if (counted.of)
        exvi_unmap(counted.of, counted.bytes);
    return done;
}

/* ------------------------------------------------------------------ holders */

/* Nine tenths of what it retains do not lie below one single other object: here it spreads. */
static bool gathers(const exvi_dominators *d, const uint64_t *heaviest, uint32_t i)
{
    return heaviest[i] / 9 < d->retained[i] / 10;
}

/* Of what lives, the largest first, at most `room`; how many there are. */
static uint32_t find_holders(const exvi_study *study, const uint64_t *heaviest, uint32_t *holder, uint32_t room)
{
    const exvi_dominators *d = &study->dominators;
    uint32_t count = 0;
    for (uint32_t i = 1; i < d->count; i++) {
        if (d->node[i] >= study->graph.root || (study->file.flags[d->node[i]] & EXVI_HEAP_DEAD) ||
            !gathers(d, heaviest, i) || (count == room && d->retained[i] <= d->retained[holder[count - 1]]))
            continue;
        uint32_t at = count < room ? count++ : room - 1;
        for (; at > 0 && d->retained[holder[at - 1]] < d->retained[i]; at--)
            holder[at] = holder[at - 1];
        holder[at] = i;
    }
    return count;
}

static bool answer_holders(exvi_study *study, exvi_answer *answer, uint32_t limit)
{
    uint32_t holder[MOST_HOLDERS], count = 0;
    const exvi_dominators *d = &study->dominators;
    uint64_t *heaviest = exvi_study_paths(study) ? exvi_dominators_heaviest(d) : NULL;
    if (!heaviest)
        return exvi_study_no_memory(study);
    count = find_holders(study, heaviest, holder, limit && limit < MOST_HOLDERS ? limit : MOST_HOLDERS);
    exvi_unmap(heaviest, ((size_t)d->count + 1) * sizeof *heaviest);
    exvi_answer_list(answer, "holders");
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = d->node[holder[i]];
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "retained", d->retained[holder[i]]);
        exvi_answer_number(answer, "bytes", exvi_heap_size(&study->file, node));
        exvi_answer_node(answer, &study->file, node);
        exvi_answer_path(answer, "path", &study->graph, &study->paths, study->paths.of[node]);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    return true;
}

uint32_t exvi_census_largest(exvi_study *study)
{
    uint32_t holder = 0;
    uint64_t *heaviest = exvi_study_dominators(study) ? exvi_dominators_heaviest(&study->dominators) : NULL;
    if (!heaviest) {
        exvi_study_no_memory(study);
        return EXVI_NO_NODE;
    }
    uint32_t count = find_holders(study, heaviest, &holder, 1);
    exvi_unmap(heaviest, ((size_t)study->dominators.count + 1) * sizeof *heaviest);
    return count ? study->dominators.node[holder] : EXVI_NO_NODE;
}

/* ------------------------------------------------------------------ summary */

static void answer_groups(exvi_study *study, exvi_answer *answer)
{
    const exvi_graph *graph = &study->graph;
    char name[EXVI_NAME_SIZE];
    exvi_answer_list(answer, "groups");
    for (uint32_t group = 0; group < graph->groups; group++) {
        uint32_t node = graph->root + 1 + group;
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "retained", exvi_retained(&study->dominators, node));
        exvi_answer_number(answer, "entries", exvi_graph_degree(graph, node));
        exvi_answer_text(answer, "group", exvi_group_text(graph, group, name));
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
}

/* What goes with that reference: nothing, where another root leads there too. */
static uint64_t held_alone(const exvi_study *study, uint32_t node)
{
    const exvi_dominators *d = &study->dominators;
    uint32_t above = d->node[d->dominator[d->number[node]]];
    return above == study->graph.root ? 0 : exvi_retained(d, node);
}

/* By type: objects with references that nothing visible explains, and what is retained by these alone. */
static bool answer_held_by_c(exvi_study *study, exvi_answer *answer, uint32_t limit)
{
    const exvi_heap_file *file = &study->file;
    exvi_tally held = {0};
    char name[EXVI_NAME_SIZE];
    for (uint32_t i = 0; i < file->roots; i++)
        if (exvi_string_is(file, file->root[i].group, "held by C"))
            exvi_tally_add(&held, exvi_heap_kind(file, file->root[i].node), 0, held_alone(study, file->root[i].node),
                           file->root[i].node);
    exvi_tally_sort(&held, true);
    exvi_answer_list(answer, "held_by_c");
    for (size_t i = 0; i < held.count && (limit == 0 || i < limit); i++) {
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", held.item[i].count);
        exvi_answer_number(answer, "retained", held.item[i].bytes);
        exvi_answer_text(answer, "type", exvi_kind_name(file, (uint32_t)held.item[i].key, name));
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    bool done = !held.failed;
    exvi_tally_drop(&held);
    return done || exvi_study_no_memory(study);
}

bool exvi_summary_answer(exvi_study *study, exvi_answer *answer, uint32_t limit)
{
    table counted = {0};
    bool done = exvi_study_dominators(study) && count_kinds(study, &counted, true);
    if (done) {
        exvi_answer_object(answer, NULL);
        answer_totals(study, answer);
        answer_groups(study, answer);
        done = answer_kinds(study, answer, "types", &counted, limit, false, true) &&
               answer_kinds(study, answer, "retaining", &counted, limit, true, true) &&
               answer_holders(study, answer, limit) && answer_held_by_c(study, answer, limit);
        exvi_answer_close(answer);
    }
    if (counted.of)
        exvi_unmap(counted.of, counted.bytes);
    return done;
}
