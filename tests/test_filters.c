/*
 * test_filters: a filter that a process put on itself may kill, one that it was born under lets processes be made.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters.h"

#ifdef __linux__
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

/* One that lets everything pass. */
static bool put_on(void)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &allow};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int in_fork(int (*run)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int born_under_them(void)
{
    return exvi_filters_look() == EXVI_FILTERS_HARMLESS ? 0 : 1;
}

static int one_of_its_own(void)
{
    exvi_filters before = exvi_filters_look();
    if (before == EXVI_FILTERS_UNKNOWN || !put_on() || exvi_filters_look() != EXVI_FILTERS_UNKNOWN)
        return 1;
    return in_fork(born_under_them);
}

static int one_more_than_at_birth(void)
{
    return put_on() ? in_fork(one_of_its_own) : 1;
}

static void test_whose_they_are(void **state)
{
    (void)state;
    assert_int_equal(in_fork(one_of_its_own), 0);
    assert_int_equal(in_fork(one_more_than_at_birth), 0);
}
#else
static void test_whose_they_are(void **state)
{
    (void)state;
    assert_int_equal(exvi_filters_look(), EXVI_FILTERS_NONE);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whose_they_are)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
