/*
 * devtools: see devtools.h.
 *
 * Nodes: 0 the root, 1 (GC roots), then the groups, the objects, and last the parts of what is too large for one.
 * Strings: those of the file under their own numbers, then those that are added here.
 */
#include "devtools.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { NODE_FIELDS = 5, ROOTS_NODE = 1, FIRST_GROUP = 2 };
enum node_type { SYNTHETIC, OBJECT, STRING, NUMBER };
enum edge_type { ELEMENT, PROPERTY, INTERNAL, CONTEXT, WEAK };
enum added { ADDED_ROOTS, ADDED_CLASS, ADDED_KEY, ADDED_BUFFER, ADDED };
static const char *const added[ADDED] = {"(GC roots)", "__class__", "(key)", "(buffer)"};
static const uint64_t MOST_BYTES = UINT32_MAX - 7u; /* of one node: they are read modulo 2^32 */

static const char *const META =
    "\"meta\":{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\"],"
    "\"node_types\":[[\"synthetic\",\"object\",\"string\",\"number\"],\"string\",\"number\",\"number\",\"number\"],"
    "\"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],"
    "\"edge_types\":[[\"element\",\"property\",\"internal\",\"context\",\"weak\"],\"string_or_number\",\"node\"]},";

typedef struct writing {
    const exvi_study *study;
    const exvi_graph *graph;
    const exvi_heap_file *file;
    exvi_answer *answer;
    uint64_t nodes, edges, parts;
    uint64_t next_part; /* the node of the next part to be told */
    bool is_first;
} writing;

static void put(writing *w, const char *text)
{
    exvi_answer_raw(w->answer, text, strlen(text));
}

/* -------------------------------------------------------------------- counts */

static uint64_t parts_of(const exvi_heap_file *file, uint32_t node)
{
    return file->size[node] == UINT32_MAX ? exvi_heap_size(file, node) / MOST_BYTES : 0;
}

static bool has_class(const exvi_heap_file *file, uint32_t node)
{
    const exvi_heap_type *type = &file->type[file->type_of[node]];
    return (type->flags & EXVI_TYPE_HEAP) && type->node != EXVI_NO_NODE;
}

static uint64_t edges_of(const writing *w, uint32_t node)
{
    return w->file->row[node + 1] - w->file->row[node] + has_class(w->file, node) + parts_of(w->file, node);
}

static void count(writing *w)
{
    for (uint32_t node = 0; node < w->file->nodes; node++) {
        w->edges += edges_of(w, node);
        w->parts += parts_of(w->file, node);
    }
    w->edges += 1 + w->graph->groups + w->graph->entries;
    w->nodes = FIRST_GROUP + w->graph->groups + w->file->nodes + w->parts;
}

static uint64_t node_of(const writing *w, uint32_t node)
{
    return FIRST_GROUP + w->graph->groups + (uint64_t)node;
}

/* --------------------------------------------------------------------- nodes */

static uint64_t added_string(const writing *w, enum added which)
{
    return (uint64_t)w->file->strings + which;
}

static uint64_t group_string(const writing *w, uint32_t group)
{
    return (uint64_t)w->file->strings + ADDED + group;
}

static uint64_t kind_string(const writing *w, uint32_t type)
{
    return group_string(w, w->graph->groups) + type;
}

static void put_node(writing *w, enum node_type type, uint64_t name, uint64_t size, uint64_t edges, uint64_t id)
{
    char line[128];
    snprintf(line, sizeof line, "%s%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 "\n", w->is_first ? "" : ",",
             (int)type, name, 2 * id + 2, size, edges);
    w->is_first = false;
    put(w, line);
}

static enum node_type type_of(const exvi_heap_file *file, uint32_t type)
{
    static const char *const strings[] = {"str", "bytes"}, *const numbers[] = {"int", "float"};
    if (!exvi_string_is(file, file->type[type].module, "builtins"))
        return OBJECT;
    for (int i = 0; i < 2; i++) {
        if (exvi_string_is(file, file->type[type].name, strings[i]))
            return STRING;
        if (exvi_string_is(file, file->type[type].name, numbers[i]))
            return NUMBER;
    }
    return OBJECT;
}

static void put_object(writing *w, uint32_t node)
{
    uint32_t type = exvi_heap_kind(w->file, node);
    enum node_type shown = type_of(w->file, type);
    const exvi_heap_value *value = shown == OBJECT ? NULL : exvi_heap_value_of(w->file, node);
    uint64_t size = exvi_heap_size(w->file, node) - parts_of(w->file, node) * MOST_BYTES;
    put_node(w, shown, value ? value->string : kind_string(w, type), size, edges_of(w, node), node_of(w, node));
}

static void put_nodes(writing *w)
{
    const exvi_graph *graph = w->graph;
    w->is_first = true;
    put_node(w, SYNTHETIC, 0, 0, 1, 0);
    put_node(w, SYNTHETIC, added_string(w, ADDED_ROOTS), 0, graph->groups, ROOTS_NODE);
    for (uint32_t group = 0; group < graph->groups; group++)
        put_node(w, SYNTHETIC, group_string(w, group), 0, exvi_graph_degree(graph, graph->root + 1 + group),
                 FIRST_GROUP + group);
    for (uint32_t node = 0; node < w->file->nodes; node++)
        put_object(w, node);
    for (uint64_t part = 0; part < w->parts; part++)
        put_node(w, OBJECT, added_string(w, ADDED_BUFFER), MOST_BYTES, 0, node_of(w, w->file->nodes) + part);
}

