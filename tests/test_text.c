/*
 * The buffer of reprs: it grows, a failure sticks and leaves nothing behind.
 */
#include "value_makers.h"

#include "str.h"
#include "value.h"

static void it_grows(void **state)
{
    exv_heap *heap = *state;
    exvi_text text;
    exvi_text_begin(&text, heap);
    size_t wanted = 0;
    for (int i = 0; i < 5000; i++) {
        exvi_text_format(&text, "%d,", i);
        wanted += (size_t)snprintf(NULL, 0, "%d,", i);
    }
    exv_str *result = exvi_text_take(&text);
    assert_int_equal(exv_str_size(result), wanted);
    assert_memory_equal(exv_str_data(result), "0,1,2,3,", 8);
    assert_string_equal(exv_str_data(result) + wanted - 10, "4998,4999,");
    exv_decref(result);
}

static void nothing_is_an_empty_text(void **state)
{
    exvi_text text;
    exvi_text_begin(&text, *state);
    exv_str *result = exvi_text_take(&text);
    assert_int_equal(exv_str_size(result), 0);
    exv_decref(result);
}

static void a_long_format_is_cut(void **state)
{
    char words[400];
    memset(words, 'x', sizeof words);
    words[399] = '\0';
    exvi_text text;
    exvi_text_begin(&text, *state);
    exvi_text_format(&text, "%s", words);
    exv_str *result = exvi_text_take(&text);
    assert_int_equal(exv_str_size(result), 255);
    exv_decref(result);
}

static exv_str *failing_repr(void *self)
{
    (void)self;
    return NULL;
}

static const exv_type mute_type = {.name = "mute", .size = 8, .repr = failing_repr};

static void a_failed_repr_sticks(void **state)
{
    exv_heap *heap = *state;
    void *mute = exv_new(heap, &mute_type);
    exvi_text text;
    exvi_text_begin(&text, heap);
    exvi_text_add(&text, "before", 6);
    exvi_text_add_repr(&text, mute);
    assert_true(text.failed);
    exvi_text_add(&text, "after", 5);
    assert_int_equal(text.size, 6);
    assert_null(exvi_text_take(&text));
    exv_decref(mute);
}

#ifdef EXVI_CHECKED
static void out_of_memory_sticks(void **state)
{
    exv_heap *heap = *state;
    char words[1000] = {0};
    exvi_text text;
    exvi_text_begin(&text, heap);
    exvi_text_add(&text, words, 500);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, false);
    exvi_text_add(&text, words, 1000);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_true(text.failed);
    exvi_text_add(&text, words, 1);
    assert_int_equal(text.size, 500);
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    size_t live = stats.live_blocks;
    assert_null(exvi_text_take(&text));
    exv_get_heap_stats(heap, &stats);
    assert_int_equal(stats.live_blocks, live - 1);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(it_grows),
        value_test(nothing_is_an_empty_text),
        value_test(a_long_format_is_cut),
        value_test(a_failed_repr_sticks),
#ifdef EXVI_CHECKED
        value_test(out_of_memory_sticks),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
