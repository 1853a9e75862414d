/*
 * test_cycle: detection on made-up graphs, against the plain definition: unreachable is what no root, no reference from
 * outside and nothing held leads to.
 *
 * The objects are addresses with nothing behind them: a search that looked into one would crash.
 */
#include "cycle.h"
#include "nodes.h"
#include "platform.h"

enum { MOST = 100000, MOST_EDGES = 400000 };

/* Object i has the edges [first[i], first[i + 1]). Beyond `members` are objects that are not in the set. */
typedef struct graph {
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
} graph;

static graph g;
static exvi_cycle cycle;

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

static void visit(void *host, void *object, exvi_visit_fn *each, void *arg)
{
    (void)host;
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

static exvi_graph described(bool dense)
{
    g.next = g.next_root = 0;
    return (exvi_graph){.host = &g, .dense = dense, .next = next_member, .next_root = next_root, .refcount = refcount,
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

static void compare(void)
{
    size_t dead = 0;
    static bool seen[MOST];
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < cycle.count; i++) {
        int object = index_of(cycle.found[i]);
        assert_ptr_equal(object_at(object), cycle.found[i]);
        assert_false(seen[object]);
        assert_false(g.alive[object]);
        seen[object] = true;
    }
    for (int i = 0; i < g.members; i++)
        dead += !g.alive[i];
    assert_int_equal(cycle.count, dead);
    assert_int_equal(cycle.examined, g.members);
}

static void find(bool dense)
{
    exvi_graph described_graph = described(dense);
    ask_oracle();
    assert_int_equal(exvi_cycle_find(&cycle, &described_graph), EXVI_CYCLE_DONE);
    compare();
}

/* --------------------------------------------------------------- components */

static int parent[MOST];

static int component(int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void group(bool dense)
{
    exvi_graph described_graph = described(dense);
    for (int i = 0; i < g.members; i++)
        parent[i] = i;
    for (int i = 0; i < g.members; i++)
        for (uint32_t e = g.first[i]; !g.alive[i] && e < g.first[i + 1]; e++)
            if (g.to[e] >= 0 && g.to[e] < g.members && !g.alive[g.to[e]])
                parent[component(i)] = component(g.to[e]);
    size_t count = cycle.count, groups = 0, expected = 0;
    for (int i = 0; i < g.members; i++)
        expected += !g.alive[i] && component(i) == i;
    assert_int_equal(exvi_cycle_group(&cycle, &described_graph), EXVI_CYCLE_DONE);
    assert_int_equal(cycle.count, count);
    for (size_t i = 0; i < count; i++) {
        bool last = (uintptr_t)cycle.found[i] & 1;
        int here = index_of((char *)cycle.found[i] - last);
        if (i + 1 < count) {
            int after = index_of((char *)cycle.found[i + 1] - ((uintptr_t)cycle.found[i + 1] & 1));
            assert_int_equal(component(here) != component(after), last);
        } else {
            assert_true(last);
        }
        groups += last;
        cycle.found[i] = (char *)cycle.found[i] - last;
    }
    assert_int_equal(groups, expected);
    compare(); /* the same objects, each once */
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

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 11;
    size_t dead = 0, members = 0;
    for (int round = 0; round < 1000; round++) {
        random_graph(&seed);
        find(round % 4 == 0);
        dead += cycle.count;
        members += (size_t)g.members;
        group(round % 4 == 0);
    }
    assert_true(dead > members / 10 && dead < members / 10 * 9); /* the graphs were worth it */
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

static void test_long_and_wide(void **state)
{
    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        for (int32_t outside = 0; outside < 2; outside++) {
            ring_graph(MOST - 1, outside);
            find(dense);
            assert_int_equal(cycle.count, outside ? 0 : MOST - 1);
            group(dense);
        }
        clear_graph(MOST - 1, 0); /* a star: all from one, one from all */
        g.to[0] = 0;
        for (int i = 1; i < MOST - 1; i++) {
            g.first[i] = MOST - 2 + (uint32_t)i - 1;
            g.to[i - 1] = i;
            g.to[MOST - 2 + i - 1] = 0;
        }
        g.first[MOST - 1] = 2 * (MOST - 2);
        find(dense);
        assert_int_equal(cycle.count, MOST - 1);
        group(dense);
        g.outside[MOST / 2] = 1;
        find(dense);
        assert_int_equal(cycle.count, 0);
    }
}

/* Around each border between the ways to count. */
static void test_numbers_of_references(void **state)
{
    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        for (int count = 0; count < 1100; count += count < 20 || (count > 240 && count < 270) ? 1 : 31) {
            clear_graph(2, 0);
            g.to[0] = 1; /* 0 -> 1, and 1 -> 0 many times */
            g.first[1] = 1;
            for (int i = 0; i < count; i++)
                g.to[1 + i] = 0;
            g.first[2] = 1 + (uint32_t)count;
            find(dense);
            assert_int_equal(cycle.count, 2);
            g.outside[0] = 1;
            find(dense);
            assert_int_equal(cycle.count, 0);
            g.outside[0] = 0;
            g.excess = 0;
            if (count > 0) {
                g.outside[0] = -1;
                find(dense);
                assert_in_range(g.excess, 1, 2);
                assert_int_equal(cycle.count, 2);
            }
        }
    }
}

static void test_empty(void **state)
{
    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        clear_graph(0, 0);
        find(dense);
        group(dense);
        exvi_cycle_shrink(&cycle);
    }
}

static void test_stop(void **state)
{
    (void)state;
    for (int dense = 0; dense < 2; dense++) {
        uint64_t calls = 0;
        exvi_cycle_end end;
        do { /* at each of the moments when it asks */
            ring_graph(6000, 0);
            ask_oracle();
            exvi_graph described_graph = described(dense);
            described_graph.stop = stop;
            g.until_stop = calls++;
            end = exvi_cycle_find(&cycle, &described_graph);
            if (end == EXVI_CYCLE_STOPPED)
                assert_int_equal(cycle.count, 0);
        } while (end == EXVI_CYCLE_STOPPED);
        assert_int_equal(end, EXVI_CYCLE_DONE);
        compare();
        assert_true(calls > 5);
    }
}

#ifdef EXVI_CHECKED
/* Each mapping fails, once or from then on. Either the search says so, or its answer is right all the same: what the
 * stack has no room for is visited later. */
static void test_no_memory(void **state)
{
    (void)state;
    int survived = 0, failed = 0;
    uint64_t seed = 5;
    for (int way = 0; way < 8; way++) {
        bool dense = way & 1, lasting = way & 2;
        for (uint64_t nth = 1;; nth++) {
            if (way & 4) {
                ring_graph(20000, 1);
            } else {
                do
                    random_graph(&seed);
                while (g.members < 2000);
            }
            ask_oracle();
            exvi_cycle_drop(&cycle);
            exvi_graph described_graph = described(dense);
            exvi_fault_set(EXVI_FAULT_MAP, nth, lasting);
            exvi_cycle_end end = exvi_cycle_find(&cycle, &described_graph);
            uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
            exvi_fault_set(EXVI_FAULT_MAP, 0, false);
            if (end == EXVI_CYCLE_DONE)
                compare();
            else
                assert_true(end == EXVI_CYCLE_MEMORY && cycle.count == 0);
            survived += end == EXVI_CYCLE_DONE && calls >= nth;
            failed += end == EXVI_CYCLE_MEMORY;
            if (calls < nth)
                break;
        }
    }
    assert_true(failed > 20);
    assert_true(survived >= 4); /* without a stack, too */
    ring_graph(1000, 0);
    find(false);
    for (uint64_t nth = 1; nth <= 2; nth++) {
        exvi_graph described_graph = described(false);
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        assert_int_equal(exvi_cycle_group(&cycle, &described_graph), EXVI_CYCLE_MEMORY);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        compare();
    }
    group(false);
}
#endif

static int drop(void **state)
{
    (void)state;
    exvi_cycle_drop(&cycle);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random, drop),
        cmocka_unit_test_teardown(test_long_and_wide, drop),
        cmocka_unit_test_teardown(test_numbers_of_references, drop),
        cmocka_unit_test_teardown(test_empty, drop),
        cmocka_unit_test_teardown(test_stop, drop),
#ifdef EXVI_CHECKED
        cmocka_unit_test_teardown(test_no_memory, drop),
#endif
    };
    return cmocka_run_group_tests_name("cycle", tests, NULL, NULL);
}
