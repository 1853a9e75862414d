/*
 * search: CPython's tracked objects as the engine sees a graph, and the search that a snapshot child runs over it.
 *
 * The answer begins with two words: how many objects are in the oldest list, and how many were found along lists and
 * not by walking over memory (pages.h). Then one word for each candidate in the order of components.h: the object's
 * address, EXVI_WORD_LAST on the last of a group, EXVI_WORD_PREHEADER where the block begins 32 bytes before the object
 * and not 16. The parent must not look at the object's type to find that out: the address may be stale by then.
 */
#ifndef EXVI_SEARCH_H
#define EXVI_SEARCH_H

#include "layout.h"

#include "snapshot.h"

enum { EXVI_ANSWER_HEAD = 2 };    /* words before the first candidate */
#define EXVI_WORD_LAST ((uint64_t)1)
#define EXVI_WORD_PREHEADER ((uint64_t)2)
#define EXVI_WORD_FLAGS ((uint64_t)15)

typedef struct exvi_search {
    const exvi_layout *layout;
    int generations;              /* how many lists are the set: 1 only the youngest, 3 all */
    bool idle;                    /* nobody waits for the answer */
    PyObject *root;               /* the dictionary of modules: known to be alive */
} exvi_search;

/* For exvi_snapshot_start(); `arg` is an exvi_search. Writes headers of objects, so it may run in a child only. */
exvi_search_end exvi_graph_search(exvi_answer *answer, void *arg);

#endif
