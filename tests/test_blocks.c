/*
 * test_blocks: size classes, reuse, generations' bits, look-up, walks, and the check of all that.
 *
 * The model of the random test knows address, size and kind of each live block, and what was written to its ends. After
 * every phase the allocator's own check, its counts and its walk must agree with the model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blocks.h"

static uint64_t random_state = 1;
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

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

/* ---------------------------------------------------------- size classes */

static void test_classes(void **state)
{
    (void)state;
    assert_int_equal(exvi_bin_of(EXVI_MEDIUM_MAX), EXVI_BINS - 1);
    for (size_t size = 1; size <= EXVI_MEDIUM_MAX; size++) {
        unsigned bin = exvi_bin_of(size);
        size_t block_size = exvi_bin_size(bin);
        assert_true(bin < EXVI_BINS && block_size % 16 == 0);
        assert_true(block_size >= size && (bin == 0 || exvi_bin_size(bin - 1) < size));
        assert_true(block_size - size <= (size <= EXVI_FINE_MAX ? 15 : size / 4));
    }
}

/* The multiplication that replaces a division is exact for every address in every kind of page. */
static void test_indices(void **state)
{
    (void)state;
    for (unsigned bin = 0; bin < EXVI_BINS; bin++) {
        char *block = exvi_block_new(&blocks, bin % 2 ? EXVI_OBJECT : EXVI_RAW, exvi_bin_size(bin));
        exvi_page *page = exvi_page_of(block);
        assert_true(page->block_size == exvi_bin_size(bin) && block == page->start);
        assert_true(page->capacity * page->block_size <= (size_t)page->units << EXVI_UNIT_SHIFT);
        for (uint32_t i = 0; i < page->capacity; i++) {
            char *at = exvi_block_at(page, i);
            assert_true(exvi_block_index(page, at) == i);
            assert_true(exvi_block_index(page, at + page->block_size - 1) == i);
            assert_ptr_equal(exvi_page_of(at), page);
        }
    }
    expect_sound();
}

static void test_boundaries(void **state)
{
    (void)state;
    size_t sizes[] = {1, 15, 16, 17, 31, 32, 33, EXVI_FINE_MAX - 1, EXVI_FINE_MAX, EXVI_FINE_MAX + 1, EXVI_SMALL_MAX,
                      EXVI_SMALL_MAX + 1, EXVI_MEDIUM_MAX, EXVI_MEDIUM_MAX + 1, (size_t)1 << 20, (size_t)16 << 20,
                      ((size_t)16 << 20) + 1, EXVI_REGION_SIZE, (size_t)100 << 20};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    unsigned char *block[EXVI_KINDS][COUNT];
    for (int kind = 0; kind < EXVI_KINDS; kind++) {
        for (size_t i = 0; i < COUNT; i++) {
            block[kind][i] = exvi_block_new(&blocks, (exvi_kind)kind, sizes[i]);
            assert_non_null(block[kind][i]);
            exvi_page *page = exvi_page_of(block[kind][i]);
            assert_int_equal((uintptr_t)block[kind][i] % 16, 0);
            assert_true(exvi_block_size(page) >= sizes[i] && page->kind == kind);
            assert_ptr_equal(exvi_region_of(block[kind][i])->blocks->owner, &blocks);
            block[kind][i][0] = block[kind][i][exvi_block_size(page) - 1] = (unsigned char)(i + 1);
        }
    }
    expect_sound();
    for (int kind = 0; kind < EXVI_KINDS; kind++) {
        for (size_t i = 0; i < COUNT; i++) {
            exvi_page *page = exvi_page_of(block[kind][i]);
            assert_int_equal(block[kind][i][0], i + 1);
            assert_int_equal(block[kind][i][exvi_block_size(page) - 1], i + 1);
            exvi_block_free(block[kind][i]);
        }
    }
    expect_sound();
}

static void test_too_large(void **state)
{
    (void)state;
    assert_null(new_raw(SIZE_MAX));
    assert_null(new_raw(SIZE_MAX - EXVI_UNIT_SIZE + 2));
    assert_null(new_raw((size_t)1 << 50));
    expect_sound();
}

/* --------------------------------------------------------- against a model */

typedef struct model_block {
    unsigned char *start;
    size_t size;
    exvi_kind kind;
    bool old; /* was promoted, as a collection does it */
} model_block;

enum { MODEL = 6000 };
static model_block model[MODEL];

static size_t random_size(void)
{
    uint64_t kind = next_random() % 1000;
    if (kind < 900)
        return 1 + next_random() % 512;
    if (kind < 990)
        return 1 + next_random() % 20000;
    return 1 + next_random() % (kind < 999 ? 200000 : 20000000);
}

