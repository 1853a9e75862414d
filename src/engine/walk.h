/*
 * walk: the objects of a heap and their references, written down in one pass in the order of memory.
 *
 * A search that follows references in a large heap waits for memory at nearly every step. So a snapshot child visits
 * each object once, in the order of addresses, and writes down what it needs as a compact graph:
 *
 *     member map   a record for each KiB: one bit for each 16 bytes, and how many members come before (the rank), so
 *                  that address -> number is two loads and a population count
 *     node         8 bytes for each member: where its references begin, and a word of the host's
 *     left         1 byte for each member: its references that were not yet found; see below
 *     edge         4 bytes for each reference to a member: the number of that member, with two flags
 *
 * That is about an eighth of the heap, and from then on the heap itself is not needed: the child gives its pages back,
 * and the program writes to them without copying.
 *
 * Numbers follow the walk: the tables of the map from the highest down, upwards in each, which puts older objects first
 * more often than not. All lookups of a batch of objects are prefetched before the first is made.
 *
 * left:  0 .. 253     so many references of it are still unexplained
 *        254          more: the number stands in the table `many`
 *        255          EXVI_HELD
 *
 * What the arrays are used for is in trial.h and components.h.
 */
#ifndef EXVI_WALK_H
#define EXVI_WALK_H

#include "address_map.h"
#include "graph.h"

/* A reference that is not counted (borrowed) keeps its target alive but explains none of the target's count. A weak
 * reference with a callback does neither; it matters for the order in which garbage may die. */
#define EXVI_EDGE_BORROWED UINT32_C(0x80000000)
#define EXVI_EDGE_WEAK UINT32_C(0x40000000)
#define EXVI_EDGE_FLAGS (EXVI_EDGE_BORROWED | EXVI_EDGE_WEAK)
#define EXVI_MOST_MEMBERS UINT32_C(0x3fffffff)

enum { EXVI_LEFT_MANY = 254, EXVI_LEFT_HELD = 255 };

#ifdef EXVI_STRESS
enum { EXVI_WALK_BATCH = 2, EXVI_WALK_PENDING = 5 };
#else
enum { EXVI_WALK_BATCH = 64, EXVI_WALK_PENDING = 1024 };
#endif

typedef struct exvi_member_record { /* of one KiB */
    uint64_t members;        /* one bit for each 16 bytes */
    uint32_t rank;           /* members in front of this KiB */
    uint32_t unused;
} exvi_member_record;
enum { EXVI_GRANULE_SHIFT = 4, EXVI_RECORD_SHIFT = 10 };
#define EXVI_RECORDS_IN_TABLE ((size_t)1 << (EXVI_TABLE_SHIFT - EXVI_RECORD_SHIFT))

typedef struct exvi_node {
    uint32_t first;          /* its references: edge[node[n].first .. node[n + 1].first) */
    uint32_t word;           /* the host's */
} exvi_node;

typedef struct exvi_many {
    uint32_t key;            /* number + 1; 0: none */
    uint64_t left;
} exvi_many;

typedef struct exvi_walk {
    exvi_address_map map;    /* tables of exvi_member_record */
    exvi_member_record *no_records; /* stands for a table where there is none */
    size_t members;
    bool failed, stopped;    /* no memory, or too many; told to stop: what is here is void */

    exvi_node *node;         /* members + 1 of them */
    uint8_t *left;
    uint32_t *edge;
    size_t edges, edge_room;
    exvi_many *many;         /* open addressing, a power of two */
    size_t many_count, many_room;

    size_t nodes;            /* written */
    unsigned begun, pending; /* of the current batch: nodes, and references that were not looked up */
    unsigned start[EXVI_WALK_BATCH];   /* of each node, in `reference` */
    uintptr_t reference[EXVI_WALK_PENDING]; /* with the flags below in their low bits */
} exvi_walk;

/* Zeroed before its first use. False: no memory. */
bool exvi_walk_begin(exvi_walk *walk);
void exvi_walk_drop(exvi_walk *walk);

/* ------------------------------------------------------------------ members */

