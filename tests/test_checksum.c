/*
 * test_checksum: CRC-32 against the bit by bit definition, for all lengths and places in a word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checksum.h"

static uint32_t by_bits(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void test_known_values(void **state)
{
    (void)state;
    exvi_checksum checksum;
    exvi_checksum_begin(&checksum);
    assert_int_equal(exvi_checksum_of(&checksum, "", 0), 0);
    assert_int_equal(exvi_checksum_of(&checksum, "123456789", 9), 0xCBF43926u); /* the check value of the standard */
}

static void test_all_lengths(void **state)
{
    (void)state;
    exvi_checksum checksum;
    unsigned char bytes[80];
    exvi_checksum_begin(&checksum);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    for (size_t start = 0; start < 9; start++)
        for (size_t size = 0; size + start <= sizeof bytes; size++)
            assert_int_equal(exvi_checksum_of(&checksum, bytes + start, size), by_bits(bytes + start, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_all_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