static void model_new(model_block *entry, size_t index)
{
    entry->size = random_size();
    entry->kind = next_random() % 2 ? EXVI_OBJECT : EXVI_RAW;
    entry->start = exvi_block_new(&blocks, entry->kind, entry->size);
    entry->old = false;
    assert_non_null(entry->start);
    entry->start[0] = entry->start[entry->size - 1] = (unsigned char)index;
}

static void model_free(model_block *entry, size_t index)
{
    assert_int_equal(entry->start[0], (unsigned char)index);
    assert_int_equal(entry->start[entry->size - 1], (unsigned char)index);
    free_block(entry->start);
    entry->start = NULL;
}

/* What a collection does to its survivors: they are young no more. Claimed blocks stay marked, for their births. */
static void promote_model(void)
{
    for (exvi_page *page = blocks.young, *rest; page; page = rest) {
        rest = page->young_next;
        for (uint32_t word = 0; word < (page->capacity + 63u) / 64; word++)
            page->young[0][word] &= ~exvi_page_live(page, word);
        if (!page->current)
            exvi_page_unlist_young(&blocks, page);
    }
    for (size_t i = 0; i < MODEL; i++)
        model[i].old = true;
}

static int compare_addresses(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t) * (void *const *)a, right = (uintptr_t) * (void *const *)b;
    return left < right ? -1 : left > right;
}

/* The walk over one kind, with room for `room` blocks, hands out what the model has, in address order. */
static void expect_walk(exvi_kind kind, size_t room)
{
    static void *expected[MODEL], *out[MODEL];
    size_t count = 0, seen = 0, got;
    for (size_t i = 0; i < MODEL; i++) {
        if (model[i].start && model[i].kind == kind)
            expected[count++] = model[i].start;
    }
    qsort(expected, count, sizeof *expected, compare_addresses);
    exvi_block_cursor cursor = {0};
    while ((got = exvi_blocks_next(&blocks, kind, &cursor, out, room)) > 0) {
        assert_true(got <= room && seen + got <= count);
        assert_memory_equal(out, expected + seen, got * sizeof *out);
        seen += got;
    }
    assert_int_equal(seen, count);
    assert_int_equal(exvi_blocks_next(&blocks, kind, &cursor, out, room), 0);
}

static void expect_model(void)
{
    exvi_blocks_sum sum;
    size_t live[EXVI_KINDS] = {0}, bytes = 0;
    expect_sound();
    for (size_t i = 0; i < MODEL; i++) {
        exvi_page *page;
        uint32_t index;
        if (!model[i].start)
            continue;
        live[model[i].kind]++;
        assert_true(exvi_block_find(&blocks, model[i].start, &page, &index));
        assert_ptr_equal(page, exvi_page_of(model[i].start));
        assert_int_equal(index, exvi_block_index(page, model[i].start));
        bytes += exvi_block_size(page);
        if (model[i].kind == EXVI_OBJECT)
            assert_int_equal(page->young[0][index / 64] >> (index % 64) & 1, !model[i].old);
    }
    exvi_blocks_count(&blocks, &sum);
    assert_int_equal(sum.live[EXVI_RAW], live[EXVI_RAW]);
    assert_int_equal(sum.live[EXVI_OBJECT], live[EXVI_OBJECT]);
    assert_int_equal(sum.used_bytes, bytes);
    assert_int_equal(sum.used_bytes + sum.free_bytes + sum.metadata_bytes, sum.held_bytes);
    assert_int_equal(sum.allocations, sum.frees + live[EXVI_RAW] + live[EXVI_OBJECT]);
    size_t rooms[] = {1, 7, 64, MODEL};
    expect_walk(EXVI_RAW, rooms[next_random() % 4]);
    expect_walk(EXVI_OBJECT, rooms[next_random() % 4]);
}