/* Ask the host now and then whether to end; true as well when there is no memory to go on. */
static inline bool exvi_walk_ends(exvi_walk *walk, const exvi_graph *graph)
{
    walk->stopped = walk->stopped || (graph->stop && graph->stop(graph->host));
    return walk->stopped || walk->failed;
}

static inline exvi_member_record *exvi_walk_records(exvi_walk *walk, uintptr_t address)
{
    exvi_member_record *records = exvi_address_map_find(&walk->map, address);
    return records ? records : exvi_address_map_add(&walk->map, address);
}

static inline size_t exvi_record_of(uintptr_t address)
{
    return (address >> EXVI_RECORD_SHIFT) & (EXVI_RECORDS_IN_TABLE - 1);
}

static inline uint64_t exvi_member_bit(uintptr_t address)
{
    return UINT64_C(1) << (address >> EXVI_GRANULE_SHIFT & 63);
}

/* Make an object a member; false: no memory, or an address that no object has. It may be one already. Objects may begin
 * anywhere, but no two of them within the same 16 bytes; exvi_walk_next() gives addresses that are multiples of 16. */
bool exvi_walk_add(exvi_walk *walk, const void *object);
bool exvi_walk_has(const exvi_walk *walk, const void *object);
void exvi_walk_remove(exvi_walk *walk, const void *object);
void exvi_walk_forget(exvi_walk *walk); /* all members */

/* All members are in: number them. False: too many, or no memory for their arrays. */
bool exvi_walk_rank(exvi_walk *walk);

/* The same without arrays, in ascending order of addresses, not that of the walk. */
bool exvi_walk_rank_upwards(exvi_walk *walk);

/* The number of a member, or UINT32_MAX. */
uint32_t exvi_walk_number(const exvi_walk *walk, const void *object);

/* A walk over all members in the order of their numbers: up to `room` a call, 0 at the end. */
typedef struct exvi_walk_cursor {
    size_t table, record;    /* how many were looked at */
    uint64_t rest;           /* of the record before */
} exvi_walk_cursor;
size_t exvi_walk_next(const exvi_walk *walk, exvi_walk_cursor *cursor, void **objects, size_t room);

/* ----------------------------------------------------------------- references */

/* A host's extract() calls exvi_walk_node() for each of the objects it was given, in their order, and after each
 * exvi_walk_reference() for what that refers to. */
void exvi_walk_look_up(exvi_walk *walk);
void exvi_walk_note_many(exvi_walk *walk, uint32_t number, uint64_t count);

/* In a node's word, which is the host's otherwise: it has a finalizer, see components.h. */
#define EXVI_NODE_FINALIZES (UINT32_C(1) << 31)

static inline void exvi_walk_node(exvi_walk *walk, uint64_t refcount, uint32_t word)
{
    size_t number = walk->nodes + walk->begun;
    walk->node[number].word = word;
    walk->left[number] = refcount < EXVI_LEFT_MANY ? (uint8_t)refcount : EXVI_LEFT_HELD;
    if (refcount >= EXVI_LEFT_MANY && refcount != EXVI_HELD)
        exvi_walk_note_many(walk, (uint32_t)number, refcount);
    walk->start[walk->begun++] = walk->pending;
}

/* `kind` 0: counted. */
enum { EXVI_REFERENCE_BORROWED = 1, EXVI_REFERENCE_WEAK = 2, EXVI_REFERENCE_KINDS = 3 };
static inline void exvi_walk_reference(exvi_walk *walk, const void *child, unsigned kind)
{
    uintptr_t address = (uintptr_t)child;
    const exvi_member_record *records = exvi_address_map_find(&walk->map, address);
    __builtin_prefetch((records ? records : walk->no_records) + exvi_record_of(address));
    walk->reference[walk->pending++] = address | kind;
    if (__builtin_expect(walk->pending == EXVI_WALK_PENDING, 0))
        exvi_walk_look_up(walk);
}

int exvi_walk_visit(void *child, void *walk); /* as a visitor: a counted reference */

/* The count of a node whose `left` is EXVI_LEFT_MANY. */
uint64_t *exvi_walk_many(exvi_walk *walk, uint32_t number);

/* Write down nodes and references of all members. False: no memory, or told to stop. */
bool exvi_walk_extract(exvi_walk *walk, const exvi_graph *graph);

#endif
