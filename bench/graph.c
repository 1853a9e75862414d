/*
 * graph: permutations and the choice of survivors; see graph.h. The seed is fixed, so that every program and every
 * run builds the same graph.
 */
#include "graph.h"

#include "meter.h"

uint32_t *graph_order_new(size_t count, bool shuffled)
{
    uint32_t *order = meter_map(count * sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    uint64_t state = 20240229;
    for (size_t i = shuffled ? count : 0; i > 1; i--) {
        size_t j = (size_t)(meter_random(&state) % i);
        uint32_t other = order[j];
        order[j] = order[i - 1];
        order[i - 1] = other;
    }
    return order;
}

void graph_order_free(uint32_t *order, size_t count)
{
    meter_unmap(order, count * sizeof *order);
}

bool graph_survives(const void *address, size_t span, uint64_t one_in)
{
    uint64_t state = (uintptr_t)address / span;
    return meter_random(&state) % one_in == 0;
}