static void test_random(void **state)
{
    (void)state;
    uint64_t allocations = 0, bytes = 0;
    exvi_blocks_sum sum;
    random_state = 0x9e3779b97f4a7c15;
    memset(model, 0, sizeof model);
    for (int phase = 0; phase < 24; phase++) {
        unsigned share = phase % 4 == 3 ? 20 : 65; /* percent of steps that allocate: the heap breathes */
        for (int step = 0; step < 10000; step++) {
            size_t i = next_random() % MODEL;
            bool allocate = next_random() % 100 < share;
            if (model[i].start && !allocate)
                model_free(&model[i], i);
            else if (!model[i].start && allocate) {
                model_new(&model[i], i);
                allocations++;
                bytes += exvi_block_size(exvi_page_of(model[i].start));
            }
        }
        assert_int_equal(exvi_blocks_allocated_bytes(&blocks), bytes);
        if (phase % 5 == 0)
            exvi_blocks_trim(&blocks);
        if (phase % 3 == 0)
            promote_model();
        expect_model();
    }
    exvi_blocks_count(&blocks, &sum);
    assert_int_equal(sum.allocations, allocations);
    for (size_t i = 0; i < MODEL; i++) {
        if (model[i].start)
            model_free(&model[i], i);
    }
    expect_model();
    exvi_blocks_trim(&blocks);
    expect_model();
    assert_int_equal(blocks.regions.used_units, 0);
    assert_int_equal(blocks.regions.count, 1);
    assert_null(blocks.young);
}

/* ------------------------------------------------------------------ reuse */

static void test_reuse(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char *first[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        first[i] = new_raw(48);
    size_t held = blocks.regions.used_units;
    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < COUNT; i++)
            free_block(first[(i * 7919) % COUNT]);
        for (size_t i = 0; i < COUNT; i++)
            first[i] = new_raw(48);
        assert_true(blocks.regions.used_units <= held + 1);
    }
    void *last = new_raw(48);
    free_block(last);
    unsigned until = 0; /* what was freed last is still in the cache: it comes again before another word is claimed */
    while (new_raw(48) != last)
        until++;
    assert_true(until < 64);
    expect_sound();
}

/* A page that has become free serves another size and kind. */
static void test_pages_change_class(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static char *block[COUNT];
    size_t most = 0;
    for (unsigned round = 0; round < 20; round++) {
        size_t size = 16 + 64 * round;
        for (size_t i = 0; i < COUNT * 16 / size; i++)
            block[i] = exvi_block_new(&blocks, round % 2 ? EXVI_OBJECT : EXVI_RAW, size);
        if (most < blocks.regions.used_units)
            most = blocks.regions.used_units;
        for (size_t i = 0; i < COUNT * 16 / size; i++)
            free_block(block[i]);
        expect_sound();
    }
    assert_true(most < 2 * (COUNT * 32 / EXVI_UNIT_SIZE) + 20); /* and not 20 times one round's pages */
}

static void test_resize(void **state)
{
    (void)state;
    char *small = new_raw(100);
    assert_true(exvi_block_resize(exvi_page_of(small), 112));
    assert_false(exvi_block_resize(exvi_page_of(small), 113));
    assert_true(exvi_block_resize(exvi_page_of(small), 57));
    assert_false(exvi_block_resize(exvi_page_of(small), 56)); /* a smaller class would do */
    char *large = new_raw(5 * EXVI_UNIT_SIZE);
    large[0] = 1;
    assert_true(exvi_block_resize(exvi_page_of(large), 2 * EXVI_UNIT_SIZE));
    assert_int_equal(exvi_block_size(exvi_page_of(large)), 2 * EXVI_UNIT_SIZE);
    expect_sound();
    assert_true(exvi_block_resize(exvi_page_of(large), 4 * EXVI_UNIT_SIZE - 1));
    assert_int_equal(exvi_block_size(exvi_page_of(large)), 4 * EXVI_UNIT_SIZE);
    large[4 * EXVI_UNIT_SIZE - 1] = 2;
    assert_false(exvi_block_resize(exvi_page_of(large), EXVI_REGION_SIZE));
    assert_false(exvi_block_resize(exvi_page_of(large), SIZE_MAX));
    assert_int_equal(exvi_block_size(exvi_page_of(large)), 4 * EXVI_UNIT_SIZE);
    expect_sound();
    free_block(small);
    free_block(large);
    expect_sound();
}

/* ---------------------------------------------------------- young objects */

static bool is_young(const void *block)
{
    const exvi_page *page = exvi_page_of(block);
    uint32_t index = exvi_block_index(page, block);
    return page->young[0][index / 64] >> (index % 64) & 1;
}

static void test_young(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static char *block[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        block[i] = exvi_block_new(&blocks, EXVI_OBJECT, 40);
        assert_true(is_young(block[i]));
        assert_true(exvi_page_of(block[i])->young_listed);
    }
    expect_sound();
    for (size_t i = 0; i < COUNT; i++)
        free_block(block[i]);
    expect_sound();
    size_t listed = 0;
    for (exvi_page *page = blocks.young; page; page = page->young_next)
        listed++;
    assert_true(listed <= 1); /* free pages have left the list; the current one stays */
    char *large = exvi_block_new(&blocks, EXVI_OBJECT, (size_t)1 << 20);
    assert_true(is_young(large) && blocks.young == exvi_page_of(large));
    exvi_page_list_young(&blocks, exvi_page_of(large));
    expect_sound();
    exvi_page *page = exvi_page_of(large);
    page->young[0][0] = 0;
    exvi_page_unlist_young(&blocks, page);
    exvi_page_unlist_young(&blocks, page);
    expect_sound();
    free_block(large);
    expect_sound();
}

