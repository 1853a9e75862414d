/*
 * test_poison: who frees twice, frees what is no block, or writes to what is free, ends with the right words.
 *
 * Each misuse runs in a process of its own, which must be aborted and must have said why.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "blocks.h"

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
    return 0;
}

static void *new_raw(size_t size)
{
    return exvi_block_new(&blocks, EXVI_RAW, size);
}

static void free_block(void *block)
{
    exvi_block_free(block);
}

/* Run `misuse` in a process of its own: it must be aborted, and its last words must contain `text`. */
static void expect_death(void (*misuse)(void), const char *text)
{
    int ends[2], status;
    char words[1024] = "";
    size_t length = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL); /* cmocka's own handler would take it for a failed test */
        dup2(ends[1], STDERR_FILENO);
        misuse();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], words + length, sizeof words - 1 - length)) > 0)
        length += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("status %#x instead of an end that says \"%s\"; said \"%s\"", (unsigned)status, text, words);
    if (!strstr(words, text))
        fail_msg("\"%s\" does not contain \"%s\"", words, text);
}

static void free_twice(void)
{
    char *block = new_raw(64);
    new_raw(64);
    free_block(block);
    free_block(block);
}

static void free_object_twice(void)
{
    char *block = exvi_block_new(&blocks, EXVI_OBJECT, 64);
    new_raw(64);
    free_block(block);
    free_block(block);
}

/* The last block of a page: with it the page went back, and its entry still tells. */
static void free_twice_with_page(void)
{
    char *block = new_raw((size_t)1 << 20);
    new_raw(64);
    free_block(block);
    free_block(block);
}

/* The second of two blocks in a page of several units, and an address far inside of it. */
static void free_medium_twice(void)
{
    new_raw(60000);
    new_raw(60000);
    char *block = new_raw(60000);
    free_block(block);
    free_block(block);
}

static void free_inside_medium(void)
{
    new_raw(60000);
    free_block((char *)new_raw(60000) + EXVI_UNIT_SIZE / 2);
}

static void free_inside_large(void)
{
    free_block((char *)new_raw((size_t)1 << 20) + EXVI_UNIT_SIZE);
}

static void test_double_free(void **state)
{
    (void)state;
    expect_death(free_twice, "exuvia: exv_free: block 0x");
    expect_death(free_twice, "was freed already\n");
    expect_death(free_object_twice, "exuvia: exv_decref: block 0x");
    expect_death(free_twice_with_page, "was freed already\n");
    expect_death(free_medium_twice, "was freed already\n");
    expect_death(free_inside_medium, "exuvia: exv_free: ");
    expect_death(free_inside_large, "exuvia: exv_free: ");
}

#ifdef EXVI_CHECKED
static void free_inside(void)
{
    free_block((char *)new_raw(64) + 16);
}

/* Freed, and claimed again for allocation, but not handed out yet. */
static void free_claimed(void)
{
    char *block[64];
    for (size_t i = 0; i < 64; i++)
        block[i] = new_raw(64);
    for (size_t i = 10; i < 20; i++)
        free_block(block[i]);
    new_raw(64);
    free_block(block[15]);
}

static void free_never_allocated(void)
{
    exvi_block_free((char *)new_raw(64) + 20 * EXVI_UNIT_SIZE);
}

static void write_after_free(void)
{
    char *block = new_raw(64);
    free_block(block);
    block[63] = 1;
    for (int i = 0; i < 2000; i++)
        new_raw(64);
}

static void test_misuse(void **state)
{
    (void)state;
    expect_death(free_inside, "points inside a block");
    expect_death(free_never_allocated, "nothing was ever allocated there");
    expect_death(free_claimed, "was freed already");
    expect_death(write_after_free, "exuvia: exv_alloc: block 0x");
    expect_death(write_after_free, "was written to after it was freed");
    char *block = new_raw(64);
    free_block(block);
    block[15] = 1; /* an object's header may be read by its killer's message: not filled, not checked */
    assert_null(exvi_blocks_check(&blocks));
    block[16] ^= 1;
    assert_string_equal(exvi_blocks_check(&blocks), "a block was written to after it was freed");
    block[16] ^= 1;
    assert_null(exvi_blocks_check(&blocks));
    block[63] = 0; /* zeros are well only where a page went back to the system */
    assert_string_equal(exvi_blocks_check(&blocks), "a block was written to after it was freed");
}
#endif

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_double_free),
#ifdef EXVI_CHECKED
        TEST(test_misuse),
#endif
    };
    return cmocka_run_group_tests_name("poison", tests, NULL, NULL);
}
