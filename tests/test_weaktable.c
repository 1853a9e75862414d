/*
 * test_weaktable: tables with weak keys, whose values live as long as their keys, and rings through them.
 */
#include "nodes.h"
#include "object.h"
#include "platform.h"

static exv_weak_table *new_table(exv_heap *heap)
{
    exv_weak_table *table = exv_weak_table_new(heap);
    assert_non_null(table);
    return table;
}

/* The table takes its own reference; the caller's goes. */
static void set(exv_weak_table *table, void *key, void *value)
{
    assert_int_equal(exv_weak_table_set(table, key, value), EXV_OK);
    assert_ptr_equal(exv_weak_table_get(table, key), value);
    exv_decref(value);
}

/* ---------------------------------------------------------------- a table */

static void test_an_entry_goes_with_its_key(void **state)
{
    exv_heap *heap = *state;
    exv_weak_table *table = new_table(heap);
    node *key = new_node(heap, &node_type, 1), *other = new_node(heap, &node_type, 2);
    set(table, key, new_node(heap, &node_type, 3));
    set(table, other, new_node(heap, &leaf_type, 4));
    assert_int_equal(exv_weak_table_size(table), 2);
    assert_ptr_equal(exv_get_type(table), &exv_weak_table_type);
    assert_int_equal(exv_refcount(key), 1);
    exv_decref(key);
    assert_each('D', 1, 1);
    assert_each('D', 3, 3);
    assert_null(strstr(events, "D4"));
    assert_int_equal(exv_weak_table_size(table), 1);
    assert_null(exv_weak_table_get(table, key));
    events[0] = '\0';
    assert_true(exv_weak_table_delete(table, other));
    assert_false(exv_weak_table_delete(table, other));
    assert_events("F4 D4 ");
    set(table, other, new_node(heap, &node_type, 5));
    set(table, other, new_node(heap, &node_type, 6)); /* in its place */
    assert_events("C5 D5 ");
    exv_decref(table);
    assert_events("C6 D6 ");
    exv_decref(other);
    events[0] = '\0';
}

static void test_many_entries(void **state)
{
    enum { MANY = 3000 };
    exv_heap *heap = *state;
    exv_weak_table *table = new_table(heap);
    static node *keys[MANY], *values[MANY];
    uint64_t random = 5;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < MANY; i++) {
            if (!keys[i]) {
                keys[i] = new_node(heap, &node_type, 0);
                values[i] = new_node(heap, &node_type, 0);
                set(table, keys[i], values[i]);
            } else if (next_random(&random) % 3 == 0) {
                EXV_CLEAR(keys[i]);
            }
        }
        size_t expected = 0, seen = 0, position = 0;
        for (int i = 0; i < MANY; i++) {
            expected += keys[i] != NULL;
            if (keys[i])
                assert_ptr_equal(exv_weak_table_get(table, keys[i]), values[i]);
        }
        void *key, *value;
        while (exv_weak_table_next(table, &position, &key, &value))
            seen += exv_weak_table_get(table, key) == value;
        assert_int_equal(seen, expected);
        assert_int_equal(exv_weak_table_size(table), expected);
        assert_sound(heap);
    }
    for (int i = 0; i < MANY; i++)
        EXV_CLEAR(keys[i]);
    assert_int_equal(exv_weak_table_size(table), 0);
    exv_decref(table);
}

static void test_simple_keys_are_refused(void **state)
{
    exv_heap *heap = *state;
    exv_weak_table *table = new_table(heap);
    exv_int *key = exv_int_new(heap, 1000000);
    assert_int_equal(exv_weak_table_set(table, key, table), EXV_TYPE_ERROR);
    assert_non_null(strstr(exv_error_message(heap), "TypeError: a int cannot be the key of a weak table"));
    assert_int_equal(exv_weak_table_size(table), 0);
    exv_decref(key);
    static const exv_references none = {0};
    static const exv_type handle_type = {.name = "handle", .size = 8, .references = &none};
    void *handle = exv_new(heap, &handle_type);
    set(table, handle, new_node(heap, &node_type, 1));
    exv_decref(handle);
    assert_events("C1 D1 ");
    exv_decref(table);
}

/* ------------------------------------------------------------------ rings */

