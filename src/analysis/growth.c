/*
 * growth: see growth.h.
 */
#include "growth.h"

#include "platform.h"
#include "tally.h"
#include "why.h"

#include <string.h>

typedef struct line {
    uint64_t count[2], bytes[2], fresh, fresh_bytes;
    uint32_t type[2]; /* + 1; 0: there is none of that name */
} line;

typedef struct growth {
    exvi_study *study[2]; /* before, after */
    exvi_tally names;     /* key: hash of module and name; its place is the line */
    line *lines;
    uint32_t *line_of[2]; /* type -> line */
    uint8_t *fresh;       /* a bit for each object of the later file */
    size_t line_bytes, fresh_bytes;
} growth;

static uint64_t hash_string(const exvi_heap_file *file, uint32_t string)
{
    const char *text = exvi_string_text(file, string);
    uint64_t hash = exvi_string_size(file, string);
    for (size_t i = 0; i < exvi_string_size(file, string); i++)
        hash = exvi_mix(hash, (unsigned char)text[i] + 1u);
    return hash;
}

static bool name_lines(growth *g)
{
    for (int side = 0; side < 2; side++) {
        const exvi_heap_file *file = &g->study[side]->file;
        g->line_of[side] = exvi_map(((size_t)file->types + 1) * sizeof(uint32_t), exvi_page_size());
        for (uint32_t type = 0; g->line_of[side] && type < file->types; type++) {
            const exvi_heap_type *of = &file->type[type];
            exvi_tally_item *item = exvi_tally_add(&g->names, hash_string(file, of->module),
                                                   hash_string(file, of->name), 0, 0);
            g->line_of[side][type] = (uint32_t)(item - g->names.item);
        }
    }
    g->line_bytes = (g->names.count + 1) * sizeof(line);
    g->lines = exvi_map(g->line_bytes, exvi_page_size());
    return g->line_of[0] && g->line_of[1] && g->lines && !g->names.failed;
}

static void count_lines(growth *g, int side)
{
    const exvi_heap_file *file = &g->study[side]->file;
    for (uint32_t node = 0; node < file->nodes; node++) {
        line *of = &g->lines[g->line_of[side][file->type_of[node]]];
        of->type[side] = file->type_of[node] + 1;
        of->count[side]++;
        of->bytes[side] += exvi_heap_size(file, node);
    }
}

/* Both files are in the order of addresses. */
static bool mark_fresh(growth *g)
{
    const exvi_heap_file *before = &g->study[0]->file, *after = &g->study[1]->file;
    g->fresh_bytes = (size_t)after->nodes / 8 + 1;
    g->fresh = exvi_map(g->fresh_bytes, exvi_page_size());
    if (!g->fresh)
        return false;
    uint32_t old = 0;
    for (uint32_t node = 0; node < after->nodes; node++) {
        while (old < before->nodes && before->address[old] < after->address[node])
            old++;
        uint32_t at = g->line_of[1][after->type_of[node]];
        if (old < before->nodes && before->address[old] == after->address[node] &&
            g->line_of[0][before->type_of[old]] == at)
            continue;
        g->fresh[node / 8] |= (uint8_t)(1u << node % 8);
        g->lines[at].fresh++;
        g->lines[at].fresh_bytes += exvi_heap_size(after, node);
    }
    return true;
}

/* Of what is new, only what no new object dominates stays marked. */
static void keep_uppermost(growth *g)
{
    const exvi_study *after = g->study[1];
    const exvi_dominators *d = &after->dominators;
    /* From the last number up: each one is looked at before its dominator changes. */
    for (uint32_t i = d->count; --i > 0;) {
        uint32_t node = d->node[i], above = d->node[d->dominator[i]];
        if (node < after->graph.root && above < after->graph.root && (g->fresh[above / 8] >> above % 8 & 1))
            g->fresh[node / 8] &= (uint8_t)~(1u << node % 8);
    }
}

