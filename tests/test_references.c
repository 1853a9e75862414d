/*
 * test_references: types that say where their references lie behave like those with visit and clear.
 */
#include "nodes.h"
#include "object.h"

typedef struct box {
    void *left, *right;
    void **items;    /* of exv_alloc() */
    size_t count;
    size_t spare;    /* no reference: the library must leave it alone */
} box;

typedef struct cell {
    uint64_t tag;
    void *held;
} cell;

static const uint32_t box_fields[] = {offsetof(box, left), offsetof(box, right)};
static const uint32_t cell_fields[] = {offsetof(cell, held)};
static const exv_array box_arrays[] = {{offsetof(box, items), offsetof(box, count)}};
static const exv_references pair_references = {.fields = box_fields, .field_count = 2};
static const exv_references box_references = {
    .fields = box_fields, .field_count = 2, .arrays = box_arrays, .array_count = 1};
static const exv_references row_references = {
    .fields = box_fields, .field_count = 2, .item_fields = cell_fields, .item_field_count = 1};

static int destroyed;

static void free_items(void *self)
{
    box *b = self;
    for (size_t i = 0; b->items && i < b->count; i++)
        assert_null(b->items[i]);
    exv_free(exv_get_heap(self), b->items);
    destroyed++;
}

static void count_end(void *self)
{
    (void)self;
    destroyed++;
}

static const exv_type pair_type = {.name = "pair", .size = sizeof(box), .references = &pair_references};
static const exv_type box_type = {
    .name = "box", .size = sizeof(box), .destroy = free_items, .references = &box_references};
static const exv_type row_type = {.name = "row", .size = sizeof(box), .item_size = sizeof(cell), .destroy = count_end,
                                  .references = &row_references};
static const exv_type end_type = {.name = "end", .size = 8, .destroy = count_end};

static box *new_box(exv_heap *heap, size_t count)
{
    box *b = exv_new(heap, &box_type);
    assert_non_null(b);
    b->items = exv_calloc(heap, count, sizeof *b->items);
    assert_non_null(b->items);
    b->count = count;
    return b;
}

static cell *cells_of(void *row)
{
    return (void *)((char *)row + sizeof(box));
}

static size_t tracked(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    return stats.tracked_objects;
}

/* ---------------------------------------------------------------- death */

static void test_an_object_that_holds_nothing_dies(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    box *pairs[100];
    uint32_t before[EXV_GENERATIONS], after[EXV_GENERATIONS];
    exv_gc_get_count(heap, before);
    for (size_t i = 0; i < 100; i++) {
        pairs[i] = exv_new(heap, &pair_type);
        assert_non_null(pairs[i]);
        assert_true(exv_gc_is_tracked(pairs[i]));
        pairs[i]->spare = SIZE_MAX;
    }
    exv_gc_get_count(heap, after);
    assert_int_equal(after[0], before[0] + 100);
    assert_int_equal(tracked(heap), 100);
    exv_untrack(pairs[7]);
    for (size_t i = 0; i < 100; i++)
        exv_decref(pairs[i]);
    exv_gc_get_count(heap, after);
    assert_int_equal(after[0], before[0]);
    assert_int_equal(tracked(heap), 0);
    assert_int_equal(live_objects(heap), 0);
    assert_null(exv_heap_check(heap));
}

static void test_each_reference_is_dropped_once(void **state)
{
    exv_heap *heap = *state;
    void *end = exv_new(heap, &end_type);
    box *b = new_box(heap, 5);
    b->left = exv_incref(end);
    b->items[0] = exv_incref(end);
    b->items[4] = exv_incref(end);
    box *row = exv_new_var(heap, &row_type, 3);
    row->right = exv_incref(end);
    cells_of(row)[0].tag = 1;
    cells_of(row)[2].held = exv_incref(end);
    assert_int_equal(exv_refcount(end), 6);
    destroyed = 0;
    exv_decref(b);
    assert_int_equal(exv_refcount(end), 3);
    exv_decref(row);
    assert_int_equal(exv_refcount(end), 1);
    assert_int_equal(destroyed, 2);
    exv_decref(end);
    assert_int_equal(destroyed, 3);
    assert_int_equal(live_objects(heap), 0);
}

static void test_long_chains_use_bounded_stack(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    box *head = NULL;
    for (size_t i = 0; i < 100000; i++) {
        box *next = exv_new(heap, &pair_type);
        assert_non_null(next);
        next->right = head;
        head = next;
    }
    struct rlimit old, small;
    getrlimit(RLIMIT_STACK, &old);
    small = old;
    small.rlim_cur = 256 << 10;
    setrlimit(RLIMIT_STACK, &small);
    exv_decref(head);
    setrlimit(RLIMIT_STACK, &old);
    assert_int_equal(live_objects(heap), 0);
    assert_null(exv_heap_check(heap));
}

/* ------------------------------------------------------------ collection */

