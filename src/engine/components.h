/*
 * components: an order in which garbage can die in pieces.
 *
 * Objects that lead to each other in both directions, a strongly connected component, can only die together. Between
 * components references lead one way; if those that no other garbage refers to go first, each is held by nothing when
 * its turn comes, and can be proven and freed by itself. So a large structure need not be one stop.
 *
 *     ring A <-> B ---> ring C <-> D        answer: A B| C D|     (| ends a group)
 *
 * A structure that hangs together, in whatever direction, and has at most EXVI_WHOLE objects stays one group: it is
 * no long stop, and all its finalizers run before any of it is cleared, as if it had been found at once.
 *
 * Nor is one cut that has a finalizer in it (EXVI_NODE_FINALIZES): finalizers run Python code, which may make weak
 * references to what was found with them, and see what callbacks are called.
 *
 * A weak reference with a callback stands before what it leads to, or in one group with it: the callback of one that
 * dies is not called, as if both had been found at once.
 *
 * Tarjan's algorithm (1972) in the form of Pearce (2016): one number for each object, no recursion.
 */
#ifndef EXVI_COMPONENTS_H
#define EXVI_COMPONENTS_H

#include "walk.h"

#ifdef EXVI_STRESS
enum { EXVI_WHOLE = 4 };
#else
enum { EXVI_WHOLE = 256 };
#endif

typedef struct exvi_components {
    size_t count;
    uint64_t *object;        /* count addresses; bit 0: a group ends here */
    uint32_t *number;        /* of each in the walk, in the same order */
    size_t room;             /* of both */
} exvi_components;

/* After exvi_trial(), which found so many `unreachable`. False: no memory. Dropped by the caller in either case. */
bool exvi_components_find(exvi_components *components, const exvi_walk *walk, size_t unreachable);
void exvi_components_drop(exvi_components *components);

#endif
