/*
 * test_gc: the functions of Python's gc module, callbacks, debug output, records.
 */
#include "nodes.h"
#include "object.h"

/* ------------------------------------------------------------- switches */

static void test_thresholds(void **state)
{
    exv_heap *heap = *state;
    uint32_t threshold[EXV_GENERATIONS], wanted[EXV_GENERATIONS] = {900, 15, 15};
    exv_gc_get_threshold(heap, threshold);
    assert_true(threshold[0] == 700 && threshold[1] == 10 && threshold[2] == 10);
    exv_gc_set_threshold(heap, wanted);
    exv_gc_get_threshold(heap, threshold);
    assert_memory_equal(threshold, wanted, sizeof wanted);
}

static void test_default_thresholds(void **state)
{
    (void)state;
    exv_config config = exv_config_default();
#ifndef EXVI_STRESS
    assert_true(config.threshold[0] == 700 && config.threshold[1] == 10 && config.threshold[2] == 10);
#endif
    exv_heap *heap = exv_heap_new(NULL);
    uint32_t threshold[EXV_GENERATIONS];
    exv_gc_get_threshold(heap, threshold);
    assert_memory_equal(threshold, config.threshold, sizeof threshold);
    assert_true(exv_gc_is_enabled(heap));
    assert_int_equal(exv_heap_free(heap), 0);
}

static uint64_t collections(exv_heap *heap)
{
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    return stats[0].collections + stats[1].collections + stats[2].collections;
}

static void make_and_drop(exv_heap *heap, int count)
{
    node *chain = NULL;
    for (int i = 0; i < count; i++) {
        node *n = new_node(heap, &node_type, 0);
        n->ref[0] = chain;
        chain = n;
    }
    exv_decref(chain);
}

static void test_enable_and_disable(void **state)
{
    exv_heap *heap = *state;
    const uint32_t never[EXV_GENERATIONS] = {0, 10, 10}, often[EXV_GENERATIONS] = {5, 10, 10};
    assert_true(exv_gc_is_enabled(heap));
    exv_gc_disable(heap);
    assert_false(exv_gc_is_enabled(heap));
    make_and_drop(heap, 5000);
    assert_int_equal(collections(heap), 0);
    exv_gc_set_threshold(heap, often); /* does not enable */
    make_and_drop(heap, 5000);
    assert_int_equal(collections(heap), 0);
    exv_decref(new_ring(heap, &node_type, 2, 0));
    assert_int_equal(exv_collect(heap, 2), 2); /* by hand it goes */
    exv_gc_set_threshold(heap, never);
    exv_gc_enable(heap);
    assert_true(exv_gc_is_enabled(heap));
    make_and_drop(heap, 5000);
    assert_int_equal(collections(heap), 1);
    exv_gc_set_threshold(heap, often);
    make_and_drop(heap, 60);
    assert_true(collections(heap) >= 10);
}

static void test_stats(void **state)
{
    exv_heap *heap = *state;
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_decref(new_ring(heap, &node_type, 3, 0));
    exv_collect(heap, 0);
    exv_decref(new_ring(heap, &node_type, 4, 0));
    exv_collect(heap, 1);
    exv_collect(heap, 2);
    exv_decref(new_ring(heap, &node_type, 5, 0));
    exv_decref(new_ring(heap, &node_type, 6, 0));
    exv_collect(heap, 2);
    exv_gc_get_stats(heap, stats);
    assert_true(stats[0].collections == 1 && stats[1].collections == 1 && stats[2].collections == 2);
    assert_true(stats[0].collected == 3 && stats[1].collected == 4 && stats[2].collected == 11);
    assert_int_equal(stats[0].uncollectable + stats[1].uncollectable + stats[2].uncollectable, 0);
}

/* -------------------------------------------------------------- objects */

static size_t times_in(exv_list *list, const void *object)
{
    size_t found = 0;
    for (size_t i = 0; i < exv_list_size(list); i++) {
        void *item;
        assert_int_equal(exv_list_get(list, (ptrdiff_t)i, &item), EXV_OK);
        found += item == object;
    }
    return found;
}