static void make_rings(exv_heap *heap)
{
    box *b = new_box(heap, 2); /* through an array */
    b->items[1] = exv_incref(b);
    exv_decref(b);
    box *row = exv_new_var(heap, &row_type, 4), *pair = exv_new(heap, &pair_type); /* through an item and a field */
    cells_of(row)[3].held = pair;
    pair->left = row;
    box *left = exv_new(heap, &pair_type), *right = exv_new(heap, &pair_type); /* one holds the other twice */
    left->left = right;
    left->right = exv_incref(right);
    right->left = left;
}

static void test_rings_are_found(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    for (int generation = 0; generation < EXV_GENERATIONS; generation++) {
        make_rings(heap);
        assert_int_equal(exv_collect(heap, generation), 5);
        assert_int_equal(live_objects(heap), 0);
    }
    assert_int_equal(exv_list_size(exv_gc_get_garbage(heap)), 0);
}

static void test_rings_are_found_in_the_background(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    make_rings(heap);
    if (exv_collect_start(heap) != EXV_OK)
        skip();
    size_t found = 0;
    while (exv_collect_wait(heap, UINT64_MAX, &found) == EXV_FLIGHT)
        ;
    assert_int_equal(found, 5);
    assert_int_equal(live_objects(heap), 0);
}

static void test_referents_and_referrers(void **state)
{
    exv_heap *heap = *state;
    box *b = new_box(heap, 3);
    void *end = exv_new(heap, &end_type);
    b->right = exv_incref(end);
    b->items[2] = exv_incref(end);
    exv_list *list = exv_gc_get_referents(heap, (void *[]){b}, 1);
    assert_int_equal(exv_list_size(list), 2);
    exv_decref(list);
    list = exv_gc_get_referrers(heap, (void *[]){end}, 1);
    assert_int_equal(exv_list_size(list), 1);
    exv_decref(list);
    exv_decref(end);
    exv_decref(b);
}

/* The same random graph, once of nodes with functions, once of pairs: the same dies at the same moments. */
static void test_like_functions(void **state)
{
    enum { MANY = 64, STEPS = 3000 };
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    static const exv_type plain_type = {
        .name = "plain", .size = sizeof(node), .visit = node_visit, .clear = node_clear};
    node *nodes[MANY] = {0};
    box *boxes[MANY] = {0};
    uint64_t random = 7;
    size_t base = live_objects(heap);
    for (int step = 0; step < STEPS; step++) {
        uint32_t a = next_random(&random) % MANY, b = next_random(&random) % MANY, what = next_random(&random) % 16;
        if (!nodes[a]) {
            nodes[a] = exv_new(heap, &plain_type);
            boxes[a] = exv_new(heap, &pair_type);
        } else if (what < 3) {
            EXV_CLEAR(nodes[a]);
            EXV_CLEAR(boxes[a]);
        } else if (what < 8) {
            EXV_SET(nodes[a]->ref[0], nodes[b]);
            EXV_SET(boxes[a]->left, boxes[b]);
        } else if (what < 14) {
            EXV_SET(nodes[a]->ref[1], nodes[b]);
            EXV_SET(boxes[a]->right, boxes[b]);
        } else if (what == 14) {
            assert_int_equal(exv_collect(heap, (int)(b % 3)) % 2, 0); /* as many of both */
        }
        assert_int_equal((live_objects(heap) - base) % 2, 0);
    }
    for (size_t i = 0; i < MANY; i++) {
        EXV_CLEAR(nodes[i]);
        EXV_CLEAR(boxes[i]);
    }
    exv_collect(heap, 2);
    assert_int_equal(live_objects(heap), base);
}

/* ------------------------------------------------------------------ set */

static box *watched;
static bool saw_old;

static void look(void *self)
{
    saw_old = watched->left == self;
}

static void test_set(void **state)
{
    exv_heap *heap = *state;
    static const exv_type looking_type = {.name = "looking", .size = 8, .finalize = look};
    watched = exv_new(heap, &pair_type);
    void *old = exv_new(heap, &looking_type), *end = exv_new(heap, &end_type);
    EXV_SET(watched->left, old);
    assert_int_equal(exv_refcount(old), 2);
    EXV_SET(watched->left, old); /* the same again */
    assert_int_equal(exv_refcount(old), 2);
    exv_decref(old);
    saw_old = true;
    EXV_SET(watched->left, end); /* the old one's finalizer finds the new one there */
    assert_false(saw_old);
    assert_ptr_equal(watched->left, end);
    EXV_SET(watched->left, watched->left);
    assert_int_equal(exv_refcount(end), 2);
    EXV_SET(watched->left, NULL);
    assert_null(watched->left);
    exv_decref(end);
    exv_decref(watched);
    assert_int_equal(live_objects(heap), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_an_object_that_holds_nothing_dies), heap_test(test_each_reference_is_dropped_once),
        heap_test(test_long_chains_use_bounded_stack), heap_test(test_rings_are_found),
        heap_test(test_rings_are_found_in_the_background), heap_test(test_referents_and_referrers),
        heap_test(test_like_functions), heap_test(test_set),
    };
    return cmocka_run_group_tests_name("references", tests, NULL, NULL);
}
