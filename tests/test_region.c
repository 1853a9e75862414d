/*
 * test_region: units come, go, and return to the system.
 *
 * A naive model knows which units are taken: of a page it keeps first address and length, and looks for overlap by
 * comparing all pairs' bounds in a sorted array.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "huge.h"
#include "platform.h"
#include "region.h"

enum { PAGES = 400 };

static uint64_t random_state = 1;
static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void expect_sound(const exvi_regions *regions)
{
    const char *wrong = exvi_regions_check(regions);
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

static int compare_pages(const void *a, const void *b)
{
    const exvi_page *left = *(exvi_page *const *)a, *right = *(exvi_page *const *)b;
    return left->start < right->start ? -1 : left->start > right->start;
}

static void expect_apart(exvi_page **pages, size_t count)
{
    exvi_page *sorted[PAGES];
    size_t live = 0;
    for (size_t i = 0; i < count; i++) {
        if (pages[i])
            sorted[live++] = pages[i];
    }
    qsort(sorted, live, sizeof *sorted, compare_pages);
    for (size_t i = 1; i < live; i++)
        assert_true(sorted[i - 1]->start + ((size_t)sorted[i - 1]->units << EXVI_UNIT_SHIFT) <= sorted[i]->start);
}

static void test_random_pages(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_page *pages[PAGES] = {NULL};
    size_t lengths[PAGES];
    exvi_regions_init(&regions, NULL, 0, true);
    for (int step = 0; step < 20000; step++) {
        size_t i = next_random() % PAGES;
        if (pages[i]) {
            assert_int_equal(pages[i]->units, lengths[i]);
            exvi_units_give(&regions, pages[i]);
            pages[i] = NULL;
        } else {
            uint64_t kind = next_random() % 100;
            lengths[i] = kind < 70 ? 1 : kind < 98 ? 1 + next_random() % 18 : 1 + next_random() % 600;
            pages[i] = exvi_units_take(&regions, lengths[i]);
            assert_non_null(pages[i]);
            assert_int_equal(pages[i]->units, lengths[i]);
            assert_ptr_equal(exvi_page_of(pages[i]->start), pages[i]);
            assert_ptr_equal(exvi_regions_find(&regions, pages[i]->start), exvi_region_of(pages[i]));
            pages[i]->start[0] = pages[i]->start[(lengths[i] << EXVI_UNIT_SHIFT) - 1] = 1;
        }
        if (step % 1000 == 0) {
            expect_sound(&regions);
            expect_apart(pages, PAGES);
        }
    }
    for (size_t i = 0; i < PAGES; i++) {
        if (pages[i])
            exvi_units_give(&regions, pages[i]);
    }
    expect_sound(&regions);
    assert_int_equal(regions.used_units, 0);
    assert_int_equal(regions.empty, regions.count);
    exvi_regions_drop(&regions);
    assert_int_equal(regions.arena.held_bytes, 0);
}

/* Single units from below, runs from above, and every unit of a run leads to its page. */
static void test_both_ends(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, false);
    exvi_page *single = exvi_units_take(&regions, 1);
    exvi_page *run = exvi_units_take(&regions, 8);
    exvi_region *region = exvi_region_of(single);
    assert_ptr_equal(single->start, (char *)region + EXVI_META_UNITS * EXVI_UNIT_SIZE);
    assert_ptr_equal(run->start, (char *)region + region->size - 8 * EXVI_UNIT_SIZE);
    for (size_t i = 0; i < 8; i++)
        assert_ptr_equal(exvi_page_of(run->start + i * EXVI_UNIT_SIZE + 16), run);
    exvi_units_give(&regions, single);
    assert_ptr_equal(exvi_units_take(&regions, 1), single); /* what was resident is taken first */
    exvi_regions_drop(&regions);
}

