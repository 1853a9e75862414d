/*
 * test_garbage: the search over a compact graph, on made-up graphs: against the plain definition, against the search in
 * place, and its order against the plain definition of strongly connected components.
 */
#include "cycle.h"
#include "fewer.h"
#include "garbage.h"
#include "made_graph.h"
#include "platform.h"

static exvi_garbage garbage;
static exvi_cycle cycle;
static int weak_to[MOST];        /* per object: where a weak reference with a callback leads, or -1 */
static bool borrows[MOST];       /* the object's first reference is not counted */
static bool with_weak, with_borrowed, own_loop;
static int releases;

static void *weak(void *host, void *object)
{
    (void)host;
    int to = weak_to[index_of(object)];
    return to < 0 ? NULL : object_at(to);
}

/* A host's own loop, which knows what is borrowed. */
static void extract(void *host, exvi_walk *walk, void *const *objects, size_t count)
{
    assert_int_equal(releases, 0);
    for (size_t k = 0; k < count; k++) {
        int i = index_of(objects[k]);
        exvi_walk_node(walk, refcount(host, objects[k]), (uint32_t)i);
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
            exvi_walk_reference(walk, g.to[e] < 0 ? NULL : object_at(g.to[e]),
                                e == g.first[i] && borrows[i] ? (unsigned)EXVI_REFERENCE_BORROWED : 0);
        if (with_weak && weak_to[i] >= 0)
            exvi_walk_reference(walk, object_at(weak_to[i]), EXVI_REFERENCE_WEAK);
    }
}

static void release(void *host)
{
    (void)host;
    releases++;
}

/* Borrowed references are not in the counts. */
static void take_borrowed_out(void)
{
    for (int i = 0; i < g.members; i++)
        if (borrows[i] && g.first[i] < g.first[i + 1] && g.to[g.first[i]] >= 0)
            g.inside[g.to[g.first[i]]]--;
}

static exvi_graph described_here(void)
{
    exvi_graph graph = described();
    graph.excess = NULL;
    graph.weak = with_weak ? weak : NULL;
    graph.extract = own_loop ? extract : NULL;
    graph.release = release;
    releases = 0;
    return graph;
}

static int object_of(size_t i)
{
    return index_of((void *)(uintptr_t)(garbage.found.object[i] & ~UINT64_C(1)));
}

static void compare(void)
{
    static bool seen[MOST];
    size_t dead = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < garbage.found.count; i++) {
        int object = object_of(i);
        assert_ptr_equal(object_at(object), (void *)(uintptr_t)(garbage.found.object[i] & ~UINT64_C(1)));
        assert_false(seen[object]);
        assert_false(g.alive[object]);
        seen[object] = true;
        if (own_loop) /* the host's word stands where it was put */
            assert_int_equal(garbage.walk.node[garbage.found.number[i]].word, object);
    }
    for (int i = 0; i < g.members; i++)
        dead += !g.alive[i];
    assert_int_equal(garbage.found.count, dead);
    assert_int_equal(garbage.examined, g.members);
    assert_int_equal(releases, 1);
}

static void compare_with_the_search_in_place(void)
{
    exvi_graph graph = described();
    assert_int_equal(exvi_cycle_find(&cycle, &graph), EXVI_CYCLE_DONE);
    assert_int_equal(cycle.count, garbage.found.count);
    static bool found[MOST];
    memset(found, 0, sizeof found);
    for (size_t i = 0; i < cycle.count; i++)
        found[index_of(cycle.found[i])] = true;
    for (size_t i = 0; i < garbage.found.count; i++)
        assert_true(found[object_of(i)]);
}

/* -------------------------------------------------------------------- order */

static int group_of[MOST], whole[MOST], queue[MOST];
static size_t whole_size[MOST];

static int find_whole(int i)
{
    while (whole[i] != i)
        i = whole[i] = whole[whole[i]];
    return i;
}

static bool is_dead(int i)
{
    return i >= 0 && i < g.members && !g.alive[i];
}

/* Calls `each` for each reference between dead objects, weak ones too. */
static void for_dead_edges(void (*each)(int from, int to))
{
    for (int i = 0; i < g.members; i++) {
        if (!is_dead(i))
            continue;
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
            if (is_dead(g.to[e]))
                each(i, g.to[e]);
        if (with_weak && is_dead(weak_to[i]))
            each(i, weak_to[i]);
    }
}

static void join(int from, int to)
{
    whole[find_whole(from)] = find_whole(to);
}

static bool reaches(int from, int to)
{
    static int mark[MOST], epoch;
    int depth = 0;
    queue[depth++] = from;
    mark[from] = ++epoch;
    while (depth > 0) {
        int i = queue[--depth];
        if (i == to)
            return true;
        for (uint32_t e = g.first[i]; e < g.first[i + 1] + (with_weak && weak_to[i] >= 0); e++) {
            int next = e < g.first[i + 1] ? g.to[e] : weak_to[i];
            if (is_dead(next) && mark[next] != epoch) {
                mark[next] = epoch;
                queue[depth++] = next;
            }
        }
    }
    return false;
}

