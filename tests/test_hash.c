/*
 * Hashes: the keyed one against CPython 3.11 (PYTHONHASHSEED=0 gives it a key of zeros), those of numbers against what
 * CPython gives for them.
 */
#include "value_makers.h"

#include "hash.h"

#include <math.h>

static const uint64_t zero_key[2] = {0, 0};

static void bytes_hash_as_siphash_1_3(void **state)
{
    (void)state;
    char long_text[100];
    memset(long_text, 'x', sizeof long_text);
    assert_true(exvi_hash_bytes(zero_key, "a", 1) == UINT64_C(0x407448d2b89b1813));
    assert_true(exvi_hash_bytes(zero_key, "ab", 2) == UINT64_C(0x555508cbc6add439));
    assert_true(exvi_hash_bytes(zero_key, "abcdefg", 7) == UINT64_C(0x6db12aae9070f506));
    assert_true(exvi_hash_bytes(zero_key, "abcdefgh", 8) == UINT64_C(0x3f7b849c0b8e35ea));
    assert_true(exvi_hash_bytes(zero_key, "abcdefghi", 9) == UINT64_C(0xf89b34a3d11eb6e5));
    assert_true(exvi_hash_bytes(zero_key, long_text, 100) == UINT64_C(0x12de6d6e12e5750c));
}

static void words_hash_as_their_bytes(void **state)
{
    (void)state;
    static const uint64_t key[2] = {0x0123456789abcdef, 0xfedcba9876543210};
    static const unsigned char bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    exvi_sip sip;
    exvi_sip_begin(&sip, key);
    exvi_sip_word(&sip, UINT64_C(0x0807060504030201));
    exvi_sip_word(&sip, UINT64_C(0x100f0e0d0c0b0a09));
    assert_true(exvi_sip_end(&sip) == exvi_hash_bytes(key, bytes, 16));
    assert_true(exvi_hash_bytes(key, bytes, 16) != exvi_hash_bytes(zero_key, bytes, 16));
}

static void ints_hash_as_in_python(void **state)
{
    (void)state;
    assert_true(exvi_hash_int(0) == 0);
    assert_true(exvi_hash_int(5) == 5);
    assert_true(exvi_hash_int(-1) == (uint64_t)-2);
    assert_true(exvi_hash_int(-2) == (uint64_t)-2);
    assert_true(exvi_hash_int(2305843009213693951) == 0);
    assert_true(exvi_hash_int(2305843009213693952) == 1);
    assert_true(exvi_hash_int(INT64_MAX) == 3);
    assert_true(exvi_hash_int(INT64_MIN) == UINT64_C(18446744073709551612));
}

static void floats_hash_as_in_python(void **state)
{
    (void)state;
    assert_true(exvi_hash_float(0.0) == 0);
    assert_true(exvi_hash_float(-0.0) == 0);
    assert_true(exvi_hash_float(0.5) == UINT64_C(1152921504606846976));
    assert_true(exvi_hash_float(0.1) == UINT64_C(230584300921369408));
    assert_true(exvi_hash_float(1e300) == UINT64_C(1224995262755759164));
    assert_true(exvi_hash_float(-1.5) == UINT64_C(17293822569102704639));
    assert_true(exvi_hash_float(1e-320) == UINT64_C(33957085184));
    assert_true(exvi_hash_float(-1.0) == (uint64_t)-2);
    assert_true(exvi_hash_float(INFINITY) == 314159);
    assert_true(exvi_hash_float(-INFINITY) == (uint64_t)-314159);
}

static void equal_numbers_hash_alike(void **state)
{
    (void)state;
    for (int bits = 0; bits < 63; bits++) {
        int64_t value = INT64_C(1) << bits;
        assert_true(exvi_hash_int(value) == exvi_hash_float((double)value));
        assert_true(exvi_hash_int(-value) == exvi_hash_float(-(double)value));
    }
    for (int64_t value = 1; value < INT64_C(1) << 53; value = value * 3 + 1) {
        assert_true(exvi_hash_int(value) == exvi_hash_float((double)value));
        assert_true(exvi_hash_int(-value) == exvi_hash_float((double)-value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_hash_as_siphash_1_3),
        cmocka_unit_test(words_hash_as_their_bytes),
        cmocka_unit_test(ints_hash_as_in_python),
        cmocka_unit_test(floats_hash_as_in_python),
        cmocka_unit_test(equal_numbers_hash_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