static void test_resize(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, true);
    exvi_page *high = exvi_units_take(&regions, 4);
    exvi_page *page = exvi_units_take(&regions, 10); /* right before it */
    assert_false(exvi_units_resize(&regions, page, 11));
    assert_int_equal(page->units, 10);
    assert_true(exvi_units_resize(&regions, page, 3));
    expect_sound(&regions);
    assert_int_equal(page->units, 3);
    assert_int_equal(regions.used_units, 7);
    assert_true(exvi_units_resize(&regions, page, 9));
    expect_sound(&regions);
    assert_ptr_equal(exvi_page_of(page->start + 8 * EXVI_UNIT_SIZE), page);
    exvi_units_give(&regions, high);
    assert_true(exvi_units_resize(&regions, page, 14));
    assert_false(exvi_units_resize(&regions, page, 15)); /* the region ends */
    assert_false(exvi_units_resize(&regions, page, 0));
    exvi_units_give(&regions, page);
    expect_sound(&regions);
    assert_int_equal(regions.used_units, 0);
    exvi_page *big = exvi_units_take(&regions, 600);
    assert_true(exvi_units_resize(&regions, big, 600));
    assert_false(exvi_units_resize(&regions, big, 601));
    exvi_regions_drop(&regions);
}

/* What the limit leaves is used to the last unit, also when it is less than a region. */
static void test_limit(void **state)
{
    (void)state;
    size_t limits[] = {(EXVI_META_UNITS + 1) * EXVI_UNIT_SIZE + 4096, ((size_t)1 << 20) + 4711,
                       3 * EXVI_REGION_SIZE / 2};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        exvi_regions regions;
        exvi_regions_init(&regions, NULL, limits[i], true);
        size_t taken = 0;
        while (exvi_units_take(&regions, 1)) {
            taken++;
            assert_true(regions.arena.held_bytes + regions.arena.other_bytes <= limits[i]);
        }
        assert_int_equal(taken, regions.arena.held_bytes / EXVI_UNIT_SIZE - regions.count * EXVI_META_UNITS);
        assert_true(exvi_arena_room(&regions.arena) < (EXVI_META_UNITS + 1) * EXVI_UNIT_SIZE);
        expect_sound(&regions);
        exvi_regions_drop(&regions);
    }
}

static void test_empty_regions_make_room(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 2 * EXVI_REGION_SIZE + 4096, true); /* a page for their table */
    exvi_page *page = exvi_units_take(&regions, 1);
    assert_null(exvi_units_take(&regions, 2 * EXVI_UNITS - EXVI_META_UNITS));
    exvi_units_give(&regions, page);
    page = exvi_units_take(&regions, 2 * EXVI_UNITS - EXVI_META_UNITS); /* all that the limit allows */
    assert_non_null(page);
    assert_null(exvi_units_take(&regions, 1));
    assert_int_equal(regions.arena.held_bytes, 2 * EXVI_REGION_SIZE);
    exvi_units_give(&regions, page);
    assert_int_equal(regions.arena.held_bytes, 0);
    exvi_regions_drop(&regions);
}

/* Zeroed units read as zero whether they were in use before or not, and where the system takes nothing back. */
static void test_zeroed(void **state)
{
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        exvi_regions regions;
        exvi_regions_init(&regions, NULL, 0, true);
        for (int round = 0; round < 200; round++) {
            size_t units = 1 + next_random() % 20;
            exvi_page *page = exvi_units_take(&regions, 1 + next_random() % 20), *other = NULL;
            memset(page->start, 0xff, page->units << EXVI_UNIT_SHIFT);
            exvi_units_give(&regions, page);
#ifdef EXVI_CHECKED
            exvi_fault_set(EXVI_FAULT_ADVISE, (uint64_t)refused, true);
#endif
            if (round % 7 == 0)
                exvi_regions_trim(&regions);
            page = exvi_units_take_zeroed(&regions, units);
            if (round % 5 == 0)
                other = exvi_units_take_zeroed(&regions, EXVI_UNITS);
            for (size_t i = 0; i < page->units << EXVI_UNIT_SHIFT; i++)
                assert_true(page->start[i] == 0);
            memset(page->start, 0xff, page->units << EXVI_UNIT_SHIFT);
            exvi_units_give(&regions, page);
            if (other)
                exvi_units_give(&regions, other);
        }
#ifdef EXVI_CHECKED
        exvi_fault_set(EXVI_FAULT_ADVISE, 0, false);
#endif
        expect_sound(&regions);
        exvi_regions_drop(&regions);
    }
}