static void test_get_objects(void **state)
{
    exv_heap *heap = *state;
    node *member[4];
    for (int i = 2; i >= 0; i--) { /* member[i] in generation i */
        member[i] = new_node(heap, &node_type, 0);
        if (i > 0)
            exv_collect(heap, i - 1);
    }
    member[3] = new_node(heap, &node_type, 0);
    exv_untrack(member[3]);
    for (int generation = -1; generation < EXV_GENERATIONS; generation++) {
        exv_list *list = exv_gc_get_objects(heap, generation);
        for (int i = 0; i < 3; i++)
            assert_int_equal(times_in(list, member[i]), generation < 0 || generation == i);
        assert_int_equal(times_in(list, member[3]), 0);
        assert_int_equal(times_in(list, list), 0); /* nor itself */
        assert_int_equal(exv_list_size(list), generation < 0 ? 3 : 1);
        exv_decref(list);
    }
    exv_gc_freeze(heap); /* the permanent generation is in none of them */
    exv_list *list = exv_gc_get_objects(heap, -1);
    assert_int_equal(exv_list_size(list), 0);
    exv_decref(list);
    for (int i = 0; i < 4; i++)
        exv_decref(member[i]);
}

static void test_many_objects(void **state)
{
    exv_heap *heap = *state;
    enum { COUNT = 5000 };
    node *chain = NULL;
    for (int i = 0; i < COUNT; i++) {
        node *n = new_node(heap, &node_type, -i - 1);
        n->ref[0] = chain;
        chain = n;
    }
    exv_list *list = exv_gc_get_objects(heap, -1);
    assert_int_equal(exv_list_size(list), COUNT);
    static char seen[COUNT];
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < COUNT; i++) {
        void *item;
        assert_int_equal(exv_list_get(list, i, &item), EXV_OK);
        assert_int_equal(seen[-((node *)item)->id - 1]++, 0);
    }
    exv_decref(list);
    exv_decref(chain);
}

static void test_referrers_and_referents(void **state)
{
    exv_heap *heap = *state;
    node *a = new_node(heap, &node_type, 0), *b = new_node(heap, &node_type, 0), *c = new_node(heap, &node_type, 0);
    node *leaf = new_node(heap, &leaf_type, 0);
    set_ref(a, 0, b);
    set_ref(a, 1, b);
    set_ref(b, 0, c);
    set_ref(c, 0, c);
    set_ref(c, 1, leaf);
    exv_list *list = exv_gc_get_referents(heap, (void *[]){a}, 1);
    assert_int_equal(exv_list_size(list), 2); /* as visit reports it */
    assert_int_equal(times_in(list, b), 2);
    exv_decref(list);
    list = exv_gc_get_referents(heap, (void *[]){c, leaf, b}, 3);
    assert_int_equal(exv_list_size(list), 3);
    assert_true(times_in(list, c) == 2 && times_in(list, leaf) == 1);
    exv_decref(list);
    list = exv_gc_get_referrers(heap, (void *[]){c}, 1);
    assert_int_equal(exv_list_size(list), 2);
    assert_true(times_in(list, b) == 1 && times_in(list, c) == 1);
    exv_decref(list);
    list = exv_gc_get_referrers(heap, (void *[]){b, leaf}, 2);
    assert_int_equal(exv_list_size(list), 2); /* a once */
    assert_true(times_in(list, a) == 1 && times_in(list, c) == 1);
    exv_decref(list);
    list = exv_gc_get_referrers(heap, NULL, 0);
    assert_int_equal(exv_list_size(list), 0);
    exv_decref(list);
    exv_untrack(a);
    list = exv_gc_get_referrers(heap, (void *[]){b}, 1);
    assert_int_equal(exv_list_size(list), 0); /* only what is tracked */
    exv_decref(list);
    exv_decref(a);
    exv_decref(b);
    exv_decref(c);
    exv_decref(leaf);
    assert_int_equal(exv_collect(heap, 2), 1);
}

static exv_list *gathered[3];
static node *bait;

static void gather_everything(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    gathered[0] = exv_gc_get_objects(heap, -1);
    gathered[1] = exv_gc_get_referrers(heap, (void *[]){self}, 1);
    gathered[2] = exv_gc_get_referrers(heap, (void *[]){bait}, 1);
}

