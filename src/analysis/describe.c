/*
 * describe: see describe.h.
 */
#include "describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int length_of(const exvi_heap_file *file, uint32_t string, size_t most)
{
    size_t size = exvi_string_size(file, string);
    const char *text = exvi_string_text(file, string);
    while (size > most && most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--; /* not within a character */
    return (int)(size > most ? most : size);
}

const char *exvi_kind_name(const exvi_heap_file *file, uint32_t type, char *name)
{
    const exvi_heap_type *of = &file->type[type];
    int module = length_of(file, of->module, EXVI_NAME_SIZE / 3), size = length_of(file, of->name, EXVI_NAME_SIZE / 2);
    bool is_bare = module == 0 || exvi_string_is(file, of->module, "builtins");
    snprintf(name, EXVI_NAME_SIZE, "%.*s%s%.*s", is_bare ? 0 : module, exvi_string_text(file, of->module),
             is_bare ? "" : ".", size, exvi_string_text(file, of->name));
    return name;
}

const char *exvi_group_text(const exvi_graph *graph, uint32_t group, char *name)
{
    uint32_t string = graph->group_name[group];
    if (string == EXVI_GROUP_DEAD)
        return "dead cycles";
    if (string == EXVI_GROUP_LOST)
        return "held by nothing that is known";
    snprintf(name, EXVI_NAME_SIZE, "%.*s", length_of(graph->file, string, EXVI_NAME_SIZE - 1),
             exvi_string_text(graph->file, string));
    return name;
}

const char *exvi_label_text(const exvi_heap_file *file, uint32_t label, char *name)
{
    static const struct {
        const char *before, *after;
    } around[16] = {
        [EXVI_LABEL_ATTRIBUTE] = {".", ""}, [EXVI_LABEL_SHOWN] = {"['", "']"}, [EXVI_LABEL_HIDDEN] = {"", ""},
        [EXVI_LABEL_INTERNAL] = {".", ""}, [EXVI_LABEL_LOCAL] = {"local ", ""}, [EXVI_LABEL_CELL] = {"cell ", ""},
        [EXVI_LABEL_ROOT] = {"", ""},
    };
    uint32_t kind = EXVI_LABEL_KIND(label), value = EXVI_LABEL_VALUE(label);
    switch (kind) {
    case EXVI_LABEL_NONE: return "";
    case EXVI_LABEL_INDEX: return "[*]";
    case EXVI_LABEL_KEY: return "(key)";
    case EXVI_LABEL_WEAK: return "(weak)";
    case EXVI_LABEL_CLASS >> 28: return "(class)";
    default: break;
    }
    if (value >= file->strings || !around[kind].before)
        return "";
    snprintf(name, EXVI_NAME_SIZE, "%s%.*s%s", around[kind].before, length_of(file, value, EXVI_NAME_SIZE - 16),
             exvi_string_text(file, value), around[kind].after);
    return name;
}

/* ------------------------------------------------------------------ objects */

static const char *module_name(const exvi_heap_file *file, uint32_t node, char *name)
{
    for (uint32_t i = 0; i < file->roots; i++)
        if (file->root[i].node == node && exvi_string_is(file, file->root[i].group, "modules")) {
            uint32_t label = file->root[i].label;
            snprintf(name, EXVI_NAME_SIZE, "%.*s", length_of(file, label, EXVI_NAME_SIZE - 1),
                     exvi_string_text(file, label));
            return name;
        }
    return "";
}

const char *exvi_node_name(const exvi_heap_file *file, uint32_t node, char *name)
{
    const exvi_heap_code *code = exvi_heap_code_of(file, node);
    if (code) {
        const size_t half = EXVI_NAME_SIZE / 2 - 16;
        snprintf(name, EXVI_NAME_SIZE, "%.*s at %.*s:%" PRIu32, length_of(file, code->name, half),
                 exvi_string_text(file, code->name), length_of(file, code->file, half),
                 exvi_string_text(file, code->file), code->line);
        return name;
    }
    uint32_t class = exvi_heap_class(file, node);
    if (class != UINT32_MAX)
        return exvi_kind_name(file, class, name);
    const exvi_heap_value *value = exvi_heap_value_of(file, node);
    if (value) {
        snprintf(name, EXVI_NAME_SIZE, "%.*s", length_of(file, value->string, EXVI_NAME_SIZE - 1),
                 exvi_string_text(file, value->string));
        return name;
    }
    if (exvi_string_is(file, file->type[file->type_of[node]].name, "module"))
        return module_name(file, node, name);
    return "";
}

static void answer_address(exvi_answer *answer, const exvi_heap_file *file, uint32_t node)
{
    char address[24];
    snprintf(address, sizeof address, "0x%" PRIx64, file->address[node]);
    exvi_answer_text(answer, "address", address);
}

void exvi_answer_node(exvi_answer *answer, const exvi_heap_file *file, uint32_t node)
{
    char buffer[EXVI_NAME_SIZE];
    answer_address(answer, file, node);
    exvi_answer_text(answer, "type", exvi_kind_name(file, file->type_of[node], buffer));
    const char *name = exvi_node_name(file, node, buffer);
    if (*name)
        exvi_answer_text(answer, "name", name);
}

/* -------------------------------------------------------------------- paths */

static void answer_step(exvi_answer *answer, const exvi_graph *graph, const exvi_shape *shape)
{
    const exvi_heap_file *file = graph->file;
    char buffer[EXVI_NAME_SIZE];
    exvi_answer_object(answer, NULL);
    if (shape->kind >= EXVI_SHAPE_GROUP) {
        exvi_answer_text(answer, "group", exvi_group_text(graph, shape->kind - EXVI_SHAPE_GROUP, buffer));
    } else {
        exvi_answer_text(answer, "edge", exvi_label_text(file, shape->label, buffer));
        exvi_answer_text(answer, "type", exvi_kind_name(file, shape->kind, buffer));
        exvi_answer_number(answer, "count", shape->count);
        const char *name = shape->count == 1 ? exvi_node_name(file, shape->example, buffer) : "";
        if (*name)
            exvi_answer_text(answer, "name", name);
        if (shape->repeats)
            exvi_answer_flag(answer, "repeats", true);
    }
    exvi_answer_close(answer);
}

void exvi_answer_path(exvi_answer *answer, const char *key, const exvi_graph *graph, const exvi_shapes *shapes,
                      uint32_t shape)
{
    uint32_t step[EXVI_SHAPE_DEPTH + 1], depth = 0;
    for (uint32_t at = shape; at != 0; at = shapes->shape[at].parent)
        step[depth++] = at;
    exvi_answer_list(answer, key);
    while (depth > 0)
        answer_step(answer, graph, &shapes->shape[step[--depth]]);
    exvi_answer_close(answer);
}
