/*
 * address_map: see address_map.h.
 */
#include "address_map.h"

#define DIRECTORY_SIZE (EXVI_TABLES * sizeof(void *))
#define NUMBERS_SIZE (EXVI_TABLES * sizeof(uint32_t))

bool exvi_address_map_begin(exvi_address_map *map, size_t table_size, bool huge)
{
    map->directory = exvi_map(DIRECTORY_SIZE, exvi_page_size());
    map->number = exvi_map(NUMBERS_SIZE, exvi_page_size());
    map->table_size = table_size;
    map->huge = huge;
    if (map->directory && map->number)
        return true;
    exvi_address_map_drop(map);
    return false;
}

void exvi_address_map_clear(exvi_address_map *map)
{
    size_t count = atomic_exchange(&map->count, 0);
    for (size_t i = 0; i < count; i++) {
        exvi_unmap(exvi_address_map_table(map, map->number[i]), map->table_size);
        atomic_store_explicit(&map->directory[map->number[i]], NULL, memory_order_relaxed);
    }
}

void exvi_address_map_drop(exvi_address_map *map)
{
    if (map->directory && map->number)
        exvi_address_map_clear(map);
    if (map->directory)
        exvi_unmap(map->directory, DIRECTORY_SIZE);
    if (map->number)
        exvi_unmap(map->number, NUMBERS_SIZE);
    map->directory = NULL;
    map->number = NULL;
}

void *exvi_address_map_add(exvi_address_map *map, uintptr_t address)
{
    if ((uint64_t)address >> EXVI_ADDRESS_BITS != 0)
        return NULL;
    size_t number = exvi_table_number(address);
    void *known = exvi_address_map_table(map, number);
    if (known)
        return known;
    void *table = exvi_map(map->table_size, map->huge ? map->table_size : exvi_page_size());
    if (!table)
        return NULL;
    if (map->huge)
        (void)exvi_advise_huge(table, map->table_size);
    void *first = NULL;
    if (!atomic_compare_exchange_strong(&map->directory[number], &first, table)) {
        exvi_unmap(table, map->table_size);
        return first;
    }
    map->number[atomic_fetch_add(&map->count, 1)] = (uint32_t)number;
    return table;
}

/* There are few, and those that are made one after the other tend to be in order, up or down. */
void exvi_address_map_sort(exvi_address_map *map)
{
    size_t count = atomic_load_explicit(&map->count, memory_order_relaxed);
    uint32_t *number = map->number;
    for (size_t i = 1; i < count; i++) {
        uint32_t moving = number[i];
        size_t at = i;
        for (; at > 0 && number[at - 1] > moving; at--)
            number[at] = number[at - 1];
        number[at] = moving;
    }
}