/* In Python, too, what a collection has found is in no list any more when finalizers run. */
static void test_garbage_is_out_of_sight(void **state)
{
    exv_heap *heap = *state;
    bait = new_node(heap, &node_type, 0);
    node *ring = new_ring(heap, &final_type, 3, 0);
    ring->on_finalize = gather_everything;
    set_ref(ring->ref[0], 1, bait);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_int_equal(times_in(gathered[0], bait), 1);
    assert_int_equal(exv_list_size(gathered[0]), 1);
    assert_int_equal(exv_list_size(gathered[1]), 0);
    assert_int_equal(exv_list_size(gathered[2]), 1); /* gathered[0] */
    for (int i = 2; i >= 0; i--)
        exv_decref(gathered[i]);
    exv_decref(bait);
}

static void test_is_finalized(void **state)
{
    exv_heap *heap = *state;
    node *n = new_node(heap, &final_type, 0);
    assert_false(exv_gc_is_finalized(n));
    exv_incref(n);
    exvi_object_finalize(n);
    assert_true(exv_gc_is_finalized(n));
    exv_decref(n);
    exv_decref(n);
}

/* --------------------------------------------------------------- freeze */

static void test_freeze(void **state)
{
    exv_heap *heap = *state;
    node *dead = new_ring(heap, &node_type, 2, 1), *live = new_node(heap, &node_type, 3);
    uint32_t count[EXV_GENERATIONS];
    exv_collect(heap, 0);
    exv_decref(dead);
    exv_gc_freeze(heap);
    assert_int_equal(exv_gc_get_freeze_count(heap), 3);
    exv_gc_get_count(heap, count);
    assert_int_equal(count[0] + count[1] + count[2], 0);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_true(exv_gc_is_tracked(live));
    node *young = new_ring(heap, &node_type, 1, 4);
    set_ref(live, 0, young); /* held by a frozen one */
    exv_decref(young);
    assert_int_equal(exv_collect(heap, 2), 0);
    exv_gc_freeze(heap); /* adds */
    assert_int_equal(exv_gc_get_freeze_count(heap), 4);
    exv_decref(live); /* dies as ever, frozen or not; its ring stays */
    assert_events("C3 D3 ");
    assert_int_equal(exv_gc_get_freeze_count(heap), 3);
    assert_sound(heap);
    exv_gc_unfreeze(heap);
    assert_int_equal(exv_gc_get_freeze_count(heap), 0);
    assert_int_equal(exv_collect(heap, 1), 0); /* into the oldest */
    assert_int_equal(exv_collect(heap, 2), 3);
    events[0] = '\0';
    exv_gc_unfreeze(heap);
    assert_sound(heap);
}

/* ------------------------------------------------------------ callbacks */

static exv_gc_info infos[16];
static int info_count;

static void note_callback(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    assert_non_null(heap);
    note(phase == EXV_GC_START ? 'a' : 'z', *(int *)arg);
    if (info_count < 16)
        infos[info_count++] = *info;
}

static int one = 1, two = 2, three = 3;

static void test_callbacks(void **state)
{
    exv_heap *heap = *state;
    info_count = 0;
    assert_int_equal(exv_gc_add_callback(heap, note_callback, &one), EXV_OK);
    assert_int_equal(exv_gc_add_callback(heap, note_callback, &two), EXV_OK);
    exv_decref(new_ring(heap, &node_type, 3, 0));
    node *rigid = new_ring(heap, &rigid_type, 2, 0);
    exv_decref(rigid);
    assert_int_equal(exv_collect(heap, 1), 5);
    assert_events("a1 a2 z1 z2 ");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(infos[i].generation, 1);
        assert_int_equal(infos[i].collected, i < 2 ? 0 : 3);
        assert_int_equal(infos[i].uncollectable, i < 2 ? 0 : 2);
    }
    EXV_CLEAR(rigid->ref[0]);
    exv_list_clear(exv_gc_get_garbage(heap));
    assert_false(exv_gc_remove_callback(heap, note_callback, &three));
    assert_true(exv_gc_remove_callback(heap, note_callback, &one));
    assert_false(exv_gc_remove_callback(heap, note_callback, &one));
    exv_collect(heap, 0);
    assert_events("a2 z2 ");
    assert_true(exv_gc_remove_callback(heap, note_callback, &two));
    exv_collect(heap, 0);
    assert_events("");
}

