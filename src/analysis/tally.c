/*
 * tally: see tally.h. An open hash table of item numbers, at most half full; heap sort, which needs no memory.
 */
#include "tally.h"

#include "platform.h"

enum { FIRST_ROOM = 64 };

static size_t place_of(const exvi_tally *tally, uint64_t key, uint64_t more)
{
    size_t place = exvi_mix(exvi_mix(1, key), more) & (tally->table_room - 1);
    for (; tally->table[place]; place = (place + 1) & (tally->table_room - 1)) {
        const exvi_tally_item *item = &tally->item[tally->table[place] - 1];
        if (item->key == key && item->more == more)
            break;
    }
    return place;
}

static bool grow(exvi_tally *tally)
{
    size_t room = tally->room ? 2 * tally->room : FIRST_ROOM;
    exvi_tally_item *item = exvi_map_larger(tally->item, tally->room * sizeof *item, room * sizeof *item);
    if (item)
        tally->item = item;
    uint32_t *table = item ? exvi_map(2 * room * sizeof *table, exvi_page_size()) : NULL;
    if (tally->table)
        exvi_unmap(tally->table, tally->table_room * sizeof *table);
    tally->table = table;
    tally->table_room = table ? 2 * room : 0;
    tally->room = item ? room : tally->room;
    tally->failed = !table;
    for (size_t i = 0; table && i < tally->count; i++)
        table[place_of(tally, item[i].key, item[i].more)] = (uint32_t)i + 1;
    return table != NULL;
}

exvi_tally_item *exvi_tally_add(exvi_tally *tally, uint64_t key, uint64_t more, uint64_t bytes, uint64_t example)
{
    if (tally->failed || (tally->count == tally->room && !grow(tally)))
        return &tally->nowhere;
    size_t place = place_of(tally, key, more);
    if (!tally->table[place]) {
        tally->item[tally->count++] = (exvi_tally_item){.key = key, .more = more, .example = example};
        tally->table[place] = (uint32_t)tally->count;
    }
    exvi_tally_item *item = &tally->item[tally->table[place] - 1];
    item->count++;
    item->bytes += bytes;
    return item;
}

exvi_tally_item *exvi_tally_get(const exvi_tally *tally, uint64_t key, uint64_t more)
{
    uint32_t found = tally->table ? tally->table[place_of(tally, key, more)] : 0;
    return found ? &tally->item[found - 1] : NULL;
}

/* Whether a stands before b. Ties go by key, so that the order does not depend on chance. */
static bool is_before(const exvi_tally_item *a, const exvi_tally_item *b, bool by_bytes)
{
    uint64_t first[] = {by_bytes ? a->bytes : a->count, by_bytes ? a->count : a->bytes};
    uint64_t second[] = {by_bytes ? b->bytes : b->count, by_bytes ? b->count : b->bytes};
    if (first[0] != second[0])
        return first[0] > second[0];
    if (first[1] != second[1])
        return first[1] > second[1];
    return a->key != b->key ? a->key < b->key : a->more < b->more;
}

static void sift_down(exvi_tally_item *item, size_t at, size_t count, bool by_bytes)
{
    for (size_t below; (below = 2 * at + 1) < count; at = below) {
        if (below + 1 < count && is_before(&item[below], &item[below + 1], by_bytes))
            below++; /* the one that stands last is on top */
        if (!is_before(&item[at], &item[below], by_bytes))
            break;
        exvi_tally_item swapped = item[at];
        item[at] = item[below];
        item[below] = swapped;
    }
}

void exvi_tally_sort(exvi_tally *tally, bool by_bytes)
{
    for (size_t i = tally->count / 2; i-- > 0;)
        sift_down(tally->item, i, tally->count, by_bytes);
    for (size_t left = tally->count; left > 1; left--) {
        exvi_tally_item last = tally->item[0];
        tally->item[0] = tally->item[left - 1];
        tally->item[left - 1] = last;
        sift_down(tally->item, 0, left - 1, by_bytes);
    }
}

void exvi_tally_drop(exvi_tally *tally)
{
    if (tally->item)
        exvi_unmap(tally->item, tally->room * sizeof *tally->item);
    if (tally->table)
        exvi_unmap(tally->table, tally->table_room * sizeof *tally->table);
    *tally = (exvi_tally){0};
}
