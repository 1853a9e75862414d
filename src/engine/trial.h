/*
 * trial: which members of a compact graph are unreachable, by trial deletion (Christopher 1984) over arrays.
 *
 * Each counted reference between members takes one from what is left of its target's count. What then has something
 * left is referred to from outside, and so is all that it leads to. The rest is unreachable.
 *
 * Afterwards walk->left is 0 for an unreachable member and not 0 for a reachable one. No object is looked at.
 */
#ifndef EXVI_TRIAL_H
#define EXVI_TRIAL_H

#include "walk.h"

/* *unreachable: how many members are. False: told to stop. */
bool exvi_trial(exvi_walk *walk, const exvi_graph *graph, size_t *unreachable);

#endif
