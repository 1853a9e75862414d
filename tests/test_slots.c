/*
 * test_slots: arenas of the CPython front: a random load against a mirror, and processes forked while other threads
 * change the table, which must find it usable without anybody's help.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fewer.h"
#include "forked.h"
#include "platform.h"
#include "slots.h"

#define MIB ((size_t)1 << 20)
enum { HELD = 200, THREADS = 3 };

typedef struct load {
    uint64_t random;
    uint64_t *start[HELD]; /* NULL: none. Filled at both ends and in the middle with its own address */
    unsigned slots[HELD];
} load;

static void halt(void)
{
}

static uint64_t next_random(load *l)
{
    l->random = l->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return l->random >> 33;
}

/* 0, or the line that saw what is wrong. */
static int take(load *l, size_t i)
{
    unsigned slots = next_random(l) % 4 == 0 ? 2 : 1;
    uint64_t *start = exvi_slots_new(slots);
    CHECK(start && (uintptr_t)start % (slots * MIB) == 0);
    start[0] = start[slots * MIB / 16] = start[slots * MIB / 8 - 1] = (uintptr_t)start;
    l->start[i] = start;
    l->slots[i] = slots;
    return 0;
}

static int give(load *l, size_t i)
{
    uint64_t *start = l->start[i];
    size_t words = l->slots[i] * MIB / 8;
    CHECK(start[0] == (uintptr_t)start && start[words / 2] == (uintptr_t)start && start[words - 1] == (uintptr_t)start);
    start[0] = 0;
    l->start[i] = NULL;
    CHECK(exvi_slots_free(start, l->slots[i], halt));
    return 0;
}

static int step(load *l, size_t held)
{
    size_t i = next_random(l) % held;
    return l->start[i] ? give(l, i) : take(l, i);
}

static int give_all(load *l)
{
    for (size_t i = 0; i < HELD; i++) {
        int line = l->start[i] ? give(l, i) : 0;
        if (line)
            return line;
    }
    return 0;
}

static void test_random_load(void **state)
{
    (void)state;
    load l = {.random = 7};
    size_t before = exvi_slots_bytes();
    for (int i = 0; i < 6000; i++) {
        assert_int_equal(step(&l, i / 1000 % 2 ? HELD : HELD / 4), 0);
    }
    size_t held = 0;
    for (size_t i = 0; i < HELD; i++)
        held += l.start[i] ? l.slots[i] : 0;
    assert_int_equal(exvi_slots_bytes(), before + held * MIB);
    assert_int_equal(give_all(&l), 0);
    assert_int_equal(exvi_slots_bytes(), before);
}

static void test_of_others(void **state)
{
    (void)state;
    char *foreign = malloc(MIB);
    assert_false(exvi_slots_free(foreign, 1, halt));
    free(foreign);
}

/* Every other slot is freed: all but a few go back, and the neighbours keep what they hold. */
static void test_lone_halves_go_back(void **state)
{
    (void)state;
    enum { COUNT = 320 };
    char *start[COUNT];
    for (int i = 0; i < COUNT; i++) {
        assert_non_null(start[i] = exvi_slots_new(1));
        memset(start[i], i + 1, MIB);
    }
    uint64_t full = exvi_resident_bytes();
    int freed = 0;
    for (int i = 0; i < COUNT; i++) {
        if (((uintptr_t)start[i] & MIB) == 0) {
            assert_true(exvi_slots_free(start[i], 1, halt));
            start[i] = NULL;
            freed++;
        }
    }
    assert_true(full - exvi_resident_bytes() >= (uint64_t)(freed - freed / 8 - 4) * MIB);
    for (int i = 0; i < COUNT; i++) {
        if (start[i]) {
            assert_int_equal((unsigned char)start[i][0], (unsigned char)(i + 1));
            assert_int_equal((unsigned char)start[i][MIB - 1], (unsigned char)(i + 1));
            assert_true(exvi_slots_free(start[i], 1, halt));
        }
    }
}

/* ---- forks ---- */

static _Atomic bool stopped;

static void *change_table(void *arg)
{
    load l = {.random = (uintptr_t)arg};
    int line = 0;
    while (!line && !atomic_load(&stopped))
        line = step(&l, 40);
    if (!line)
        line = give_all(&l);
    return (void *)(intptr_t)line;
}

static int work_after_fork(void *arg)
{
    const load *parents = arg;
    load l = {.random = 99};
    int line = 0;
    for (int i = 0; !line && i < 300; i++)
        line = step(&l, HELD / 4);
    for (size_t i = 0; !line && i < HELD; i++) /* what the forking thread holds is nobody else's */
        if (parents->start[i])
            line = *parents->start[i] == (uintptr_t)parents->start[i] ? 0 : __LINE__;
    return line ? line : give_all(&l);
}

static void test_fork_beside_changes(void **state)
{
    (void)state;
    pthread_t thread[THREADS];
    load l = {.random = 3};
    void *line;
    atomic_store(&stopped, false);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, change_table, (void *)(uintptr_t)(i + 1)), 0);
    for (int i = 0; i < fewer(60, 3); i++) {
        assert_int_equal(step(&l, HELD / 4), 0);
        assert_int_equal(in_fork(work_after_fork, &l), 0);
    }
    atomic_store(&stopped, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(thread[i], &line);
        assert_null(line);
    }
    assert_int_equal(give_all(&l), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_load),
        cmocka_unit_test(test_of_others),
        cmocka_unit_test(test_lone_halves_go_back),
        cmocka_unit_test(test_fork_beside_changes),
    };
    return exvi_slots_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
