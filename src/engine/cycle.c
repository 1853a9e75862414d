/*
 * cycle: see cycle.h.
 *
 * The byte that the side table holds for a member:
 *
 *     1 + n      n references from inside the set are known (n <= 124), not known to be reachable
 *     MANY       more than 124; the exact number is in scan->many
 *     + GREY     reachable, but what it refers to was not visited yet
 *     BLACK      reachable
 *
 * A scan waits for memory most of the time: each reference leads to a side byte, and each new object to its fields, at
 * random places. So a walk in the order of memory does all it can: what is found reachable ahead of the
 * walk becomes GREY and is visited when the walk gets there; only what lies behind goes on the stack. And two small
 * rings put a distance between the prefetch of a byte, or of an object from the stack, and its use.
 *
 * Invariant after each phase of exvi_cycle_find(): stated beside it there.
 */
#include "cycle.h"

#include "die.h"
#include "platform.h"

#include <string.h>

enum { MANY = 126, GREY = 128, BLACK = 255 };
#ifdef EXVI_STRESS
enum { LARGEST_COUNT = 3, EDGES = 2, NODES = 2, NEAR = 2, FIRST_STACK = 512 };
#else
enum { LARGEST_COUNT = 124, EDGES = 32, NODES = 8, NEAR = 256, FIRST_STACK = 1 << 16 };
#endif
enum { BATCH = 256, PATIENCE = 1 << 14, AHEAD = 512, WAITING = 64 };

typedef struct count_entry {
    const void *object;
    uint64_t count;
} count_entry;

typedef struct edge {
    void *object;
    uint8_t *byte;
} edge;

typedef struct scan {
    exvi_cycle *cycle;
    const exvi_graph *graph;
    bool failed;              /* no memory: the scan is void */
    bool stopped;
    bool grey;                /* there are GREY objects that no walk will get to */
    size_t reachable;         /* members that are GREY or BLACK */
    uintptr_t walk;           /* position of the object where the walk is; UINTPTR_MAX: past everything */
    uint8_t *walk_byte;       /* and its byte */

    size_t depth;             /* of cycle->stack: objects to visit */
    unsigned steps;           /* taken from the stack; to ask now and then whether to stop */

    edge edge[EDGES];         /* rings: [out, in), modulo their size */
    void *node[NODES];
    unsigned edge_in, edge_out, node_in, node_out;

    count_entry *many;        /* open addressing, a power of two */
    size_t many_count, many_room;
} scan;

/* ------------------------------------------------- counts beyond a byte */

