/*
 * hash: see hash.h.
 *
 * Invariant: exvi_hash_int(i) == exvi_hash_float(f) whenever i == f. No result of the two is -1, which Python keeps
 * for errors. Knows nothing of objects or heaps; the caller brings the secret.
 */
#include "hash.h"

#include <math.h>
#include <stdbool.h>

#define PRIME_BITS 61
#define PRIME ((UINT64_C(1) << PRIME_BITS) - 1)
#define HASH_OF_INFINITY 314159

/* -------------------------------------------------------------- SipHash */

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32) + v[3];
    v[2] += v[1];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void absorb(exvi_sip *sip, uint64_t word)
{
    sip->v[3] ^= word;
    sip_round(sip->v);
    sip->v[0] ^= word;
}

static uint64_t finish(exvi_sip *sip)
{
    sip->v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(sip->v);
    return sip->v[0] ^ sip->v[1] ^ sip->v[2] ^ sip->v[3];
}

void exvi_sip_begin(exvi_sip *sip, const uint64_t key[2])
{
    sip->v[0] = key[0] ^ UINT64_C(0x736f6d6570736575);
    sip->v[1] = key[1] ^ UINT64_C(0x646f72616e646f6d);
    sip->v[2] = key[0] ^ UINT64_C(0x6c7967656e657261);
    sip->v[3] = key[1] ^ UINT64_C(0x7465646279746573);
    sip->words = 0;
}

void exvi_sip_word(exvi_sip *sip, uint64_t word)
{
    absorb(sip, word);
    sip->words++;
}

uint64_t exvi_sip_end(exvi_sip *sip)
{
    absorb(sip, (sip->words * 8) << 56);
    return finish(sip);
}

/* Up to 8 bytes as a number, the first one lowest. */
static uint64_t load(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

uint64_t exvi_hash_bytes(const uint64_t key[2], const void *data, size_t size)
{
    const unsigned char *bytes = data;
    exvi_sip sip;
    exvi_sip_begin(&sip, key);
    for (size_t i = 0; i < size / 8; i++)
        absorb(&sip, load(bytes + 8 * i, 8));
    absorb(&sip, (uint64_t)size << 56 | load(bytes + size / 8 * 8, size % 8));
    return finish(&sip);
}

/* -------------------------------------------------------------- numbers */

/* Python's hash of a number whose absolute value leaves `rest` modulo the prime. */
static uint64_t with_sign(uint64_t rest, bool negative)
{
    uint64_t hash = negative ? 0 - rest : rest;
    return hash == UINT64_MAX ? hash - 1 : hash;
}

uint64_t exvi_hash_int(int64_t value)
{
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return with_sign(size % PRIME, value < 0);
}

/* value == mantissa * 2^exponent with a whole mantissa; and 2^61 == 1 modulo the prime, so multiplying by a power
 * of two rotates 61 bits. */
uint64_t exvi_hash_float(double value)
{
    if (isinf(value))
        return with_sign(HASH_OF_INFINITY, value < 0);
    int exponent;
    uint64_t rest = (uint64_t)ldexp(frexp(fabs(value), &exponent), 53);
    int turn = (exponent - 53) % PRIME_BITS;
    if (turn < 0)
        turn += PRIME_BITS;
    if (turn > 0)
        rest = (rest << turn & PRIME) | rest >> (PRIME_BITS - turn);
    return with_sign(rest, value < 0);
}

/* Blocks are aligned to 16 bytes: the low bits say nothing. */
uint64_t exvi_hash_address(const void *object)
{
    return rotate((uint64_t)(uintptr_t)object, 60);
}
