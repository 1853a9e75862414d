/*
 * str: what is UTF-8 and what is not, with the words of Python's decoder; reprs; hashes.
 */
#include "value_makers.h"

#include "str.h"

static void made_and_read(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = NULL;
    assert_ok(exv_str_new(heap, "a\0b", 3, &text));
    assert_int_equal(exv_str_size(text), 3);
    assert_int_equal(exv_str_length(text), 3);
    assert_memory_equal(exv_str_data(text), "a\0b", 4);
    exv_decref(text);
    text = text_of(heap, "\u00e9\u20ac\U0001f40dx");
    assert_int_equal(exv_str_size(text), 10);
    assert_int_equal(exv_str_length(text), 4);
    exv_decref(text);
    assert_ok(exv_str_new(heap, "", 0, &text));
    assert_int_equal(exv_str_length(text), 0);
    assert_string_equal(exv_str_data(text), "");
    exv_decref(text);
}

static const struct {
    const char *bytes;
    size_t size;
    const char *message;
} invalid[] = {
    {"\x80", 1, "byte 0x80 in position 0: invalid start byte"},
    {"abc\xff", 4, "byte 0xff in position 3: invalid start byte"},
    {"\xc0\x80", 2, "byte 0xc0 in position 0: invalid start byte"},
    {"\xc1\xbf", 2, "byte 0xc1 in position 0: invalid start byte"},
    {"\xc3", 1, "byte 0xc3 in position 0: unexpected end of data"},
    {"\xc3(", 2, "byte 0xc3 in position 0: invalid continuation byte"},
    {"\xe0\x80\x80", 3, "byte 0xe0 in position 0: invalid continuation byte"},
    {"\xe2\x82", 2, "bytes in position 0-1: unexpected end of data"},
    {"12345678\xe2\x82(", 11, "bytes in position 8-9: invalid continuation byte"},
    {"\xed\xa0\x80", 3, "byte 0xed in position 0: invalid continuation byte"},
    {"\xf0\x8f\xbf\xbf", 4, "byte 0xf0 in position 0: invalid continuation byte"},
    {"\xf0\x9f\x90", 3, "bytes in position 0-2: unexpected end of data"},
    {"\xf4\x90\x80\x80", 4, "byte 0xf4 in position 0: invalid continuation byte"},
    {"\xf5\x80\x80\x80", 4, "byte 0xf5 in position 0: invalid start byte"},
};

static void what_is_not_utf8_is_refused(void **state)
{
    exv_heap *heap = *state;
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        exv_str *text = NULL;
        char expected[128];
        snprintf(expected, sizeof expected, "UnicodeDecodeError: 'utf-8' codec can't decode %s", invalid[i].message);
        assert_int_equal(exv_str_new(heap, invalid[i].bytes, invalid[i].size, &text), EXV_UNICODE_ERROR);
        assert_null(text);
        assert_message(heap, expected);
    }
}

static size_t encode(uint32_t c, char *out)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t width = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = width - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[width] | c);
    return width;
}

static void every_character_but_surrogates(void **state)
{
    exv_heap *heap = *state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 || (c >= 0xd700 && c < 0xe100) ? 1 : 97) {
        char bytes[4];
        size_t size = encode(c, bytes);
        exv_str *text = NULL;
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(exv_str_new(heap, bytes, size, &text), surrogate ? EXV_UNICODE_ERROR : EXV_OK);
        if (text)
            assert_int_equal(exv_str_length(text), 1);
        exv_decref(text);
    }
}

static void concatenation(void **state)
{
    exv_heap *heap = *state;
    exv_str *a = text_of(heap, "na\u00ef"), *b = text_of(heap, "ve"), *empty = text_of(heap, ""), *joined = NULL;
    assert_ok(exv_str_concat(a, b, &joined));
    assert_string_equal(exv_str_data(joined), "na\u00efve");
    assert_int_equal(exv_str_length(joined), 5);
    exv_decref(joined);
    assert_ok(exv_str_concat(b, a, &joined));
    assert_int_equal(exv_str_length(joined), 5);
    exv_decref(joined);
    assert_ok(exv_str_concat(a, empty, &joined));
    assert_ptr_equal(joined, a);
    exv_decref(joined);
    assert_ok(exv_str_concat(empty, a, &joined));
    assert_ptr_equal(joined, a);
    exv_decref(joined);
    exv_decref(a);
    exv_decref(b);
    exv_decref(empty);
}

