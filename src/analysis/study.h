/*
 * study: a heap file, and what has been worked out of it so far.
 *
 * Each step is taken when it is asked for the first time, and told on a terminal where that was asked for.
 */
#ifndef EXVI_STUDY_H
#define EXVI_STUDY_H

#include "describe.h"
#include "rings.h"

typedef struct exvi_study {
    exvi_heap_file file;
    exvi_graph graph;
    exvi_dominators dominators;
    exvi_shapes paths; /* by shortest paths */
    exvi_rings rings;  /* of dead objects */
    bool has_file, has_graph, has_dominators, has_paths, has_rings;
    bool tells;        /* progress, on standard error */
    const char *error; /* of the first step that failed */
} exvi_study;

/* Each false: error says why. All is dropped by exvi_study_drop(). */
bool exvi_study_open(exvi_study *study, const char *path, bool tells);
bool exvi_study_graph(exvi_study *study);
bool exvi_study_dominators(exvi_study *study);
bool exvi_study_paths(exvi_study *study);
bool exvi_study_rings(exvi_study *study);
void exvi_study_drop(exvi_study *study);

bool exvi_study_no_memory(exvi_study *study); /* false, and says so */

/* Nothing where no object is marked as dead; else the graph, by which what dead ones hold is known to be dead, too. */
bool exvi_study_dead(exvi_study *study);

/* The bytes of all objects, how many are dead, and their bytes. */
typedef struct exvi_totals {
    uint64_t bytes, dead, dead_bytes;
} exvi_totals;
exvi_totals exvi_study_totals(const exvi_study *study);

#endif