static count_entry *many_slot(count_entry *table, size_t room, const void *object)
{
    size_t at = (size_t)((((uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (room - 1);
    while (table[at].object && table[at].object != object)
        at = (at + 1) & (room - 1);
    return &table[at];
}

static bool grow_many(scan *s)
{
    size_t room = s->many_room ? 2 * s->many_room : 256;
    count_entry *table = exvi_map(room * sizeof *table, exvi_page_size());
    if (!table)
        return false;
    for (size_t i = 0; i < s->many_room; i++)
        if (s->many[i].object)
            *many_slot(table, room, s->many[i].object) = s->many[i];
    if (s->many)
        exvi_unmap(s->many, s->many_room * sizeof *s->many);
    s->many = table;
    s->many_room = room;
    return true;
}

static void count_many(scan *s, const void *object, uint64_t add)
{
    if (2 * s->many_count >= s->many_room && !grow_many(s)) {
        s->failed = true;
        return;
    }
    count_entry *entry = many_slot(s->many, s->many_room, object);
    if (!entry->object) {
        entry->object = object;
        s->many_count++;
    }
    entry->count += add;
}

static uint64_t inside_count(scan *s, const void *object, uint8_t byte)
{
    byte &= (uint8_t)~GREY;
    return byte == MANY ? many_slot(s->many, s->many_room, object)->count : (uint64_t)byte - 1;
}

/* ------------------------------------------------------------ the phases */

static bool should_stop(scan *s)
{
    s->stopped = s->stopped || (s->graph->stop && s->graph->stop(s->graph->host));
    return s->failed || s->stopped;
}

static void note_members(scan *s)
{
    void *objects[BATCH];
    size_t count;
    while (!should_stop(s) && (count = s->graph->next(s->graph->host, objects, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (!exvi_side_add(&s->cycle->side, objects[i], 1)) {
                s->failed = true;
                return;
            }
        }
    }
    exvi_address_map_sort(&s->cycle->side.map);
    s->cycle->examined = s->cycle->side.members;
}

typedef void member_fn(scan *s, void *object, uint8_t *byte);

/* Call `each` for every member with its byte. Inlined for each of its few uses: the call would cost as much as the
 * rest. */
static inline __attribute__((always_inline)) void for_members(scan *s, member_fn *each)
{
    const exvi_address_map *map = &s->cycle->side.map;
    for (size_t i = map->count; i-- > 0;) {
        uintptr_t start = (uintptr_t)map->number[i] << EXVI_TABLE_SHIFT;
        uint8_t *table = exvi_address_map_table(map, map->number[i]);
        for (size_t at = 0; at < EXVI_SIDE_TABLE_SIZE; at += 8) {
            if (at % PATIENCE == 0 && should_stop(s))
                return;
            for (uint64_t set = exvi_side_members(table + at); set; set &= set - 1) {
                size_t offset = at + exvi_side_first(set);
                void *object = (void *)(start + (offset << EXVI_SIDE_GRANULE_SHIFT));
                __builtin_prefetch((void *)((uintptr_t)object + AHEAD));
                s->walk = exvi_side_position(object);
                s->walk_byte = table + offset;
                each(s, object, table + offset);
            }
        }
    }
    s->walk = UINTPTR_MAX;
}

/* -------------------------------------------------------------- counting */

static inline void count_one(scan *s, edge to)
{
    if (exvi_likely((uint8_t)(*to.byte - 1) < LARGEST_COUNT)) {
        ++*to.byte;
    } else if (*to.byte == LARGEST_COUNT + 1) {
        count_many(s, to.object, (uint64_t)*to.byte);
        *to.byte = MANY;
    } else if (*to.byte == MANY) {
        count_many(s, to.object, 1);
    }
}

/* Whether a byte is in the cache because the walk is near: then it does not have to wait for a prefetch. */
static inline bool is_near(const scan *s, const uint8_t *byte)
{
    return (uintptr_t)byte - (uintptr_t)s->walk_byte + NEAR < 2 * NEAR;
}

static int count_reference(void *child, void *arg)
{
    scan *s = arg;
    uint8_t *byte = exvi_side_find(&s->cycle->side, child);
    if (!byte)
        return 0;
    if (is_near(s, byte)) {
        count_one(s, (edge){child, byte});
        return 0;
    }
    __builtin_prefetch(byte, 1);
    if (exvi_likely(s->edge_in - s->edge_out == EDGES))
        count_one(s, s->edge[s->edge_out++ % EDGES]);
    s->edge[s->edge_in++ % EDGES] = (edge){child, byte};
    return 0;
}

static void count_references_of(scan *s, void *object, uint8_t *byte)
{
    if (*byte != BLACK)
        s->graph->visit(s->graph->host, object, EXVI_PHASE_COUNT, count_reference, s);
}

static void count_internal_references(scan *s)
{
    for_members(s, count_references_of);
    while (s->edge_out != s->edge_in)
        count_one(s, s->edge[s->edge_out++ % EDGES]);
}

/* --------------------------------------------------------------- marking */

static bool grow_stack(scan *s)
{
    exvi_cycle *c = s->cycle;
    size_t room = c->stack_room ? 2 * c->stack_room : FIRST_STACK;
    void **stack = exvi_map_larger(c->stack, c->stack_room * sizeof *stack, room * sizeof *stack);
    if (!stack)
        return false;
    c->stack = stack;
    c->stack_room = room;
    return true;
}

static inline bool is_to_be_reached(uint8_t byte)
{
    return (uint8_t)(byte - 1) < MANY;
}

/* A member may have turned out to be reachable; then it will be visited. */
static inline void reach(scan *s, edge to)
{
    if (!is_to_be_reached(*to.byte))
        return;
    s->reachable++;
    if (exvi_side_position(to.object) > s->walk) {
        *to.byte |= GREY;
        return;
    }
    if (exvi_unlikely(s->depth == s->cycle->stack_room) && !grow_stack(s)) {
        *to.byte |= GREY;
        s->grey = true;
        return;
    }
    *to.byte = BLACK;
    __builtin_prefetch((void *)((uintptr_t)to.object - 16));
    __builtin_prefetch((void *)((uintptr_t)to.object + 32));
    s->cycle->stack[s->depth++] = to.object;
}

static int reach_reference(void *child, void *arg)
{
    scan *s = arg;
    uint8_t *byte = exvi_side_find(&s->cycle->side, child);
    if (!byte)
        return 0;
    if (is_near(s, byte)) {
        reach(s, (edge){child, byte});
        return 0;
    }
    __builtin_prefetch(byte, 1);
    if (exvi_likely(s->edge_in - s->edge_out == EDGES))
        reach(s, s->edge[s->edge_out++ % EDGES]);
    s->edge[s->edge_in++ % EDGES] = (edge){child, byte};
    return 0;
}

static void visit_reached(scan *s, void *object)
{
    s->graph->visit(s->graph->host, object, EXVI_PHASE_MARK, reach_reference, s);
}

/* Visit from the stack until at most `leave` objects wait there; with 0, until the rings are empty, too. What has
 * waited longest goes first, so that its prefetch had the most time. */
static void drain(scan *s, size_t leave)
{
    while (!s->stopped) {
        if (s->depth > leave) {
            if (s->node_in - s->node_out == NODES)
                visit_reached(s, s->node[s->node_out++ % NODES]);
            s->node[s->node_in++ % NODES] = s->cycle->stack[--s->depth];
        } else if (leave == 0 && s->node_out != s->node_in) {
            visit_reached(s, s->node[s->node_out++ % NODES]);
        } else if (leave == 0 && s->edge_out != s->edge_in) {
            reach(s, s->edge[s->edge_out++ % EDGES]);
        } else {
            return;
        }
        if (++s->steps % 4096 == 0)
            should_stop(s);
    }
}

static inline void drain_some(scan *s)
{
    if (s->depth > WAITING)
        drain(s, WAITING);
}

static void visit_grey(scan *s, void *object, uint8_t *byte)
{
    if (*byte < GREY || *byte == BLACK)
        return;
    *byte = BLACK;
    visit_reached(s, object);
    drain_some(s);
}

/* Finish marking. What became GREY behind the walk, because the stack could not grow, takes walks of its own. */
static void finish_marking(scan *s)
{
    drain(s, 0);
    while (s->grey && !should_stop(s)) {
        s->grey = false;
        for_members(s, visit_grey);
        drain(s, 0);
    }
}

static void mark_from_roots(scan *s)
{
    void *objects[BATCH];
    size_t count;
    if (!s->graph->next_root)
        return;
    s->walk = 0; /* before everything: a walk will visit what the roots refer to */
    s->grey = true;
    while (!should_stop(s) && (count = s->graph->next_root(s->graph->host, objects, BATCH)) > 0) {
        for (size_t i = 0; i < count; i++) {
            uint8_t *byte = exvi_side_find(&s->cycle->side, objects[i]);
            if (byte && *byte)
                reach(s, (edge){objects[i], byte});
            else
                visit_reached(s, objects[i]);
        }
        drain_some(s);
    }
    finish_marking(s);
}

static void mark_if_external(scan *s, void *object, uint8_t *byte)
{
    if (*byte == BLACK)
        return;
    uint64_t inside = inside_count(s, object, *byte);
    uint64_t refcount = s->graph->refcount(s->graph->host, object);
    if (exvi_unlikely(refcount < inside) && s->graph->excess)
        s->graph->excess(s->graph->host, object, refcount, inside);
    if (refcount <= inside && *byte < GREY)
        return;
    s->reachable += *byte < GREY;
    *byte = BLACK;
    visit_reached(s, object);
    drain_some(s);
}

#ifdef EXVI_CHECKED
/* Before marking takes counts away. */
static void compare_counts(scan *s, void *object, uint8_t *byte)
{
    if (*byte >= GREY || !s->graph->excess)
        return;
    uint64_t inside = inside_count(s, object, *byte);
    uint64_t refcount = s->graph->refcount(s->graph->host, object);
    if (refcount < inside)
        s->graph->excess(s->graph->host, object, refcount, inside);
}
#endif

static void mark_from_external(scan *s)
{
#ifdef EXVI_CHECKED
    for_members(s, compare_counts);
#endif
    for_members(s, mark_if_external);
    finish_marking(s);
}

static void list_one(scan *s, void *object, uint8_t *byte)
{
    if (*byte < GREY)
        s->cycle->found[s->cycle->count++] = object;
}

static void list_unreachable(scan *s)
{
    exvi_cycle *c = s->cycle;
    size_t unreachable = c->side.members - s->reachable;
    if (unreachable > c->found_room) {
        if (c->found)
            exvi_unmap(c->found, c->found_room * sizeof *c->found);
        c->found_room = unreachable < 4096 ? 4096 : unreachable;
        c->found = exvi_map(c->found_room * sizeof *c->found, exvi_page_size());
        if (!c->found) {
            c->found_room = 0;
            s->failed = true;
            return;
        }
    }
    if (unreachable)
        for_members(s, list_one);
    exv_assert(s->failed || s->stopped || c->count == unreachable);
}

exvi_cycle_end exvi_cycle_find(exvi_cycle *cycle, const exvi_graph *graph)
{
    scan s = {
        .cycle = cycle,
        .graph = graph,
        .walk = UINTPTR_MAX,
    };
    cycle->count = 0;
    cycle->examined = 0;
    if (!exvi_side_begin(&cycle->side))
        return EXVI_CYCLE_MEMORY;

    note_members(&s);              /* byte != 0 means: member */
    mark_from_roots(&s);           /* BLACK: reachable from a known root, with all it refers to */
    count_internal_references(&s); /* refcount > count means: referenced from outside */
    mark_from_external(&s);        /* not BLACK means: unreachable */
    list_unreachable(&s);

    if (s.many)
        exvi_unmap(s.many, s.many_room * sizeof *s.many);
    if (s.failed || s.stopped)
        cycle->count = 0;
    return s.failed ? EXVI_CYCLE_MEMORY : s.stopped ? EXVI_CYCLE_STOPPED : EXVI_CYCLE_DONE;
}

void exvi_cycle_drop(exvi_cycle *cycle)
{
    exvi_side_drop(&cycle->side);
    if (cycle->found)
        exvi_unmap(cycle->found, cycle->found_room * sizeof *cycle->found);
    if (cycle->stack)
        exvi_unmap(cycle->stack, cycle->stack_room * sizeof *cycle->stack);
    *cycle = (exvi_cycle){0};
}
