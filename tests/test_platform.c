/*
 * test_platform: what the engine relies on of the operating system: memory, clocks, identity, waiting, and faults that
 * tests order.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "forked.h"
#include "child.h"
#include "files.h"
#include "platform.h"
#include "raw.h"

#define MIB ((size_t)1 << 20)
#define SECOND 1000000000u

/* ---- memory ---- */

static void test_map_is_aligned_and_zero(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4096, 5000, 1 * MIB, 3 * MIB + 1};
    static const size_t aligns[] = {16, 4096, 65536, 2 * MIB, 32 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof aligns / sizeof aligns[0]; j++) {
            unsigned char *start = exvi_map(sizes[i], aligns[j]);
            assert_non_null(start);
            assert_int_equal((uintptr_t)start % aligns[j], 0);
            assert_int_equal(start[0] | start[sizes[i] / 2] | start[sizes[i] - 1], 0);
            start[0] = start[sizes[i] - 1] = 1;
            exvi_unmap(start, sizes[i]);
        }
    }
}

/* What was mapped for the sake of alignment goes back at once, the rest when it is unmapped. */
static void test_map_holds_what_was_asked(void **state)
{
    (void)state;
    long before = virtual_kib();
    assert_true(before > 0);
    void *start[20];
    for (int i = 0; i < 20; i++)
        assert_non_null(start[i] = exvi_map(64 * MIB, 32 * MIB));
    assert_in_range(virtual_kib() - before, 20 * 65536 - 1024, 20 * 65536 + 2048); /* others map, too */
    for (int i = 0; i < 20; i++)
        exvi_unmap(start[i], 64 * MIB);
    assert_in_range(virtual_kib() - before + 2048, 0, 4096);
}

static void test_map_refuses_the_impossible(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, SIZE_MAX, SIZE_MAX - 4096, SIZE_MAX - 2 * MIB, (size_t)1 << 62};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_null(exvi_map(sizes[i], 4096));
        assert_null(exvi_map(sizes[i], 2 * MIB));
        assert_null(exvi_map_shared(sizes[i]));
    }
}

static void test_map_larger_moves_or_leaves(void **state)
{
    (void)state;
    unsigned char *start = exvi_map_larger(NULL, 0, 4096);
    assert_non_null(start);
    start[0] = 1;
    start[4095] = 2;
    unsigned char *larger = exvi_map_larger(start, 4096, 3 * 4096);
    assert_non_null(larger);
    assert_int_equal(larger[0], 1);
    assert_int_equal(larger[4095], 2);
    assert_int_equal(larger[4096], 0);
    assert_null(exvi_map_larger(larger, 3 * 4096, SIZE_MAX));
    assert_int_equal(larger[0], 1);
    exvi_unmap(larger, 3 * 4096);
}

static void test_purge(void **state)
{
    (void)state;
    unsigned char *start = exvi_map(64 * MIB, 4096);
    uint64_t before = exvi_resident_bytes();
    memset(start, 7, 64 * MIB);
    uint64_t full = exvi_resident_bytes();
    assert_true(full >= before + 60 * MIB);
    assert_true(exvi_purge(start, 32 * MIB));
    assert_true(exvi_resident_bytes() + 30 * MIB <= full);
    assert_int_equal(start[0] | start[32 * MIB - 1], 0);
    assert_int_equal(start[32 * MIB], 7);
    exvi_unmap(start, 64 * MIB);
}

static int write_to_protected(void *arg)
{
    unsigned char *start = arg;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer has its own idea of it */
    CHECK(exvi_protect(start, 4096, true));
    start[0] = 1;
    CHECK(exvi_protect(start, 4096, false));
    CHECK(start[0] == 1);
    start[0] = 2;
    return __LINE__;
}

static void test_protect(void **state)
{
    (void)state;
    unsigned char *start = exvi_map(4096, 4096);
    assert_int_equal(in_fork(write_to_protected, start), -SIGSEGV);
    exvi_unmap(start, 4096);
}

