/*
 * test_collect: one collection: what is found, what cannot be freed, batches and slices, and what happens when there
 * is no memory to search. What finalizers and clear functions may do in its midst is in test_finalize.c.
 */
#include <pthread.h>

#include "nodes.h"
#include "object.h"
#include "platform.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(EXVI_CHECKED)
enum { MANY = 100000 };
#else
enum { MANY = 2000000 };
#endif

/* ------------------------------------------------------------- what is found */

static void test_cycles(void **state)
{
    exv_heap *heap = *state;
    for (int size = 1; size <= 5; size++) {
        exv_decref(new_ring(heap, &node_type, size, 1));
        assert_events("");
        assert_int_equal(exv_collect(heap, 2), size);
        assert_each('D', 1, size);
        events[0] = '\0';
        assert_int_equal(exv_collect(heap, 2), 0);
    }
}

static void test_what_is_held_stays(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 1);
    ring->ref[0]->ref[1] = new_node(heap, &node_type, 4);
    node *dead = new_ring(heap, &node_type, 2, 5);
    set_ref(dead, 1, ring); /* refers to the living */
    exv_decref(dead);
    assert_int_equal(exv_collect(heap, 2), 2);
    assert_each('D', 5, 6);
    assert_null(strstr(events, "D1"));
    assert_int_equal(exv_refcount(ring), 2); /* the last of the ring's and ours */
    events[0] = '\0';
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 4);
    assert_each('D', 1, 4);
    events[0] = '\0';
}

static void test_generations(void **state)
{
    exv_heap *heap = *state;
    for (int age = 0; age < EXV_GENERATIONS; age++) {
        node *ring = new_ring(heap, &node_type, 2, 1);
        for (int i = 0; i < age; i++)
            assert_int_equal(exv_collect(heap, i), 0);
        exv_decref(ring);
        for (int younger = 0; younger < age; younger++)
            assert_int_equal(exv_collect(heap, younger), 0);
        assert_events("");
        assert_int_equal(exv_collect(heap, age), 2);
        events[0] = '\0';
    }
    node *old = new_ring(heap, &node_type, 1, 1);
    exv_collect(heap, 2);
    node *young = new_ring(heap, &node_type, 1, 2);
    set_ref(old, 1, young); /* an old one, dead or not, keeps a young one */
    exv_decref(old);
    exv_decref(young);
    assert_int_equal(exv_collect(heap, 1), 0);
    assert_int_equal(exv_collect(heap, 2), 2);
    events[0] = '\0';
}

static void test_untracked_and_immortal_members_keep_a_cycle(void **state)
{
    exv_heap *heap = *state;
    node *ring = new_ring(heap, &node_type, 3, 1);
    exv_untrack(ring->ref[0]);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 0);
    exv_track(ring->ref[0]);
    assert_int_equal(exv_collect(heap, 2), 3);
    events[0] = '\0';

    ring = new_ring(heap, &node_type, 3, 1);
    exv_make_immortal(ring->ref[0]);
    exv_decref(ring);
    assert_int_equal(exv_collect(heap, 2), 0);
    node *immortal = ring->ref[0];
    EXV_CLEAR(immortal->ref[0]);
    assert_events("C3 C1 D1 D3 ");
}

/* Both ways to keep the scan's bytes, and more references to one object than a byte counts. */
static void test_sizes_of_scans(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    for (int size = 10; size <= 200000; size *= 20) {
        node *hub = new_node(heap, &node_type, 0);
        node *ring = new_ring(heap, &node_type, size, 0), *n = ring;
        for (int i = 0; i < size; i++, n = n->ref[0])
            set_ref(n, 1, hub);
        exv_decref(ring);
        assert_int_equal(exv_collect(heap, 2), size);
        assert_int_equal(exv_refcount(hub), 1);
        ring = new_ring(heap, &node_type, size, 0), n = ring;
        for (int i = 0; i < size; i++, n = n->ref[0])
            set_ref(n, 1, hub);
        set_ref(hub, 0, ring);
        exv_decref(ring);
        assert_int_equal(exv_collect(heap, 2), 0);
        exv_decref(hub);
        assert_int_equal(exv_collect(heap, 2), size + 1);
        assert_sound(heap);
    }
}

static void *collect_on_small_stack(void *heap)
{
    return (void *)exv_collect(heap, 2);
}

