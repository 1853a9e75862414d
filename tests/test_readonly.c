/*
 * A scan writes into no object: it is made here while the heap's regions, their tables included, are mapped read-only,
 * so that a write crashes. That keeps the pages of a snapshot and of a forked worker shared.
 *
 * The same holds for the validator and for the walk over blocks.
 */
#include "fewer.h"
#include "forked.h"
#include "nodes.h"
#include "object.h"
#include "platform.h"

static void protect(exv_heap *heap, bool writable)
{
    for (size_t i = 0; i < heap->blocks.regions.count; i++) {
        exvi_region *region = heap->blocks.regions.sorted[i];
        if (!exvi_protect(region, region->size, writable))
            abort();
    }
}

static exv_heap *new_heap(void)
{
    exv_config config = exv_config_default();
    config.policy.mode = EXV_MODE_INLINE;
    config.threshold[0] = 0; /* nothing starts by itself */
    return exv_heap_new(&config);
}

/* Every type of value that holds others, in a cycle through a list: a class with an instance, a dict, a set, a tuple,
 * names, and a weak reference. */
static exv_list *new_values(exv_heap *heap)
{
    exv_list *list = exv_list_new(heap);
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    exv_names *names = exv_names_new(heap);
    exv_class *cls = NULL;
    exv_str *text = NULL;
    assert_int_equal(exv_class_new(heap, "thing", NULL, NULL, &cls), EXV_OK);
    assert_int_equal(exv_str_from(heap, "key", &text), EXV_OK);
    exv_instance *instance = exv_instance_new(cls);
    exv_weakref *weak = exv_weakref_new(instance, NULL, NULL);
    void *items[] = {list, instance, text};
    exv_tuple *tuple = exv_tuple_new(heap, items, 3);
    void *all[] = {dict, set, names, cls, text, instance, weak, tuple};
    assert_int_equal(exv_dict_set(dict, text, tuple), EXV_OK);
    assert_int_equal(exv_set_add(set, cls), EXV_OK);
    assert_int_equal(exv_name_set(names, "list", list), EXV_OK);
    assert_int_equal(exv_attr_set(instance, "names", names), EXV_OK);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_non_null(all[i]);
        assert_int_equal(exv_list_append(list, all[i]), EXV_OK);
        exv_decref(all[i]);
    }
    return list;
}

/* Rings, chains to them, values; half of each is dropped. `kept` receives what is not. */
static void fill(exv_heap *heap, node *rings[2], exv_list *values[2], int size)
{
    for (int i = 0; i < 2; i++) {
        rings[i] = new_ring(heap, &node_type, size, 0);
        node *rigid = new_node(heap, &rigid_type, 0);
        rigid->ref[0] = exv_incref(rings[i]->ref[0]);
        rings[i]->ref[1] = rigid;
        rigid->ref[1] = new_node(heap, &leaf_type, 0);
        values[i] = new_values(heap);
    }
}

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static int count_block(void *block, size_t size, const exv_type *type, void *arg)
{
    (void)block, (void)size;
    *(size_t *)arg += type != NULL;
    return 0;
}

static void search_read_only(int size)
{
    exv_heap *heap = new_heap();
    node *rings[2];
    exv_list *values[2];
    fill(heap, rings, values, size);
    size_t tracked_before = exvi_generation_size(heap, EXVI_OLDEST);
    exv_decref(rings[1]);
    exv_decref(values[1]);

    size_t objects = 0;
    protect(heap, false);
    exvi_garbage garbage = {0};
    exvi_cycle_end end = exvi_collect_search(heap, &garbage, &(exvi_search_watch){.stop = never});
    size_t found = garbage.found.count;
    const char *wrong = exv_heap_check(heap);
    exv_heap_walk(heap, count_block, &objects);
    protect(heap, true);

    exvi_garbage_drop(&garbage);
    assert_int_equal(end, EXVI_CYCLE_DONE);
    assert_null(wrong);
    assert_true(objects > (size_t)size * 2);
    assert_true(found > (size_t)size && found == tracked_before / 2);
    assert_int_equal(exv_collect(heap, 2), found);
    exv_decref(rings[0]);
    exv_decref(values[0]);
    assert_int_equal(exv_collect(heap, 2), found);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void test_sparse(void **state)
{
    (void)state;
    search_read_only(500);
}

static void test_dense(void **state)
{
    (void)state;
    search_read_only(fewer(200000, 70000));
}

/* ---- the young generations, which have a walk of their own ---- */

typedef struct young {
    exv_heap *heap;
    exvi_generation_cursor cursor;
} young;

static size_t next_young(void *host, void **objects, size_t room)
{
    young *y = host;
    return exvi_generation_next(y->heap, &y->cursor, objects, room);
}

static uint64_t refcount_of(void *host, void *object)
{
    (void)host;
    return exvi_header_of(object)->refcount;
}

static void visit_object(void *host, void *object, exvi_phase phase, exvi_visit_fn *visit, void *arg)
{
    (void)host, (void)phase;
    exvi_object_visit(object, visit, arg);
}

static void test_young(void **state)
{
    (void)state;
    exv_heap *heap = new_heap();
    node *rings[2];
    exv_list *values[2];
    fill(heap, rings, values, 300);
    exv_collect(heap, 0); /* these are in the second generation now */
    fill(heap, rings, values, 200);
    exv_decref(rings[1]);
    exv_decref(values[1]);
    for (int generation = 0; generation < 2; generation++) {
        young y = {.heap = heap, .cursor = {.generation = generation}};
        exvi_graph graph = {.host = &y, .next = next_young, .refcount = refcount_of, .visit = visit_object};
        exvi_cycle cycle = {0};
        protect(heap, false);
        exvi_cycle_end end = exvi_cycle_find(&cycle, &graph);
        protect(heap, true);
        assert_int_equal(end, EXVI_CYCLE_DONE);
        assert_true(cycle.count > 200 && cycle.examined > (generation ? 1000u : 400u));
        exvi_cycle_drop(&cycle);
    }
    assert_true(exv_heap_free(heap) > 0);
}

/* ---- does it bite? ---- */

static int visit_and_write(void *self, exv_visit_fn *visit, void *arg)
{
    node *n = self;
    n->id++;
    return visit(n->ref[0], arg);
}

static const exv_type writing_type = {
    .name = "writing", .size = sizeof(node), .visit = visit_and_write, .clear = node_clear};

static int search_with_a_writer(void *arg)
{
    signal(SIGSEGV, SIG_DFL);
    exv_heap *heap = new_heap();
    node *ring = new_ring(heap, arg, 3, 0);
    protect(heap, false);
    exvi_garbage garbage = {0};
    exvi_cycle_end end = exvi_collect_search(heap, &garbage, &(exvi_search_watch){.stop = never});
    exvi_garbage_drop(&garbage);
    protect(heap, true);
    exv_decref(ring);
    CHECK(end == EXVI_CYCLE_DONE);
    CHECK(exv_heap_free(heap) == 0);
    return 0;
}

static void test_a_write_crashes(void **state)
{
    (void)state;
    assert_int_equal(in_fork(search_with_a_writer, (void *)(uintptr_t)&node_type), 0);
    assert_int_equal(in_fork(search_with_a_writer, (void *)(uintptr_t)&writing_type), -SIGSEGV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_young),
        cmocka_unit_test(test_a_write_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