static void test_advise_huge(void **state)
{
    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) != 0 || exvi_huge_page_size() != EXVI_HUGE_PAGE)
        skip();
    char line[512];
    bool advised = false, here = false;
    char *start = exvi_map(4 * MIB, 2 * MIB);
    assert_true(exvi_advise_huge(start, 4 * MIB));
    FILE *maps = fopen("/proc/self/smaps", "re");
    while (fgets(line, sizeof line, maps)) {
        char *end;
        uintptr_t low = strtoul(line, &end, 16);
        if (*end == '-')
            here = low <= (uintptr_t)start && (uintptr_t)start < strtoul(end + 1, NULL, 16);
        if (here && strncmp(line, "VmFlags:", 8) == 0)
            advised = strstr(line, " hg") != NULL;
    }
    fclose(maps);
    assert_true(advised);
    exvi_unmap(start, 4 * MIB);
}

/* Where they are of another size none are asked for: they would hold more than what is asked for them. */
static void test_huge_page_size(void **state)
{
    (void)state;
    char text[32];
    size_t size = exvi_huge_page_size();
    if (exvi_file_read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof text))
        assert_int_equal(size, exvi_number_parse(text));
    assert_true(size > exvi_page_size() && (size & (size - 1)) == 0);
    if (size == EXVI_HUGE_PAGE)
        return;
    char *start = exvi_map(2 * size, size);
    assert_false(exvi_advise_huge(start, 2 * size));
    exvi_unmap(start, 2 * size);
}

static void test_resident(void **state)
{
    (void)state;
    uint64_t before = exvi_resident_bytes();
    size_t size = 64 * MIB;
    char *block = malloc(size);
    assert_true(before > 0 && block);
    memset(block, 1, size);
    __asm__ volatile("" : : "r"(block) : "memory"); /* a compiler may know that nobody reads it */
    assert_true(exvi_resident_bytes() >= before + size / 2);
    free(block);
}

/* ---- clock and identity ---- */

static void test_clocks(void **state)
{
    (void)state;
    uint64_t start = exvi_clock_ns(), cpu = exvi_cpu_ns();
    exvi_sleep_ns(30000000);
    assert_true(exvi_clock_ns() - start >= 30000000);
    uint64_t slept_cpu = exvi_cpu_ns() - cpu;
    assert_true(slept_cpu < 30000000); /* asleep, it uses none */
    while (exvi_cpu_ns() - cpu < slept_cpu + 1000000) {
    }
    assert_true(exvi_clock_ns() - start >= 31000000);
}

static void ignore_signal(int number)
{
    (void)number;
}

/* A signal does not cut a sleep short. */
static void test_sleep_through_signals(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = ignore_signal}, before;
    sigaction(SIGALRM, &action, &before);
    struct itimerval timer = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};
    uint64_t start = exvi_clock_ns();
    setitimer(ITIMER_REAL, &timer, NULL);
    exvi_sleep_ns(50000000);
    setitimer(ITIMER_REAL, &off, NULL);
    assert_true(exvi_clock_ns() - start >= 50000000);
    sigaction(SIGALRM, &before, NULL);
}

static int run_on_one_processor(void *arg)
{
    (void)arg;
    cpu_set_t all, one;
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHECK(exvi_processors() == (unsigned)CPU_COUNT(&all));
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(exvi_processors() == 1);
    return 0;
}

static void test_processors(void **state)
{
    (void)state;
    assert_int_equal(in_fork(run_on_one_processor, NULL), 0);
}

static void *ask_thread_id(void *arg)
{
    uint64_t *id = arg;
    *id = exvi_thread_id();
    return (void *)(uintptr_t)(*id == exvi_thread_id());
}

static void test_thread_ids(void **state)
{
    (void)state;
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    uint64_t id[THREADS + 1];
    id[THREADS] = exvi_thread_id();
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_thread_id, &id[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *same;
        pthread_join(thread[i], &same);
        assert_non_null(same);
        assert_int_not_equal(id[i], 0);
        assert_int_not_equal(id[i], id[THREADS]); /* threads that have ended may give theirs to a later one */
    }
}

