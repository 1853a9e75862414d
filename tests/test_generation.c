/*
 * test_generation: which object is in which generation, and when one is due.
 *
 * The model below is CPython's rule. It was compared with CPython 3.11 itself: random operations of the same kinds
 * there gave the counts that it foretells after each of 20,000 steps, for each of the thresholds used here.
 */
#include "nodes.h"
#include "object.h"

enum { SLOTS = 400, NO_GENERATION = -1 };

typedef struct model {
    uint32_t threshold[EXV_GENERATIONS], count[EXV_GENERATIONS];
    uint64_t collections[EXV_GENERATIONS];
    uint64_t total, pending;
    int generation[SLOTS];
} model;

static void model_collect(model *m, int generation)
{
    uint64_t survivors = 0;
    m->collections[generation]++;
    for (int i = 0; i <= generation; i++)
        m->count[i] = 0;
    if (generation < 2)
        m->count[generation + 1]++;
    for (int i = 0; i < SLOTS; i++) {
        if (m->generation[i] == NO_GENERATION || m->generation[i] > generation)
            continue;
        survivors++;
        m->generation[i] = generation < 2 ? generation + 1 : 2;
    }
    if (generation == 2) {
        m->total = survivors;
        m->pending = 0;
    } else if (generation == 1) {
        m->pending += survivors;
    }
}

static void model_new(model *m, int slot)
{
    m->count[0]++;
    if (m->threshold[0] && m->count[0] > m->threshold[0]) {
        int generation = 2;
        while (m->count[generation] <= m->threshold[generation] || (generation == 2 && m->pending < m->total / 4))
            generation--;
        model_collect(m, generation);
    }
    m->generation[slot] = 0;
}

static void model_drop(model *m, int slot)
{
    m->generation[slot] = NO_GENERATION;
    m->count[0] -= m->count[0] > 0;
}

/* What exvi_generation_next() hands out for one generation, with every object looked up in the slots. */
static void compare_members(exv_heap *heap, const model *m, node *const *slot, int generation, bool only)
{
    exvi_generation_cursor cursor = {.generation = generation, .only = only};
    void *objects[100];
    size_t count, seen = 0, expected = 0;
    while ((count = exvi_generation_next(heap, &cursor, objects, 100)) > 0) {
        for (size_t i = 0; i < count; i++) {
            int id = -((node *)objects[i])->id - 1;
            assert_ptr_equal(slot[id], objects[i]);
            assert_true(only ? m->generation[id] == generation : m->generation[id] <= generation);
            seen++;
        }
    }
    for (int i = 0; i < SLOTS; i++)
        expected += m->generation[i] != NO_GENERATION &&
                    (only ? m->generation[i] == generation : m->generation[i] <= generation);
    assert_int_equal(seen, expected); /* each once: no more than there are, and all different by the next line */
    assert_true(exvi_generation_size(heap, generation) >= (only ? seen : expected));
}

static void compare(exv_heap *heap, const model *m, node *const *slot, bool members)
{
    uint32_t count[EXV_GENERATIONS];
    exv_gc_get_count(heap, count);
    assert_memory_equal(count, m->count, sizeof count);
    for (int generation = 0; members && generation < EXV_GENERATIONS; generation++) {
        compare_members(heap, m, slot, generation, true);
        compare_members(heap, m, slot, generation, false);
    }
}

static void run_model(exv_heap *heap, const uint32_t threshold[EXV_GENERATIONS], uint64_t seed)
{
    static node *slot[SLOTS];
    model m = {0};
    memcpy(m.threshold, threshold, sizeof m.threshold);
    for (int i = 0; i < SLOTS; i++)
        m.generation[i] = NO_GENERATION;
    exv_gc_set_threshold(heap, threshold);
    exv_collect(heap, 2);
    exv_gc_stats before[EXV_GENERATIONS], after[EXV_GENERATIONS];
    exv_gc_get_stats(heap, before);
    for (int step = 0; step < 20000; step++) {
        int i = (int)(next_random(&seed) % SLOTS), what = (int)(next_random(&seed) % 1000);
        if (!slot[i]) {
            model_new(&m, i);
            slot[i] = new_node(heap, &node_type, -i - 1);
        } else if (what < 700) {
            model_drop(&m, i);
            EXV_CLEAR(slot[i]);
        } else if (what < 750) {
            int generation = what < 705 ? 2 : what < 720 ? 1 : 0;
            model_collect(&m, generation);
            assert_int_equal(exv_collect(heap, generation), 0);
        }
        compare(heap, &m, slot, step % 101 == 0);
    }
    assert_sound(heap);
    exv_gc_get_stats(heap, after);
    for (int i = 0; i < EXV_GENERATIONS; i++) {
        assert_int_equal(after[i].collections - before[i].collections, m.collections[i]);
        assert_true(threshold[0] == 0 || m.collections[i] > 20); /* the run was worth it */
    }
    for (int i = 0; i < SLOTS; i++)
        EXV_CLEAR(slot[i]);
}