/* What refers comes first, or is in the same group. */
static void check_edge(int from, int to)
{
    assert_true(group_of[from] <= group_of[to]);
    assert_int_equal(find_whole(from), find_whole(to));
}

static void check_order(bool thoroughly)
{
    int group = 0;
    for (int i = 0; i < g.members; i++) {
        whole[i] = i;
        whole_size[i] = 0;
    }
    for_dead_edges(join);
    for (size_t i = 0; i < garbage.found.count; i++) {
        group_of[object_of(i)] = group;
        whole_size[find_whole(object_of(i))]++;
        if (i > 0 && !(garbage.found.object[i - 1] & 1)) /* a group is one component, or hangs together and is small */
            assert_int_equal(find_whole(object_of(i)), find_whole(object_of(i - 1)));
        group += (int)(garbage.found.object[i] & 1);
    }
    if (garbage.found.count)
        assert_true(garbage.found.object[garbage.found.count - 1] & 1);
    for_dead_edges(check_edge);
    for (size_t i = 1; thoroughly && i < garbage.found.count; i++) {
        int a = object_of(i - 1), b = object_of(i);
        if (find_whole(a) != find_whole(b))
            assert_true(garbage.found.object[i - 1] & 1);
        else if (whole_size[find_whole(a)] <= EXVI_WHOLE)
            assert_int_equal(group_of[a], group_of[b]);
        else
            assert_int_equal(group_of[a] == group_of[b], reaches(a, b) && reaches(b, a));
    }
}

static void find(void)
{
    exvi_graph graph = described_here();
    assert_int_equal(exvi_garbage_find(&garbage, &graph), EXVI_CYCLE_DONE);
    compare();
}

/* ----------------------------------------------------------------- graphs */

static void forget_extras(void)
{
    with_weak = with_borrowed = own_loop = false;
    memset(weak_to, -1, sizeof weak_to);
    memset(borrows, 0, sizeof borrows);
}

static void random_extras(uint64_t *seed)
{
    forget_extras();
    own_loop = next_random(seed) % 2;
    with_weak = next_random(seed) % 2;
    for (int i = 0; i < g.members; i++)
        weak_to[i] = next_random(seed) % 4 ? -1 : (int)(next_random(seed) % (unsigned)(g.members + g.others));
    with_borrowed = own_loop && next_random(seed) % 2;
    for (int i = 0; with_borrowed && i < g.members; i++)
        borrows[i] = next_random(seed) % 8 == 0;
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 23;
    size_t dead = 0, members = 0;
    for (int round = 0; round < fewer(1000, 100); round++) {
        random_graph(&seed);
        random_extras(&seed);
        ask_oracle();
        take_borrowed_out();
        find();
        check_order(g.members < 400);
        if (!with_borrowed)
            compare_with_the_search_in_place();
        dead += garbage.found.count;
        members += (size_t)g.members;
    }
    assert_true(dead > members / 10 && dead < members / 10 * 9);
}

static void test_long_and_wide(void **state)
{
    (void)state;
    forget_extras();
    for (int32_t outside = 0; outside < 2; outside++) {
        ring_graph(MOST - 1, outside);
        ask_oracle();
        find();
        check_order(false);
        assert_int_equal(garbage.found.count, outside ? 0 : MOST - 1);
    }
    clear_graph(MOST - 1, 0); /* a chain from a ring of two: one large structure, and every object can die by itself */
    uint32_t edges = 0;
    for (int i = 0; i < MOST - 1; i++) {
        g.first[i] = edges;
        if (i == 1)
            g.to[edges++] = 0;
        g.to[edges++] = i + 1 < MOST - 1 ? i + 1 : -1;
    }
    g.first[MOST - 1] = edges;
    ask_oracle();
    find();
    check_order(false);
}

/* Rings in a row, each of which refers to the next: large as a whole, and handed back ring by ring from the one that
 * no other refers to, whatever the order in memory. */
static void test_order(void **state)
{
    (void)state;
    enum { RINGS = 500, SIZE = 5 };
    for (int backwards = 0; backwards < 2; backwards++) {
        forget_extras();
        clear_graph(RINGS * SIZE, 0);
        uint32_t edges = 0;
        for (int i = 0; i < RINGS * SIZE; i++) {
            int ring = i / SIZE, next = backwards ? ring - 1 : ring + 1;
            g.first[i] = edges;
            g.to[edges++] = ring * SIZE + (i + 1) % SIZE;
            if (i % SIZE == 2 && next >= 0 && next < RINGS)
                g.to[edges++] = next * SIZE;
        }
        g.first[RINGS * SIZE] = edges;
        ask_oracle();
        find();
        check_order(true);
        for (size_t i = 0; i < garbage.found.count; i++) {
            int ring = (int)i / SIZE;
            assert_int_equal(object_of(i) / SIZE, backwards ? RINGS - 1 - ring : ring);
            assert_int_equal(garbage.found.object[i] & 1, i % SIZE == SIZE - 1);
        }
    }
}

/* Two rings apart, each larger than what stays whole: a weak reference with a callback from the second into the first
 * puts the second in front; one each way puts both in one group. */
