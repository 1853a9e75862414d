/*
 * test_side: the bytes of a scan, for addresses from all over the address space.
 */
#include "nodes.h"
#include "platform.h"
#include "side.h"

enum { COUNT = 5000 };

static exvi_side side;

static int drop(void **state)
{
    (void)state;
    exvi_side_drop(&side);
    return side.map.directory || side.map.number;
}

static void *address(uint64_t number)
{
    return (void *)(uintptr_t)number;
}

/* Bunches of neighbours at random places; twice the same only by chance, and the model does not mind. */
static void choose(void **object, int count, uint64_t *seed)
{
    uint64_t at = 0;
    for (int i = 0; i < count; i++) {
        if (i % 100 == 0)
            at = ((uint64_t)next_random(seed) << 20 ^ next_random(seed)) & UINT64_C(0x7fffffff0000);
        object[i] = address(at + 16 * (next_random(seed) % 4096));
    }
    object[0] = address(16);
    object[1] = address((UINT64_C(1) << 47) - 16);
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static size_t sort_and_unite(void **object, size_t count)
{
    size_t kept = 1;
    qsort(object, count, sizeof *object, by_address);
    for (size_t i = 1; i < count; i++)
        if (object[i] != object[kept - 1])
            object[kept++] = object[i];
    return kept;
}

static void expect_members(void *const *sorted, size_t count)
{
    assert_int_equal(side.members, count);
    size_t found = 0;
    exvi_address_map_sort(&side.map);
    for (size_t i = 0; i < side.map.count; i++) {
        assert_true(i == 0 || side.map.number[i] > side.map.number[i - 1]);
        uint8_t *table = exvi_address_map_table(&side.map, side.map.number[i]);
        for (size_t at = 0; at < EXVI_SIDE_TABLE_SIZE; at += 8) {
            for (uint64_t set = exvi_side_members(table + at); set; set &= set - 1, found++) {
                assert_true(found < count);
                assert_ptr_equal(exvi_side_find(&side, sorted[found]), table + at + exvi_side_first(set));
            }
        }
    }
    assert_int_equal(found, count);
}

/* Each table upwards, the highest first. */
static void test_position(void **state)
{
    (void)state;
    const uintptr_t table = (uintptr_t)1 << EXVI_TABLE_SHIFT;
    const uintptr_t order[] = {7 * table, 7 * table + 16, 8 * table - 16, 3 * table, 4 * table - 16, 16, table - 16};
    for (size_t i = 1; i < sizeof order / sizeof *order; i++)
        assert_true(exvi_side_position((void *)order[i - 1]) < exvi_side_position((void *)order[i]));
}

static void test_members(void **state)
{
    (void)state;
    static void *object[COUNT];
    uint64_t seed = 3;
    for (int round = 0; round < 12; round++) {
        int count = round == 4 ? COUNT : 2 + (int)(next_random(&seed) % 3000);
        choose(object, count, &seed);
        assert_true(exvi_side_begin(&side));
        for (int i = 0; i < count; i++) {
            uint8_t first = (uint8_t)(1 + next_random(&seed) % 255);
            uint8_t *byte = exvi_side_find(&side, object[i]);
            uint8_t before = byte ? *byte : 0;
            size_t members = side.members;
            assert_true(exvi_side_add(&side, object[i], first));
            byte = exvi_side_find(&side, object[i]);
            assert_int_equal(*byte, before ? before : first); /* a member stays what it is */
            assert_int_equal(side.members, members + !before);
        }
        expect_members(object, sort_and_unite(object, (size_t)count));
        if (round % 2)
            exvi_side_end(&side);
    }
}

/* A visit function may report anything, and a scan that follows another must not see its bytes. */
static void test_strangers(void **state)
{
    (void)state;
    static const uint64_t strange[] = {0, 1, 8, 15, 17, UINT64_MAX, UINT64_C(1) << 47, UINT64_C(0xffff800000000010)};
    assert_true(exvi_side_begin(&side));
    for (int i = 1; i < 1000; i++)
        assert_true(exvi_side_add(&side, address((uint64_t)i << 12), 7));
    for (size_t i = 0; i < sizeof strange / sizeof strange[0]; i++) {
        uint8_t *byte = exvi_side_find(&side, address(strange[i]));
        assert_true(!byte || *byte == 0);
    }
    for (int again = 0; again < 2; again++) {
        assert_true(exvi_side_begin(&side));
        assert_int_equal(side.members, 0);
        for (int i = 1; i < 1000; i++) {
            uint8_t *byte = exvi_side_find(&side, address((uint64_t)i << 12));
            assert_true(!byte || *byte == 0);
        }
    }
}

#ifdef EXVI_CHECKED
/* Each mapping fails once: the member is not in, what was in stays, and another try succeeds. */
static void test_no_memory(void **state)
{
    (void)state;
    uint64_t failures = 0;
    for (uint64_t nth = 1;; nth++) {
        exvi_side_drop(&side);
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        bool failed = !exvi_side_begin(&side);
        if (failed)
            assert_true(exvi_side_begin(&side));
        static void *object[10000];
        for (int i = 0; i < 10000; i++) {
            object[i] = address((uint64_t)(i + 1) << 14);
            if (!exvi_side_add(&side, object[i], 1)) {
                assert_false(failed);
                failed = true;
                assert_int_equal(side.members, i);
                assert_true(exvi_side_add(&side, object[i], 1));
            }
        }
        uint64_t calls = exvi_fault_calls(EXVI_FAULT_MAP);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        expect_members(object, 10000);
        assert_int_equal(failed, calls >= nth);
        failures += failed;
        if (calls < nth)
            break;
    }
    assert_true(failures >= 4);
}
#endif

static void test_an_address_beyond_is_refused(void **state)
{
    (void)state;
    assert_true(exvi_side_begin(&side));
    assert_false(exvi_side_add(&side, address(UINT64_C(1) << EXVI_ADDRESS_BITS), 1));
    assert_false(exvi_side_add(&side, address(UINT64_C(0xffff800000001000)), 1));
    assert_int_equal(side.members, 0);
    exvi_side_end(&side);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_position),
        cmocka_unit_test_teardown(test_members, drop),
        cmocka_unit_test_teardown(test_strangers, drop),
        cmocka_unit_test_teardown(test_an_address_beyond_is_refused, drop),
#ifdef EXVI_CHECKED
        cmocka_unit_test_teardown(test_no_memory, drop),
#endif
    };
    return cmocka_run_group_tests_name("side", tests, NULL, NULL);
}
