/*
 * test_purge: memory under free blocks goes back while their neighbours live.
 *
 * Survivors are spread so that no page of the heap becomes free: one for each so many bytes of address space.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "blocks.h"
#include "platform.h"

enum { COUNT = 1 << 19, SIZE = 64, MIB = 1 << 20 };
static char *block[COUNT];
static exvi_blocks blocks;

static int set_up(void **state)
{
    (void)state;
    exvi_blocks_init(&blocks, &blocks, 0, true);
    memset(block, 1, sizeof block); /* resident from now on */
    memset(block, 0, sizeof block);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    exvi_blocks_drop(&blocks);
    return 0;
}

static size_t resident_bytes(void)
{
    unsigned long total, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return resident * exvi_page_size();
}

static void expect_sound(void)
{
    const char *wrong = exvi_blocks_check(&blocks);
    if (wrong)
        fail_msg("%s", wrong);
}

static void free_block(size_t i)
{
    exvi_block_free(block[i]);
    block[i] = NULL;
}

static void fill(void)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (block[i])
            continue;
        block[i] = exvi_block_new(&blocks, EXVI_RAW, SIZE);
        memset(block[i], (int)(i % 251), SIZE);
    }
}

/* One stretch of `span` bytes in ten survives. */
static bool survives(size_t i, size_t span)
{
    return (uintptr_t)block[i] / span % 10 == 0;
}

static void free_others(size_t span)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (block[i] && !survives(i, span))
            free_block(i);
    }
}

static void expect_survivors(void)
{
    char expected[SIZE];
    for (size_t i = 0; i < COUNT; i++) {
        memset(expected, (int)(i % 251), SIZE);
        if (block[i])
            assert_memory_equal(block[i], expected, SIZE);
    }
}

static void test_pages_of_the_system(void **state)
{
    (void)state;
    if (exvi_page_size() != 4096)
        skip(); /* of four in a unit all are often free: the unit goes back, not they */
    size_t before = resident_bytes();
    fill();
    size_t full = resident_bytes() - before, units = blocks.regions.used_units;
    free_others(exvi_page_size());
    expect_sound();
    assert_true(blocks.regions.used_units > units * 9 / 10); /* hardly a page of the heap is free */
    size_t tables = blocks.regions.count * EXVI_META_UNITS * EXVI_UNIT_SIZE;
    assert_true(resident_bytes() - before < full / 10 + full / 20 + 8 * MIB + tables);
    expect_survivors();
    assert_true(blocks.regions.pages_purged_bytes > full / 2);
    for (size_t i = 0; i < COUNT; i++) { /* no huge page may fill the holes again: see region.c */
        if (block[i] && exvi_page_of(block[i])->purged_bytes) {
            exvi_region *region = exvi_region_of(block[i]);
            assert_true(region->sparse || block[i] < (char *)region + region->small_bytes);
        }
    }
}

static void test_trim(void **state)
{
    (void)state;
    size_t before = resident_bytes();
    fill();
    size_t full = resident_bytes() - before;
    free_others(exvi_page_size());
    exvi_blocks_trim(&blocks);
    expect_sound();
    assert_int_equal(blocks.regions.purgeable_bytes, 0);
    size_t tables = blocks.regions.count * EXVI_META_UNITS * EXVI_UNIT_SIZE;
    assert_true(resident_bytes() - before < full / 10 + MIB + tables);
    assert_int_equal(exvi_blocks_trim(&blocks), 0); /* nothing more to go */
    expect_survivors();
}

/* What was returned serves again, and a page that is used again is not called purged or purgeable. */
static void test_reuse(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        fill();
        expect_sound();
        expect_survivors();
        free_others(exvi_page_size());
        exvi_blocks_trim(&blocks);
        expect_sound();
    }
    fill();
    expect_survivors();
    for (size_t i = 0; i < COUNT; i++)
        free_block(i);
    expect_sound();
    assert_int_equal(blocks.regions.purgeable_bytes, 0);
    exvi_blocks_trim(&blocks);
    assert_int_equal(blocks.regions.pages_purged_bytes, 0);
    assert_int_equal(blocks.regions.used_units, 0);
    fill();
    for (size_t i = 0; i < COUNT; i++)
        assert_false(exvi_page_of(block[i])->purged);
}

