/*
 * graph: what a host says of its objects, so that the engine can search them, count them or write them down.
 *
 * The engine knows nothing of Python or of the C library's values: it asks here. Objects are addresses; members are
 * those that the question is about, and what they refer to may be anything.
 *
 * A search in place (cycle.h) visits objects as it goes. A search in a snapshot child (garbage.h) visits each once, in
 * the order of memory, and works on what it wrote down (walk.h); for that a host may bring loops of its own.
 */
#ifndef EXVI_GRAPH_H
#define EXVI_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int exvi_visit_fn(void *child, void *arg); /* the same as exv_visit_fn */

/* What a visit is for. */
typedef enum exvi_phase {
    EXVI_PHASE_COUNT, /* the references that are counted, each as often as it is: compared with its target's count */
    EXVI_PHASE_MARK,  /* all that the object keeps alive, be it counted or borrowed */
} exvi_phase;

typedef struct exvi_description {
    const void *type;        /* the same for objects of one type */
    const char *type_name;
    size_t size;             /* bytes that go when the object dies */
} exvi_description;

#define EXVI_HELD UINT64_MAX /* as a reference count: alive whatever else there is */

struct exvi_walk;

typedef struct exvi_graph {
    void *host;

    /* Hand out the members of the set, up to `room` a call, 0 at the end; and likewise objects known to be alive, which
     * need not be members (NULL: none are known). An object may be handed out twice. */
    size_t (*next)(void *host, void **objects, size_t room);
    size_t (*next_root)(void *host, void **objects, size_t room);

    /* The object's references, from wherever; EXVI_HELD when it is alive whatever the count says. */
    uint64_t (*refcount)(void *host, void *object);

    /* Call visit for each object it refers to; members and others, NULL is ignored. */
    void (*visit)(void *host, void *object, exvi_phase phase, exvi_visit_fn *visit, void *arg);

    /* Where a weak reference leads that has a callback; NULL for every other object. May be NULL. */
    void *(*weak)(void *host, void *object);

    /* More references from inside than the count has: a visit function lies, or a reference is borrowed. Always noticed
     * in the checked build, where it may be said twice, and mostly in others. NULL: take the object as if nothing
     * outside referred to it. */
    void (*excess)(void *host, void *object, uint64_t refcount, uint64_t inside);

    /* Asked every few thousand objects: true ends the search. May be NULL. */
    bool (*stop)(void *host);

    /* For reports: what an object is, and the name of its n-th reference in the order of `visit`, at most `room` bytes
     * with the NUL; false: it has none. May be NULL. */
    void (*describe)(void *host, void *object, exvi_description *description);
    bool (*edge_name)(void *host, void *object, size_t n, char *name, size_t room);

    /* A host's own loops for a search in a snapshot child, instead of next, refcount and visit; see walk.h. `release`:
     * no object will be looked at any more. All may be NULL. */
    bool (*add_members)(void *host, struct exvi_walk *walk);
    void (*extract)(void *host, struct exvi_walk *walk, void *const *objects, size_t count);
    void (*release)(void *host);
} exvi_graph;

#endif
