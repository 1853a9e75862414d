/*
 * test_cycle: detection on made-up graphs, against the plain definition.
 */
#include "cycle.h"
#include "fewer.h"
#include "made_graph.h"
#include "platform.h"

static exvi_cycle cycle;

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

static void find(void)
{
    exvi_graph described_graph = described();
    ask_oracle();
    assert_int_equal(exvi_cycle_find(&cycle, &described_graph), EXVI_CYCLE_DONE);
    compare();
}

static void test_random(void **state)
{
    (void)state;
    uint64_t seed = 11;
    size_t dead = 0, members = 0;
    for (int round = 0; round < 250; round++) {
        random_graph(&seed);
        find();
        dead += cycle.count;
        members += (size_t)g.members;
    }
    assert_true(dead > members / 10 && dead < members / 10 * 9); /* the graphs were worth it */
}

static void test_long_and_wide(void **state)
{
    (void)state;
    for (int32_t outside = 0; outside < 2; outside++) {
        ring_graph(MOST - 1, outside);
        find();
        assert_int_equal(cycle.count, outside ? 0 : MOST - 1);
    }
    clear_graph(MOST - 1, 0); /* a star: all from one, one from all */
    g.to[0] = 0;
    for (int i = 1; i < MOST - 1; i++) {
        g.first[i] = MOST - 2 + (uint32_t)i - 1;
        g.to[i - 1] = i;
        g.to[MOST - 2 + i - 1] = 0;
    }
    g.first[MOST - 1] = 2 * (MOST - 2);
    find();
    assert_int_equal(cycle.count, MOST - 1);
    g.outside[MOST / 2] = 1;
    find();
    assert_int_equal(cycle.count, 0);
}

/* Around each border between the ways to count. */
static void test_numbers_of_references(void **state)
{
    (void)state;
    for (int count = 0; count < 1100; count += count < 20 || (count > 240 && count < 270) ? 1 : 31) {
        clear_graph(2, 0);
        g.to[0] = 1; /* 0 -> 1, and 1 -> 0 many times */
        g.first[1] = 1;
        for (int i = 0; i < count; i++)
            g.to[1 + i] = 0;
        g.first[2] = 1 + (uint32_t)count;
        find();
        assert_int_equal(cycle.count, 2);
        g.outside[0] = 1;
        find();
        assert_int_equal(cycle.count, 0);
        g.outside[0] = 0;
        g.excess = 0;
        if (count > 0) {
            g.outside[0] = -1;
            find();
            assert_in_range(g.excess, 1, 2);
            assert_int_equal(cycle.count, 2);
        }
    }
}

static void test_empty(void **state)
{
    (void)state;
    clear_graph(0, 0);
    find();
}

static void test_stop(void **state)
{
    (void)state;
    uint64_t calls = 0;
    exvi_cycle_end end;
    do { /* at the moments when it asks */
        ring_graph(6000, 0);
        ask_oracle();
        exvi_graph described_graph = described();
        described_graph.stop = stop;
        g.until_stop = calls;
        end = exvi_cycle_find(&cycle, &described_graph);
        if (end == EXVI_CYCLE_STOPPED)
            assert_int_equal(cycle.count, 0);
        calls = next_nth(calls);
    } while (end == EXVI_CYCLE_STOPPED);
    assert_int_equal(end, EXVI_CYCLE_DONE);
    compare();
    assert_true(calls > 5);
}

#ifdef EXVI_CHECKED
#ifdef EXVI_STRESS
enum { RING = 2000 }; /* more than its stacks hold too */
#else
enum { RING = 20000 };
#endif

/* Each mapping fails, once or from then on. Either the search says so, or its answer is right all the same: what the
 * stack has no room for is visited later. */
static void test_no_memory(void **state)
{
    (void)state;
    int survived = 0, failed = 0;
    uint64_t seed = 5;
    for (int way = 0; way < 4; way++) {
        bool lasting = way & 1;
        for (uint64_t nth = 1;; nth++) {
            if (way & 2) {
                ring_graph(RING, 1);
            } else {
                do
                    random_graph(&seed);
                while (g.members < 2000);
            }
            ask_oracle();
            exvi_cycle_drop(&cycle);
            exvi_graph described_graph = described();
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
    assert_true(survived >= 2); /* without a stack, too */
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