static void act_on_callbacks(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    note_callback(heap, phase, info, arg);
    if (phase == EXV_GC_STOP)
        return;
    assert_true(exv_gc_remove_callback(heap, act_on_callbacks, arg));
    for (int i = 0; i < 100; i++) /* the table moves */
        assert_int_equal(exv_gc_add_callback(heap, note_callback, &three), EXV_OK);
    assert_int_equal(exv_collect(heap, 2), 0);
    assert_int_equal(exv_collect_start(heap), EXV_BUSY);
}

/* As in Python: who takes itself out of the list in its turn makes the next one lose its own. */
static void test_callbacks_that_change_the_list(void **state)
{
    exv_heap *heap = *state;
    assert_int_equal(exv_gc_add_callback(heap, act_on_callbacks, &one), EXV_OK);
    assert_int_equal(exv_gc_add_callback(heap, note_callback, &two), EXV_OK);
    exv_collect(heap, 0);
    assert_true(strncmp(events, "a1 a3 ", 6) == 0);
    assert_non_null(strstr(events, "a3 z2 z3 "));
    events[0] = '\0';
    for (int i = 0; i < 100; i++)
        assert_true(exv_gc_remove_callback(heap, note_callback, &three));
    assert_true(exv_gc_remove_callback(heap, note_callback, &two));
}

static void allocate_in_callback(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)phase, (void)info, (void)arg;
    exv_decref(new_ring(heap, &node_type, 2, 0));
    make_and_drop(heap, 2000);
}

static void test_callback_that_allocates(void **state)
{
    exv_heap *heap = *state;
    assert_int_equal(exv_gc_add_callback(heap, allocate_in_callback, NULL), EXV_OK);
    assert_int_equal(exv_collect(heap, 2), 2); /* made at the start */
    assert_int_equal(exv_collect(heap, 2), 4); /* and at the stop */
    assert_true(exv_gc_remove_callback(heap, allocate_in_callback, NULL));
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_int_equal(collections(heap), 3);
}

/* --------------------------------------------------------------- debug */