static void test_python_rule(void **state)
{
    static const uint32_t threshold[][EXV_GENERATIONS] = {{20, 3, 2}, {50, 10, 1}, {1, 1, 1}, {0, 10, 1}, {3, 0, 0}};
    for (size_t i = 0; i < sizeof threshold / sizeof threshold[0]; i++)
        for (uint64_t seed = 1; seed <= 2; seed++)
            run_model(*state, threshold[i], seed);
}

static void test_python_defaults(void **state)
{
    (void)state;
    exv_config config = plain_config();
    exv_heap *heap = exv_heap_new(&config);
    static node *slot[2000];
    uint32_t count[EXV_GENERATIONS];
    exv_gc_get_count(heap, count);
    assert_int_equal(count[0] + count[1] + count[2], 0);
    for (uint32_t i = 0; i < 2000; i++) {
        slot[i] = new_node(heap, &node_type, 0);
        exv_gc_get_count(heap, count);
        assert_int_equal(count[0], (i + 1) % 701); /* collected when it exceeds 700 */
        assert_int_equal(count[1], (i + 1) / 701);
        assert_int_equal(count[2], 0);
    }
    for (int i = 0; i < 2000; i++)
        exv_decref(slot[i]);
    exv_gc_get_count(heap, count);
    assert_int_equal(count[0], 0); /* not below */
    assert_int_equal(count[1], 2);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* Simple objects and plain blocks do not count. */
static void test_what_counts(void **state)
{
    exv_heap *heap = *state;
    uint32_t before[EXV_GENERATIONS], count[EXV_GENERATIONS];
    exv_gc_get_count(heap, before);
    node *leaf = new_node(heap, &leaf_type, 0);
    void *block = exv_alloc(heap, 100);
    exv_gc_get_count(heap, count);
    assert_memory_equal(count, before, sizeof count);
    node *n = new_node(heap, &node_type, 0);
    exv_untrack(n); /* CPython counts what has a collector's header, tracked or not */
    exv_gc_get_count(heap, count);
    assert_int_equal(count[0], before[0] + 1);
    exv_decref(n);
    exv_decref(leaf);
    exv_free(heap, block);
    exv_gc_get_count(heap, count);
    assert_memory_equal(count, before, sizeof count);
}

/* ------------------------------------------------------------- membership */

static size_t members(exv_heap *heap, int generation, const void *sought)
{
    exvi_generation_cursor cursor = {.generation = generation, .only = generation >= 0};
    void *objects[64];
    size_t count, found = 0;
    while ((count = exvi_generation_next(heap, &cursor, objects, 64)) > 0)
        for (size_t i = 0; i < count; i++)
            found += objects[i] == sought;
    return found;
}

static int generation_of(exv_heap *heap, const void *object)
{
    int found = -2;
    for (int generation = -1; generation < EXV_GENERATIONS; generation++) {
        size_t times = members(heap, generation, object);
        assert_true(times <= (found == -2));
        if (times)
            found = generation;
    }
    return found;
}

static void test_survivors_move_on(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &node_type, 0);
    assert_int_equal(generation_of(heap, n), 0);
    exv_collect(heap, 0);
    assert_int_equal(generation_of(heap, n), 1);
    exv_collect(heap, 0); /* not its generation */
    assert_int_equal(generation_of(heap, n), 1);
    exv_untrack(n);
    exv_track(n);
    assert_int_equal(generation_of(heap, n), 0);
    exv_collect(heap, 0);
    exv_collect(heap, 1);
    assert_int_equal(generation_of(heap, n), 2);
    exv_collect(heap, 2);
    assert_int_equal(generation_of(heap, n), 2);
    exv_untrack(n);
    assert_int_equal(generation_of(heap, n), -2);
    exv_track(n);
    assert_int_equal(generation_of(heap, n), 0);
    exv_collect(heap, 1); /* over both at once */
    assert_int_equal(generation_of(heap, n), 2);
    exv_gc_freeze(heap);
    assert_int_equal(generation_of(heap, n), -1);
    exv_collect(heap, 2);
    assert_int_equal(generation_of(heap, n), -1);
    exv_gc_unfreeze(heap);
    assert_int_equal(generation_of(heap, n), 2);
    exv_gc_freeze(heap);
    exv_untrack(n);
    assert_int_equal(generation_of(heap, n), -2);
    exv_track(n);
    assert_int_equal(generation_of(heap, n), 0);
    assert_int_equal(exv_gc_get_freeze_count(heap), 0);
    assert_sound(heap);
    exv_decref(n);
}

