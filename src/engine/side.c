/*
 * side: see side.h.
 *
 * Invariants: between scans all bytes of all tables are 0; in a listed scan list[0..members) are the members.
 */
#include "side.h"

#include "die.h"
#include "platform.h"

#ifdef EXVI_STRESS
static const size_t FIRST_ROOM = 4;
#else
static const size_t FIRST_ROOM = 4096;
#endif

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

/* The tables of a dense scan are used all over, and come as huge pages; a listed one uses a few pages of each. */
bool exvi_side_begin(exvi_side *side, bool dense)
{
    exvi_side_end(side);
    if (!side->map.directory && !exvi_address_map_begin(&side->map, EXVI_SIDE_TABLE_SIZE, dense))
        return false;
    if (dense)
        exvi_address_map_clear(&side->map);
    side->dense = side->map.huge = dense;
    return true;
}

void exvi_side_end(exvi_side *side)
{
    if (side->dense)
        exvi_address_map_clear(&side->map);
    else
        for (size_t i = 0; i < side->members; i++)
            *exvi_side_find(side, side->list[i]) = 0;
    side->members = 0;
}

void exvi_side_drop(exvi_side *side)
{
    exvi_address_map_drop(&side->map);
    if (side->list)
        exvi_unmap(side->list, side->room * sizeof *side->list);
    *side = (exvi_side){0};
}

bool exvi_side_add_slow(exvi_side *side, const void *object, uint8_t first)
{
    exv_assert(first && ((uintptr_t)object & 15) == 0);
    if (!exvi_address_map_add(&side->map, (uintptr_t)object))
        return false;
    if (!side->dense && side->members == side->room && !grow_list(side))
        return false;
    return exvi_side_add(side, object, first);
}
