/*
 * study: see study.h.
 */
#include "study.h"

#include "files.h"

#include <string.h>

enum { STANDARD_ERROR = 2 };
static const uint32_t MOST_PATHS = 1u << 22;

static void tell(const exvi_study *study, const char *step)
{
    const char *const clear = "\r\033[K";
    int why;
    if (study->tells && exvi_file_append(STANDARD_ERROR, clear, strlen(clear), &why))
        exvi_file_append(STANDARD_ERROR, step, strlen(step), &why);
}

bool exvi_study_no_memory(exvi_study *study)
{
    study->error = "there is not enough memory for this question";
    return false;
}

bool exvi_study_open(exvi_study *study, const char *path, bool tells)
{
    *study = (exvi_study){.tells = tells};
    tell(study, "reading and checking the file ...");
    study->has_file = exvi_heap_file_open(&study->file, path);
    if (!study->has_file)
        study->error = study->file.error;
    return study->has_file;
}

bool exvi_study_graph(exvi_study *study)
{
    if (study->has_graph)
        return true;
    tell(study, "looking for the shortest paths ...");
    study->has_graph = exvi_graph_make(&study->graph, &study->file);
    return study->has_graph || exvi_study_no_memory(study);
}

bool exvi_study_dominators(exvi_study *study)
{
    if (study->has_dominators)
        return true;
    if (!exvi_study_graph(study))
        return false;
    tell(study, "working out what keeps what alive ...");
    study->has_dominators = exvi_dominators_find(&study->dominators, &study->graph);
    return study->has_dominators || exvi_study_no_memory(study);
}

bool exvi_study_paths(exvi_study *study)
{
    if (study->has_paths)
        return true;
    if (!exvi_study_graph(study))
        return false;
    tell(study, "putting like paths together ...");
    study->has_paths = exvi_shapes_make(&study->paths, &study->graph, NULL, MOST_PATHS);
    return study->has_paths || exvi_study_no_memory(study);
}

bool exvi_study_dead(exvi_study *study)
{
    uint8_t any = 0;
    for (uint32_t node = 0; node < study->file.nodes; node++)
        any |= study->file.flags[node];
    return !(any & EXVI_HEAP_DEAD) || exvi_study_graph(study);
}

static bool is_dead(const exvi_graph *graph, uint32_t node)
{
    return (graph->file->flags[node] & EXVI_HEAP_DEAD) != 0;
}

bool exvi_study_rings(exvi_study *study)
{
    if (study->has_rings)
        return true;
    if (!exvi_study_graph(study))
        return false;
    tell(study, "looking for rings among what is dead ...");
    study->has_rings = exvi_rings_find(&study->rings, &study->graph, is_dead);
    return study->has_rings || exvi_study_no_memory(study);
}

void exvi_study_drop(exvi_study *study)
{
    exvi_rings_drop(&study->rings);
    exvi_shapes_drop(&study->paths);
    exvi_dominators_drop(&study->dominators);
    exvi_graph_drop(&study->graph);
    if (study->has_file)
        exvi_heap_file_close(&study->file);
    tell(study, "");
}

exvi_totals exvi_study_totals(const exvi_study *study)
{
    const exvi_heap_file *file = &study->file;
    exvi_totals totals = {0};
    for (uint32_t node = 0; node < file->nodes; node++) {
        uint64_t bytes = exvi_heap_size(file, node);
        bool dead = (file->flags[node] & EXVI_HEAP_DEAD) != 0;
        totals.bytes += bytes;
        totals.dead += dead;
        totals.dead_bytes += dead ? bytes : 0;
    }
    return totals;
}