/* A block is born into generation 0 whatever its place's last tenant was. */
static void test_young_again(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char *block[COUNT];
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            block[i] = exvi_block_new(&blocks, EXVI_OBJECT, 48);
            exvi_page *page = exvi_page_of(block[i]);
            uint32_t index = exvi_block_index(page, block[i]);
            assert_true(is_young(block[i]));
            assert_false(page->young[1][index / 64] >> (index % 64) & 1);
            if (i % 2) { /* on to generation 1 */
                page->young[0][index / 64] &= ~((uint64_t)1 << (index % 64));
                page->young[1][index / 64] |= (uint64_t)1 << (index % 64);
            }
        }
        expect_sound();
        for (size_t i = 0; i < COUNT; i++)
            free_block(block[(i * 7) % COUNT]);
        expect_sound();
    }
}

/* Emptying the list as a collection does, while allocation goes on in current pages. */
static void test_young_list_is_emptied(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 500; i++)
            exvi_block_new(&blocks, EXVI_OBJECT, 32 + 16 * (i % 8));
        expect_sound();
        for (exvi_page *page = blocks.young, *rest; page; page = rest) {
            rest = page->young_next;
            for (uint32_t word = 0; word < (page->capacity + 63u) / 64; word++)
                page->young[0][word] &= ~exvi_page_live(page, word);
            if (!page->current)
                exvi_page_unlist_young(&blocks, page);
        }
        expect_sound();
    }
}

/* ------------------------------------------------------- look-up and walk */

static void test_find_hostile(void **state)
{
    (void)state;
    exvi_page *page;
    uint32_t index;
    int here;
    char *small = new_raw(64), *medium = new_raw(20000), *large = new_raw((size_t)1 << 20);
    char *huge = new_raw((size_t)40 << 20), *gone = new_raw(64);
    uintptr_t region = (uintptr_t)exvi_region_of(small);
    free_block(gone);
    memset(huge, 0xff, (size_t)2 << 20); /* nothing to be taken for a table entry */
    uintptr_t none[] = {0, 1, 16, UINTPTR_MAX, UINTPTR_MAX - 15, (uintptr_t)&here, (uintptr_t)&test_find_hostile,
                        region, region + 64, region - 16, region + EXVI_REGION_SIZE, (uintptr_t)gone,
                        (uintptr_t)small + 1, (uintptr_t)small + 16, (uintptr_t)medium + 16, (uintptr_t)medium + 65536,
                        (uintptr_t)large + 16, (uintptr_t)large + EXVI_UNIT_SIZE, (uintptr_t)huge + 16,
                        (uintptr_t)huge + EXVI_UNIT_SIZE, (uintptr_t)huge + EXVI_REGION_SIZE,
                        (uintptr_t)huge + ((size_t)40 << 20) - 16, (uintptr_t)huge + ((size_t)40 << 20)};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(exvi_block_find(&blocks, (void *)none[i], &page, &index));
    char *blocks_there[] = {small, medium, large, huge};
    for (size_t i = 0; i < 4; i++) {
        assert_true(exvi_block_find(&blocks, blocks_there[i], &page, &index));
        assert_ptr_equal(exvi_block_at(page, index), blocks_there[i]);
    }
    for (int i = 0; i < 1000000; i++) /* any address at all, many of them near or in the regions */
        exvi_block_find(&blocks, (void *)(i % 2 ? next_random() : region + next_random() % (2 * EXVI_REGION_SIZE)),
                        &page, &index);
    char *regions[] = {small, huge};
    for (size_t i = 0; i < 2; i++) { /* every address of a table and of what follows it */
        char *start = (char *)exvi_region_of(regions[i]);
        for (size_t offset = 0; offset < 2 * EXVI_UNIT_SIZE * EXVI_META_UNITS; offset += 8) {
            if (exvi_block_find(&blocks, start + offset, &page, &index))
                assert_ptr_equal(exvi_block_at(page, index), start + offset);
        }
    }
    exvi_blocks other;
    exvi_blocks_init(&other, NULL, 0, true);
    assert_false(exvi_block_find(&other, small, &page, &index));
    exvi_blocks_drop(&other);
}