/* Runs a full collection; what it writes to standard error. */
static const char *report_of(exv_heap *heap, unsigned flags, size_t *found)
{
    static char text[4096];
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    exv_gc_set_debug(heap, flags);
    *found = exv_collect(heap, 2);
    exv_gc_set_debug(heap, 0);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void test_debug_output(void **state)
{
    exv_heap *heap = *state;
    size_t found;
    assert_int_equal(exv_gc_get_debug(heap), 0);
    exv_gc_set_debug(heap, EXV_DEBUG_LEAK);
    assert_int_equal(exv_gc_get_debug(heap), EXV_DEBUG_COLLECTABLE | EXV_DEBUG_UNCOLLECTABLE | EXV_DEBUG_SAVEALL);
    exv_decref(new_ring(heap, &node_type, 3, 0));
    assert_string_equal(report_of(heap, 0, &found), "");
    assert_int_equal(found, 3);

    node *ring = new_ring(heap, &node_type, 2, 0);
    char line[80];
    snprintf(line, sizeof line, "gc: collectable <node %p>\n", (void *)ring);
    exv_decref(ring);
    const char *text = report_of(heap, EXV_DEBUG_COLLECTABLE, &found);
    assert_int_equal(count_of(text, line), 1);
    assert_int_equal(count_of(text, "\n"), 2);

    node *rigid = new_ring(heap, &rigid_type, 1, 0);
    exv_decref(rigid);
    snprintf(line, sizeof line, "gc: uncollectable <rigid %p>\n", (void *)rigid);
    assert_string_equal(report_of(heap, EXV_DEBUG_UNCOLLECTABLE, &found), line);
    EXV_CLEAR(rigid->ref[0]);
    exv_list_clear(exv_gc_get_garbage(heap));

    exv_decref(new_ring(heap, &node_type, 2, 0));
    text = report_of(heap, EXV_DEBUG_STATS, &found);
    assert_int_equal(count_of(text, "gc: collecting generation 2, 2 objects tracked\n"), 1);
    assert_int_equal(count_of(text, "gc: done, 2 unreachable, 0 uncollectable"), 1);
}

static void test_saveall(void **state)
{
    exv_heap *heap = *state;
    exv_list *garbage = exv_gc_get_garbage(heap);
    size_t found;
    node *ring = new_ring(heap, &final_type, 3, 1);
    exv_weakref *ref = exv_weakref_new(ring, NULL, NULL);
    exv_decref(ring);
    assert_string_equal(report_of(heap, EXV_DEBUG_SAVEALL, &found), "");
    assert_int_equal(found, 3);
    assert_int_equal(exv_list_size(garbage), 3);
    assert_int_equal(times_in(garbage, ring), 1);
    assert_int_equal(strlen(events), 9); /* the finalizers ran, nothing else */
    assert_null(strchr(events, 'C'));
    assert_null(exv_weakref_incref(ref));
    assert_true(exv_gc_is_tracked(ring));
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_true(stats[2].collected == 3 && stats[2].uncollectable == 0); /* as CPython counts it */
    assert_sound(heap);
    events[0] = '\0';
    exv_list_clear(garbage);
    assert_int_equal(exv_collect(heap, 2), 3);
    assert_null(strchr(events, 'F'));
    events[0] = '\0';
    exv_decref(ref);
}

/* -------------------------------------------------- records and telemetry */

static exv_record records[8];
static int record_count;

static void listen(exv_heap *heap, const exv_record *record, void *arg)
{
    assert_ptr_equal(arg, &record_count);
    records[record_count++] = *record;
    exv_decref(new_ring(heap, &node_type, 1, 0)); /* it may allocate, and even collect */
    if (record_count == 3)
        assert_int_equal(exv_collect(heap, 2), 1);
}

static void test_listener_and_telemetry(void **state)
{
    exv_heap *heap = *state;
    exv_telemetry telemetry;
    record_count = 0;
    exv_set_listener(heap, listen, &record_count);
    node *live = new_node(heap, &node_type, 0);
    exv_decref(new_ring(heap, &node_type, 5, 0));
    for (int i = 0; i < 3; i++)
        exv_collect(heap, i == 0 ? 2 : 0); /* finds what the listener made after the one before */
    exv_set_listener(heap, NULL, NULL);
    exv_collect(heap, 2);
    assert_int_equal(record_count, 4);
    assert_true(records[0].generation == 2 && records[0].objects == 6 && records[0].found == 5);
    assert_true(records[1].generation == 0 && records[1].objects == 1 && records[1].found == 1);
    assert_true(records[2].found == 1 && records[3].generation == 2);
    uint64_t longest = 0;
    for (int i = 0; i < record_count; i++) {
        assert_true(!records[i].background && records[i].candidates == 0 && records[i].clone_ns == 0);
        assert_true(records[i].proof_ns + records[i].free_ns == records[i].longest_ns);
        longest = records[i].longest_ns > longest ? records[i].longest_ns : longest;
    }
    exv_get_telemetry(heap, &telemetry);
    uint64_t sum = 0;
    for (int i = 0; i < EXV_PAUSE_BUCKETS; i++)
        sum += telemetry.pause_bucket[i];
    assert_int_equal(telemetry.collections, 5);
    assert_int_equal(telemetry.background_collections, 0);
    assert_int_equal(telemetry.pauses, 5);
    assert_int_equal(sum, telemetry.pauses);
    assert_true(telemetry.pause_max_ns >= longest && telemetry.pause_total_ns >= telemetry.pause_max_ns);
    exv_decref(live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_thresholds),
        cmocka_unit_test(test_default_thresholds),
        heap_test(test_enable_and_disable),
        heap_test(test_stats),
        heap_test(test_get_objects),
        heap_test(test_many_objects),
        heap_test(test_referrers_and_referents),
        heap_test(test_garbage_is_out_of_sight),
        heap_test(test_is_finalized),
        heap_test(test_freeze),
        heap_test(test_callbacks),
        heap_test(test_callbacks_that_change_the_list),
        heap_test(test_callback_that_allocates),
        heap_test(test_debug_output),
        heap_test(test_saveall),
        heap_test(test_listener_and_telemetry),
    };
    return cmocka_run_group_tests_name("gc", tests, NULL, NULL);
}