static void test_find(void **state)
{
    (void)state;
    enum { COUNT = 600 }; /* more than the first table of regions holds */
    exvi_regions regions;
    exvi_page *pages[COUNT];
    char *starts[COUNT];
    int here;
    exvi_regions_init(&regions, NULL, 0, false);
    assert_null(exvi_regions_find(&regions, &here));
    for (size_t i = 0; i < COUNT; i++) {
        pages[i] = exvi_units_take(&regions, i % 3 ? 300 : 1000);
        assert_non_null(pages[i]);
        starts[i] = pages[i]->start;
    }
    expect_sound(&regions);
    assert_true(regions.count == COUNT && regions.room >= COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        exvi_region *region = exvi_region_of(pages[i]);
        assert_ptr_equal(exvi_regions_find(&regions, region), region);
        assert_ptr_equal(exvi_regions_find(&regions, (char *)region + region->size - 1), region);
        assert_ptr_not_equal(exvi_regions_find(&regions, (char *)region + region->size), region);
        assert_ptr_not_equal(exvi_regions_find(&regions, (char *)region - 1), region);
    }
    uintptr_t hostile[] = {0, 1, EXVI_REGION_SIZE, (uintptr_t)&here, (uintptr_t)&test_find, UINTPTR_MAX,
                           (uintptr_t)1 << 63, ((uintptr_t)1 << 47) - 1};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_null(exvi_regions_find(&regions, (void *)hostile[i]));
    for (size_t i = 0; i < COUNT; i += 2)
        exvi_units_give(&regions, pages[i]);
    expect_sound(&regions);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(exvi_regions_find(&regions, starts[i]) != NULL, i % 2);
    exvi_regions_drop(&regions);
}

/* Pages that are given back leave the process by themselves, also when every tenth stays. */
static void test_settling(void **state)
{
    (void)state;
    enum { COUNT = 3000 };
    static exvi_page *pages[COUNT];
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, true);
    size_t before = resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        pages[i] = exvi_units_take(&regions, 1);
        assert_non_null(pages[i]);
        for (size_t j = 0; j < EXVI_UNIT_SIZE; j += 4096)
            pages[i]->start[j] = 1;
    }
    size_t full = resident_bytes() - before;
    assert_true(full >= COUNT * EXVI_UNIT_SIZE);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 10)
            exvi_units_give(&regions, pages[i]);
    }
    expect_sound(&regions);
    assert_true(regions.dirty_units <= COUNT / 10 / 4 + 64);
    size_t tables = regions.count * EXVI_META_UNITS * EXVI_UNIT_SIZE;
    assert_true(resident_bytes() - before < full / 6 + tables);
    for (size_t i = 0; i < COUNT; i += 10)
        assert_int_equal(pages[i]->start[4096], 1);
    exvi_regions_trim(&regions);
    expect_sound(&regions);
    assert_int_equal(regions.dirty_units, 0);
    for (size_t i = 0; i < COUNT; i += 10) {
        assert_int_equal(pages[i]->start[4096], 1);
        exvi_units_give(&regions, pages[i]);
    }
    exvi_regions_trim(&regions);
    expect_sound(&regions);
    assert_int_equal(regions.count, 1); /* one empty region is kept */
    exvi_regions_drop(&regions);
    assert_true(resident_bytes() < before + ((size_t)1 << 20));
}

#ifndef EXVI_STRESS /* whose regions are too small for this */
/* The first touch makes a whole huge page resident, and so dirty; the heap's first 2 MiB are small pages. */
static void test_huge_pages_are_dirty(void **state)
{
    (void)state;
    enum { FIRST = 32 - EXVI_META_UNITS };
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, true);
    if (!regions.arena.huge_pages)
        skip(); /* the system's are larger */
    for (size_t i = 0; i < FIRST; i++)
        exvi_units_take(&regions, 1);
    assert_int_equal(regions.dirty_units, 0);
    exvi_page *page = exvi_units_take(&regions, 1);
    assert_int_equal(regions.dirty_units, 31);
    for (size_t i = 0; i < 31; i++)
        exvi_units_take(&regions, 1);
    assert_int_equal(regions.dirty_units, 0);
    exvi_units_give(&regions, page);
    assert_int_equal(regions.dirty_units, 1);
    expect_sound(&regions);
    exvi_regions_drop(&regions);
}

