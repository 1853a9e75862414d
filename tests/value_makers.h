/*
 * value_makers: short ways for the tests to make values and to look at them. Each made value is owned by the caller.
 */
#ifndef VALUE_MAKERS_H
#define VALUE_MAKERS_H

#include "exuvia.h"
#include "platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_ok(call) assert_int_equal((call), EXV_OK)

/* Each test has a heap of its own as its state; all that it made must be gone at its end, and the heap sound. */
static inline int new_heap(void **state)
{
    *state = exv_heap_new(NULL);
    return *state == NULL;
}

/* Blocks that are no objects: what the values have besides their payloads. */
static inline size_t count_raw_blocks(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    return stats.live_blocks - stats.live_objects;
}

static inline int free_heap(void **state)
{
    enum { OF_THE_HEAP = 1 }; /* the table of weak references */
    exv_heap *heap = *state;
    exv_collect(heap, 2);
    if (count_raw_blocks(heap) > OF_THE_HEAP) {
        print_error("%zu blocks left over\n", count_raw_blocks(heap));
        return 1;
    }
    const char *defect = exv_heap_check(heap);
    size_t left = exv_heap_free(heap);
    if (defect)
        print_error("heap check: %s\n", defect);
    if (left)
        print_error("%zu objects left over\n", left);
    return defect != NULL || left != 0;
}

#define value_test(function) cmocka_unit_test_setup_teardown(function, new_heap, free_heap)

static inline exv_str *text_of(exv_heap *heap, const char *utf8)
{
    exv_str *result = NULL;
    assert_ok(exv_str_from(heap, utf8, &result));
    return result;
}

static inline void *integer(exv_heap *heap, int64_t value)
{
    exv_int *result = exv_int_new(heap, value);
    assert_non_null(result);
    return result;
}

/* Put a new value in and give up the maker's own reference. */
static inline void append(exv_list *list, void *value)
{
    assert_non_null(value);
    assert_ok(exv_list_append(list, value));
    exv_decref(value);
}

static inline void put(exv_dict *dict, void *key, void *value)
{
    assert_ok(exv_dict_set(dict, key, value));
    exv_decref(key);
    exv_decref(value);
}

static inline void assert_repr(void *value, const char *expected)
{
    exv_str *repr = NULL;
    assert_ok(exv_repr(value, &repr));
    assert_string_equal(exv_str_data(repr), expected);
    exv_decref(repr);
}

/* The repr of a value that is given up. */
static inline void assert_repr_of_new(void *value, const char *expected)
{
    assert_non_null(value);
    assert_repr(value, expected);
    exv_decref(value);
}

static inline void assert_message(exv_heap *heap, const char *expected)
{
    assert_string_equal(exv_error_message(heap), expected);
}

static inline bool equal(void *a, void *b)
{
    bool result = false;
    assert_ok(exv_equal(a, b, &result));
    return result;
}

static inline uint64_t hash_of(void *value)
{
    uint64_t hash = 0;
    assert_ok(exv_hash(value, &hash));
    return hash;
}

/* An object that tells of its death: `deaths` is raised, and `then` (may be NULL) is called. */
typedef struct mortal {
    int *deaths;
    void (*then)(void *arg);
    void *arg;
} mortal;

static inline void mortal_finalize(void *self)
{
    mortal *m = self;
    if (m->deaths)
        ++*m->deaths;
    if (m->then)
        m->then(m->arg);
}

static const exv_type mortal_type = {.name = "mortal", .size = sizeof(mortal), .finalize = mortal_finalize};

static inline void *new_mortal(exv_heap *heap, int *deaths, void (*then)(void *), void *arg)
{
    mortal *m = exv_new(heap, &mortal_type);
    assert_non_null(m);
    *m = (mortal){deaths, then, arg};
    return m;
}

#ifdef EXVI_CHECKED
/* Do `operation` with the first, the second, ... allocation failing, until none fails any more. Each time one
 * failed, the operation must answer EXV_NO_MEMORY and leave the repr of `subject` as it was. Returns how many could
 * fail. */
static inline uint64_t fail_each_allocation(exv_heap *heap, void *subject, exv_status (*operation)(void *), void *arg)
{
    exv_str *before = NULL;
    assert_ok(exv_repr(subject, &before));
    for (uint64_t nth = 1;; nth++) {
        exvi_fault_set(EXVI_FAULT_BLOCK, nth, false);
        exv_status status = operation(arg);
        uint64_t calls = exvi_fault_calls(EXVI_FAULT_BLOCK);
        exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
        assert_null(exv_heap_check(heap));
        if (calls < nth) {
            assert_ok(status);
            exv_decref(before);
            return nth - 1;
        }
        assert_int_equal(status, EXV_NO_MEMORY);
        assert_message(heap, "MemoryError");
        assert_repr(subject, exv_str_data(before));
    }
}
#endif

#endif
