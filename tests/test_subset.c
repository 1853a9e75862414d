/*
 * test_subset: the search of small sets on made-up graphs, against the plain definition; and its memory.
 *
 * The objects are addresses with nothing behind them, far apart: a search that looked into one would crash.
 */
#include "nodes.h"
#include "platform.h"
#include "subset.h"

enum { MOST = 3000, MOST_EDGES = 12000 };

static struct {
    size_t members, others, next; /* objects from `members` on are not in the set */
    uint32_t first[MOST + 1];
    int to[MOST_EDGES];           /* -1: NULL */
    uint32_t inside[MOST];
    int32_t outside[MOST];        /* below 0: visit reports more than are counted */
    bool held[MOST], alive[MOST], twice;
    size_t visits;
    int excess;
    uint64_t until_stop;
} g;

static exvi_subset subset;
static exvi_cycle answer;

static void *object_at(size_t i)
{
    return (void *)(uintptr_t)((i + 1) * ((UINT64_C(1) << 30) + 48));
}

static size_t number_of(const void *object)
{
    return (size_t)((uintptr_t)object / ((UINT64_C(1) << 30) + 48)) - 1;
}

static size_t next(void *host, void **objects, size_t room)
{
    (void)host;
    size_t count = 0;
    for (; g.next < g.members && count + 1 < room && count < 64; g.next++) {
        objects[count++] = object_at(g.next);
        if (g.twice && g.next % 3 == 0)
            objects[count++] = object_at(g.next / 2);
    }
    return count;
}

static uint64_t refcount(void *host, void *object)
{
    (void)host;
    size_t i = number_of(object);
    assert_true(i < g.members);
    return g.held[i] ? EXVI_HELD : (uint64_t)((int64_t)g.inside[i] + g.outside[i]);
}

static void visit(void *host, void *object, exvi_phase phase, exvi_visit_fn *each, void *arg)
{
    (void)host, (void)phase;
    size_t i = number_of(object);
    g.visits++;
    for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
        assert_int_equal(each(g.to[e] < 0 ? NULL : object_at((size_t)g.to[e]), arg), 0);
}

static void note_excess(void *host, void *object, uint64_t count, uint64_t inside)
{
    (void)host;
    size_t i = number_of(object);
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
    g.next = g.visits = 0;
    return (exvi_graph){.host = &g, .next = next, .refcount = refcount, .visit = visit, .excess = note_excess};
}

static void ask_oracle(void)
{
    static size_t stack[MOST];
    size_t depth = 0;
    memset(g.inside, 0, sizeof g.inside);
    memset(g.alive, 0, sizeof g.alive);
    for (size_t i = 0; i < g.members; i++)
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
            if (g.to[e] >= 0)
                g.inside[g.to[e]]++;
    for (size_t i = 0; i < g.members; i++)
        if (g.held[i] || g.outside[i] > 0)
            g.alive[stack[depth++] = i] = true;
    while (depth > 0) {
        size_t i = stack[--depth];
        for (uint32_t e = g.first[i]; e < g.first[i + 1]; e++)
            if (g.to[e] >= 0 && (size_t)g.to[e] < g.members && !g.alive[g.to[e]])
                g.alive[stack[depth++] = (size_t)g.to[e]] = true;
    }
}

static void compare(void)
{
    size_t at = 0;
    assert_int_equal(answer.examined, g.members);
    bool seen[MOST] = {false};
    for (size_t i = 0; i < answer.count; i++) {
        size_t number = number_of(answer.found[i]);
        assert_false(seen[number] || g.alive[number]);
        seen[number] = true;
    }
    for (size_t i = 0; i < g.members; i++)
        at += !g.alive[i];
    assert_int_equal(answer.count, at);
}

