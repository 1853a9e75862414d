/*
 * address_map: from an address to what is known of it, outside of the memory it leads to.
 *
 * Two loads: a directory with an entry for each 32 MiB of address space leads to a table, which the user divides as he
 * likes: bytes, bits, or counts with bits. The directory is address space; only what is used of it is resident.
 *
 * Order: a table is put into the directory by a store that releases it, and read through the pointer that was loaded,
 * which orders the loads by itself on every machine that Linux runs on in 64 bits; what a new table holds is zero for
 * everyone. So a lookup is a relaxed load. number[] is read where nobody adds.
 *
 * Invariant: number[0 .. count) names exactly the entries of the directory that are not NULL. Tables read as zero when
 * they are new. Several threads may add tables at once; everything else is for one thread alone.
 *
 * What the tables hold is the affair of side.h, walk.h, and of the CPython front's record of freed blocks.
 */
#ifndef EXVI_ADDRESS_MAP_H
#define EXVI_ADDRESS_MAP_H

#include "platform.h"

#define EXVI_TABLE_SHIFT 25 /* a table is for 32 MiB */
#define EXVI_TABLES ((size_t)1 << (EXVI_ADDRESS_BITS - EXVI_TABLE_SHIFT))

typedef struct exvi_address_map {
    _Atomic(void *) *directory;  /* by address >> EXVI_TABLE_SHIFT; NULL: no table */
    uint32_t *number;            /* of those that exist, in the order of their making */
    _Atomic size_t count;
    size_t table_size;           /* bytes, a power of two */
    bool huge;                   /* tables that are used all over: as huge pages */
} exvi_address_map;

/* Zeroed before its first use; then it is used until it is dropped. False: no memory. */
bool exvi_address_map_begin(exvi_address_map *map, size_t table_size, bool huge);
void exvi_address_map_clear(exvi_address_map *map); /* no table is left */
void exvi_address_map_drop(exvi_address_map *map);  /* all memory goes back */

/* The table for an address, made if there is none. NULL: no memory, or the address lies beyond. */
void *exvi_address_map_add(exvi_address_map *map, uintptr_t address);

/* number[] in ascending order. */
void exvi_address_map_sort(exvi_address_map *map);

/* The table with this number, or for any address whatever; NULL: there is none. */
static inline void *exvi_address_map_table(const exvi_address_map *map, size_t number)
{
    return atomic_load_explicit(&map->directory[number], memory_order_relaxed);
}

static inline size_t exvi_table_number(uintptr_t address)
{
    return (size_t)((uint64_t)address >> EXVI_TABLE_SHIFT) & (EXVI_TABLES - 1);
}

static inline void *exvi_address_map_find(const exvi_address_map *map, uintptr_t address)
{
    return exvi_address_map_table(map, exvi_table_number(address));
}

#endif