/* ------------------------------------------------------------------ answers */

static void answer_side(exvi_answer *answer, const char *key, const exvi_study *study)
{
    exvi_totals totals = exvi_study_totals(study);
    exvi_answer_object(answer, key);
    exvi_answer_number(answer, "objects", study->file.nodes);
    exvi_answer_number(answer, "bytes", totals.bytes);
    exvi_answer_number(answer, "dead", totals.dead);
    exvi_answer_number(answer, "dead_bytes", totals.dead_bytes);
    exvi_answer_bytes(answer, "info", study->file.info, study->file.info_bytes);
    exvi_answer_close(answer);
}

static void answer_line(const growth *g, exvi_answer *answer, const line *of)
{
    char name[EXVI_NAME_SIZE];
    int side = of->type[1] ? 1 : 0;
    exvi_answer_object(answer, NULL);
    exvi_answer_number(answer, "bytes_before", of->bytes[0]);
    exvi_answer_number(answer, "bytes_after", of->bytes[1]);
    exvi_answer_number(answer, "count_before", of->count[0]);
    exvi_answer_number(answer, "count_after", of->count[1]);
    exvi_answer_number(answer, "new", of->fresh);
    exvi_answer_number(answer, "new_bytes", of->fresh_bytes);
    exvi_answer_text(answer, "type", exvi_kind_name(&g->study[side]->file, of->type[side] - 1, name));
    exvi_answer_close(answer);
}

/* The most growth first, what shrank most last. */
static bool answer_lines(growth *g, exvi_answer *answer, uint32_t limit)
{
    const uint64_t middle = UINT64_C(1) << 62;
    exvi_tally order = {0};
    for (uint32_t i = 0; i < g->names.count; i++) {
        const line *of = &g->lines[i];
        if (of->count[0] != of->count[1] || of->bytes[0] != of->bytes[1] || of->fresh)
            exvi_tally_add(&order, i, 0, middle + of->bytes[1] - of->bytes[0], 0)->count = of->fresh;
    }
    exvi_tally_sort(&order, true);
    exvi_answer_number(answer, "different_types", order.count);
    exvi_answer_list(answer, "types");
    for (size_t i = 0; i < order.count && (limit == 0 || i < limit); i++)
        answer_line(g, answer, &g->lines[order.item[i].key]);
    exvi_answer_close(answer);
    bool done = !order.failed;
    exvi_tally_drop(&order);
    return done;
}

static bool work_out(growth *g, exvi_answer *answer, uint32_t limit)
{
    if (!name_lines(g))
        return false;
    count_lines(g, 0);
    count_lines(g, 1);
    if (!mark_fresh(g))
        return false;
    exvi_answer_object(answer, NULL);
    answer_side(answer, "before", g->study[0]);
    answer_side(answer, "after", g->study[1]);
    bool done = answer_lines(g, answer, limit);
    keep_uppermost(g);
    exvi_choice uppermost = {.study = g->study[1], .node = EXVI_NO_NODE, .marks = g->fresh, .by_retained = true};
    done = done && exvi_why_paths(g->study[1], answer, &uppermost, limit);
    exvi_answer_close(answer);
    return done;
}

bool exvi_growth_answer(exvi_study *before, exvi_study *after, exvi_answer *answer, uint32_t limit)
{
    growth g = {.study = {before, after}};
    if (!exvi_study_dominators(after) || !exvi_study_dead(before))
        return false;
    bool done = work_out(&g, answer, limit) || exvi_study_no_memory(after);
    for (int side = 0; side < 2; side++)
        if (g.line_of[side])
            exvi_unmap(g.line_of[side], ((size_t)g.study[side]->file.types + 1) * sizeof(uint32_t));
    if (g.lines)
        exvi_unmap(g.lines, g.line_bytes);
    if (g.fresh)
        exvi_unmap(g.fresh, g.fresh_bytes);
    exvi_tally_drop(&g.names);
    return done;
}