/* A walk while the heap changes: what stays is seen exactly once, nothing dead is handed out. */
static void test_walk_while_changing(void **state)
{
    (void)state;
    enum { COUNT = 4000, ROOM = 37 };
    static char *block[COUNT];
    static unsigned seen[COUNT];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < COUNT; i++) {
        block[i] = new_raw(i % 50 == 0 ? 30000 : 64 + i % 5 * 100);
        memcpy(block[i], &i, sizeof i);
    }
    exvi_block_cursor cursor = {0};
    void *out[ROOM];
    size_t got;
    while ((got = exvi_blocks_next(&blocks, EXVI_RAW, &cursor, out, ROOM)) > 0) {
        for (size_t i = 0; i < got; i++) {
            uint32_t index;
            memcpy(&index, out[i], sizeof index);
            if (index == UINT32_MAX)
                continue; /* born during the walk */
            assert_true(index < COUNT && block[index] == out[i]);
            seen[index]++;
        }
        for (int i = 0; i < 20; i++) { /* free odd ones behind and before the cursor, and put new blocks there */
            uint32_t victim = (uint32_t)(next_random() % COUNT) | 1, newborn = UINT32_MAX;
            if (block[victim])
                free_block(block[victim]);
            block[victim] = NULL;
            if (i % 4 == 0)
                memcpy(new_raw(64), &newborn, sizeof newborn);
        }
        exvi_blocks_trim(&blocks);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_true(seen[i] <= 1 && (i % 2 || seen[i] == 1));
    expect_sound();
}

/* ------------------------------------------------------------------ check */

/* Each invariant that is broken is seen. */
static void test_check_sees(void **state)
{
    (void)state;
    char *block = exvi_block_new(&blocks, EXVI_OBJECT, 1200);
    char *two = exvi_block_new(&blocks, EXVI_OBJECT, 1200);
    char *others[2000];
    for (size_t i = 0; i < 2000; i++)
        others[i] = new_raw(200);
    for (size_t i = 0; i < 2000; i += 2)
        free_block(others[i]);
    expect_sound();
    assert_ptr_equal(exvi_page_of(two), exvi_page_of(block));
    exvi_page *page = exvi_page_of(block), *partial = blocks.bin[EXVI_RAW][exvi_bin_of(200)].partial;
    assert_non_null(partial);
#define EXPECT_SEEN(breaking, mending)          \
    do {                                        \
        breaking;                               \
        assert_non_null(exvi_blocks_check(&blocks)); \
        mending;                                \
        expect_sound();                         \
    } while (0)
    uint64_t live = exvi_page_live(partial, 0), behind = (uint64_t)1 << page->capacity;
    assert_true(live != 0 && partial->capacity % 64 != 0);
    live &= ~live + 1;
    EXPECT_SEEN(partial->free[0] |= live, partial->free[0] &= ~live);
    EXPECT_SEEN(partial->left++, partial->left--);
    EXPECT_SEEN(partial->listed = false, partial->listed = true);
    EXPECT_SEEN(partial->listed = false, partial->listed = true);
    EXPECT_SEEN(partial->current = true, partial->current = false);
    EXPECT_SEEN(partial->claimed = live, partial->claimed = 0);
    EXPECT_SEEN(page->wake++, page->wake--);
    EXPECT_SEEN(page->free[0] |= 4, page->free[0] &= ~(uint64_t)4); /* claimed, too */
    EXPECT_SEEN(page->free[0] |= behind, page->free[0] &= ~behind);
    EXPECT_SEEN(page->claimed |= behind, page->claimed &= ~behind);
    EXPECT_SEEN(page->young[0][0] &= ~(uint64_t)4, page->young[0][0] |= 4); /* claimed, and not young */
    EXPECT_SEEN(page->young[1][0] |= 1, page->young[1][0] &= ~(uint64_t)1);
    EXPECT_SEEN(page->young_listed = false, page->young_listed = true);
    EXPECT_SEEN(page->current = false, page->current = true);
    EXPECT_SEEN(blocks.young = NULL, blocks.young = page);
#undef EXPECT_SEEN
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_classes),
        TEST(test_indices),
        TEST(test_boundaries),
        TEST(test_too_large),
        TEST(test_random),
        TEST(test_reuse),
        TEST(test_pages_change_class),
        TEST(test_resize),
        TEST(test_young),
        TEST(test_young_again),
        TEST(test_young_list_is_emptied),
        TEST(test_find_hostile),
        TEST(test_walk_while_changing),
        TEST(test_check_sees),
    };
    return cmocka_run_group_tests_name("blocks", tests, NULL, NULL);
}