static void test_weak_references(void **state)
{
    (void)state;
    enum { SIZE = EXVI_WHOLE + 1 };
    for (int ways = 0; ways < 3; ways++) {
        forget_extras();
        with_weak = true;
        clear_graph(2 * SIZE, 0);
        for (int i = 0; i < 2 * SIZE; i++) {
            g.first[i] = (uint32_t)i;
            g.to[i] = i / SIZE * SIZE + (i % SIZE + 1) % SIZE;
        }
        g.first[2 * SIZE] = 2 * SIZE;
        if (ways > 0)
            weak_to[SIZE + 3] = 1;
        if (ways > 1)
            weak_to[2] = SIZE;
        ask_oracle();
        find();
        assert_int_equal(garbage.found.count, 2 * SIZE);
        assert_int_equal(object_of(0) / SIZE, ways == 1);
        assert_int_equal(garbage.found.object[SIZE - 1] & 1, ways < 2);
        check_order(true);
    }
}

static void test_numbers_of_references(void **state)
{
    (void)state;
    forget_extras();
    for (int count = 0; count < 1100; count += count < 20 || (count > 240 && count < 270) ? 1 : 31) {
        for (int32_t outside = -1; outside < 2; outside++) {
            clear_graph(2, 0);
            g.to[0] = 1; /* 0 -> 1, and 1 -> 0 many times */
            g.first[1] = 1;
            for (int i = 0; i < count; i++)
                g.to[1 + i] = 0;
            g.first[2] = 1 + (uint32_t)count;
            g.outside[0] = outside > 0 || count > 0 ? outside : 0;
            ask_oracle();
            find();
            assert_int_equal(garbage.found.count, outside > 0 ? 0 : 2);
        }
    }
}

static void test_empty(void **state)
{
    (void)state;
    forget_extras();
    clear_graph(0, 0);
    ask_oracle();
    find();
}

#ifdef EXVI_STRESS
enum { STOPPED = 500 };
#else
enum { STOPPED = 40000 };
#endif

static void test_stop(void **state)
{
    (void)state;
    uint64_t calls = 0;
    exvi_cycle_end end;
    forget_extras();
    do { /* at each of the moments when it asks */
        ring_graph(STOPPED, 0);
        ask_oracle();
        exvi_graph graph = described_here();
        graph.stop = stop;
        g.until_stop = calls++;
        end = exvi_garbage_find(&garbage, &graph);
        if (end == EXVI_CYCLE_STOPPED)
            assert_int_equal(garbage.found.count, 0);
    } while (end == EXVI_CYCLE_STOPPED);
    assert_int_equal(end, EXVI_CYCLE_DONE);
    compare();
    assert_true(calls > 5);
}

#ifdef EXVI_CHECKED
/* Each mapping fails, once or from then on. Either the search says so, or its answer is right all the same. */
static void test_no_memory(void **state)
{
    (void)state;
    int survived = 0, failed = 0;
    uint64_t seed = 5;
    forget_extras();
    for (int way = 0; way < 4; way++) {
        for (uint64_t nth = 1;; nth++) {
            if (way & 2) {
                ring_graph(20000, 0);
                for (int i = 0; i < 20000; i++) /* backwards: marking needs its stack */
                    g.to[i] = (i + 19999) % 20000;
                g.outside[19999] = 1;
            } else {
                do
                    random_graph(&seed);
                while (g.members < 2000);
            }
            ask_oracle();
            exvi_garbage_drop(&garbage);
            exvi_graph graph = described_here();
            exvi_fault_set(EXVI_FAULT_MAP, nth, way & 1);
            exvi_cycle_end end = exvi_garbage_find(&garbage, &graph);
            uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
            exvi_fault_set(EXVI_FAULT_MAP, 0, false);
            if (end == EXVI_CYCLE_DONE)
                compare();
            else
                assert_true(end == EXVI_CYCLE_MEMORY && garbage.found.count == 0);
            survived += end == EXVI_CYCLE_DONE && calls >= nth;
            failed += end == EXVI_CYCLE_MEMORY;
            if (calls < nth)
                break;
        }
    }
    assert_true(failed > 20);
    assert_true(survived >= 2); /* without a stack */
}
#endif

static int drop(void **state)
{
    (void)state;
    exvi_garbage_drop(&garbage);
    exvi_cycle_drop(&cycle);
    return garbage.walk.node || garbage.walk.map.directory || garbage.found.object;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_random, drop),
        cmocka_unit_test_teardown(test_long_and_wide, drop),
        cmocka_unit_test_teardown(test_order, drop),
        cmocka_unit_test_teardown(test_weak_references, drop),
        cmocka_unit_test_teardown(test_numbers_of_references, drop),
        cmocka_unit_test_teardown(test_empty, drop),
        cmocka_unit_test_teardown(test_stop, drop),
#ifdef EXVI_CHECKED
        cmocka_unit_test_teardown(test_no_memory, drop),
#endif
    };
    return cmocka_run_group_tests_name("garbage", tests, NULL, NULL);
}