static void random_graph(uint64_t *seed)
{
    g.members = 1 + next_random(seed) % (next_random(seed) % 8 ? 60 : MOST - 20);
    g.others = next_random(seed) % 20;
    g.twice = next_random(seed) % 4 == 0;
    uint32_t edges = 0, degree = 1 + next_random(seed) % 4, held_one_in = 1 + next_random(seed) % 200;
    size_t all = g.members + g.others;
    for (size_t i = 0; i < all; i++) {
        g.first[i] = edges;
        for (uint64_t k = next_random(seed) % (degree + 1); k > 0 && edges < MOST_EDGES; k--)
            g.to[edges++] = (int)(next_random(seed) % (all + 1)) - 1;
        g.outside[i] = next_random(seed) % held_one_in == 0 ? 1 + (int32_t)(next_random(seed) % 3) : 0;
        g.held[i] = next_random(seed) % (4 * held_one_in) == 0;
    }
    g.first[all] = edges;
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 5;
    size_t dead = 0, members = 0;
    for (int round = 0; round < 3000; round++) {
        random_graph(&seed);
        exvi_graph graph = described();
        ask_oracle();
        assert_int_equal(exvi_subset_find(&subset, &graph, &answer), EXVI_CYCLE_DONE);
        compare();
        assert_int_equal(g.visits, g.members); /* each once */
        dead += answer.count;
        members += g.members;
        if (round % 100 == 0)
            exvi_subset_drop(&subset);
    }
    assert_true(dead > members / 10 && dead < members / 10 * 9); /* the graphs were worth it */
}

static void test_excess(void **state)
{
    (void)state;
    memset(&g, 0, sizeof g);
    g.members = 2;
    g.to[0] = 1;
    g.to[1] = 0;
    g.first[1] = 1;
    g.first[2] = 2;
    g.outside[1] = -1;
    exvi_graph graph = described();
    ask_oracle();
    assert_int_equal(exvi_subset_find(&subset, &graph, &answer), EXVI_CYCLE_DONE);
    assert_true(g.excess == 1 && answer.count == 2);
    graph = described();
    graph.excess = NULL;
    assert_int_equal(exvi_subset_find(&subset, &graph, &answer), EXVI_CYCLE_DONE);
    assert_int_equal(answer.count, 2);
}

/* Stopped at each of its questions, it has found nothing, and the next search is right. */
static void test_stop(void **state)
{
    (void)state;
    uint64_t seed = 9;
    bool done = false;
    for (uint64_t questions = 0; !done; questions++) {
        random_graph(&seed);
        exvi_graph graph = described();
        graph.stop = stop;
        g.until_stop = questions;
        ask_oracle();
        exvi_cycle_end end = exvi_subset_find(&subset, &graph, &answer);
        done = end == EXVI_CYCLE_DONE;
        if (done)
            compare();
        else
            assert_true(end == EXVI_CYCLE_STOPPED && answer.count == 0);
    }
}

/* Memory goes by the members, however far apart they are, and all of it can be given back. */
static void test_memory(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 20; round++) {
        exvi_subset_drop(&subset);
        assert_int_equal(exvi_subset_bytes(&subset), 0);
        random_graph(&seed);
        exvi_graph graph = described();
        ask_oracle();
        assert_int_equal(exvi_subset_find(&subset, &graph, &answer), EXVI_CYCLE_DONE);
        assert_in_range(exvi_subset_bytes(&subset), 1, g.members * 64 + 4 * MOST_EDGES + 8192);
    }
}

#ifdef EXVI_CHECKED
/* Without memory for edges the answer is the same; without other memory there is none. */
static void test_no_memory(void **state)
{
    (void)state;
    uint64_t seed = 21;
    size_t failures = 0, revisits = 0;
    for (int round = 0; round < 300; round++) {
        random_graph(&seed);
        for (uint64_t nth = 1;; nth++) {
            exvi_subset_drop(&subset);
            exvi_cycle_drop(&answer);
            exvi_graph graph = described();
            ask_oracle();
            exvi_fault_set(EXVI_FAULT_MAP, nth, round % 2);
            exvi_cycle_end end = exvi_subset_find(&subset, &graph, &answer);
            uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
            exvi_fault_set(EXVI_FAULT_MAP, 0, false);
            if (end == EXVI_CYCLE_DONE)
                compare();
            else
                assert_true(end == EXVI_CYCLE_MEMORY && answer.count == 0);
            failures += end != EXVI_CYCLE_DONE;
            revisits += end == EXVI_CYCLE_DONE && g.visits > g.members;
            if (calls < nth)
                break;
        }
    }
    assert_true(failures > 300 && revisits > 30);
}
#endif

static int drop(void **state)
{
    (void)state;
    exvi_subset_drop(&subset);
    exvi_cycle_drop(&answer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_excess),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_memory),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("subset", tests, NULL, drop);
}