/* What a value refers to is kept by its key, and found with it. */
static void test_rings(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    for (int how = 0; how < 4; how++) {
        exv_weak_table *table = new_table(heap), *second = new_table(heap);
        node *a = new_node(heap, &node_type, 0), *b = new_node(heap, &node_type, 0);
        set(table, a, exv_incref(a)); /* its own value */
        node *value = new_node(heap, &node_type, 0);
        value->ref[0] = exv_incref(b);
        set(second, a, value);        /* a -> value -> b */
        value = new_node(heap, &node_type, 0);
        value->ref[0] = exv_incref(a);
        set(table, b, value);         /* b -> value -> a, by another table */
        assert_int_equal(exv_collect(heap, how % 3), 0);
        assert_int_equal(live_objects(heap), 9);
        exv_decref(a);
        exv_decref(b);
        if (how < 3) {
            assert_int_equal(exv_collect(heap, 2), 4);
        } else {
            size_t found = 4;
            if (exv_collect_start(heap) == EXV_OK)
                assert_int_equal(exv_collect_wait(heap, UINT64_MAX, &found), EXV_FINISHED);
            else
                exv_collect(heap, 2);
            assert_int_equal(found, 4);
        }
        assert_int_equal(exv_weak_table_size(table) + exv_weak_table_size(second), 0);
        assert_int_equal(live_objects(heap), 2);
        exv_decref(table);
        exv_decref(second);
    }
}

/* The table is garbage with its keys; and its key is alive, but nobody can have the value any more. */
static void test_tables_in_rings(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    exv_weak_table *table = new_table(heap);
    node *key = new_node(heap, &node_type, 0);
    key->ref[0] = (node *)table;
    set(table, key, exv_incref(key));
    exv_decref(key);
    assert_int_equal(exv_collect(heap, 2), 3); /* key, table, entry */

    table = new_table(heap);
    key = new_node(heap, &final_type, 0); /* so there is a second search, when the key is known to be dead */
    key->ref[0] = (node *)table;
    node *value = new_node(heap, &node_type, 0);
    value->ref[0] = exv_incref(key);
    set(table, key, value);
    exv_decref(key);
    assert_int_equal(exv_collect(heap, 2), 4);

    table = new_table(heap);
    key = new_node(heap, &node_type, 0);
    node *holder = new_node(heap, &node_type, 0);
    holder->ref[0] = exv_incref(holder);
    holder->ref[1] = (node *)table;
    set(table, key, new_node(heap, &node_type, 1));
    exv_decref(holder);
    assert_int_equal(exv_collect(heap, 2), 3); /* holder, table, entry */
    assert_events("C1 D1 ");
    exv_decref(key);
    assert_int_equal(live_objects(heap), 0);
}

/* A key whose death was put off cannot be had, as by a weak reference. */
static void test_a_key_that_is_to_die(void **state)
{
    exv_heap *heap = *state;
    exv_weak_table *table = new_table(heap);
    node *key = new_node(heap, &node_type, 1);
    set(table, key, new_node(heap, &node_type, 2));
    exv_decref_later(key);
    size_t position = 0;
    void *found;
    assert_false(exv_weak_table_next(table, &position, &found, NULL));
    exv_collect(heap, 1);
    assert_events("");
    assert_sound(heap);
    exv_drop_step(heap, UINT64_MAX);
    assert_each('D', 1, 2);
    events[0] = '\0';
    assert_int_equal(exv_weak_table_size(table), 0);
    exv_decref(table);
}

static node *saved;

static void save(node *self)
{
    saved = exv_incref(self);
}

/* The entry is gone, as weak references are; nothing else is. */
static void test_a_key_that_is_resurrected(void **state)
{
    exv_heap *heap = *state;
    exv_weak_table *table = new_table(heap);
    node *key = new_node(heap, &final_type, 1);
    key->on_finalize = save;
    key->ref[0] = exv_incref(key);
    set(table, key, exv_incref(key));
    exv_decref(key);
    exv_collect(heap, 2);
    assert_ptr_equal(saved, key);
    assert_null(exv_weak_table_get(table, key));
    assert_sound(heap);
    set(table, key, new_node(heap, &node_type, 2));
    EXV_CLEAR(key->ref[0]);
    exv_decref(saved);
    assert_each('D', 1, 2);
    events[0] = '\0';
    exv_decref(table);
}

