/*
 * test_tally: counting by key against plain arrays, the order that sorting gives, and a lack of memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "platform.h"
#include "tally.h"

enum { KEYS = 700 };

static void test_counts(void **state)
{
    (void)state;
    exvi_tally tally = {0};
    uint64_t count[KEYS] = {0}, bytes[KEYS] = {0};
    assert_null(exvi_tally_get(&tally, 1, 0));
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t key = i * i % KEYS;
        exvi_tally_add(&tally, key, key % 3, i, i);
        count[key]++;
        bytes[key] += i;
    }
    for (uint64_t key = 0; key < KEYS; key++) {
        const exvi_tally_item *item = exvi_tally_get(&tally, key, key % 3);
        assert_int_equal(item ? item->count : 0, count[key]);
        assert_int_equal(item ? item->bytes : 0, bytes[key]);
        assert_null(exvi_tally_get(&tally, key, 3));
    }
    exvi_tally_sort(&tally, true);
    for (size_t i = 1; i < tally.count; i++)
        assert_true(tally.item[i - 1].bytes >= tally.item[i].bytes);
    exvi_tally_drop(&tally);
}

/* Ties go by the key, so that two runs print the same. */
static void test_order_of_ties(void **state)
{
    (void)state;
    exvi_tally tally = {0};
    for (uint64_t key = 100; key-- > 0;)
        exvi_tally_add(&tally, key, 0, 8, 0);
    exvi_tally_add(&tally, 50, 0, 0, 0);
    exvi_tally_sort(&tally, false);
    assert_int_equal(tally.item[0].key, 50);
    assert_int_equal(tally.item[1].key, 0);
    for (size_t i = 2; i < tally.count; i++)
        assert_true(tally.item[i - 1].key < tally.item[i].key);
    exvi_tally_drop(&tally);
}

static void test_no_memory(void **state)
{
    (void)state;
#ifdef EXVI_CHECKED
    for (uint64_t nth = 1; nth <= 4; nth++) {
        exvi_tally tally = {0};
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        for (uint64_t key = 0; key < 200; key++)
            exvi_tally_add(&tally, key, 0, 1, 0)->count += 0; /* what it answers can be written to in any case */
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_true(tally.failed);
        exvi_tally_sort(&tally, true);
        exvi_tally_drop(&tally);
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_order_of_ties),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