/* As one is that tells of its end before the system has taken it off its list: here for long. */
static void tell_early(void *arg)
{
    _Atomic uint32_t *told = arg;
    exvi_thread_ends();
    atomic_store(told, 1);
    exvi_wake_word(told);
    exvi_sleep_ns(100000000);
}

static int listed_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static void test_threads_leave(void **state)
{
    (void)state;
    static const uint64_t timeout_ns[] = {UINT64_C(10000000000), 1000000};
    static _Atomic uint32_t told;
    int before = listed_threads();
    if (!EXVI_LINUX || before == 0)
        skip();
    for (int i = 0; i < 2; i++) {
        atomic_store(&told, 0);
        assert_true(exvi_thread_start(tell_early, (void *)&told));
        while (atomic_load(&told) == 0)
            exvi_wait_word(&told, 0, UINT64_MAX);
        exvi_threads_leave(timeout_ns[i]);
        assert_int_equal(listed_threads(), before + i); /* not longer than asked */
    }
}

static int forked_ids(void *arg)
{
    const int32_t *parent = arg;
    CHECK(exvi_parent_pid() == *parent);
    CHECK(exvi_own_pid() != *parent);
    CHECK(exvi_own_pid() == getpid());
    return 0;
}

static void test_process_ids(void **state)
{
    (void)state;
    int32_t own = exvi_own_pid();
    assert_int_equal(own, getpid());
    assert_int_equal(in_fork(forked_ids, &own), 0);
}

/* ---- waiting ---- */

static void test_wait_for_what_has_happened(void **state)
{
    (void)state;
    _Atomic uint32_t word = 5;
    exvi_wait_word(&word, 4, UINT64_MAX);
    uint64_t start = exvi_clock_ns();
    while (exvi_clock_ns() - start < 20000000) /* spurious returns are allowed, hanging is not */
        exvi_wait_word(&word, 5, 5000000);
}

/* ---- faults ---- */

#ifdef EXVI_CHECKED
static void test_faults(void **state)
{
    (void)state;
    exvi_fault_set(EXVI_FAULT_MAP, 2, false);
    void *first = exvi_map(4096, 4096);
    assert_non_null(first);
    assert_null(exvi_map(4096, 4096));
    void *third = exvi_map(4096, 4096);
    assert_non_null(third);
    assert_int_equal(exvi_fault_calls(EXVI_FAULT_MAP), 3);

    exvi_fault_set(EXVI_FAULT_MAP_SHARED, 1, true);
    exvi_fault_set(EXVI_FAULT_ADVISE, 1, true);
    exvi_fault_set(EXVI_FAULT_CLONE, 1, true);
    for (int i = 0; i < 3; i++) {
        assert_null(exvi_map_shared(4096));
        assert_false(exvi_advise_huge(first, 4096));
        assert_false(exvi_purge(first, 4096));
        assert_int_equal(exvi_clone(), -EAGAIN);
    }
    for (int fault = 0; fault < EXVI_FAULTS; fault++)
        exvi_fault_set((exvi_fault)fault, 0, false);
    assert_true(exvi_purge(first, 4096));
    exvi_unmap(first, 4096);
    exvi_unmap(third, 4096);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_is_aligned_and_zero),
        cmocka_unit_test(test_map_holds_what_was_asked),
        cmocka_unit_test(test_map_refuses_the_impossible),
        cmocka_unit_test(test_map_larger_moves_or_leaves),
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_protect),
        cmocka_unit_test(test_advise_huge),
        cmocka_unit_test(test_huge_page_size),
        cmocka_unit_test(test_resident),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_sleep_through_signals),
        cmocka_unit_test(test_processors),
        cmocka_unit_test(test_thread_ids),
        cmocka_unit_test(test_threads_leave),
        cmocka_unit_test(test_process_ids),
        cmocka_unit_test(test_wait_for_what_has_happened),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_faults),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
