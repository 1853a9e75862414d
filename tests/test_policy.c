/*
 * test_policy: when collections start beside the thresholds, and where they take place.
 */
#include <errno.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "nodes.h"
#include "object.h"
#include "platform.h"

#define MIB ((size_t)1 << 20)

/* A heap on which nothing starts by itself but what the test asks for. */
static exv_heap *new_heap(size_t limit_bytes, exv_policy policy)
{
    exv_config config = plain_config();
    config.limit_bytes = limit_bytes;
    config.threshold[0] = 0; /* nothing by count */
    config.policy = policy;
    exv_heap *heap = exv_heap_new(&config);
    assert_non_null(heap);
    return heap;
}

static exv_policy quiet(void)
{
    return (exv_policy){.mode = EXV_MODE_INLINE, .deadline_ns = 60000000000, .pause_budget_ns = 5000000};
}

static uint64_t full_collections(exv_heap *heap)
{
    exv_gc_stats stats[EXV_GENERATIONS];
    exv_gc_get_stats(heap, stats);
    assert_int_equal(stats[0].collections + stats[1].collections, 0);
    return stats[2].collections;
}

static void drop_ring(exv_heap *heap)
{
    exv_decref(new_ring(heap, &node_type, 2, 0));
}

static void allocate(exv_heap *heap, int count)
{
    for (int i = 0; i < count; i++)
        exv_decref(new_node(heap, &node_type, 0));
}

