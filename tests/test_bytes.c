/*
 * bytes: data, reprs, equality, hash.
 */
#include "value_makers.h"

static void *bytes_of(exv_heap *heap, const char *data)
{
    exv_bytes *made = exv_bytes_new(heap, data, strlen(data));
    assert_non_null(made);
    return made;
}

static void made_and_read(void **state)
{
    exv_heap *heap = *state;
    unsigned char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    exv_bytes *bytes = exv_bytes_new(heap, all, sizeof all);
    assert_int_equal(exv_bytes_size(bytes), 256);
    assert_memory_equal(exv_bytes_data(bytes), all, 256);
    exv_decref(bytes);
    bytes = exv_bytes_new(heap, NULL, 0);
    assert_int_equal(exv_bytes_size(bytes), 0);
    assert_repr_of_new(bytes, "b''");
}

static void reprs(void **state)
{
    exv_heap *heap = *state;
    assert_repr_of_new(bytes_of(heap, "plain ~"), "b'plain ~'");
    assert_repr_of_new(bytes_of(heap, "it's"), "b\"it's\"");
    assert_repr_of_new(bytes_of(heap, "both ' and \""), "b'both \\' and \"'");
    assert_repr_of_new(bytes_of(heap, "\\\n\r\t"), "b'\\\\\\n\\r\\t'");
    assert_repr_of_new(bytes_of(heap, "\x01\x7f\x80\xff"), "b'\\x01\\x7f\\x80\\xff'");
    assert_repr_of_new(exv_bytes_new(heap, "\0", 1), "b'\\x00'");
}

static void equality_and_hash(void **state)
{
    exv_heap *heap = *state;
    void *a = bytes_of(heap, "abc"), *b = bytes_of(heap, "abc"), *c = bytes_of(heap, "abd"), *d = bytes_of(heap, "ab");
    exv_str *text = text_of(heap, "abc");
    assert_true(equal(a, b));
    assert_false(equal(a, c));
    assert_false(equal(a, d));
    assert_false(equal(d, a));
    assert_false(equal(a, text));
    assert_true(hash_of(a) == hash_of(b) && hash_of(a) == hash_of(a));
    assert_true(hash_of(a) != hash_of(c));
    void *values[] = {a, b, c, d, text};
    for (size_t i = 0; i < 5; i++)
        exv_decref(values[i]);
}

static void no_memory(void **state)
{
    exv_heap *heap = *state;
    assert_null(exv_bytes_new(heap, "", SIZE_MAX));
    assert_message(heap, "MemoryError");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        value_test(made_and_read),
        value_test(reprs),
        value_test(equality_and_hash),
        value_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
