/*
 * world: a graph of objects of every shape, mirrored in plain arrays, and the naive oracle over the mirror.
 *
 * Every change goes through the functions here and is made twice: in the heap and in the mirror. The objects' own
 * functions (clear, finalize, destroy) report what the library does to them, and each report is compared with the
 * mirror at once:
 *
 *     destroy   only of an object that nothing in the mirror refers to, and at the very statement that dropped the last
 *               reference (`unreferenced` is 0 between two operations)
 *     clear     by a collection only of what the mirror knows to be unreachable
 *     finalize  once
 *
 * Exact worlds also follow the generations and predict each collection: which objects it finds, which of them
 * finalizers bring back, what it returns, which weak references die and which callbacks are called. Loose worlds do
 * without, so that
 * collections in the background may run in them. In wild worlds the finalizers and callbacks themselves do anything.
 *
 * A failure prints the seed and aborts.
 */
#ifndef WORLD_H
#define WORLD_H

#include <exuvia.h>

#define WORLD_NONE UINT32_MAX
enum { WORLD_ROOTS = 96, WORLD_ROOM = 1 << 16, WORLD_BLOCKS = 64 };

typedef enum world_mode { WORLD_EXACT, WORLD_LOOSE, WORLD_WILD } world_mode;

typedef enum world_shape {
    WORLD_LEAF,           /* simple: no visit */
    WORLD_LEAF_BLOCK,     /* simple, owns a block of exv_alloc() */
    WORLD_LEAF_FINAL,     /* simple, with finalizer */
    WORLD_EMPTY,          /* visit, but no fields */
    WORLD_PAIR,
    WORLD_PAIR_FINAL,
    WORLD_WIDE,           /* eight fields */
    WORLD_VARIABLE,       /* any number of fields */
    WORLD_HEAVY,          /* two fields, finalizer, owns a block */
    WORLD_STUBBORN,       /* two fields, no clear */
    WORLD_STUBBORN_FINAL,
    WORLD_FOREIGN,        /* two fields, a proxy: counted elsewhere */
    WORLD_SHAPES,
    WORLD_WEAK = WORLD_SHAPES, /* a weak reference */
} world_shape;

typedef struct world_node {
    struct world *w;
    void *object;             /* NULL: the slot is free */
    uint64_t serial;          /* no two nodes of a world have the same */
    world_shape shape;
    uint8_t generation;
    bool tracked, frozen, immortal, finalized;
    bool finalizing;          /* its finalizer is running, and may bring it back */
    bool cleared;             /* by a collection: must not be reachable */
    bool member;              /* scratch of a search: it takes part */
    bool doomed;              /* found unreachable by the collection that is running */
    bool dead_at_start;       /* was unreachable when the flight began */
    bool excused;             /* someone had it in hand since, by a weak reference or a finalizer */
    bool maybe_cut;           /* its weak references may be dead although it lives */
    uint32_t references;      /* by roots, fields, hands and the garbage list */
    uint32_t hands;           /* of those: held by the test itself */
    uint32_t field_count;
    uint32_t *fields;
    uint32_t mark;
    uint32_t weak_first;      /* weak references to it, linked by weak_next */
    uint32_t target, weak_next; /* of a weak reference; NONE: cut */
    bool has_callback;
    unsigned calls, expected_calls;
} world_node;

typedef struct world {
    exv_heap *heap;
    world_mode mode;
    uint64_t seed, random;
    world_node *node;         /* WORLD_ROOM */
    uint32_t used;            /* slots ever in use */
    uint32_t *spare;          /* free slots below `used` */
    uint32_t spare_count;
    uint32_t *stack;          /* of marking */
    uint32_t *garbage;        /* the garbage list */
    uint32_t garbage_count;
    uint32_t roots[WORLD_ROOTS];
    struct { unsigned char *start; size_t size; } block[WORLD_BLOCKS]; /* plain memory, each with one pattern */
    uint32_t alive, unreferenced, epoch;
    size_t base_objects, base_tracked;
    uint64_t serials, made, destroyed, finalized, resurrected, collections, cuts, calls;
    bool collecting, searched_again, ending;
    bool flies;               /* operations start and continue flights */
    size_t doomed;            /* objects found by the collection that is running, as predicted */
    size_t found;             /* by the last one, as predicted */
    unsigned depth;           /* of actions inside finalizers and callbacks */
} world;

#define WORLD_CHECK(w, condition) ((condition) ? (void)0 : world_fail(w, __FILE__, __LINE__, #condition))
_Noreturn void world_fail(const world *w, const char *file, int line, const char *condition);

/* NULL as configuration: the default, but collecting in place. False: no memory for a heap. */
bool world_begin(world *w, const exv_config *config, world_mode mode, uint64_t seed);

/* Give up everything, collect; nothing may be left. */
void world_end(world *w);