/* Whole huge pages go first; what lies between live pages stays if that was enough. */
static void test_whole_huge_pages_first(void **state)
{
    (void)state;
    enum { COUNT = 192, FIRST = 32 - EXVI_META_UNITS };
    exvi_regions regions;
    exvi_page *pages[COUNT];
    exvi_regions_init(&regions, NULL, 0, false);
    for (size_t i = 0; i < COUNT; i++)
        pages[i] = exvi_units_take(&regions, 1);
    exvi_units_give(&regions, pages[0]);
    exvi_units_give(&regions, pages[2]);
    for (size_t i = FIRST; i < FIRST + 64; i++)
        exvi_units_give(&regions, pages[i]);
    assert_int_equal(regions.dirty_units, 2 + 32); /* one huge page went when the 65th unit was free */
    expect_sound(&regions);
    exvi_regions_drop(&regions);
}
#endif

/* Does the kernel's list of mappings say that huge pages are wished for ("hg"), or not wanted ("nh"), at `address`? */
static bool has_flag(const char *address, const char *flag)
{
    char line[512], *flags = NULL;
    bool inside = false;
    FILE *file = fopen("/proc/self/smaps", "r");
    assert_non_null(file);
    while (!flags && fgets(line, sizeof line, file)) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start <= (uintptr_t)address && (uintptr_t)address < end;
        if (inside && strncmp(line, "VmFlags:", 8) == 0)
            flags = strstr(line, flag);
    }
    fclose(file);
    return flags != NULL;
}

/* What was given back in parts is not filled up with huge pages again, until there are enough live pages. */
static void test_sparse(void **state)
{
    (void)state;
    enum { COUNT = 502 };
    exvi_regions regions;
    exvi_page *pages[COUNT];
    exvi_regions_init(&regions, NULL, 0, true);
    size_t count = 0;
    do
        pages[count++] = exvi_units_take(&regions, 1);
    while (exvi_region_of(pages[0])->vacant_units > 0);
    char *end = pages[count - 1]->start;
    if (!has_flag(end, " hg"))
        skip(); /* a kernel without huge pages */
    for (size_t i = 0; i < count; i += 2)
        exvi_units_give(&regions, pages[i]);
    exvi_regions_trim(&regions);
    expect_sound(&regions);
    assert_true(has_flag(end, " nh"));
    for (size_t i = 0; i < count / 4; i++)
        exvi_units_take(&regions, 1);
    assert_int_equal(regions.dirty_units, 0); /* no touch of a unit makes its neighbours resident */
    assert_true(has_flag(end, " nh"));
    while (exvi_region_of(pages[1])->vacant_units > 0)
        exvi_units_take(&regions, 1);
    assert_true(has_flag(end, " hg"));
    exvi_units_give(&regions, pages[1]);
    exvi_regions_trim(&regions);
    assert_true(has_flag(end, " hg")); /* these are small pages anyway */
    exvi_units_give(&regions, exvi_page_of(end));
    exvi_regions_trim(&regions);
    assert_true(has_flag(end, " nh"));
    expect_sound(&regions);
    exvi_region *region = exvi_region_of(end);
    for (uint32_t unit = EXVI_META_UNITS; unit < EXVI_UNITS; unit++) {
        if (region->page[unit].units)
            exvi_units_give(&regions, &region->page[unit]);
    }
    exvi_regions_trim(&regions);
    assert_true(has_flag(end, " hg")); /* empty: there is nothing to fill up */
    exvi_regions_drop(&regions);
}

