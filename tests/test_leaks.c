/*
 * test_leaks: what exv_heap_free() tells of the objects that are left, and who is suspected to hold them.
 */
#include "exuvia.h"

#include "platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct handler {
    void *callback, *forgotten; /* the second is owned, too, and not reported */
    void **more;                /* likewise, in a block */
} handler;

static int visit(void *self, exv_visit_fn *each, void *arg)
{
    return each(((handler *)self)->callback, arg);
}

static void clear(void *self)
{
    handler *h = self;
    EXV_CLEAR(h->callback);
    EXV_CLEAR(h->forgotten);
    if (h->more)
        EXV_CLEAR(h->more[3]);
}

static void destroy(void *self)
{
    exv_free(exv_get_heap(self), ((handler *)self)->more);
}

static const char *class_name(void *self)
{
    return ((handler *)self)->more ? "Handler" : NULL;
}

static const exv_type handler_type = {.name = "handler", .size = sizeof(handler), .visit = visit, .clear = clear,
                                      .destroy = destroy, .class_name = class_name};

static exv_leak told[16];
static size_t told_count;

static void note(exv_heap *heap, const exv_leak *leak, void *arg)
{
    assert_ptr_equal(arg, told);
    assert_true(told_count < 16);
    exv_decref(exv_list_new(heap)); /* a report may use the heap */
    told[told_count++] = *leak;
}

static exv_heap *heap_with_report(void)
{
    exv_heap *heap = exv_heap_new(NULL);
    told_count = 0;
    exv_heap_set_leak_report(heap, note, told);
    return heap;
}

static void assert_leak(const void *object, uint32_t inside, uint32_t outside, const void *suspect, size_t offset)
{
    for (size_t i = 0; i < told_count; i++) {
        if (told[i].object != object)
            continue;
        assert_int_equal(told[i].inside, inside);
        assert_int_equal(told[i].outside, outside);
        assert_int_equal(told[i].count, inside + outside);
        assert_ptr_equal(told[i].suspect, suspect);
        if (suspect)
            assert_int_equal(told[i].offset, offset);
        return;
    }
    fail_msg("%p was not told of", object);
}

static void test_a_reference_that_is_not_reported(void **state)
{
    (void)state;
    exv_heap *heap = heap_with_report();
    handler *a = exv_new(heap, &handler_type), *b = exv_new(heap, &handler_type), *c = exv_new(heap, &handler_type);
    a->callback = b;
    b->forgotten = exv_incref(a);
    b->more = exv_calloc(heap, 8, sizeof(void *));
    b->more[3] = c;
    exv_decref(a);
    assert_int_equal(exv_heap_free(heap), 3);
    assert_int_equal(told_count, 3);
    assert_leak(a, 0, 1, b, offsetof(handler, forgotten));
    assert_leak(b, 1, 0, NULL, 0);
    assert_leak(c, 0, 1, b, SIZE_MAX);
    for (size_t i = 0; i < told_count; i++)
        assert_string_equal(told[i].type_name, told[i].object == b ? "Handler" : "handler");
}

static void test_reported_once_and_owned_twice(void **state)
{
    (void)state;
    exv_heap *heap = heap_with_report();
    handler *a = exv_new(heap, &handler_type), *b = exv_new(heap, &handler_type);
    a->callback = b;
    a->forgotten = exv_incref(b);
    assert_int_equal(exv_heap_free(heap), 2);
    assert_leak(a, 0, 1, NULL, 0); /* ours */
    assert_leak(b, 1, 1, a, offsetof(handler, callback)); /* one of two places */
}

/* What leads to an object and owns nothing: a weak reference, the place behind the last item of a list. */
static void test_the_program_is_the_holder(void **state)
{
    (void)state;
    exv_heap *heap = heap_with_report();
    handler *a = exv_new(heap, &handler_type), *b = exv_new(heap, &handler_type);
    exv_list *list = exv_list_new(heap);
    assert_int_equal(exv_list_append(list, a), EXV_OK);
    assert_int_equal(exv_list_append(list, b), EXV_OK);
    assert_int_equal(exv_list_delete(list, -1), EXV_OK);
    exv_weakref *weak = exv_weakref_new(b, NULL, NULL);
    handler *c = exv_new(heap, &handler_type);
    a->callback = c;
    b->more = exv_calloc(heap, 8, sizeof(void *));
    b->more[0] = c; /* borrowed; and all its references are explained */
    assert_int_equal(exv_heap_free(heap), 5);
    assert_leak(c, 1, 0, NULL, 0);
    assert_leak(a, 1, 1, NULL, 0);
    assert_leak(b, 0, 1, NULL, 0);
    assert_leak(list, 0, 1, NULL, 0);
    assert_leak(weak, 0, 1, NULL, 0);
}

static void test_nothing_is_told_where_nothing_is_left(void **state)
{
    (void)state;
    exv_heap *heap = heap_with_report();
    handler *a = exv_new(heap, &handler_type);
    a->callback = a; /* a ring, which the last collection frees */
    exv_make_immortal(exv_list_new(heap));
    assert_int_equal(exv_heap_free(heap), 0);
    assert_int_equal(told_count, 0);
    heap = heap_with_report();
    exv_heap_set_leak_report(heap, NULL, NULL);
    exv_new(heap, &handler_type);
    assert_int_equal(exv_heap_free(heap), 1);
    assert_int_equal(told_count, 0);
}

static void test_the_report_in_words(void **state)
{
    (void)state;
    char text[1024] = "", expected[1024];
    int ends[2], before = dup(STDERR_FILENO);
    exv_heap *heap = exv_heap_new(NULL);
    exv_heap_set_leak_report(heap, exv_leak_print, NULL);
    handler *a = exv_new(heap, &handler_type);
    exv_str *left;
    assert_int_equal(exv_str_from(heap, "skin", &left), EXV_OK);
    a->forgotten = left;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    size_t count = exv_heap_free(heap);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    close(before);
    assert_int_equal(count, 2);
    snprintf(expected, sizeof expected,
             "left: str object %p 'skin': 1 reference, 0 from inside, 1 from outside; handler object %p has its "
             "address at byte 8, and its type does not report that as a reference\n", (void *)left, (void *)a);
    assert_non_null(strstr(text, expected));
    snprintf(expected, sizeof expected, "left: handler object %p <handler object at %p>: 1 reference, 0 from inside, "
             "1 from outside\n", (void *)a, (void *)a);
    assert_non_null(strstr(text, expected));
}

#ifdef EXVI_CHECKED
/* Without memory nothing is told, or all; the end is the same. */
static void test_no_memory_for_the_report(void **state)
{
    (void)state;
    for (uint64_t nth = 1, calls = 1; calls >= nth; nth++) {
        exv_heap *heap = heap_with_report();
        handler *a = exv_new(heap, &handler_type);
        a->forgotten = exv_list_new(heap);
        exvi_fault_set(EXVI_FAULT_MAP, nth, false);
        size_t left = exv_heap_free(heap);
        calls = exvi_fault_calls(EXVI_FAULT_MAP);
        exvi_fault_set(EXVI_FAULT_MAP, 0, false);
        assert_int_equal(left, 2);
        assert_true(told_count == 0 || told_count == 2);
        assert_true(nth < 1000);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reference_that_is_not_reported),
        cmocka_unit_test(test_reported_once_and_owned_twice),
        cmocka_unit_test(test_the_program_is_the_holder),
        cmocka_unit_test(test_nothing_is_told_where_nothing_is_left),
        cmocka_unit_test(test_the_report_in_words),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_no_memory_for_the_report),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
