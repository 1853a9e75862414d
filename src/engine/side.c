/*
 * side: see side.h.
 *
 * Invariants: tables[0..table_count) is in ascending order and names exactly the directory's entries that are not NULL;
 * between scans all bytes of all tables are 0; in a listed scan list[0..members) are the members.
 */
#include "side.h"

#include "die.h"
#include "platform.h"

#define DIRECTORY_ENTRIES ((size_t)1 << (EXVI_ADDRESS_BITS - EXVI_SIDE_TABLE_SHIFT))
#define DIRECTORY_SIZE (DIRECTORY_ENTRIES * sizeof(uint8_t *))
#define TABLES_SIZE (DIRECTORY_ENTRIES * sizeof(uintptr_t))
#ifdef EXVI_STRESS
static const size_t FIRST_ROOM = 4;
#else
static const size_t FIRST_ROOM = 4096;
#endif

/* ---------------------------------------------------------------- tables */

static void drop_tables(exvi_side *side)
{
    for (size_t i = 0; i < side->table_count; i++) {
        exvi_unmap(side->directory[side->tables[i]], EXVI_SIDE_TABLE_SIZE);
        side->directory[side->tables[i]] = NULL;
    }
    side->table_count = 0;
}

/* A dense scan uses most of a table, a listed one a few pages of it. */
static uint8_t *add_table(exvi_side *side, uintptr_t number)
{
    uint8_t *table = exvi_map(EXVI_SIDE_TABLE_SIZE, side->dense ? EXVI_SIDE_TABLE_SIZE : exvi_page_size());
    if (!table)
        return NULL;
    if (side->dense)
        (void)exvi_advise_huge(table, EXVI_SIDE_TABLE_SIZE);
    size_t at = side->table_count++;
    for (; at > 0 && side->tables[at - 1] > number; at--)
        side->tables[at] = side->tables[at - 1];
    side->tables[at] = number;
    side->directory[number] = table;
    return table;
}

static bool grow_list(exvi_side *side)
{
    size_t room = side->room ? 2 * side->room : FIRST_ROOM;
    void **list = exvi_map_larger(side->list, side->room * sizeof *list, room * sizeof *list);
    if (!list)
        return false;
    side->list = list;
    side->room = room;
    return true;
}

/* ------------------------------------------------------------------ scan */

bool exvi_side_begin(exvi_side *side, bool dense)
{
    exvi_side_end(side);
    if (!side->directory) {
        side->directory = exvi_map(DIRECTORY_SIZE, exvi_page_size());
        side->tables = exvi_map(TABLES_SIZE, exvi_page_size());
        if (!side->directory || !side->tables) {
            exvi_side_drop(side);
            return false;
        }
    }
    if (dense)
        drop_tables(side); /* new ones come as huge pages */
    side->dense = dense;
    return true;
}

void exvi_side_end(exvi_side *side)
{
    if (side->dense)
        drop_tables(side);
    else
        for (size_t i = 0; i < side->members; i++)
            *exvi_side_find(side, side->list[i]) = 0;
    side->members = 0;
}

void exvi_side_drop(exvi_side *side)
{
    if (side->directory)
        drop_tables(side);
    if (side->directory)
        exvi_unmap(side->directory, DIRECTORY_SIZE);
    if (side->tables)
        exvi_unmap(side->tables, TABLES_SIZE);
    if (side->list)
        exvi_unmap(side->list, side->room * sizeof *side->list);
    *side = (exvi_side){0};
}

bool exvi_side_add_slow(exvi_side *side, const void *object, uint8_t first)
{
    exv_assert(first && ((uintptr_t)object & 15) == 0);
    if ((uintptr_t)object >> EXVI_ADDRESS_BITS != 0)
        return false;
    if (!exvi_side_find(side, object) && !add_table(side, (uintptr_t)object >> EXVI_SIDE_TABLE_SHIFT))
        return false;
    if (!side->dense && side->members == side->room && !grow_list(side))
        return false;
    return exvi_side_add(side, object, first);
}
