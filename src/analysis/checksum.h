/*
 * checksum: CRC-32 (IEEE 802.3, as zlib's crc32), eight bytes at a step.
 *
 * The table is the caller's: no state is shared.
 */
#ifndef EXVI_CHECKSUM_H
#define EXVI_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

typedef struct exvi_checksum {
    uint32_t table[8][256];
} exvi_checksum;

void exvi_checksum_begin(exvi_checksum *checksum);
/* Of these bytes behind those whose checksum is known; 0 for none. */
uint32_t exvi_checksum_more(const exvi_checksum *checksum, uint32_t before, const void *bytes, size_t size);

uint32_t exvi_checksum_of(const exvi_checksum *checksum, const void *bytes, size_t size);

#endif