#ifndef EXVI_STRESS
/* What a write beside a forked process split is whole again afterwards; what went back stays away. */
static void test_collapse(void **state)
{
    (void)state;
    enum { COUNT = 900, GIVEN = 320 };
    exvi_regions regions;
    exvi_page *pages[COUNT];
    exvi_regions_init(&regions, NULL, 0, true);
    for (size_t i = 0; i < COUNT; i++) {
        pages[i] = exvi_units_take(&regions, 1);
        memset(pages[i]->start, 1, EXVI_UNIT_SIZE);
    }
    size_t whole = huge_bytes();
    if (whole < 20 * EXVI_HUGE_PAGE || getenv("EXUVIA_VALGRIND"))
        skip(); /* a kernel without huge pages, or a tool that takes memory by itself */
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    for (size_t i = 0; i < COUNT; i++)
        pages[i]->start[0] = 2;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(huge_bytes() < whole / 4);
    for (size_t i = 0; i < GIVEN; i++)
        exvi_units_give(&regions, pages[i]);
    exvi_regions_settle(&regions); /* whole huge pages first */
    size_t given = regions.purged_bytes, resident = resident_bytes();
    assert_true(given >= 4 * EXVI_HUGE_PAGE);
    assert_true(exvi_regions_collapse(&regions));
    while (exvi_collapser_is_busy(&regions.collapser))
        exvi_sleep_ns(1000000);
    if (exvi_collapse(exvi_region_of(pages[COUNT - 1]->start), EXVI_HUGE_PAGE) == EXVI_COLLAPSE_REFUSED)
        skip(); /* a kernel that does not do it */
    assert_true(huge_bytes() + given + 2 * EXVI_HUGE_PAGE >= whole);
    assert_true(resident_bytes() < resident + EXVI_HUGE_PAGE);
    assert_true(exvi_regions_collapse(&regions)); /* while memory goes back: it is halted, and nothing is filled up */
    expect_sound(&regions);
    exvi_regions_drop(&regions);
    assert_false(exvi_regions_collapse(&regions));
}

/* A quarter of what is in use is worth keeping; more, for some seconds, where it was missed. */
static void test_what_is_kept(void **state)
{
    (void)state;
    enum { USED = 800, SECOND = 1000000000 };
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, false);
    assert_false(exvi_regions_exceed(&regions, 4 << 20));
    assert_true(exvi_regions_exceed(&regions, (4 << 20) + 1));
    for (size_t i = 0; i < USED; i++)
        exvi_units_take(&regions, 1);
    assert_false(exvi_regions_exceed(&regions, USED / 4 * EXVI_UNIT_SIZE));
    assert_true(exvi_regions_exceed(&regions, USED / 4 * EXVI_UNIT_SIZE + 1));
    regions.purgeable_bytes = USED / 4 * EXVI_UNIT_SIZE; /* what is free inside of pages is not in use */
    regions.pages_purged_bytes = USED / 4 * EXVI_UNIT_SIZE;
    assert_false(exvi_regions_exceed(&regions, USED / 8 * EXVI_UNIT_SIZE));
    assert_true(exvi_regions_exceed(&regions, USED / 8 * EXVI_UNIT_SIZE + 1));
    regions.purgeable_bytes = regions.pages_purged_bytes = 0;
    regions.purged_bytes = USED * EXVI_UNIT_SIZE;
    exvi_regions_regret(&regions, 2 * USED * EXVI_UNIT_SIZE); /* no more than was given back */
    assert_int_equal(regions.slack_bytes, USED * EXVI_UNIT_SIZE);
    regions.slack_ns = exvi_clock_ns();
    assert_false(exvi_regions_exceed(&regions, USED * EXVI_UNIT_SIZE));
    assert_true(exvi_regions_exceed(&regions, USED * EXVI_UNIT_SIZE + 1));
    regions.slack_ns -= (uint64_t)6 * SECOND;
    assert_true(exvi_regions_exceed(&regions, USED / 2 * EXVI_UNIT_SIZE + 1));
    assert_false(exvi_regions_exceed(&regions, USED / 2 * EXVI_UNIT_SIZE));
    regions.slack_ns -= (uint64_t)1000 * SECOND;
    assert_true(exvi_regions_exceed(&regions, USED / 4 * EXVI_UNIT_SIZE + 1));
    assert_int_equal(regions.slack_bytes, 0);
    exvi_regions_drop(&regions);
}
#endif