/* Free the heap with all that is in it; what is left must be as many as the mirror says. */
void world_abandon(world *w);

uint32_t world_random(world *w, uint32_t below);

/* The seed of a test: EXUVIA_TEST_SEED, or the clock; printed. And how many operations a test may take: `full` in a
 * release build, less where each costs more, times EXUVIA_TEST_SCALE. */
uint64_t world_seed(const char *test);
size_t world_scale(size_t full);

/* A new object in the caller's hand. WORLD_NONE: no memory, or no slot. */
uint32_t world_new(world *w, world_shape shape, uint32_t fields);
uint32_t world_new_weak(world *w, uint32_t target, bool callback);

/* Take one more reference, give it up. Put the reference in hand into a field or root, whose old one is given up. */
void world_hold(world *w, uint32_t id);
void world_drop(world *w, uint32_t id);
void world_put_field(world *w, uint32_t id, uint32_t index, uint32_t child);
void world_put_root(world *w, uint32_t root, uint32_t child);

/* What a weak reference leads to, in hand; NONE. It must be what the mirror says. */
uint32_t world_follow(world *w, uint32_t weak);

void world_track(world *w, uint32_t id, bool tracked);
void world_freeze(world *w, bool frozen);
void world_make_immortal(world *w, uint32_t id);
void world_empty_garbage(world *w);
size_t world_collect(world *w, int generation);

/* Collect fully until a collection finds nothing to finalize or free. */
void world_settle(world *w);

/* Mark what the program can reach by roots and hands; or also what is kept by the garbage list or by being frozen,
 * untracked or immortal. */
void world_mark_reachable(world *w, bool kept_too);
bool world_is_marked(const world *w, uint32_t id);

/* Someone had the object in hand: a flight that began before need not free what it reaches. And in a finalizer called
 * by a collection: the weak references to what it reaches may be cut. */
void world_excuse(world *w, uint32_t id, bool maybe_cut);

/* Compare the whole heap with the mirror, and in an exact world the generations too. Only between operations, and not
 * while a flight is freeing. */
void world_check(world *w);
void world_check_generations(world *w);

/* Objects wait for the next step of a flight to be freed. */
bool world_is_freeing(const world *w);

/* One random operation; an object that roots reach, not in hand, or NONE. */
void world_step(world *w);
uint32_t world_pick(world *w);

/* ---- between the files of this folder ---- */

/* The payload of every object but weak references. */
typedef struct world_payload {
    world *w;                 /* NULL: not set up */
    uint32_t id, field_count;
    void *block;
    size_t *foreign;          /* the count of a foreign object, which is all there is of it */
    uint64_t check;           /* follows from the two ids: see types.c */
    void *fields[];
} world_payload;

const exv_type *world_type(world_shape shape);

/* One reference more or less in the heap; of a proxy, to its foreign object. NULL is ignored. How many there are, but
 * of immortal ones. */
void *world_incref(void *object);
void world_decref(void *object);
size_t world_refcount(void *object);

bool world_is_payload_intact(const world *w, uint32_t id);
void world_set_up_payload(world *w, uint32_t id);
void world_weak_died(exv_weakref *ref, void *arg);

/* The mirror alone: one reference more or less. An object of a shape without clear gives up its fields as soon as it is
 * unreferenced for good, and a weak reference is gone then. */
void world_gain(world *w, uint32_t id);
void world_lose(world *w, uint32_t id);
void world_mark_dead(world *w, uint32_t id);

/* The oracle's view of a collection: its callback, and the search after the finalizers. */
void world_on_collection(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg);
void world_search_again(world *w);

/* A flight puts back what it could not free after each batch, not only at its end: note that. */
void world_catch_up(world *w);

/* What a finalizer does; what anyone does in a wild world. */
void world_act_in_finalizer(world *w, uint32_t id);
void world_act_wildly(world *w);

static inline bool world_has_visit(world_shape shape)
{
    return shape >= WORLD_EMPTY;
}

static inline bool world_has_finalizer(world_shape shape)
{
    return shape == WORLD_LEAF_FINAL || shape == WORLD_PAIR_FINAL || shape == WORLD_HEAVY ||
           shape == WORLD_STUBBORN_FINAL;
}

/* Types without clear drop what the heap counts. When one dies is known only by its destroy: too late to tell which
 * weak reference went first. */
static inline bool world_may_refer(const world *w, uint32_t from, uint32_t to)
{
    world_shape shape = w->node[to].shape;
    bool stubborn = w->node[from].shape == WORLD_STUBBORN || w->node[from].shape == WORLD_STUBBORN_FINAL;
    return !stubborn || (shape != WORLD_WEAK && shape != WORLD_FOREIGN);
}

static inline bool world_is_stubborn(world_shape shape)
{
    return shape == WORLD_STUBBORN || shape == WORLD_STUBBORN_FINAL;
}

#endif
