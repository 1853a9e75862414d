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
        {EXV_ERROR, "7"},
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

#ifdef EXVI_CHECKED
static void ignore(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)heap, (void)phase, (void)info, (void)arg;
}

/* Every function that may be refused memory, by number; false at the end. Results are NULL or a status. */
static bool try_call(exv_heap *heap, unsigned number, exv_list *list, bool *failed)
{
    static const exv_type items_type = {.name = "items", .item_size = 8};
    void *one = list, *made = NULL;
    exv_str *text;
    exv_class *cls;
    switch (number) {
    case 0: made = exv_alloc(heap, 100); break;
    case 1: made = exv_alloc(heap, 1000000); break;
    case 2: made = exv_calloc(heap, 3, 7); break;
    case 3: made = exv_calloc(heap, 3, 100000); break;
    case 4: made = exv_realloc(heap, NULL, 10); break;
    case 5: made = exv_new(heap, &mortal_type); break;
    case 6: made = exv_new_var(heap, &items_type, 1000); break;
    case 7: made = exv_weakref_new(list, NULL, NULL); break;
    case 8: made = exv_gc_get_objects(heap, -1); break;
    case 9: made = exv_gc_get_referrers(heap, &one, 1); break;
    case 10: made = exv_gc_get_referents(heap, &one, 1); break;
    case 11: made = exv_list_new(heap); break;
    case 12: made = exv_tuple_new(heap, &one, 1); break;
    case 13: made = exv_dict_new(heap); break;
    case 14: made = exv_set_new(heap); break;
    case 15: made = exv_names_new(heap); break;
    case 16: made = exv_int_new(heap, 12345); break;
    case 17: made = exv_int_new(heap, 200); break;
    case 18: made = exv_float_new(heap, 1.5); break;
    case 19: made = exv_bytes_new(heap, "x", 1); break;
    case 20: *failed = exv_gc_add_callback(heap, ignore, NULL) == EXV_NO_MEMORY; return true;
    case 21: *failed = exv_str_from(heap, "x", &text) == EXV_NO_MEMORY; return true;
    case 22: *failed = exv_class_new(heap, "C", NULL, NULL, &cls) == EXV_NO_MEMORY; return true;
    case 23: *failed = exv_repr(list, &text) == EXV_NO_MEMORY; return true;
    default: return false;
    }
    *failed = made == NULL;
    return true;
}

static void whatever_is_refused_memory_says_so(void **state)
{
    exv_heap *heap = *state;
    exv_list *list = exv_list_new(heap);
    bool failed = false;
    for (unsigned number = 0;; number++) {
        exvi_error(heap, EXV_NAME_ERROR, "of an earlier call");
        exvi_fault_set(EXVI_FAULT_BLOCK, 1, true);
        bool more = try_call(heap, number, list, &failed);
        exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
        if (!more)
            break;
        if (!failed || strcmp(exv_error_message(heap), "MemoryError") != 0)
            fail_msg("call %u: %s, '%s'", number, failed ? "failed" : "did not fail", exv_error_message(heap));
    }
    exv_decref(list);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(each_status_has_its_name),
        value_test(a_long_message_is_cut),
        value_test(a_character_is_not_torn),
        value_test(an_argument_may_be_the_old_message),
#ifdef EXVI_CHECKED
        value_test(whatever_is_refused_memory_says_so),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
