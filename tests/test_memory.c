/*
 * test_memory: what the blocks of a heap take from the system, and what they give back: sizes of processes, limits,
 * refused mappings.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "blocks.h"
#include "platform.h"

static exvi_blocks blocks;

static int set_up(void **state)
{
    (void)state;
    exvi_blocks_init(&blocks, &blocks, 0, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    exvi_blocks_drop(&blocks);
    return blocks.regions.arena.held_bytes != 0;
}

static void *new_raw(size_t size)
{
    return exvi_block_new(&blocks, EXVI_RAW, size);
}

static void free_block(void *block)
{
    exvi_block_free(block);
}

static void expect_sound(void)
{
    const char *wrong = exvi_blocks_check(&blocks);
    if (wrong)
        fail_msg("%s", wrong);
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

/* 90 % of the objects are freed, the others are all in a tenth of the pages: memory goes down without being asked. */
static void test_memory_returns(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20, SIZE = 64 };
    static char *block[COUNT];
    memset(block, 1, sizeof block);
    size_t before = resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        block[i] = new_raw(SIZE);
        memset(block[i], 1, SIZE);
    }
    size_t full = resident_bytes() - before;
    assert_true(full >= (size_t)COUNT * SIZE);
    for (size_t i = 0; i < COUNT; i++) {
        if ((uintptr_t)block[i] / EXVI_UNIT_SIZE % 10 != 0)
            free_block(block[i]);
    }
    expect_sound();
    size_t tables = blocks.regions.count * EXVI_META_UNITS * EXVI_UNIT_SIZE;
    assert_true(resident_bytes() - before < full / 10 + full / 40 + ((size_t)5 << 20) + tables);
    for (size_t i = 0; i < COUNT; i++) {
        if ((uintptr_t)block[i] / EXVI_UNIT_SIZE % 10 == 0) {
            assert_int_equal(block[i][SIZE - 1], 1);
            free_block(block[i]);
        }
    }
    exvi_blocks_trim(&blocks);
    expect_sound();
    assert_true(resident_bytes() - before < ((size_t)2 << 20) + 2 * EXVI_HUGE_PAGE);
    assert_int_equal(blocks.regions.count, 1);
}

/* Resident bytes of the heap's own regions, whatever the rest of the process does. */
static size_t resident_in_regions(void)
{
    static unsigned char map[EXVI_REGION_SIZE / 4096];
    size_t pages = 0;
    for (size_t i = 0; i < blocks.regions.count; i++) {
        exvi_region *region = blocks.regions.sorted[i];
        assert_int_equal(mincore(region, region->size, map), 0);
        for (size_t j = 0; j < region->size / 4096; j++)
            pages += map[j] & 1;
    }
    return pages * 4096;
}

static void test_tiny_heap(void **state)
{
    (void)state;
    for (size_t i = 0; i < 10; i++)
        memset(exvi_block_new(&blocks, EXVI_OBJECT, 24 + 16 * i), 0, 24 + 16 * i);
#ifndef EXVI_CHECKED /* which fills whole pages */
    assert_true(resident_in_regions() < 200 * 1024);
#else
    assert_true(resident_in_regions() < 2 * EXVI_HUGE_PAGE);
#endif
}

/* A heap whose blocks are dropped and renewed all over, a few in each page at a time, stays as large as it is. */
static void test_equal_renewal(void **state)
{
    (void)state;
    enum { MOST = 400000, STEP = 1000 };
    static const size_t sizes[] = {64, 16, 500, 3000};
    static char *block[MOST];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        int count = sizes[i] < 1000 ? MOST : MOST / 20;
        for (int j = 0; j < count; j++)
            block[j] = new_raw(sizes[i]);
        size_t units = blocks.regions.used_units, held = blocks.regions.arena.held_bytes, resident = resident_bytes();
        size_t settled = 0;
        for (int round = 0; round < 600; round++) {
            if (round == 200)
                settled = blocks.regions.used_units;
            for (int j = round * 37 % STEP; j < count; j += STEP)
                free_block(block[j]);
            for (int j = round * 37 % STEP; j < count; j += STEP)
                block[j] = new_raw(sizes[i]);
        }
        assert_true(blocks.regions.used_units <= units + units / 8 + 4);
        assert_true(blocks.regions.used_units <= settled + settled / 50 + 4);
        assert_true(blocks.regions.arena.held_bytes <= held + EXVI_REGION_SIZE);
        assert_true(resident_bytes() <= resident + resident / 8 + 2 * EXVI_HUGE_PAGE);
        expect_sound();
        for (int j = 0; j < count; j++)
            free_block(block[j]);
    }
}

/* The limit holds to the byte; what is free in pages that wait to come back is used before NULL is given. */
static void test_limit(void **state)
{
    (void)state;
    enum { MOST = 200000 };
    static char *block[MOST];
    size_t count = 0;
    exvi_blocks_drop(&blocks);
    exvi_blocks_init(&blocks, &blocks, (size_t)12 << 20, true);
    while ((block[count] = new_raw(96)))
        count++;
    assert_true(count > ((size_t)10 << 20) / 96 / 2 && blocks.regions.arena.held_bytes <= (size_t)12 << 20);
    expect_sound();
    assert_null(new_raw(5000));
    size_t freed = 0;
    for (size_t i = 0; i < count; i += 300, freed++)
        free_block(block[i]);
    for (size_t i = 0; i < freed; i++)
        assert_non_null(block[i * 300] = new_raw(96));
    assert_null(new_raw(96));
    expect_sound();
    assert_true(blocks.regions.arena.held_bytes <= (size_t)12 << 20);
    for (size_t i = 0; i < count; i++)
        free_block(block[i]);
    expect_sound();
    block[0] = new_raw((size_t)8 << 20);
    assert_non_null(block[0]);
    assert_null(new_raw((size_t)8 << 20));
    free_block(block[0]);
}

#ifdef EXVI_CHECKED
static void test_faults(void **state)
{
    (void)state;
    exvi_fault_set(EXVI_FAULT_BLOCK, 3, false);
    assert_non_null(new_raw(16));
    assert_non_null(new_raw(100000));
    assert_null(new_raw(16));
    assert_non_null(new_raw(16));
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
    assert_null(new_raw(16));
    assert_null(new_raw(100000));
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    expect_sound();
    exvi_fault_set(EXVI_FAULT_MAP, 1, true);
    while (new_raw(512))
        continue;
    assert_null(new_raw((size_t)50 << 20));
    expect_sound();
    exvi_fault_set(EXVI_FAULT_MAP, 0, false);
    assert_non_null(new_raw(512));
    assert_non_null(new_raw((size_t)50 << 20));
    expect_sound();
}
#endif

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_memory_returns),
        TEST(test_tiny_heap),
        TEST(test_equal_renewal),
        TEST(test_limit),
#ifdef EXVI_CHECKED
        TEST(test_faults),
#endif
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