/* Random objects, roots, fields and entries of two tables, against naive marking where a key keeps its values. */
static void test_against_marking(void **state)
{
    enum { MANY = 60, ROUNDS = 60 };
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    uint64_t random = 11;
    exv_weak_table *tables[2] = {new_table(heap), new_table(heap)};
    for (int round = 0; round < ROUNDS; round++) {
        node *nodes[MANY];
        bool marked[MANY] = {false};
        int edges[MANY][4], queue[MANY], queued = 0;
        for (int i = 0; i < MANY; i++)
            nodes[i] = new_node(heap, &node_type, i + 1);
        for (int i = 0; i < MANY; i++) {
            for (int place = 0; place < 4; place++) {
                edges[i][place] = next_random(&random) % 3 ? -1 : (int)(next_random(&random) % MANY);
                if (edges[i][place] < 0)
                    continue;
                node *target = nodes[edges[i][place]];
                if (place < 2)
                    set_ref(nodes[i], place, target);
                else
                    set(tables[place - 2], nodes[i], exv_incref(target));
            }
        }
        for (int i = 0; i < 6; i++) {
            int root = (int)(next_random(&random) % MANY);
            if (!marked[root])
                queue[queued++] = root;
            marked[root] = true;
        }
        for (int at = 0; at < queued; at++) {
            for (int place = 0; place < 4; place++) {
                int to = edges[queue[at]][place];
                if (to >= 0 && !marked[to]) {
                    marked[to] = true;
                    queue[queued++] = to;
                }
            }
        }
        for (int i = 0; i < MANY; i++)
            if (!marked[i])
                exv_decref(nodes[i]);
        exv_collect(heap, (int)(next_random(&random) % 3));
        for (int i = 0; i < MANY; i++) {
            char event[16];
            snprintf(event, sizeof event, "D%d ", i + 1);
            assert_int_equal(strstr(events, event) == NULL, marked[i]);
        }
        assert_sound(heap);
        events[0] = '\0';
        for (int i = 0; i < MANY; i++) {
            if (marked[i])
                nodes[i]->id = 0;
            if (marked[i])
                exv_decref(nodes[i]);
        }
        exv_collect(heap, 2);
        assert_int_equal(live_objects(heap), 2);
    }
    exv_decref(tables[0]);
    exv_decref(tables[1]);
}

#ifdef EXVI_CHECKED
/* Whatever allocation fails: nothing has changed, and the next try does it. */
static void test_no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_gc_disable(heap);
    exv_weak_table *table = new_table(heap);
    node *keys[200], *value = new_node(heap, &node_type, 0);
    unsigned failures = 0;
    for (size_t i = 0; i < 200; i++) {
        keys[i] = new_node(heap, &node_type, 0);
        for (unsigned nth = 1;; nth++) {
            exvi_fault_set(EXVI_FAULT_BLOCK, nth, false);
            exv_status status = exv_weak_table_set(table, keys[i], value);
            exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
            if (status == EXV_OK)
                break;
            assert_int_equal(status, EXV_NO_MEMORY);
            assert_non_null(strstr(exv_error_message(heap), "MemoryError"));
            assert_int_equal(exv_weak_table_size(table), i);
            assert_int_equal(exv_refcount(value), 1 + i);
            assert_null(exv_weak_table_get(table, keys[i]));
            failures++;
        }
        assert_int_equal(exv_weak_table_size(table), i + 1);
    }
    assert_true(failures > 200);
    assert_sound(heap);
    for (size_t i = 0; i < 200; i++)
        exv_decref(keys[i]);
    assert_int_equal(exv_refcount(value), 1);
    exv_decref(value);
    exv_decref(table);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        heap_test(test_an_entry_goes_with_its_key),
        heap_test(test_many_entries),
        heap_test(test_simple_keys_are_refused),
        heap_test(test_rings),
        heap_test(test_tables_in_rings),
        heap_test(test_a_key_that_is_to_die),
        heap_test(test_a_key_that_is_resurrected),
        heap_test(test_against_marking),
#ifdef EXVI_CHECKED
        heap_test(test_no_memory),
#endif
    };
    return cmocka_run_group_tests_name("weaktable", tests, NULL, NULL);
}