static void reprs(void **state)
{
    exv_heap *heap = *state;
    assert_repr_of_new(text_of(heap, ""), "''");
    assert_repr_of_new(text_of(heap, "plain"), "'plain'");
    assert_repr_of_new(text_of(heap, "it's"), "\"it's\"");
    assert_repr_of_new(text_of(heap, "\"so\""), "'\"so\"'");
    assert_repr_of_new(text_of(heap, "both ' and \""), "'both \\' and \"'");
    assert_repr_of_new(text_of(heap, "a\\b\n\r\t"), "'a\\\\b\\n\\r\\t'");
    assert_repr_of_new(text_of(heap, "\x01\x1f\x7f"), "'\\x01\\x1f\\x7f'");
    assert_repr_of_new(text_of(heap, "\u00e9\u20ac\U0001f40d"), "'\u00e9\u20ac\U0001f40d'");
    assert_repr_of_new(text_of(heap, "\u00a0\u00ad"), "'\\xa0\\xad'");
    assert_repr_of_new(text_of(heap, "\u200b\ufeff\ue000"), "'\\u200b\\ufeff\\ue000'");
    assert_repr_of_new(text_of(heap, "\U000e0001\U0010ffff"), "'\\U000e0001\\U0010ffff'");
    exv_str *nul = NULL;
    assert_ok(exv_str_new(heap, "\0", 1, &nul));
    assert_repr_of_new(nul, "'\\x00'");
}

static void equality_and_hash(void **state)
{
    exv_heap *heap = *state;
    exv_str *a = text_of(heap, "key"), *b = text_of(heap, "key"), *c = text_of(heap, "Key"), *d = text_of(heap, "keys");
    assert_true(equal(a, b));
    assert_false(equal(a, c));
    assert_false(equal(a, d));
    assert_true(hash_of(a) == hash_of(b) && hash_of(a) == hash_of(a));
    assert_true(hash_of(a) != hash_of(c));
    assert_true(hash_of(a) == exvi_str_hash_of(heap, "key", 3));
    assert_false(equal(a, exv_get_none(heap)));

    exv_heap *other = exv_heap_new(NULL); /* it has a secret of its own */
    exv_str *foreign = text_of(other, "key");
    assert_true(hash_of(a) != hash_of(foreign));
    exv_decref(foreign);
    exv_heap_free(other);
    exv_decref(a);
    exv_decref(b);
    exv_decref(c);
    exv_decref(d);
}

static void a_size_beyond_all_memory_is_refused(void **state)
{
    exv_heap *heap = *state;
    assert_null(exvi_str_new_valid(heap, "", SIZE_MAX));
    assert_message(heap, "MemoryError");
    assert_null(exvi_str_new_valid(heap, "", EXV_MAX_SIZE));
}

static void order(void **state)
{
    exv_heap *heap = *state;
    static const char *const ascending[] = {"", "a", "ab", "a\u00e9", "b", "\u00e9", "\uffff", "\U0001f40d"};
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++) {
            exv_str *a = text_of(heap, ascending[i]), *b = text_of(heap, ascending[k]);
            assert_int_equal(exv_str_compare(a, b), (i > k) - (i < k));
            exv_decref(a);
            exv_decref(b);
        }
}

#ifdef EXVI_CHECKED
static exv_status join(void *arg)
{
    exv_str *made = NULL;
    exv_status status = exv_str_concat(arg, arg, &made);
    assert_true((status == EXV_OK) == (made != NULL));
    exv_decref(made);
    return status;
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    exv_str *text = text_of(heap, "text"), *made = NULL;
    assert_true(fail_each_allocation(heap, text, join, text) == 1);
    exvi_fault_set(EXVI_FAULT_BLOCK, 1, false);
    assert_int_equal(exv_str_from(heap, "x", &made), EXV_NO_MEMORY);
    exvi_fault_set(EXVI_FAULT_BLOCK, 0, false);
    assert_null(made);
    exv_decref(text);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(order),
        value_test(made_and_read),
        value_test(what_is_not_utf8_is_refused),
        value_test(every_character_but_surrogates),
        value_test(concatenation),
        value_test(reprs),
        value_test(equality_and_hash),
        value_test(a_size_beyond_all_memory_is_refused),
#ifdef EXVI_CHECKED
        value_test(no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
