/*
 * Messages: Python's names, cut where they do not fit, never in the middle of a character.
 */
#include "value_makers.h"

#include "error.h"

static void each_status_has_its_name(void **state)
{
    exv_heap *heap = *state;
    static const struct {
        exv_status status;
        const char *message;
    } cases[] = {
        {EXV_NO_MEMORY, "MemoryError: 7"},
        {EXV_NAME_ERROR, "NameError: 7"},
        {EXV_TYPE_ERROR, "TypeError: 7"},
        {EXV_VALUE_ERROR, "ValueError: 7"},
        {EXV_INDEX_ERROR, "IndexError: 7"},
        {EXV_KEY_ERROR, "KeyError: 7"},
        {EXV_ATTRIBUTE_ERROR, "AttributeError: 7"},
        {EXV_OVERFLOW_ERROR, "OverflowError: 7"},
        {EXV_ZERO_DIVISION_ERROR, "ZeroDivisionError: 7"},
        {EXV_UNICODE_ERROR, "UnicodeDecodeError: 7"},
        {EXV_RECURSION_ERROR, "RecursionError: 7"},
        {EXV_BUSY, "RuntimeError: 7"},
        {EXV_UNSUPPORTED, "RuntimeError: 7"},
    };
    assert_message(heap, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(exvi_error(heap, cases[i].status, "%d", 7), cases[i].status);
        assert_message(heap, cases[i].message);
    }
    assert_int_equal(exvi_no_memory(heap), EXV_NO_MEMORY);
    assert_message(heap, "MemoryError");
}

static void a_long_message_is_cut(void **state)
{
    exv_heap *heap = *state;
    char words[1000];
    memset(words, 'x', sizeof words);
    words[sizeof words - 1] = '\0';
    exvi_error(heap, EXV_TYPE_ERROR, "%s", words);
    const char *message = exv_error_message(heap);
    assert_int_equal(strlen(message), EXVI_ERROR_SIZE - 1);
    assert_memory_equal(message, "TypeError: xxx", 14);
}

static void a_character_is_not_torn(void **state)
{
    exv_heap *heap = *state;
    static const char *const characters[] = {"\u00e9", "\u20ac", "\U0001f40d"};
    for (size_t c = 0; c < 3; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            char words[400] = "";
            memset(words, 'a', shift);
            while (strlen(words) < 300)
                strcat(words, characters[c]);
            exvi_error(heap, EXV_KEY_ERROR, "%s", words);
            const char *message = exv_error_message(heap);
            size_t size = strlen(message), width = strlen(characters[c]);
            assert_true(size > EXVI_ERROR_SIZE - 1 - width && size < EXVI_ERROR_SIZE);
            assert_string_equal(message + size - width, characters[c]);
        }
    }
}

static void an_argument_may_be_the_old_message(void **state)
{
    exv_heap *heap = *state;
    exvi_error(heap, EXV_KEY_ERROR, "first");
    exvi_error(heap, EXV_VALUE_ERROR, "after %s", exv_error_message(heap));
    assert_message(heap, "ValueError: after KeyError: first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(each_status_has_its_name),
        value_test(a_long_message_is_cut),
        value_test(a_character_is_not_torn),
        value_test(an_argument_may_be_the_old_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
