/*
 * test_ask: what a heap holds and why, as values; and with each piece of memory refused.
 *
 * Whether the analyzer is right is for tests/python/test_analysis.py, which has an oracle.
 */
#include "exuvia.h"

#include "platform.h"

#include "nodes.h"

#include <dirent.h>
#include <inttypes.h>

static void *item(void *dict, const char *key)
{
    void *value = NULL;
    assert_int_equal(exv_dict_get_text(dict, key, &value), EXV_OK);
    return value;
}

static int64_t number(void *dict, const char *key)
{
    return exv_int_value(item(dict, key));
}

static const char *text(void *dict, const char *key)
{
    return exv_str_data(item(dict, key));
}

static void *at(void *list, ptrdiff_t index)
{
    void *value = NULL;
    assert_int_equal(exv_list_get(list, index, &value), EXV_OK);
    return value;
}

static void *line_of(exv_dict *census, const char *type)
{
    exv_list *types = item(census, "types");
    for (size_t i = 0; i < exv_list_size(types); i++)
        if (strcmp(text(at(types, (ptrdiff_t)i), "type"), type) == 0)
            return at(types, (ptrdiff_t)i);
    return NULL;
}

/* A node that the program has, which holds a list, which holds another; and a dead ring of two. */
static node *make_some(exv_heap *heap)
{
    node *top = new_node(heap, &node_type, -1), *below = new_node(heap, &node_type, -2);
    exv_list *list = exv_list_new(heap);
    assert_int_equal(exv_list_append(list, below), EXV_OK);
    top->ref[0] = (void *)list;
    exv_decref(below);
    node *ring = new_node(heap, &node_type, -3), *other = new_node(heap, &node_type, -4);
    ring->ref[0] = other;
    other->ref[0] = ring;
    return top;
}

