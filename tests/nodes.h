/*
 * nodes: objects for the tests of the core. A node owns up to two others and writes down what happens to it:
 * F finalizer, C clear, D destroy, each with its id ("F1 C1 D1 "). A node whose id is not positive is silent. Hooks let
 * a test act at each of these moments.
 */
#ifndef NODES_H
#define NODES_H

#include "exuvia.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct node node;
typedef void node_hook(node *self);
struct node {
    node *ref[2];
    int id;
    node_hook *on_finalize, *on_clear, *on_destroy;
    void *arg; /* of the hooks */
};

static char events[4096];

static inline void note(char what, int id)
{
    size_t end = strlen(events);
    if (id > 0)
        snprintf(events + end, sizeof events - end, "%c%d ", what, id);
}

/* What happened since the last time. */
#define assert_events(expected)                 \
    do {                                        \
        assert_string_equal(events, expected);  \
        events[0] = '\0';                       \
    } while (0)

/* The nodes' ids may come in any order; each must be there once. */
static inline void assert_each(char what, int from, int to)
{
    for (int id = from; id <= to; id++) {
        char event[16];
        snprintf(event, sizeof event, "%c%d ", what, id);
        const char *at = strstr(events, event);
        if (!at || strstr(at + 1, event))
            fail_msg("\"%s\" is not once in \"%s\"", event, events);
    }
}

static inline int node_visit(void *self, exv_visit_fn *visit, void *arg)
{
    node *n = self;
    int end = visit(n->ref[0], arg);
    return end ? end : visit(n->ref[1], arg);
}

static inline void node_clear(void *self)
{
    node *n = self;
    note('C', n->id);
    if (n->on_clear)
        n->on_clear(n);
    EXV_CLEAR(n->ref[0]);
    EXV_CLEAR(n->ref[1]);
}

static inline void node_finalize(void *self)
{
    node *n = self;
    note('F', n->id);
    if (n->on_finalize)
        n->on_finalize(n);
}

static inline void node_destroy(void *self)
{
    node *n = self;
    note('D', n->id);
    if (n->on_destroy)
        n->on_destroy(n);
}

#define NODE_ .size = sizeof(node), .destroy = node_destroy
static const exv_type node_type = {.name = "node", NODE_, .visit = node_visit, .clear = node_clear};
static const exv_type final_type = {
    .name = "final", NODE_, .visit = node_visit, .clear = node_clear, .finalize = node_finalize};
static const exv_type rigid_type = {.name = "rigid", NODE_, .visit = node_visit}; /* cannot break a cycle */
static const exv_type leaf_type = {.name = "leaf", NODE_, .finalize = node_finalize}; /* simple: owns nothing */

static inline node *new_node(exv_heap *heap, const exv_type *type, int id)
{
    node *n = exv_new(heap, type);
    assert_non_null(n);
    n->id = id;
    return n;
}

static inline void set_ref(node *from, int place, void *to)
{
    node *old = from->ref[place];
    from->ref[place] = exv_incref(to);
    exv_decref(old);
}

/* Numbers that look random; the same in each run. */
static inline uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A ring of `count` nodes with ids from `id` up (0: all silent), the first of which is returned, owned. */
static inline node *new_ring(exv_heap *heap, const exv_type *type, int count, int id)
{
    node *first = new_node(heap, type, id);
    node *last = first;
    for (int i = 1; i < count; i++) {
        node *next = new_node(heap, type, id ? id + i : 0);
        last->ref[0] = next; /* its only reference */
        last = next;
    }
    last->ref[0] = exv_incref(first);
    return first;
}

/* ---------------------------------------------------------------- heaps */

/* Python's thresholds whatever the build, and no collection by itself but by count. */
static inline exv_config plain_config(void)
{
    exv_config config = exv_config_default();
    config.threshold[0] = 700;
    config.threshold[1] = config.threshold[2] = 10;
    config.policy.mode = EXV_MODE_INLINE;
    config.policy.on_pressure = false;
    return config;
}

/* Each test has a heap of its own as its state; all that it made must be gone at its end, and the heap sound. */
static inline int set_up(void **state)
{
    exv_config config = plain_config();
    events[0] = '\0';
    *state = exv_heap_new(&config);
    return *state == NULL;
}

static inline int tear_down(void **state)
{
    exv_heap *heap = *state;
    const char *defect = exv_heap_check(heap);
    size_t left = exv_heap_free(heap);
    if (defect)
        print_error("heap check: %s\n", defect);
    if (left)
        print_error("%zu objects left\n", left);
    return defect != NULL || left != 0;
}

#define heap_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static inline void assert_sound(exv_heap *heap)
{
    const char *defect = exv_heap_check(heap);
    if (defect)
        fail_msg("heap check: %s", defect);
}

static inline size_t live_objects(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    return stats.live_objects;
}

/* ---------------------------------------------------------------- death */

/* Runs `misuse` in a process of its own, which must be aborted with a message that has `expected` in it. */
static inline void assert_dies(void (*misuse)(void *arg), void *arg, const char *expected)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        misuse(arg);
        _exit(0);
    }
    close(ends[1]);
    char message[1024] = "";
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], message + size, sizeof message - 1 - size)) > 0;)
        size += (size_t)got;
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        fail_msg("was to be aborted with \"%s\"; status %x, message \"%s\"", expected, (unsigned)status, message);
    if (!strstr(message, expected))
        fail_msg("was to say \"%s\"; said \"%s\"", expected, message);
}

#endif