/* --------------------------------------------------------------------- edges */

static void put_edge(writing *w, enum edge_type type, uint64_t name, uint64_t to)
{
    char line[96];
    snprintf(line, sizeof line, "%s%d,%" PRIu64 ",%" PRIu64 "\n", w->is_first ? "" : ",", (int)type, name,
             to * NODE_FIELDS);
    w->is_first = false;
    put(w, line);
}

static void put_labelled(writing *w, uint32_t label, uint32_t to)
{
    static const enum edge_type type[EXVI_LABEL_KINDS] = {
        [EXVI_LABEL_NONE] = INTERNAL, [EXVI_LABEL_INDEX] = ELEMENT, [EXVI_LABEL_ATTRIBUTE] = PROPERTY,
        [EXVI_LABEL_KEY] = INTERNAL, [EXVI_LABEL_SHOWN] = PROPERTY, [EXVI_LABEL_HIDDEN] = PROPERTY,
        [EXVI_LABEL_INTERNAL] = INTERNAL, [EXVI_LABEL_LOCAL] = CONTEXT, [EXVI_LABEL_WEAK] = WEAK,
        [EXVI_LABEL_CELL] = CONTEXT,
    };
    uint32_t kind = EXVI_LABEL_KIND(label);
    uint64_t name = EXVI_LABEL_VALUE(label);
    if (kind == EXVI_LABEL_KEY)
        name = added_string(w, ADDED_KEY);
    else if (kind == EXVI_LABEL_NONE || kind == EXVI_LABEL_WEAK)
        name = 0;
    put_edge(w, type[kind], name, node_of(w, to));
}

static void put_edges_of(writing *w, uint32_t node)
{
    const exvi_heap_file *file = w->file;
    for (uint64_t edge = file->row[node]; edge < file->row[node + 1]; edge++)
        put_labelled(w, file->label[edge], file->to[edge]);
    if (has_class(file, node))
        put_edge(w, INTERNAL, added_string(w, ADDED_CLASS), node_of(w, file->type[file->type_of[node]].node));
    for (uint64_t part = parts_of(file, node); part > 0; part--)
        put_edge(w, INTERNAL, added_string(w, ADDED_BUFFER), w->next_part++);
}

static void put_edges(writing *w)
{
    const exvi_graph *graph = w->graph;
    w->is_first = true;
    w->next_part = node_of(w, w->file->nodes);
    put_edge(w, ELEMENT, 0, ROOTS_NODE);
    for (uint32_t group = 0; group < graph->groups; group++)
        put_edge(w, ELEMENT, group, FIRST_GROUP + group);
    for (uint32_t entry = 0; entry < graph->entries; entry++)
        put_edge(w, INTERNAL, graph->entry_label[entry], node_of(w, graph->entry[entry]));
    for (uint32_t node = 0; node < w->file->nodes; node++)
        put_edges_of(w, node);
}

/* ------------------------------------------------------------------- strings */

static void put_string(writing *w, const char *text, size_t size)
{
    if (!w->is_first)
        put(w, ",\n");
    w->is_first = false;
    exvi_answer_quoted(w->answer, text, size);
}

static void put_kind(writing *w, uint32_t type)
{
    char name[EXVI_NAME_SIZE], safe[EXVI_NAME_SIZE + 16];
    exvi_kind_name(w->file, type, name);
    bool is_special = strcmp(name, "Object") == 0 || strcmp(name, "Array") == 0 || name[0] == '<' ||
                      strncmp(name, "Object(", 7) == 0 || name[0] == '\0';
    snprintf(safe, sizeof safe, "%s%s", is_special ? "class " : "", name);
    put_string(w, safe, strlen(safe));
}

static void put_strings(writing *w)
{
    char name[EXVI_NAME_SIZE], group_name[EXVI_NAME_SIZE + 4];
    w->is_first = true;
    for (uint32_t i = 0; i < w->file->strings; i++)
        put_string(w, exvi_string_text(w->file, i), exvi_string_size(w->file, i));
    for (int i = 0; i < ADDED; i++)
        put_string(w, added[i], strlen(added[i]));
    for (uint32_t group = 0; group < w->graph->groups; group++) {
        snprintf(group_name, sizeof group_name, "(%s)", exvi_group_text(w->graph, group, name));
        put_string(w, group_name, strlen(group_name));
    }
    for (uint32_t type = 0; type < w->file->types; type++)
        put_kind(w, type);
}

bool exvi_devtools_write(exvi_study *study, exvi_answer *answer)
{
    char counts[96];
    if (!exvi_study_graph(study))
        return false;
    writing w = {.study = study, .graph = &study->graph, .file = &study->file, .answer = answer};
    count(&w);
    put(&w, "{\"snapshot\":{");
    put(&w, META);
    snprintf(counts, sizeof counts, "\"node_count\":%" PRIu64 ",\"edge_count\":%" PRIu64 "},\n\"nodes\":[", w.nodes,
             w.edges);
    put(&w, counts);
    put_nodes(&w);
    put(&w, "],\n\"edges\":[");
    put_edges(&w);
    put(&w, "],\n\"strings\":[");
    put_strings(&w);
    put(&w, "]}\n");
    return !answer->failed;
}