static size_t open_files(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void test_census(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    node *top = make_some(heap);
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    size_t files = open_files();
    exv_dict *census;
    assert_int_equal(exv_heap_census(heap, true, 0, &census), EXV_OK);
    assert_int_equal(open_files(), files);
    assert_int_equal(number(census, "dead"), 2);
    void *line = line_of(census, "node");
    assert_int_equal(number(line, "count"), 4);
    assert_int_equal(number(line, "young"), 4);
    assert_int_equal(number(line, "dead"), 2);
    assert_true(number(line, "bytes") >= (int64_t)(4 * sizeof(node)));
    assert_true(number(line, "retained") > number(line, "bytes"));
    assert_int_equal(number(line_of(census, "list"), "count"), 2); /* and the heap's own, of garbage */
    exv_decref(census);

    assert_int_equal(exv_heap_census(heap, false, 1, &census), EXV_OK);
    assert_int_equal(exv_list_size(item(census, "types")), 1);
    void *none = NULL;
    assert_int_equal(exv_dict_get_text(at(item(census, "types"), 0), "retained", &none), EXV_KEY_ERROR);
    exv_decref(census);

    exv_heap_stats after;
    exv_get_heap_stats(heap, &after);
    assert_int_equal(after.live_blocks, stats.live_blocks);
    exv_decref(top);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void test_why(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    node *top = make_some(heap);
    node *below = at(top->ref[0], 0);
    exv_dict *why;
    assert_int_equal(exv_why(below, 0, &why), EXV_OK);
    char address[24];
    snprintf(address, sizeof address, "0x%" PRIxPTR, (uintptr_t)below);
    assert_string_equal(text(why, "address"), address);
    assert_string_equal(text(why, "type"), "node");
    assert_int_equal(number(why, "references"), 1);
    assert_false(exv_bool_value(item(why, "dead")));
    exv_list *steps = item(at(item(why, "paths"), 0), "steps");
    assert_int_equal(exv_list_size(steps), 4);
    assert_string_equal(text(at(steps, 0), "group"), "held by the program");
    assert_string_equal(text(at(steps, 1), "type"), "node");
    assert_string_equal(text(at(steps, 2), "type"), "list");
    assert_string_equal(text(at(steps, 3), "edge"), "[*]");
    assert_string_equal(text(at(item(why, "kept_by"), 0), "type"), "list");
    exv_decref(why);

    assert_int_equal(exv_why_type(heap, "node", 0, &why), EXV_OK);
    assert_int_equal(number(why, "count"), 4);
    exv_decref(why);
    why = NULL;
    assert_int_equal(exv_why_type(heap, "edge", 0, &why), EXV_KEY_ERROR);
    assert_null(why);
    assert_string_equal(exv_error_message(heap), "KeyError: no object or type, or more than one, is edge");
    exv_decref(top);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void test_cycles(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    node *top = make_some(heap);
    for (int i = 0; i < 2; i++)
        exv_decref(new_ring(heap, &node_type, 1, 0));
    exv_dict *cycles;
    assert_int_equal(exv_heap_cycles(heap, 0, &cycles), EXV_OK);
    assert_int_equal(number(cycles, "dead"), 4);
    assert_int_equal(number(cycles, "different_shapes"), 2);
    exv_list *shapes = item(cycles, "shapes");
    assert_int_equal(exv_list_size(shapes), 2);
    assert_int_equal(number(at(shapes, 0), "rings") + number(at(shapes, 1), "rings"), 3);
    void *ring = at(item(at(shapes, 0), "ring"), 0);
    assert_string_equal(text(ring, "type"), "node");
    exv_decref(cycles);
    assert_int_equal(exv_collect(heap, 2), 4); /* nothing was freed by that */
    exv_decref(top);
    assert_int_equal(exv_heap_free(heap), 0);
}

static exv_status of_dying;

static void ask_why(node *self)
{
    exv_dict *why;
    of_dying = exv_why(self, 0, &why);
}

static void test_of_the_dying(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    node *n = new_node(heap, &node_type, -1);
    n->on_destroy = ask_why;
    exv_decref(n);
    assert_int_equal(of_dying, EXV_KEY_ERROR);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* While a file is written that was asked for before, there is no other. */
static void test_busy(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    char path[] = "/tmp/exuvia-ask-XXXXXX";
    int file = mkstemp(path);
    exv_dict *census;
    assert_int_equal(exv_heap_dump_start(heap, file), EXV_OK);
    assert_int_equal(exv_heap_census(heap, false, 0, &census), EXV_BUSY);
    assert_int_equal(exv_heap_dump_wait(heap, UINT64_MAX), EXV_OK);
    assert_int_equal(exv_heap_census(heap, false, 0, &census), EXV_OK);
    exv_decref(census);
    close(file);
    unlink(path);
    assert_int_equal(exv_heap_free(heap), 0);
}

#ifdef EXVI_CHECKED
static void test_no_memory(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_gc_disable(heap);
    node *top = make_some(heap);
    size_t files = open_files();
    for (int of_blocks = 0; of_blocks < 2; of_blocks++) {
        exvi_fault fault = of_blocks ? EXVI_FAULT_BLOCK : EXVI_FAULT_MAP;
        exv_status status = EXV_NO_MEMORY;
        for (uint64_t nth = 1; status != EXV_OK; nth++) {
            exv_dict *why = NULL;
            exvi_fault_set(fault, nth, false);
            status = exv_why(top, 0, &why);
            exvi_fault_set(fault, 0, false);
            assert_true(status == EXV_OK || status == EXV_NO_MEMORY || (!of_blocks && status == EXV_OS_ERROR));
            assert_int_equal(status == EXV_OK, why != NULL);
            exv_decref(why);
            assert_true(nth < 1000);
        }
    }
    assert_int_equal(open_files(), files);
    assert_null(exv_heap_check(heap));
    exv_decref(top);
    assert_int_equal(exv_heap_free(heap), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_census),
        cmocka_unit_test(test_why),
        cmocka_unit_test(test_cycles),
        cmocka_unit_test(test_of_the_dying),
        cmocka_unit_test(test_busy),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
