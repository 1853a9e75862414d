/*
 * why: see why.h.
 */
#include "why.h"

#include "census.h"
#include "tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool is_chosen(const exvi_choice *choice, uint32_t node)
{
    if (choice->marks)
        return choice->marks[node / 8] >> (node % 8) & 1;
    return choice->node != EXVI_NO_NODE ? node == choice->node
                                        : exvi_heap_kind(&choice->study->file, node) == choice->kind;
}

/* -------------------------------------------------------------------- paths */

static bool tally_paths(exvi_study *study, const exvi_choice *choice, exvi_tally *paths)
{
    for (uint32_t node = 0; node < study->file.nodes; node++)
        if (is_chosen(choice, node))
            exvi_tally_add(paths, study->paths.of[node], 0,
                           choice->by_retained ? exvi_retained(&study->dominators, node)
                                               : exvi_heap_size(&study->file, node), node);
    return !paths->failed || exvi_study_no_memory(study);
}

bool exvi_why_paths(exvi_study *study, exvi_answer *answer, const exvi_choice *choice, uint32_t limit)
{
    exvi_tally paths = {0};
    if (!exvi_study_paths(study) || !exvi_study_dominators(study))
        return false;
    bool done = tally_paths(study, choice, &paths);
    exvi_tally_sort(&paths, choice->by_retained);
    exvi_answer_number(answer, "different_paths", paths.count);
    exvi_answer_list(answer, "paths");
    for (size_t i = 0; i < paths.count && (limit == 0 || i < limit); i++) {
        const exvi_tally_item *item = &paths.item[i];
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", item->count);
        exvi_answer_number(answer, choice->by_retained ? "retained" : "bytes", item->bytes);
        exvi_answer_object(answer, "example");
        exvi_answer_node(answer, &study->file, (uint32_t)item->example);
        exvi_answer_number(answer, "retained", exvi_retained(&study->dominators, (uint32_t)item->example));
        exvi_answer_close(answer);
        exvi_answer_path(answer, "steps", &study->graph, &study->paths, (uint32_t)item->key);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    exvi_tally_drop(&paths);
    return done;
}

/* ---------------------------------------------------------------- referrers */

/* Of what refers to them: type and label; weak references too, which are told as such. */
static void tally_referrers(const exvi_study *study, const exvi_choice *choice, exvi_tally *referrers)
{
    const exvi_heap_file *file = &study->file;
    for (uint32_t node = 0; node < file->nodes; node++) {
        for (uint64_t edge = file->row[node]; edge < file->row[node + 1]; edge++) {
            if (!is_chosen(choice, file->to[edge]))
                continue;
            uint32_t label = file->label[edge], kind = EXVI_LABEL_KIND(label);
            bool is_alike = kind == EXVI_LABEL_INDEX || kind == EXVI_LABEL_KEY || kind == EXVI_LABEL_WEAK;
            exvi_tally_add(referrers, exvi_heap_kind(file, node), is_alike ? kind << 28 : label, 0, node);
        }
    }
}

static void tally_held_by_c(const exvi_study *study, const exvi_choice *choice, exvi_tally *held)
{
    const exvi_heap_file *file = &study->file;
    for (uint32_t i = 0; i < file->roots; i++) {
        const exvi_heap_root *root = &file->root[i];
        if (is_chosen(choice, root->node) && exvi_string_is(file, root->group, "held by C"))
            exvi_tally_add(held, root->label, 0, 0, root->node);
    }
}

bool exvi_why_referrers(exvi_study *study, exvi_answer *answer, const exvi_choice *choice, uint32_t limit)
{
    exvi_tally referrers = {0}, held = {0};
    char name[EXVI_NAME_SIZE];
    const exvi_heap_file *file = &study->file;
    tally_referrers(study, choice, &referrers);
    exvi_tally_sort(&referrers, false);
    exvi_answer_list(answer, "referrers");
    for (size_t i = 0; i < referrers.count && (limit == 0 || i < limit); i++) {
        const exvi_tally_item *item = &referrers.item[i];
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", item->count);
        exvi_answer_text(answer, "edge", exvi_label_text(file, (uint32_t)item->more, name));
        exvi_answer_object(answer, "example");
        exvi_answer_node(answer, file, (uint32_t)item->example);
        exvi_answer_close(answer);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);

    tally_held_by_c(study, choice, &held);
    exvi_tally_sort(&held, false);
    exvi_answer_list(answer, "held_by_c");
    for (size_t i = 0; i < held.count; i++) {
        uint32_t label = (uint32_t)held.item[i].key;
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "count", held.item[i].count);
        exvi_answer_bytes(answer, "label", exvi_string_text(file, label), exvi_string_size(file, label));
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
    bool done = !referrers.failed && !held.failed;
    exvi_tally_drop(&referrers);
    exvi_tally_drop(&held);
    return done || exvi_study_no_memory(study);
}

/* --------------------------------------------------------------- who it is */

enum fit { NO_FIT, LAST_PART, WHOLE_NAME, WITH_MODULE };

static enum fit fit_of(const exvi_heap_file *file, uint32_t type, const char *what)
{
    const exvi_heap_type *of = &file->type[type];
    size_t size = strlen(what), name = exvi_string_size(file, of->name), module = exvi_string_size(file, of->module);
    const char *text = exvi_string_text(file, of->name);
    if (size == module + 1 + name && memcmp(what, exvi_string_text(file, of->module), module) == 0 &&
        what[module] == '.' && memcmp(what + module + 1, text, name) == 0)
        return WITH_MODULE;
    if (size == name && memcmp(what, text, size) == 0)
        return WHOLE_NAME;
    if (size > 0 && size < name && memcmp(text + name - size, what, size) == 0 && text[name - size - 1] == '.')
        return LAST_PART;
    return NO_FIT;
}

/* Kinds that fit best, and have objects or none at all. */
static size_t find_kinds(const exvi_heap_file *file, const char *what, uint32_t *kind)
{
    enum fit best = NO_FIT;
    size_t count = 0;
    for (uint32_t type = 0; type < file->types; type++) {
        enum fit fit = file->kind[type] == type ? fit_of(file, type, what) : NO_FIT;
        if (fit == NO_FIT || fit < best)
            continue;
        count = fit > best ? 0 : count;
        best = fit;
        *kind = count == 0 ? type : *kind;
        count++;
    }
    return count;
}

static void answer_fits(exvi_study *study, exvi_answer *answer, const char *what, uint32_t kind)
{
    const exvi_heap_file *file = &study->file;
    char name[EXVI_NAME_SIZE];
    enum fit best = fit_of(file, kind, what);
    exvi_answer_object(answer, NULL);
    exvi_answer_list(answer, "fits");
    for (uint32_t type = 0; type < file->types; type++)
        if (file->kind[type] == type && fit_of(file, type, what) == best)
            exvi_answer_text(answer, NULL, exvi_kind_name(file, type, name));
    exvi_answer_close(answer);
    exvi_answer_close(answer);
}

/* --------------------------------------------------------------- dominators */

/* Those without which the one object would be gone, the nearest first. */
static void answer_keepers(exvi_study *study, exvi_answer *answer, uint32_t node)
{
    const exvi_dominators *d = &study->dominators;
    enum { MOST = 100 };
    uint32_t i = d->dominator[d->number[node]];
    exvi_answer_list(answer, "kept_by");
    for (int told = 0; i != 0 && d->node[i] < study->graph.root && told < MOST; told++, i = d->dominator[i]) {
        exvi_answer_object(answer, NULL);
        exvi_answer_number(answer, "retained", d->retained[i]);
        exvi_answer_node(answer, &study->file, d->node[i]);
        exvi_answer_close(answer);
    }
    exvi_answer_close(answer);
}

static bool answer_one(exvi_study *study, exvi_answer *answer, uint32_t node, uint32_t limit)
{
    exvi_choice one = {.study = study, .node = node};
    uint32_t references = study->file.references[node];
    exvi_answer_object(answer, NULL);
    exvi_answer_node(answer, &study->file, node);
    exvi_answer_number(answer, "count", 1);
    exvi_answer_number(answer, "bytes", exvi_heap_size(&study->file, node));
    exvi_answer_number(answer, "retained", exvi_retained(&study->dominators, node));
    if (references < UINT32_MAX - 1)
        exvi_answer_number(answer, "references", references);
    exvi_answer_flag(answer, "dead", (study->file.flags[node] & EXVI_HEAP_DEAD) != 0);
    bool done = exvi_why_paths(study, answer, &one, limit) && exvi_why_referrers(study, answer, &one, limit);
    if (done)
        answer_keepers(study, answer, node);
    exvi_answer_close(answer);
    return done;
}

static bool answer_kind(exvi_study *study, exvi_answer *answer, uint32_t kind, uint32_t limit)
{
    exvi_choice all = {.study = study, .node = EXVI_NO_NODE, .kind = kind};
    char name[EXVI_NAME_SIZE];
    uint64_t count = 0, bytes = 0, dead = 0;
    for (uint32_t node = 0; node < study->file.nodes; node++) {
        if (!is_chosen(&all, node))
            continue;
        count++;
        bytes += exvi_heap_size(&study->file, node);
        dead += (study->file.flags[node] & EXVI_HEAP_DEAD) != 0;
    }
    exvi_answer_object(answer, NULL);
    exvi_answer_text(answer, "type", exvi_kind_name(&study->file, kind, name));
    exvi_answer_number(answer, "count", count);
    exvi_answer_number(answer, "bytes", bytes);
    exvi_answer_number(answer, "dead", dead);
    bool done = exvi_why_paths(study, answer, &all, limit) && exvi_why_referrers(study, answer, &all, limit);
    exvi_answer_close(answer);
    return done;
}

static bool parse_address(const char *what, uint64_t *address)
{
    int used = 0;
    return strncmp(what, "0x", 2) == 0 && strlen(what) <= 18 &&
           strspn(what + 2, "0123456789abcdefABCDEF") == strlen(what + 2) &&
           sscanf(what, "%" SCNx64 "%n", address, &used) == 1 && what[used] == '\0';
}

exvi_found exvi_why_answer(exvi_study *study, exvi_answer *answer, const char *what, uint32_t limit)
{
    uint64_t address;
    uint32_t node = EXVI_NO_NODE, kind = 0;
    bool is_one = true;
    if (!exvi_study_dominators(study) || !exvi_study_paths(study))
        return EXVI_FAILED;
    if (strcmp(what, EXVI_LARGEST) == 0)
        node = exvi_census_largest(study);
    else if (parse_address(what, &address))
        node = exvi_heap_find(&study->file, address);
    else
        is_one = false;
    if (is_one && node == EXVI_NO_NODE)
        return study->error ? EXVI_FAILED : EXVI_NOT_FOUND;
    if (is_one)
        return answer_one(study, answer, node, limit) ? EXVI_FOUND : EXVI_FAILED;
    size_t fits = find_kinds(&study->file, what, &kind);
    if (fits == 1)
        return answer_kind(study, answer, kind, limit) ? EXVI_FOUND : EXVI_FAILED;
    if (fits > 1)
        answer_fits(study, answer, what, kind);
    return EXVI_NOT_FOUND;
}
