/*
 * test_collapse: huge pages are whole again; a collapser can be halted, ended, and left behind by a fork.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "huge.h"
#include "collapse.h"

enum { PAGES = 24 };
static const size_t SIZE = (size_t)PAGES * EXVI_HUGE_PAGE;

/* Memory in huge pages that were all split; NULL: this system has none. */
static char *new_split_memory(void)
{
    char *memory = exvi_map(SIZE, EXVI_HUGE_PAGE);
    assert_non_null(memory);
    if (!exvi_advise_huge(memory, SIZE))
        return NULL;
    memset(memory, 1, SIZE);
    if (huge_bytes() < SIZE)
        return NULL;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    for (size_t i = 0; i < PAGES; i++)
        memory[i * EXVI_HUGE_PAGE] = 2;
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(huge_bytes() < SIZE / 2);
    return memory;
}

static void wait_for(const exvi_collapser *collapser)
{
    while (exvi_collapser_is_busy(collapser))
        exvi_sleep_ns(1000000);
}

static void test_collapse(void **state)
{
    (void)state;
    exvi_collapser collapser = {0};
    assert_false(exvi_collapser_start(&collapser)); /* nothing to do */
    exvi_collapser_end(&collapser);
    char *memory = new_split_memory();
    if (!memory)
        skip();
    for (size_t i = 0; i < PAGES; i++)
        assert_true(exvi_collapser_add(&collapser, memory + i * EXVI_HUGE_PAGE));
    assert_int_equal(collapser.count, PAGES);
    assert_true(exvi_collapser_start(&collapser));
    assert_false(exvi_collapser_add(&collapser, memory));
    wait_for(&collapser);
    if (exvi_collapse(memory, EXVI_HUGE_PAGE) == EXVI_COLLAPSE_REFUSED)
        skip(); /* a kernel that does not do it */
    assert_true(huge_bytes() >= SIZE);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(memory[i], i % EXVI_HUGE_PAGE == 0 ? 2 : 1);
    exvi_collapser_end(&collapser);
    assert_true(collapser.count == 0 && !exvi_collapser_is_busy(&collapser));
    exvi_unmap(memory, SIZE);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The program's page faults have their turn in between. */
static void test_rests(void **state)
{
    (void)state;
    exvi_collapser collapser = {0};
    char *memory = new_split_memory();
    if (!memory)
        skip();
    for (size_t i = 0; i < PAGES; i++)
        assert_true(exvi_collapser_add(&collapser, memory + i * EXVI_HUGE_PAGE));
    uint64_t start = exvi_clock_ns(), cpu = cpu_ns();
    assert_true(exvi_collapser_start(&collapser));
    wait_for(&collapser);
    uint64_t took = exvi_clock_ns() - start;
    assert_true(cpu_ns() - cpu < took * 6 / 10);
    exvi_collapser_end(&collapser);
    exvi_unmap(memory, SIZE);
}

static void test_halt(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    exvi_collapser collapser = {0};
    char *memory = new_split_memory();
    if (!memory)
        skip();
    for (size_t i = 0; i < COUNT; i++)
        assert_true(exvi_collapser_add(&collapser, memory + i * 2 % PAGES * EXVI_HUGE_PAGE));
    assert_int_equal(collapser.count, COUNT);
    assert_true(exvi_collapser_start(&collapser));
    exvi_collapser_halt(&collapser);
    wait_for(&collapser);
    exvi_collapser_end(&collapser);
    assert_true(huge_bytes() < SIZE / 2 + 4 * EXVI_HUGE_PAGE); /* some, but the rest of 12 was left */
    exvi_unmap(memory, SIZE);
}

/* The thread is not in a forked process: nothing waits for it there. */
static void test_fork(void **state)
{
    (void)state;
    exvi_collapser collapser = {0};
    char *memory = exvi_map(SIZE, EXVI_HUGE_PAGE);
    for (size_t i = 0; i < PAGES / 2; i++)
        assert_true(exvi_collapser_add(&collapser, memory + 2 * i * EXVI_HUGE_PAGE));
    assert_true(exvi_collapser_start(&collapser));
    pid_t child = fork();
    if (child == 0) {
        alarm(10);
        exvi_collapser_end(&collapser);
        _exit(exvi_collapser_add(&collapser, memory) && collapser.count == 1 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    exvi_collapser_end(&collapser);
    exvi_unmap(memory, SIZE);
}

#ifdef EXVI_CHECKED
static void test_refused(void **state)
{
    (void)state;
    exvi_collapser collapser = {0};
    char *memory = exvi_map(SIZE, EXVI_HUGE_PAGE);
    exvi_fault_set(EXVI_FAULT_MAP, 1, true);
    assert_false(exvi_collapser_add(&collapser, memory));
    exvi_fault_set(EXVI_FAULT_MAP, 0, false);
    assert_true(exvi_collapser_add(&collapser, memory));
    exvi_fault_set(EXVI_FAULT_CLONE, 1, true);
    assert_false(exvi_collapser_start(&collapser));
    exvi_fault_set(EXVI_FAULT_CLONE, 0, false);
    assert_false(exvi_collapser_is_busy(&collapser));
    exvi_collapser_end(&collapser);
    exvi_unmap(memory, SIZE);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collapse),
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_fork),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_refused),
#endif
    };
    return cmocka_run_group_tests_name("collapse", tests, NULL, NULL);
}