static void test_long_garbage_needs_bounded_stack(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    for (int kind = 0; kind < 2; kind++) {
        node *ring = new_ring(heap, &node_type, 2, 0);
        for (int i = 0; i < MANY; i++) { /* a chain hangs on the ring; without clear, the second time */
            node *n = new_node(heap, kind ? &rigid_type : &node_type, 0);
            n->ref[0] = ring->ref[1];
            ring->ref[1] = n;
        }
        exv_decref(ring);
        pthread_t thread;
        pthread_attr_t attributes;
        void *found;
        assert_int_equal(pthread_attr_init(&attributes), 0);
        assert_int_equal(pthread_attr_setstacksize(&attributes, (size_t)512 << 10), 0);
        assert_int_equal(pthread_create(&thread, &attributes, collect_on_small_stack, heap), 0);
        pthread_join(thread, &found);
        pthread_attr_destroy(&attributes);
        assert_int_equal((size_t)found, MANY + 2);
        assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
        assert_sound(heap);
    }
}

/* -------------------------------------------------------------- uncollectable */

static void test_uncollectable(void **state)
{
    exv_heap *heap = *state;
    exv_list *garbage = exv_gc_get_garbage(heap);
    node *ring = new_ring(heap, &rigid_type, 2, 1);
    ring->ref[1] = new_node(heap, &node_type, 3);
    exv_decref(ring);
    exv_decref(new_ring(heap, &node_type, 4, 4));
    assert_int_equal(exv_collect(heap, 2), 7);
    assert_each('D', 4, 7);
    assert_null(strstr(events, "D3"));
    events[0] = '\0';
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_int_equal(stats[2].uncollectable, 2);
    assert_int_equal(exv_list_size(garbage), 2);
    assert_sound(heap);
    assert_int_equal(exv_collect(heap, 2), 0); /* the list holds them now */
    void *item;
    assert_int_equal(exv_list_get(garbage, 0, &item), EXV_OK);
    exv_incref(item);
    exv_list_clear(garbage);
    node *n = item;
    EXV_CLEAR(n->ref[0]); /* broken by hand */
    exv_decref(n);
    assert_each('D', 1, 3);
    events[0] = '\0';
    exv_decref(new_ring(heap, &rigid_type, 1, 1)); /* found again and again while the list is emptied */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(exv_collect(heap, 2), 1);
        assert_int_equal(exv_list_size(garbage), 1);
        exv_list_clear(garbage);
    }
    assert_int_equal(exv_collect(heap, 2), 1);
    assert_int_equal(exv_list_get(garbage, 0, &item), EXV_OK);
    n = item;
    EXV_CLEAR(n->ref[0]);
    exv_list_clear(garbage);
    assert_events("D1 ");
}

/* One member with a clear function is enough. */
static void test_mixed_cycle_is_collectable(void **state)
{
    exv_heap *heap = *state;
    for (int at = 1; at <= 4; at++) {
        node *first = NULL, *last = NULL;
        for (int id = 1; id <= 4; id++) {
            node *n = new_node(heap, id == at ? &node_type : &rigid_type, id);
            if (last)
                last->ref[0] = n;
            else
                first = n;
            last = n;
        }
        last->ref[0] = exv_incref(first);
        exv_decref(first);
        assert_int_equal(exv_collect(heap, 2), 4);
        assert_each('D', 1, 4);
        events[0] = '\0';
        assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
    }
}

/* A collection at any depth of deaths, whose own deaths are put off, with survivors among them. */
static void leave_survivors(node *self)
{
    exv_heap *heap = exv_get_heap(self);
    exv_list *garbage = exv_gc_get_garbage(heap);
    node *rigid = new_ring(heap, &rigid_type, 1, 0);
    set_ref(rigid, 1, rigid);
    node *ring = new_ring(heap, &node_type, 5, 0);
    set_ref(ring, 1, rigid);
    exv_decref(ring);
    exv_decref(rigid);
    assert_int_equal(exv_collect(heap, 2), 6);
    assert_sound(heap);
    assert_int_equal(exv_list_size(garbage), 1);
    EXV_CLEAR(rigid->ref[0]);
    EXV_CLEAR(rigid->ref[1]);
    exv_list_clear(garbage);
}

static void test_survivors_among_put_off_deaths(void **state)
{
    exv_heap *heap = *state;
    size_t before = live_objects(heap);
    node *spine = NULL;
    for (int i = 0; i < 120; i++) {
        node *n = new_node(heap, &final_type, 0);
        n->on_finalize = leave_survivors;
        n->ref[0] = spine;
        spine = n;
    }
    exv_decref(spine);
    assert_int_equal(live_objects(heap), before);
}

