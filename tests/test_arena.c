/*
 * test_arena: regions are aligned, zeroed, counted, and never more than the limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena.h"
#include "platform.h"

static void test_region_is_aligned_and_zero(void **state)
{
    (void)state;
    exvi_arena arena = {.huge_pages = true};
    size_t sizes[] = {EXVI_REGION_SIZE, 4096, EXVI_HUGE_PAGE + 4096, 3 * EXVI_REGION_SIZE};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *region = exvi_region_new(&arena, sizes[i], 0);
        assert_non_null(region);
        assert_int_equal((uintptr_t)region % EXVI_REGION_SIZE, 0);
        assert_int_equal(arena.held_bytes, sizes[i]);
        assert_int_equal(region[0] | region[sizes[i] / 2] | region[sizes[i] - 1], 0);
        region[0] = region[sizes[i] - 1] = 1;
        assert_ptr_equal(exvi_region_of(region + (sizes[i] - 1) % EXVI_REGION_SIZE), region);
        exvi_region_free(&arena, region, sizes[i]);
        assert_int_equal(arena.held_bytes, 0);
    }
}

/* Also where the system gives huge pages unasked, and they are as large as a region. */
static void test_a_byte_is_no_region(void **state)
{
    (void)state;
    for (int huge = 0; huge < 2; huge++) {
        exvi_arena arena = exvi_arena_new(0, huge != 0);
        uint64_t before = exvi_resident_bytes();
        char *region = exvi_region_new(&arena, EXVI_REGION_SIZE, 0);
        region[0] = 1;
        assert_true(exvi_resident_bytes() < before + 2 * EXVI_HUGE_PAGE);
        exvi_region_free(&arena, region, EXVI_REGION_SIZE);
    }
}

static void test_limit_is_exact(void **state)
{
    (void)state;
    exvi_arena arena = {.limit_bytes = 3 * EXVI_REGION_SIZE};
    assert_int_equal(exvi_arena_room(&arena), 3 * EXVI_REGION_SIZE);
    void *first = exvi_region_new(&arena, EXVI_REGION_SIZE, EXVI_HUGE_PAGE);
    void *second = exvi_region_new(&arena, 2 * EXVI_REGION_SIZE, 0);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(exvi_arena_room(&arena), 0);
    assert_null(exvi_region_new(&arena, 4096, 0));
    exvi_region_free(&arena, first, EXVI_REGION_SIZE);
    assert_null(exvi_region_new(&arena, EXVI_REGION_SIZE + 4096, 0));
    assert_int_equal(arena.held_bytes, 2 * EXVI_REGION_SIZE);
    first = exvi_region_new(&arena, EXVI_REGION_SIZE, 0);
    assert_non_null(first);
    exvi_region_free(&arena, first, EXVI_REGION_SIZE);
    exvi_region_free(&arena, second, 2 * EXVI_REGION_SIZE);
}

/* What is held beside the regions counts, too. */
static void test_claims(void **state)
{
    (void)state;
    exvi_arena arena = {.limit_bytes = EXVI_REGION_SIZE};
    assert_false(exvi_arena_claim(&arena, EXVI_REGION_SIZE + 1));
    assert_true(exvi_arena_claim(&arena, 4096));
    assert_int_equal(exvi_arena_room(&arena), EXVI_REGION_SIZE - 4096);
    assert_null(exvi_region_new(&arena, EXVI_REGION_SIZE, 0));
    void *region = exvi_region_new(&arena, EXVI_REGION_SIZE - 4096, 0);
    assert_non_null(region);
    assert_false(exvi_arena_claim(&arena, 1));
    exvi_arena_unclaim(&arena, 4096);
    assert_int_equal(exvi_arena_room(&arena), 4096);
    exvi_region_free(&arena, region, EXVI_REGION_SIZE - 4096);
}

static void test_no_limit(void **state)
{
    (void)state;
    exvi_arena arena = {0};
    assert_true(exvi_arena_room(&arena) == SIZE_MAX);
    assert_null(exvi_region_new(&arena, (size_t)1 << 62, 0)); /* no system has that much */
    assert_int_equal(arena.held_bytes, 0);
}

#ifdef EXVI_CHECKED
static void test_refused_map(void **state)
{
    (void)state;
    exvi_arena arena = {.huge_pages = true};
    exvi_fault_set(EXVI_FAULT_MAP, 1, false);
    assert_null(exvi_region_new(&arena, EXVI_REGION_SIZE, 0));
    assert_int_equal(arena.held_bytes, 0);
    exvi_fault_set(EXVI_FAULT_MAP, 0, false);
}

/* Advice is asked for what lies behind the small pages, and a refusal changes nothing. */
static void test_refused_advice(void **state)
{
    (void)state;
    exvi_arena arena = {.huge_pages = true};
    if (exvi_huge_page_size() != EXVI_HUGE_PAGE)
        skip();
    exvi_fault_set(EXVI_FAULT_ADVISE, 1, true);
    void *region = exvi_region_new(&arena, EXVI_REGION_SIZE, 0);
    assert_non_null(region);
    assert_int_equal(exvi_fault_calls(EXVI_FAULT_ADVISE), 1);
    exvi_region_free(&arena, region, EXVI_REGION_SIZE);
    region = exvi_region_new(&arena, EXVI_HUGE_PAGE, EXVI_HUGE_PAGE);
    assert_int_equal(exvi_fault_calls(EXVI_FAULT_ADVISE), 1);
    exvi_region_free(&arena, region, EXVI_HUGE_PAGE);
    arena.huge_pages = false;
    region = exvi_region_new(&arena, EXVI_REGION_SIZE, 0);
    assert_int_equal(exvi_fault_calls(EXVI_FAULT_ADVISE), 1);
    exvi_region_free(&arena, region, EXVI_REGION_SIZE);
    exvi_fault_set(EXVI_FAULT_ADVISE, 0, false);
}

static void test_known_regions(void **state)
{
    (void)state;
    exvi_arena arena = {0};
    int here;
    char *region = exvi_region_new(&arena, EXVI_REGION_SIZE, 0);
    assert_true(exvi_region_is_known(region));
    assert_true(exvi_region_is_known(region + EXVI_REGION_SIZE - 1));
    assert_false(exvi_region_is_known(&here));
    assert_false(exvi_region_is_known(NULL));
    assert_false(exvi_region_is_known((void *)UINTPTR_MAX));
    exvi_region_free(&arena, region, EXVI_REGION_SIZE);
    assert_false(exvi_region_is_known(region));
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_region_is_aligned_and_zero),
        cmocka_unit_test(test_a_byte_is_no_region),
        cmocka_unit_test(test_limit_is_exact),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_no_limit),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_refused_map),
        cmocka_unit_test(test_refused_advice),
        cmocka_unit_test(test_known_regions),
#endif
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
