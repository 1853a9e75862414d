/*
 * checksum: see checksum.h. The method of eight tables is Kounavis' and Berry's ("slicing by 8", 2005).
 */
#include "checksum.h"

#include <string.h>

void exvi_checksum_begin(exvi_checksum *checksum)
{
    const uint32_t polynomial = 0xEDB88320u;
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = (value >> 1) ^ (value & 1 ? polynomial : 0);
        checksum->table[0][byte] = value;
    }
    for (uint32_t byte = 0; byte < 256; byte++)
        for (int step = 1; step < 8; step++) {
            uint32_t before = checksum->table[step - 1][byte];
            checksum->table[step][byte] = (before >> 8) ^ checksum->table[0][before & 255];
        }
}

uint32_t exvi_checksum_more(const exvi_checksum *checksum, uint32_t before, const void *bytes, size_t size)
{
    const uint32_t (*table)[256] = checksum->table;
    const unsigned char *next = bytes;
    uint32_t crc = before ^ 0xFFFFFFFFu;
    for (; size >= 8; size -= 8, next += 8) {
        uint64_t word;
        memcpy(&word, next, sizeof word);
        word ^= crc;
        crc = table[7][word & 255] ^ table[6][word >> 8 & 255] ^ table[5][word >> 16 & 255] ^
              table[4][word >> 24 & 255] ^ table[3][word >> 32 & 255] ^ table[2][word >> 40 & 255] ^
              table[1][word >> 48 & 255] ^ table[0][word >> 56];
    }
    for (; size > 0; size--, next++)
        crc = (crc >> 8) ^ table[0][(crc ^ *next) & 255];
    return crc ^ 0xFFFFFFFFu;
}

uint32_t exvi_checksum_of(const exvi_checksum *checksum, const void *bytes, size_t size)
{
    return exvi_checksum_more(checksum, 0, bytes, size);
}
