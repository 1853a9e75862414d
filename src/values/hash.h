/*
 * hash: keyed hashing of bytes and of sequences of hashes, and Python's hash of numbers.
 *
 * The keyed hash is SipHash-1-3 (Aumasson and Bernstein 2012, with fewer rounds), under a secret of the heap: who
 * chooses the keys of a dict cannot make them collide. Numbers hash as Python's do, modulo the prime 2^61 - 1, so
 * that equal numbers of different types hash alike (Python's manual, "Hashing of numeric types").
 */
#ifndef EXVI_HASH_H
#define EXVI_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct exvi_sip {
    uint64_t v[4];
    uint64_t words;
} exvi_sip;

void exvi_sip_begin(exvi_sip *sip, const uint64_t key[2]);
void exvi_sip_word(exvi_sip *sip, uint64_t word);
uint64_t exvi_sip_end(exvi_sip *sip);

/* SipHash-1-3 of the bytes, as its authors define it. */
uint64_t exvi_hash_bytes(const uint64_t key[2], const void *data, size_t size);

uint64_t exvi_hash_int(int64_t value);
uint64_t exvi_hash_float(double value); /* not for NaN */
uint64_t exvi_hash_address(const void *object);

#endif