/* ------------------------------------------------------- batches and slices */

static void test_batch(void **state)
{
    exv_heap *heap = *state;
    node *dead = new_ring(heap, &node_type, 3, 1), *part = new_ring(heap, &node_type, 2, 4);
    node *live = new_ring(heap, &node_type, 2, 6);
    void *candidates[] = {dead, dead->ref[0], live, live->ref[0], dead->ref[0]->ref[0], part, dead};
    exv_decref(dead);
    exv_decref(part); /* dead too, but the other half is not among the candidates */
    exvi_doomed doomed = {0};
    exv_record record = {0};
    heap->collector.running = true;
    exvi_collect_batch(heap, candidates, 7, &doomed, &record);
    assert_int_equal(doomed.count, 3);
    assert_int_equal(record.found, 3);
    assert_int_equal(record.stale, 4); /* as said twice, too */
    assert_events("");
    int steps = 1;
    while (!exvi_collect_clear(heap, &doomed, 1, &record)) { /* a time that is long over */
        assert_sound(heap);
        steps++;
    }
#ifdef EXVI_STRESS
    assert_true(steps > 1);
#endif
    heap->collector.running = false;
    assert_each('D', 1, 3);
    assert_null(strstr(events, "D4"));
    events[0] = '\0';
    if (doomed.object)
        exvi_unmap(doomed.object, doomed.room * sizeof(void *));
    exv_decref(live);
    assert_int_equal(exv_collect(heap, 2), 4);
    events[0] = '\0';
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static bool at_once(void *arg)
{
    ++*(int *)arg;
    return true;
}

/* The search that a snapshot makes: nothing is changed, and groups that belong together stand together. */
static void test_search(void **state)
{
    exv_heap *heap = *state;
    enum { RINGS = 50, SIZE = 20 };
    exv_gc_disable(heap);
    for (int i = 0; i < RINGS; i++)
        exv_decref(new_ring(heap, &final_type, SIZE, 0));
    node *live = new_ring(heap, &node_type, 10, 0);
    exvi_garbage garbage = {0};
    exvi_search_watch watch = {.stop = never};
    assert_int_equal(exvi_collect_search(heap, &garbage, &watch), EXVI_CYCLE_DONE);
    const exvi_components *answer = &garbage.found;
    assert_int_equal(answer->count, RINGS * SIZE);
    assert_int_equal(garbage.examined, RINGS * SIZE + 10);
    int groups = 0;
    for (size_t i = 0; i < answer->count; groups++) {
        node *first = (node *)((uintptr_t)answer->object[i] & ~(uintptr_t)1);
        bool end = false;
        int size = 0;
        for (; !end; i++, size++) {
            node *n = (node *)((uintptr_t)answer->object[i] & ~(uintptr_t)1);
            bool in_ring = false;
            node *member = first;
            for (int k = 0; k < SIZE; k++, member = member->ref[0])
                in_ring = in_ring || member == n;
            assert_true(in_ring);
            end = (uintptr_t)answer->object[i] & 1;
        }
        assert_int_equal(size, SIZE);
    }
    assert_int_equal(groups, RINGS);
    int asked = 0;
    watch = (exvi_search_watch){.stop = at_once, .arg = &asked};
    assert_int_equal(exvi_collect_search(heap, &garbage, &watch), EXVI_CYCLE_STOPPED);
    assert_true(asked > 0);
    assert_int_equal(answer->count, 0);
    exvi_garbage_drop(&garbage);
    assert_sound(heap);
    exv_decref(live);
    assert_int_equal(exv_collect(heap, 2), RINGS * SIZE + 10);
}

/* ------------------------------------------------------------------ no memory */

#ifdef EXVI_CHECKED
static uint64_t scan_failures(exv_heap *heap)
{
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    return telemetry.reasons[EXV_REASON_SCAN_MEMORY];
}

/* Every n-th mapping fails: then nothing is found, and nothing lost. */
static void test_no_memory_to_search(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    uint64_t failures = 0;
    for (uint64_t nth = 1;; nth++) {
        node *ring = new_ring(heap, &node_type, 70000, 0);
        exvi_collector_trim(heap);
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        exv_decref(ring);
        size_t found = exv_collect(heap, 2);
        uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_sound(heap);
        uint64_t failed = scan_failures(heap) - failures;
        failures += failed;
        if (found == 0) {
            assert_int_equal(failed, 1);
            assert_int_equal(exv_collect(heap, 2), 70000);
        } else {
            assert_int_equal(found, 70000);
            assert_int_equal(failed, 0);
        }
        if (calls < nth)
            break;
    }
    assert_true(failures >= 2);
}

static void fail_from_now(node *self)
{
    (void)self;
    exvi_collector *c = &exv_get_heap(self)->collector;
    exvi_cycle_drop(&c->cycle);
    exvi_subset_drop(&c->subset);
    exvi_fault_set(EXVI_FAULT_MAP, 1, true);
}

static void break_up_and_fail(node *self)
{
    EXV_CLEAR(self->ref[0]);
    fail_from_now(self);
}

/* No memory for the second search, after the finalizers: all are let go, and found again later. Those that a finalizer
 * set free by hand die as they are let go. */
static void test_no_memory_to_search_again(void **state)
{
    exv_heap *heap = *state;
    node_hook *const hooks[] = {fail_from_now, break_up_and_fail};
    for (int i = 0; i < 2; i++) {
        node *ring = new_ring(heap, &final_type, 4, 1);
        ring->on_finalize = hooks[i];
        exv_decref(ring);
        uint64_t failures = scan_failures(heap);
        assert_int_equal(exv_collect(heap, 2), 0);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_int_equal(scan_failures(heap), failures + 1);
        assert_each('F', 1, 4);
        assert_sound(heap);
        if (i == 0) {
            assert_null(strchr(events, 'D'));
            assert_int_equal(exv_collect(heap, 2), 4);
        }
        assert_each('D', 1, 4);
        events[0] = '\0';
    }
}
#endif

/* ------------------------------------------------------------- scratch */

static size_t mapped_bytes(void)
{
    unsigned long total = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &total), 1);
    fclose(file);
    return total * exvi_page_size();
}

