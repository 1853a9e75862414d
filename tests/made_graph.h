/*
 * made_graph: made-up graphs, and the plain definition of what is unreachable in them: what no root, no reference from
 * outside and nothing held leads to.
 *
 * The objects are addresses with nothing behind them: a search that looked into one would crash.
 */
#ifndef MADE_GRAPH_H
#define MADE_GRAPH_H

#include "graph.h"
#include "nodes.h"

enum { MOST = 100000, MOST_EDGES = 400000 };

/* Object i has the edges [first[i], first[i + 1]). Beyond `members` are objects that are not in the set. */
typedef struct made_graph {
    int members, others;
    uint32_t first[MOST + 1];
    int to[MOST_EDGES];         /* -1: NULL */
    int32_t outside[MOST];      /* references from nowhere in the graph; below 0: visit reports more than are counted */
    bool held[MOST], root[MOST];
    uint32_t inside[MOST];      /* from members */
    bool alive[MOST];           /* the oracle's word */
    size_t next, next_root;
    bool twice;                 /* hand some objects out twice */
    int excess;
    uint64_t until_stop;        /* calls of stop that say no */
} made_graph;

static made_graph g;

/* Small sets of neighbours, and far apart: both happen in a heap. */
static void *object_at(int i)
{
    uint64_t bunch = (uint64_t)i / 64;
    return (void *)(uintptr_t)((bunch % 3 << 32) + (bunch << 14) + 4096 + (uint64_t)(i % 64) * 48);
}

static int index_of(const void *object)
{
    uint64_t bunch = ((uintptr_t)object & 0xffffffff) >> 14;
    return (int)(bunch * 64 + (((uintptr_t)object & 0x3fff) - 4096) / 48);
}

static size_t next_member(void *host, void **objects, size_t room)
{
    size_t count = 0;
    assert_ptr_equal(host, &g);
    for (; g.next < (size_t)g.members && count + 1 < room; g.next++) {
        objects[count++] = object_at((int)g.next);
        if (g.twice && g.next % 3 == 0)
            objects[count++] = object_at((int)g.next / 2);
    }
    return count;
}

static size_t next_root(void *host, void **objects, size_t room)
{
    (void)host;
    size_t count = 0;
    for (; g.next_root < (size_t)(g.members + g.others) && count < room; g.next_root++)
        if (g.root[g.next_root])
            objects[count++] = object_at((int)g.next_root);
    return count;
}

static uint64_t refcount(void *host, void *object)
{
    (void)host;
    int i = index_of(object);
    assert_true(i < g.members);
    return g.held[i] ? EXVI_HELD : (uint64_t)g.inside[i] + (uint64_t)(int64_t)g.outside[i];
}

static void visit(void *host, void *object, exvi_phase phase, exvi_visit_fn *each, void *arg)
{
    (void)host, (void)phase;
    int i = index_of(object);
    for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
        assert_int_equal(each(g.to[e] < 0 ? NULL : object_at(g.to[e]), arg), 0);
}

static void note_excess(void *host, void *object, uint64_t count, uint64_t inside)
{
    (void)host;
    int i = index_of(object);
    assert_int_equal(inside, g.inside[i]);
    assert_int_equal(count, (int64_t)g.inside[i] + g.outside[i]);
    g.excess++;
}

static bool stop(void *host)
{
    (void)host;
    return g.until_stop-- == 0;
}

static exvi_graph described(void)
{
    g.next = g.next_root = 0;
    return (exvi_graph){.host = &g, .next = next_member, .next_root = next_root, .refcount = refcount,
                        .visit = visit, .excess = note_excess};
}

/* ------------------------------------------------------------- the oracle */

static int stack[MOST];

static void mark(int from)
{
    int depth = 0;
    stack[depth++] = from;
    g.alive[from] = true;
    while (depth > 0) {
        int i = stack[--depth];
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++) {
            int to = g.to[e];
            if (to >= 0 && to < g.members && !g.alive[to]) {
                g.alive[to] = true;
                stack[depth++] = to;
            }
        }
    }
}

/* Whatever the roots lead to through objects outside the set is not the search's affair but for the first step. */
static void ask_oracle(void)
{
    memset(g.inside, 0, sizeof g.inside);
    memset(g.alive, 0, sizeof g.alive);
    for (int i = 0; i < g.members; i++)
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
            if (g.to[e] >= 0)
                g.inside[g.to[e]]++;
    for (int i = 0; i < g.members + g.others; i++)
        if ((g.root[i] || (i < g.members && (g.held[i] || g.outside[i] > 0))) && !g.alive[i])
            mark(i);
}

/* ----------------------------------------------------------------- graphs */

static void clear_graph(int members, int others)
{
    memset(&g, 0, sizeof g);
    g.members = members;
    g.others = others;
}

static void random_graph(uint64_t *seed)
{
    int members = 1 + (int)(next_random(seed) % (next_random(seed) % 8 ? 60 : 4000));
    int others = (int)(next_random(seed) % 20);
    clear_graph(members, others);
    uint32_t edges = 0, degree = 1 + next_random(seed) % 4, held_one_in = 1 + next_random(seed) % 200;
    g.twice = next_random(seed) % 4 == 0;
    for (int i = 0; i < members + others; i++) {
        g.first[i] = edges;
        for (uint32_t k = next_random(seed) % (degree + 1); k > 0; k--) {
            int near = i + (int)(next_random(seed) % 9) - 4; /* clusters and long ways */
            bool far = next_random(seed) % 4 == 0 || near < 0 || near >= members + others;
            g.to[edges++] = far ? (int)(next_random(seed) % (unsigned)(members + others + 1)) - 1 : near;
        }
        g.outside[i] = next_random(seed) % held_one_in == 0 ? 1 + (int32_t)(next_random(seed) % 3) : 0;
        g.held[i] = next_random(seed) % (4 * held_one_in) == 0;
        g.root[i] = next_random(seed) % (2 * held_one_in) == 0;
    }
    g.first[members + others] = edges;
}

/* Ring i -> i + 1, from which `outside` leads into the first if it is not 0. */
static void ring_graph(int size, int32_t outside)
{
    clear_graph(size, 0);
    for (int i = 0; i < size; i++) {
        g.first[i] = (uint32_t)i;
        g.to[i] = (i + 1) % size;
    }
    g.first[size] = (uint32_t)size;
    g.outside[0] = outside;
}

#endif
