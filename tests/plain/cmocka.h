/*
 * cmocka.h: as much of cmocka as the tests here use, for C libraries that no cmocka was built for (tools/test-musl).
 *
 * A test that fails leaves by longjmp, like cmocka's; the exit status is the number of those that failed.
 */
#ifndef PLAIN_CMOCKA_H
#define PLAIN_CMOCKA_H

#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test)(void **state);
    int (*set_up)(void **state);
    int (*tear_down)(void **state);
};

#define cmocka_unit_test(f) {#f, f, NULL, NULL}
#define cmocka_unit_test_setup_teardown(f, before, after) {#f, f, before, after}
#define cmocka_unit_test_teardown(f, after) {#f, f, NULL, after}

enum { PLAIN_FAILED = 1, PLAIN_SKIPPED = 2 };
static jmp_buf plain_way_out;

#define plain_leave(how) longjmp(plain_way_out, how)
#define fail_msg(...)                                    \
    do {                                                 \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);  \
        fprintf(stderr, __VA_ARGS__);                    \
        fputc('\n', stderr);                             \
        plain_leave(PLAIN_FAILED);                       \
    } while (0)
#define fail() fail_msg("failed")
#define skip() plain_leave(PLAIN_SKIPPED)
#define print_message(...) fprintf(stderr, __VA_ARGS__)
#define print_error print_message

#define plain_check(condition, text) \
    do {                             \
        if (!(condition))            \
            fail_msg("%s", text);    \
    } while (0)
#define assert_true(c) plain_check(c, #c)
#define assert_false(c) plain_check(!(c), "not: " #c)
#define assert_null(p) plain_check((p) == NULL, #p " is not NULL")
#define assert_non_null(p) plain_check((p) != NULL, #p " is NULL")
#define assert_int_equal(a, b) plain_check((uintmax_t)(a) == (uintmax_t)(b), #a " != " #b)
#define assert_int_not_equal(a, b) plain_check((uintmax_t)(a) != (uintmax_t)(b), #a " == " #b)
#define assert_ptr_equal(a, b) plain_check((const void *)(a) == (const void *)(b), #a " != " #b)
#define assert_ptr_not_equal(a, b) plain_check((const void *)(a) != (const void *)(b), #a " == " #b)
#define assert_string_not_equal(a, b) plain_check(strcmp(a, b) != 0, #a " equals " #b)
#define assert_memory_equal(a, b, size) plain_check(memcmp(a, b, size) == 0, #a " differs from " #b)
#define assert_in_range(value, low, high) \
    plain_check((uintmax_t)(value) - (uintmax_t)(low) <= (uintmax_t)(high) - (uintmax_t)(low), \
                #value " is out of range")
#define assert_string_equal(a, b)                          \
    do {                                                   \
        const char *plain_a = (a), *plain_b = (b);         \
        if (strcmp(plain_a, plain_b) != 0)                 \
            fail_msg("\"%s\" != \"%s\"", plain_a, plain_b); \
    } while (0)

static inline int plain_run_test(const struct CMUnitTest *test)
{
    void *state = NULL;
    int end = setjmp(plain_way_out);
    if (end == 0) {
        if (test->set_up && test->set_up(&state) != 0)
            fail_msg("set-up failed");
        test->test(&state);
    }
    if (end != PLAIN_FAILED && setjmp(plain_way_out) == 0 && test->tear_down && test->tear_down(&state) != 0)
        end = PLAIN_FAILED;
    if (end == PLAIN_FAILED)
        fprintf(stderr, "FAILED: %s\n", test->name);
    return end == PLAIN_FAILED;
}

static inline int plain_run(const struct CMUnitTest *tests, size_t count, int (*before)(void **), int (*after)(void **))
{
    int failed = 0;
    void *state = NULL;
    if (before && before(&state) != 0)
        return 1;
    for (size_t i = 0; i < count; i++)
        failed += plain_run_test(&tests[i]);
    if (after && after(&state) != 0)
        failed++;
    return failed;
}

#define cmocka_run_group_tests(tests, before, after) plain_run(tests, sizeof tests / sizeof *tests, before, after)
#define cmocka_run_group_tests_name(name, tests, before, after) cmocka_run_group_tests(tests, before, after)

#endif