/* Young objects all over a heap, collected again and again: what that leaves is little, counted, and can be trimmed. */
static void test_scratch_is_counted(void **state)
{
    if (getenv("EXUVIA_VALGRIND"))
        skip(); /* its own memory and slowness are not the program's */
    exv_heap *heap = *state;
    enum { COUNT = 300000, STEP = 500 };
    exv_heap_stats stats;
    exv_gc_disable(heap);
    node **kept = malloc(COUNT * sizeof *kept);
    for (int i = 0; i < COUNT; i++)
        kept[i] = new_node(heap, &node_type, 0);
    exv_gc_freeze(heap);
    exv_get_heap_stats(heap, &stats);
    size_t held = stats.held_bytes, mapped = mapped_bytes();
    for (int round = 0; round < 20; round++) {
        for (int i = round * 20; i < COUNT; i += STEP) {
            exv_decref(kept[i]);
            kept[i] = new_node(heap, &node_type, 0);
        }
        exv_collect(heap, 0);
    }
    exv_get_heap_stats(heap, &stats);
    assert_int_equal(mapped_bytes() - mapped, stats.held_bytes - held);
    assert_true(heap->collector.scratch_bytes < (1 << 20));
    assert_true(exv_heap_trim(heap) >= stats.held_bytes - held);
    assert_int_equal(heap->collector.scratch_bytes, 0);
    exv_gc_unfreeze(heap);
    exv_collect(heap, 2); /* of so many that it takes tables: none of them stay */
    exv_get_heap_stats(heap, &stats);
    assert_int_equal(mapped_bytes() - mapped, stats.held_bytes - held);
    for (int i = 0; i < COUNT; i++)
        exv_decref(kept[i]);
    free(kept);
    assert_sound(heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_cycles),
        heap_test(test_what_is_held_stays),
        heap_test(test_generations),
        heap_test(test_untracked_and_immortal_members_keep_a_cycle),
        heap_test(test_sizes_of_scans),
        heap_test(test_long_garbage_needs_bounded_stack),
        heap_test(test_uncollectable),
        heap_test(test_mixed_cycle_is_collectable),
        heap_test(test_survivors_among_put_off_deaths),
        heap_test(test_batch),
        heap_test(test_search),
#ifdef EXVI_CHECKED
        heap_test(test_no_memory_to_search),
        heap_test(test_no_memory_to_search_again),
#endif
        heap_test(test_scratch_is_counted),
    };
    return cmocka_run_group_tests_name("collect", tests, NULL, NULL);
}
