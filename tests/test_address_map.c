/*
 * test_address_map: tables for addresses from all over the address space, by one thread and by several.
 */
#include "address_map.h"
#include "nodes.h"
#include "platform.h"

enum { SIZE = 4096 };

static exvi_address_map map;

static int drop(void **state)
{
    (void)state;
    exvi_address_map_drop(&map);
    return map.directory || map.number || map.count;
}

static uintptr_t random_address(uint64_t *seed)
{
    return ((uintptr_t)next_random(seed) << 24 ^ next_random(seed)) & (((uintptr_t)1 << EXVI_ADDRESS_BITS) - 1);
}

static void test_tables(void **state)
{
    (void)state;
    uint64_t seed = 7;
    uintptr_t at[300];
    assert_true(exvi_address_map_begin(&map, SIZE, false));
    for (int i = 0; i < 300; i++) {
        at[i] = i == 0 ? 0 : i == 1 ? ((uintptr_t)1 << EXVI_ADDRESS_BITS) - 1 : random_address(&seed);
        unsigned char *table = exvi_address_map_add(&map, at[i]);
        assert_non_null(table);
        assert_ptr_equal(table, exvi_address_map_find(&map, at[i]));
        table[i] = 1;
    }
    for (int i = 0; i < 300; i++)
        assert_int_equal(((unsigned char *)exvi_address_map_find(&map, at[i]))[i], 1);
    exvi_address_map_sort(&map);
    assert_true(map.count > 200 && map.count <= 300);
    for (size_t i = 1; i < map.count; i++)
        assert_true(map.number[i - 1] < map.number[i]);
    exvi_address_map_clear(&map);
    assert_int_equal(map.count, 0);
    for (int i = 0; i < 300; i++)
        assert_null(exvi_address_map_find(&map, at[i]));
    assert_int_equal(((unsigned char *)exvi_address_map_add(&map, at[5]))[5], 0);
}

static void test_an_address_beyond_is_refused(void **state)
{
    (void)state;
    assert_true(exvi_address_map_begin(&map, SIZE, true));
    assert_null(exvi_address_map_add(&map, (uintptr_t)1 << EXVI_ADDRESS_BITS));
    assert_null(exvi_address_map_add(&map, UINTPTR_MAX));
    assert_null(exvi_address_map_find(&map, UINTPTR_MAX));
    assert_int_equal(map.count, 0);
}

static void add_all(void *arg)
{
    for (uintptr_t i = 0; i < 200; i++) {
        _Atomic uint64_t *table = exvi_address_map_add(&map, i << EXVI_TABLE_SHIFT);
        if (!table)
            abort();
        atomic_fetch_add(table, (uint64_t)(uintptr_t)arg);
    }
}

static void test_threads(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        exvi_worker worker[3] = {0};
        assert_true(exvi_address_map_begin(&map, SIZE, false));
        for (uintptr_t i = 0; i < 3; i++)
            assert_true(exvi_worker_start(&worker[i], add_all, (void *)(i + 1)));
        for (int i = 0; i < 3; i++)
            exvi_worker_wait(&worker[i]);
        assert_int_equal(map.count, 200);
        for (uintptr_t i = 0; i < 200; i++)
            assert_int_equal(*(uint64_t *)exvi_address_map_find(&map, i << EXVI_TABLE_SHIFT), 6);
        exvi_address_map_drop(&map);
    }
}

#ifdef EXVI_CHECKED
static void test_no_memory(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        assert_false(exvi_address_map_begin(&map, SIZE, false));
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_int_equal(drop(NULL), 0);
    }
    assert_true(exvi_address_map_begin(&map, SIZE, false));
    exvi_fault_set(EXVI_FAULT_MAP, 1, false);
    assert_null(exvi_address_map_add(&map, 4096));
    exvi_fault_set(EXVI_FAULT_MAP, 0, false);
    assert_non_null(exvi_address_map_add(&map, 4096));
    assert_int_equal(map.count, 1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_tables, drop),
        cmocka_unit_test_teardown(test_an_address_beyond_is_refused, drop),
        cmocka_unit_test_teardown(test_threads, drop),
#ifdef EXVI_CHECKED
        cmocka_unit_test_teardown(test_no_memory, drop),
#endif
    };
    return cmocka_run_group_tests_name("address_map", tests, NULL, NULL);
}