static void test_defaults(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_policy policy, other;
    exv_get_policy(heap, &policy);
    assert_true(policy.mode == EXV_MODE_AUTO && policy.pause_budget_ns == 5000000);
    assert_true(policy.deadline_ns == 60000000000 && policy.every_ns == 0 && policy.every_bytes == 0);
    assert_true(policy.on_idle && policy.on_exit && policy.on_pressure);
    policy.every_ns = 123;
    policy.on_exit = false;
    exv_set_policy(heap, &policy);
    exv_get_policy(heap, &other);
    assert_true(other.every_ns == 123 && !other.on_exit && other.on_idle);
    policy.on_exit = true;
    exv_set_policy(heap, &policy);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ------------------------------------------------------------ by time */

static void test_by_time(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    policy.every_ns = UINT64_C(3600) * 1000000000;
    exv_heap *heap = new_heap(0, policy);
    drop_ring(heap);
    exv_poll(heap);
    allocate(heap, 5000);
    assert_int_equal(full_collections(heap), 0);
    policy.every_ns = 1000000;
    exv_set_policy(heap, &policy);
    size_t before = live_objects(heap);
    exvi_sleep_ns(2000000);
    exv_poll(heap);
    assert_int_equal(full_collections(heap), 1);
    assert_int_equal(live_objects(heap), before - 2);
    exvi_sleep_ns(2000000);
    exv_gc_disable(heap);
    exv_poll(heap);
    allocate(heap, 5000);
    assert_int_equal(full_collections(heap), 1);
    exv_gc_enable(heap);
    allocate(heap, 5000); /* allocations look at the clock, too */
    assert_true(full_collections(heap) >= 2);
    policy.every_ns = 0;
    exv_set_policy(heap, &policy);
    uint64_t collections = full_collections(heap);
    exvi_sleep_ns(2000000);
    exv_poll(heap);
    assert_int_equal(full_collections(heap), collections);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ------------------------------------------------------------ by bytes */

static void test_by_bytes(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    exv_heap *heap = new_heap(0, policy);
    drop_ring(heap);
    policy.every_bytes = MIB;
    exv_collect(heap, 2);
    exv_set_policy(heap, &policy);
    for (uint64_t round = 2; round < 6; round++) {
        drop_ring(heap);
        for (int i = 0; i < 15; i++)
            exv_free(heap, exv_alloc(heap, MIB / 16));
        exv_poll(heap);
        assert_int_equal(full_collections(heap), round - 1);
        exv_free(heap, exv_alloc(heap, MIB / 16));
        size_t before = live_objects(heap);
        exv_poll(heap);
        assert_int_equal(full_collections(heap), round);
        assert_int_equal(live_objects(heap), before - 2);
    }
    assert_int_equal(exv_heap_free(heap), 0);
}

/* A large block, plain or an object's, is noticed by the very next tracked object, not a thousand later. */
static void test_large_blocks_are_noticed_at_once(void **state)
{
    (void)state;
    static const exv_type large_type = {.name = "large", .size = 2 * MIB, .visit = node_visit};
    exv_policy policy = quiet();
    policy.every_bytes = MIB;
    exv_heap *heap = new_heap(0, policy);
    drop_ring(heap);
    exv_free(heap, exv_alloc(heap, 2 * MIB));
    drop_ring(heap);
    assert_int_equal(full_collections(heap), 1);
    exv_decref(exv_new(heap, &large_type));
    drop_ring(heap);
    assert_int_equal(full_collections(heap), 2);
    exv_heap_free(heap);
}

/* ------------------------------------------------------------ by event */

static void test_on_idle(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    exv_heap *heap = new_heap(0, policy);
    drop_ring(heap);
    assert_int_equal(exv_idle(heap), 0);
    assert_int_equal(full_collections(heap), 0);
    policy.on_idle = true;
    exv_set_policy(heap, &policy);
    assert_int_equal(exv_idle(heap), 2);
    assert_int_equal(full_collections(heap), 1);
    assert_int_equal(exv_idle(heap), 0); /* nothing was allocated since */
    assert_int_equal(full_collections(heap), 1);
    drop_ring(heap);
    drop_ring(heap);
    assert_int_equal(exv_idle(heap), 4);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void test_on_exit(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    for (int on_exit = 0; on_exit < 2; on_exit++) {
        policy.on_exit = on_exit;
        exv_heap *heap = new_heap(0, policy);
        exv_decref(new_ring(heap, &final_type, 2, 1));
        assert_int_equal(exv_heap_free(heap), on_exit ? 0 : 2);
        assert_true(strstr(events, "F1 ") && strstr(events, "F2 ")); /* finalizers and destructors run either way */
        assert_true(strstr(events, "D1 ") && strstr(events, "D2 "));
        events[0] = '\0';
    }
}

/* ----------------------------------------------------- memory runs short */

static char folder[64];

static void put(const char *path, const char *format, size_t value)
{
    char whole[256];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    for (char *slash = whole + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fprintf(file, format, value);
    assert_int_equal(fclose(file), 0);
}

/* A container as the policy sees it: a group with a limit of 1000 MiB, of which `used` are in use. */
static void set_group(size_t used, size_t pressure)
{
    put("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", 0);
    put("proc/self/cgroup", "0::/\n", 0);
    put("sys/fs/cgroup/memory.max", "%zu\n", 1000 * MIB);
    put("sys/fs/cgroup/memory.high", "max\n", 0);
    put("sys/fs/cgroup/memory.current", "%zu\n", used * MIB);
    put("sys/fs/cgroup/memory.stat", "inactive_file 0\n", 0);
    put("sys/fs/cgroup/memory.pressure", "some avg10=%zu.00 avg60=0.00 avg300=0.00 total=0\n", pressure);
}

static int enter_group(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/exuvia-policy-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    exvi_cgroup_root_set(folder);
    return 0;
}

static int leave_group(void **state)
{
    (void)state;
    char command[128];
    exvi_cgroup_root_set(NULL);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

/* The policy looks ten times a second at most, and collects once a second at most: let both times pass. */
static void forget_last_look(exv_heap *heap)
{
    heap->schedule.pressure_checked_ns = 0;
    heap->schedule.pressure_full_ns = 0;
}

static void test_group_near_its_limit(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    policy.on_pressure = true;
    exv_heap *heap = new_heap(0, policy);
    static const struct { size_t used, pressure; bool collects; } groups[] = {
        {100, 0, false}, {899, 0, false}, {901, 0, true}, {100, 9, false}, {100, 11, true}};
    uint64_t expected = 0;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        set_group(groups[i].used, groups[i].pressure);
        forget_last_look(heap);
        drop_ring(heap);
        exv_poll(heap);
        expected += groups[i].collects;
        assert_int_equal(full_collections(heap), expected);
    }
    forget_last_look(heap); /* nothing was allocated since: nothing to be had */
    exv_poll(heap);
    assert_int_equal(full_collections(heap), expected);
    drop_ring(heap);
    heap->schedule.pressure_checked_ns = 0;
    heap->schedule.pressure_full_ns = exvi_clock_ns(); /* just now */
    exv_poll(heap);
    assert_int_equal(full_collections(heap), expected);
    heap->schedule.pressure_full_ns = 0;
    heap->schedule.pressure_checked_ns = exvi_clock_ns();
    exv_poll(heap);
    assert_int_equal(full_collections(heap), expected);
    policy.on_pressure = false;
    exv_set_policy(heap, &policy);
    forget_last_look(heap);
    exv_poll(heap);
    assert_int_equal(full_collections(heap), expected);
    policy.on_pressure = true;
    policy.mode = EXV_MODE_BACKGROUND; /* in place all the same: a child would need memory */
    exv_set_policy(heap, &policy);
    forget_last_look(heap);
    exv_poll(heap);
    assert_int_equal(full_collections(heap), expected + 1);
    assert_false(heap->flight.active);
    exv_heap_free(heap);
}

/* The heap's own limit. Regions reach it at once; pages in use are what counts. */
static void test_heap_near_its_limit(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    policy.on_pressure = true;
    exv_heap *heap = new_heap(32 * MIB, policy);
    set_group(0, 0);
    drop_ring(heap);
    void *block[32];
    int count = 0;
    size_t used_at = 0;
    for (; (block[count] = exv_alloc(heap, MIB - 100)); count++) {
        exv_heap_stats stats;
        forget_last_look(heap);
        exv_poll(heap);
        exv_get_heap_stats(heap, &stats);
        used_at = !used_at && full_collections(heap) ? stats.used_bytes : used_at;
    }
    assert_true(used_at > 12 * MIB); /* and before nothing was left */
    while (count)
        exv_free(heap, block[--count]);
    exv_heap_free(heap);
}

/* At the limit an object is not refused while garbage could make room for it; nor is a collection made for nothing. */
static void test_rescue(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    exv_heap *heap = new_heap(16 * MIB, policy);
    for (int i = 0; i < 300000; i++)
        drop_ring(heap); /* new_node() asserts that it got memory */
    uint64_t rescues = full_collections(heap);
    assert_true(rescues > 1 && rescues < 20);
    node *chain = NULL, *n;
    while ((n = exv_new(heap, &node_type))) {
        n->ref[0] = chain;
        chain = n;
    }
    rescues = full_collections(heap);
    for (int i = 0; i < 1000; i++)
        assert_null(exv_new(heap, &node_type));
    assert_int_equal(full_collections(heap), rescues);
    assert_sound(heap);
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    assert_true(stats.held_bytes <= 16 * MIB + MIB); /* the index of regions is not held from the limit */
    assert_true(stats.used_bytes > 12 * MIB);
    exv_decref(chain);
    exv_gc_disable(heap);
    for (n = NULL; (n = exv_new(heap, &node_type));)
        n->ref[0] = exv_incref(n), exv_decref(n);
    assert_int_equal(full_collections(heap), rescues); /* who turns the collector off means it */
    exv_gc_enable(heap);
    n = exv_new(heap, &node_type);
    assert_non_null(n);
    exv_decref(n);
    policy.on_exit = true;
    exv_set_policy(heap, &policy);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* ------------------------------------------------------------------ where */

static void test_modes(void **state)
{
    (void)state;
    static const struct { exv_mode mode; uint64_t budget_ns; bool background; } cases[] = {
        {EXV_MODE_INLINE, 0, false}, {EXV_MODE_INLINE, 1000000000, false}, {EXV_MODE_AUTO, 1000000000, false},
        {EXV_MODE_AUTO, 0, true},    {EXV_MODE_BACKGROUND, 1000000000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        exv_policy policy = quiet();
        policy.mode = cases[i].mode;
        policy.pause_budget_ns = cases[i].budget_ns;
        policy.on_idle = true;
        exv_heap *heap = new_heap(0, policy);
        drop_ring(heap);
        size_t found = exv_idle(heap);
        if (cases[i].background && !heap->flight.active && getenv("EXUVIA_VALGRIND"))
            skip();
        assert_int_equal(heap->flight.active, cases[i].background);
        assert_int_equal(found, cases[i].background ? 0 : 2);
        if (cases[i].background) {
            assert_int_equal(exvi_snapshot_wait(&heap->flight.snapshot, UINT64_MAX), EXVI_FLIGHT_ANSWERED);
            for (found = 0; heap->flight.active;)
                found = exv_idle(heap); /* goes on with it */
            assert_int_equal(found, 2);
        }
        assert_int_equal(exv_heap_free(heap), 0);
    }
}

static void poll_in_callback(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)phase, (void)info, (void)arg;
    exv_poll(heap);
    assert_int_equal(exv_idle(heap), 0);
}

static void test_poll_inside_a_collection(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    policy.every_ns = 1;
    policy.on_idle = true;
    exv_heap *heap = new_heap(0, policy);
    assert_int_equal(exv_gc_add_callback(heap, poll_in_callback, NULL), EXV_OK);
    exv_poll(heap);
    assert_int_equal(full_collections(heap), 1);
    assert_int_equal(exv_heap_free(heap), 0);
}

#ifdef EXVI_CHECKED
/* No child can be made: what was due takes place all the same. */
static void test_refused_child(void **state)
{
    (void)state;
    exv_policy policy = quiet();
    policy.mode = EXV_MODE_BACKGROUND;
    policy.on_idle = true;
    exv_heap *heap = new_heap(0, policy);
    drop_ring(heap);
    exvi_fault_set(EXVI_FAULT_CLONE, 1, true);
    assert_int_equal(exv_idle(heap), 2);
    exvi_fault_set(EXVI_FAULT_CLONE, 0, false);
    assert_int_equal(full_collections(heap), 1);
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    assert_int_equal(telemetry.reasons[EXV_REASON_CLONE_REFUSED], 1);
    assert_int_equal(exv_heap_free(heap), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_by_time),
        cmocka_unit_test(test_by_bytes),
        cmocka_unit_test(test_large_blocks_are_noticed_at_once),
        cmocka_unit_test(test_on_idle),
        cmocka_unit_test(test_on_exit),
        cmocka_unit_test_setup_teardown(test_group_near_its_limit, enter_group, leave_group),
        cmocka_unit_test_setup_teardown(test_heap_near_its_limit, enter_group, leave_group),
        cmocka_unit_test(test_rescue),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_poll_inside_a_collection),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_refused_child),
#endif
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