/* What may be resident is taken first, though there is room before it. */
static void test_dirty_first(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, false);
    exvi_page *first = exvi_units_take(&regions, 1);
    exvi_page *second = exvi_units_take(&regions, 1);
    exvi_units_give(&regions, first);
    exvi_regions_trim(&regions);
    exvi_units_give(&regions, second);
    assert_ptr_equal(exvi_units_take(&regions, 1), second);
    assert_ptr_equal(exvi_units_take(&regions, 1), first);
    exvi_regions_drop(&regions);
}

/* A heap that swings between large and small gives its memory back once, then keeps it. */
static void swing(bool huge)
{
    enum { COUNT = 1000, SWINGS = 6 };
    static exvi_page *pages[COUNT];
    exvi_regions regions;
    size_t purged[SWINGS];
    exvi_regions_init(&regions, NULL, 0, huge);
    for (int round = 0; round < SWINGS; round++) {
        for (size_t i = 0; i < COUNT; i++)
            pages[i] = exvi_units_take(&regions, 1);
        size_t before = regions.purged_bytes;
        for (size_t i = 0; i < COUNT; i++)
            exvi_units_give(&regions, pages[i]);
        purged[round] = regions.purged_bytes - before;
    }
    assert_true(purged[0] > COUNT / 2 * EXVI_UNIT_SIZE);
    assert_true(purged[SWINGS - 1] <= COUNT / 20 * EXVI_UNIT_SIZE);
    exvi_regions_trim(&regions);
    assert_int_equal(regions.slack_bytes, 0);
    exvi_regions_drop(&regions);
}

static void test_regret(void **state)
{
    if (getenv("EXUVIA_VALGRIND"))
        skip(); /* its own memory and slowness are not the program's */
    (void)state;
    swing(false);
    swing(true);
}

#ifdef EXVI_CHECKED
/* Every mapping refused in turn: what was there stays as it was, and the next attempt succeeds. */
static void test_refused_maps(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 3; nth++) {
        exvi_regions regions;
        exvi_regions_init(&regions, NULL, 0, true);
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        exvi_page *page = exvi_units_take(&regions, 1);
        exvi_page *big = exvi_units_take(&regions, 700);
        assert_int_equal(page == NULL, nth <= 2);
        assert_int_equal(big == NULL, nth == 3);
        expect_sound(&regions);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_non_null(exvi_units_take(&regions, 1));
        assert_non_null(exvi_units_take(&regions, 700));
        expect_sound(&regions);
        exvi_regions_drop(&regions);
    }
}
#endif

/* The check is no decoration: each broken invariant has its sentence. */
static void test_check_sees(void **state)
{
    (void)state;
    exvi_regions regions;
    exvi_regions_init(&regions, NULL, 0, false);
    exvi_page *page = exvi_units_take(&regions, 2);
    exvi_units_give(&regions, exvi_units_take(&regions, 1));
    exvi_region *region = exvi_region_of(page);
    expect_sound(&regions);

    region->dirty[7] |= (uint64_t)1 << 63;
    assert_non_null(exvi_regions_check(&regions));
    region->dirty[7] &= ~((uint64_t)1 << 63);
    region->vacant[0] |= 1;
    assert_non_null(exvi_regions_check(&regions));
    region->vacant[0] &= ~(uint64_t)1;
    page[1].lead = 0;
    assert_non_null(exvi_regions_check(&regions));
    page[1].lead = 1;
    region->vacant_units--;
    assert_non_null(exvi_regions_check(&regions));
    region->vacant_units++;
    regions.used_units++;
    assert_non_null(exvi_regions_check(&regions));
    regions.used_units--;
    exvi_region *roomy = regions.roomy;
    regions.roomy = NULL;
    assert_non_null(exvi_regions_check(&regions));
    regions.roomy = roomy;
    expect_sound(&regions);
    exvi_regions_drop(&regions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_pages),
        cmocka_unit_test(test_both_ends),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_empty_regions_make_room),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_settling),
#ifndef EXVI_STRESS
        cmocka_unit_test(test_huge_pages_are_dirty),
        cmocka_unit_test(test_whole_huge_pages_first),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_collapse),
#endif
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_dirty_first),
        cmocka_unit_test(test_regret),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_refused_maps),
#endif
        cmocka_unit_test(test_check_sees),
    };
    return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
