/*
 * side: see side.h.
 *
 * Invariant: between scans all bytes of all tables are 0.
 */
#include "side.h"

#include "die.h"
#include "platform.h"

/* The tables are used all over, and come as huge pages. */
bool exvi_side_begin(exvi_side *side)
{
    exvi_side_end(side);
    return side->map.directory || exvi_address_map_begin(&side->map, EXVI_SIDE_TABLE_SIZE, true);
}

void exvi_side_end(exvi_side *side)
{
    exvi_address_map_clear(&side->map);
    side->members = 0;
}

void exvi_side_drop(exvi_side *side)
{
    exvi_address_map_drop(&side->map);
    *side = (exvi_side){0};
}

bool exvi_side_add_slow(exvi_side *side, const void *object, uint8_t first)
{
    exv_assert(first && ((uintptr_t)object & 15) == 0);
    if (!exvi_address_map_add(&side->map, (uintptr_t)object))
        return false;
    return exvi_side_add(side, object, first);
}