/* Objects of pages that nothing young was in any more. */
static void test_tracked_again(void **state)
{
    exv_heap *heap = *state;
    enum { COUNT = 5000 };
    static node *n[COUNT];
    exv_gc_disable(heap);
    for (int i = 0; i < COUNT; i++)
        n[i] = new_node(heap, &node_type, 0);
    exv_collect(heap, 2);
    for (int i = 0; i < COUNT; i += 500) {
        exv_untrack(n[i]);
        exv_track(n[i]);
        assert_int_equal(generation_of(heap, n[i]), 0);
        set_ref(n[i], 0, n[i]);
        EXV_CLEAR(n[i]);
        assert_int_equal(exv_collect(heap, 0), 1);
    }
    for (int i = 0; i < COUNT; i++)
        EXV_CLEAR(n[i]);
}

/* A block that is used again begins in generation 0, whatever its last object was in. */
static void test_reused_blocks_are_young(void **state)
{
    exv_heap *heap = *state;
    enum { COUNT = 3000 };
    static node *n[COUNT];
    uint64_t seed = 7;
    exv_gc_disable(heap);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < COUNT; i++)
            if (!n[i])
                n[i] = new_node(heap, &node_type, -round - 1);
        exvi_generation_cursor cursor = {.generation = 0, .only = true};
        void *objects[64];
        size_t count, young = 0;
        while ((count = exvi_generation_next(heap, &cursor, objects, 64)) > 0)
            for (size_t i = 0; i < count; i++)
                young += ((node *)objects[i])->id == -round - 1;
        size_t expected = 0;
        for (int i = 0; i < COUNT; i++)
            expected += n[i]->id == -round - 1;
        assert_int_equal(young, expected);
        exv_collect(heap, round % 3);
        assert_sound(heap);
        for (int i = 0; i < COUNT; i++)
            if (next_random(&seed) % 4 == 0)
                EXV_CLEAR(n[i]);
        assert_sound(heap);
    }
    for (int i = 0; i < COUNT; i++)
        EXV_CLEAR(n[i]);
}

/* ----------------------------------------------------------------- due */

static void test_due(void **state)
{
    (void)state;
    exvi_generations g = {.threshold = {700, 10, 10}, .count = {701, 10, 10}};
    assert_int_equal(exvi_generation_due(&g, 2), 0);
    g.count[1] = 11;
    assert_int_equal(exvi_generation_due(&g, 2), 1);
    g.count[2] = 11;
    assert_int_equal(exvi_generation_due(&g, 2), 2);
    assert_int_equal(exvi_generation_due(&g, 1), 1);
    g.long_lived_total = 1003;
    g.long_lived_pending = 249;
    assert_int_equal(exvi_generation_due(&g, 2), 1);
    g.long_lived_pending = 250; /* 1003 / 4 */
    assert_int_equal(exvi_generation_due(&g, 2), 2);
    g.count[0] = 700;
    g.count[1] = g.count[2] = 0;
    assert_int_equal(exvi_generation_due(&g, 2), -1);
}

static void test_arm(void **state)
{
    (void)state;
    exvi_generations g = {.threshold = {700, 10, 10}};
    exvi_generation_arm(&g, true);
    assert_int_equal(g.trigger, 700);
    exvi_generation_arm(&g, false);
    assert_int_equal(g.trigger, UINT32_MAX);
    g.threshold[0] = 0;
    exvi_generation_arm(&g, true);
    assert_int_equal(g.trigger, UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_python_rule),
        cmocka_unit_test(test_python_defaults),
        heap_test(test_what_counts),
        heap_test(test_survivors_move_on),
        heap_test(test_tracked_again),
        heap_test(test_reused_blocks_are_young),
        cmocka_unit_test(test_due),
        cmocka_unit_test(test_arm),
    };
    return cmocka_run_group_tests_name("generation", tests, NULL, NULL);
}