/* What is purged in the very page that is allocated from is forgotten when the page is full. */
static void test_trim_of_current_page(void **state)
{
    (void)state;
    block[0] = exvi_block_new(&blocks, EXVI_RAW, SIZE);
    exvi_page *page = exvi_page_of(block[0]);
    exvi_blocks_trim(&blocks);
    expect_sound();
    assert_true(page->current && page->purged && blocks.regions.pages_purged_bytes > EXVI_UNIT_SIZE / 2);
    for (size_t i = 1; i <= page->capacity; i++)
        block[i] = exvi_block_new(&blocks, EXVI_RAW, SIZE);
    assert_false(page->current);
    assert_int_equal(blocks.regions.pages_purged_bytes, 0);
    for (size_t i = 0; i < page->capacity - 1u; i++) {
        free_block(i);
        expect_sound();
    }
}

/* A heap that fills up again what it gave back learns to keep it. */
static void test_regret(void **state)
{
    if (getenv("EXUVIA_VALGRIND") || exvi_page_size() != 4096)
        skip(); /* its own memory and slowness are not the program's; as above */
    (void)state;
    enum { ROUNDS = 5 };
    size_t purged[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        fill();
        free_others(exvi_page_size());
        purged[round] = blocks.regions.pages_purged_bytes;
        expect_sound();
    }
    assert_true(purged[0] > (size_t)COUNT * SIZE / 2);
    assert_true(purged[ROUNDS - 1] < purged[0] / 4);
}

/* Blocks larger than a system page, in pages of several units, and the end of a page behind its last block. */
static void test_sizes(void **state)
{
    (void)state;
    enum { FEW = 2000 };
    static const size_t sizes[] = {16, 48, 496, 4000, 5000, 7168, 8192, 20000, 40000, 65536};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t i = 0; i < FEW; i++) {
            block[i] = exvi_block_new(&blocks, s % 2 && sizes[s] > 16 ? EXVI_OBJECT : EXVI_RAW, sizes[s]);
            memset(block[i], (int)s + 1, sizes[s]);
        }
        for (size_t i = 0; i < FEW; i++) {
            if (i % 7)
                free_block(i);
        }
        exvi_blocks_trim(&blocks);
        expect_sound();
        for (size_t i = 0; i < FEW; i += 7) {
            for (size_t j = 0; j < sizes[s]; j++)
                assert_true(block[i][j] == (char)(s + 1));
            free_block(i);
        }
        expect_sound();
    }
}

#ifdef EXVI_CHECKED
/* Also in a page of which parts are gone a write to a free block is found. */
static void test_write_after_free(void **state)
{
    (void)state;
    fill();
    size_t neighbour = COUNT / 2;
    while (!survives(neighbour, exvi_page_size()) || survives(neighbour + 1, exvi_page_size()))
        neighbour++;
    char *dead = block[neighbour + 1]; /* in the same page, as it was allocated next */
    assert_ptr_equal(exvi_page_of(dead), exvi_page_of(block[neighbour]));
    free_others(exvi_page_size());
    exvi_blocks_trim(&blocks);
    expect_sound();
    assert_true(exvi_page_of(dead)->purged);
    dead[SIZE - 1] = 1;
    assert_string_equal(exvi_blocks_check(&blocks), "a block was written to after it was freed");
}
#endif

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_pages_of_the_system),
        TEST(test_trim),
        TEST(test_reuse),
        TEST(test_trim_of_current_page),
        TEST(test_regret),
        TEST(test_sizes),
#ifdef EXVI_CHECKED
        TEST(test_write_after_free),
#endif
    };
    return cmocka_run_group_tests_name("purge", tests, NULL, NULL);
}
