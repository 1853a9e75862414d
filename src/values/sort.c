/*
 * sort: see sort.h.
 *
 * Short stretches by insertion, longer ones by merging two sorted halves, of which the first waits in the scratch
 * array (Knuth, The Art of Computer Programming 3, 5.2.1 and 5.2.4). An item moves before another only if it is less,
 * so equal ones keep their order.
 */
#include "sort.h"

#include <string.h>

#define SHORT 8

typedef struct sorting {
    exv_less_fn *less;
    void *arg;
    void **scratch;
} sorting;

static exv_status insert_each(const sorting *s, void **items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        void *item = items[i];
        size_t place = i;
        for (bool less = true; place > 0; place--) {
            exv_status status = s->less(item, items[place - 1], &less, s->arg);
            if (status != EXV_OK)
                return status;
            if (!less)
                break;
        }
        memmove(items + place + 1, items + place, (i - place) * sizeof *items);
        items[place] = item;
    }
    return EXV_OK;
}

/* Both halves are sorted. What is not placed yet is scratch[left .. half - 1] and items[right .. count - 1], and the
 * gap between the placed ones and items[right] has room for the former: so a failure loses none. */
static exv_status merge(const sorting *s, void **items, size_t half, size_t count)
{
    exv_status status = EXV_OK;
    size_t left = 0, right = half, placed = 0;
    memcpy(s->scratch, items, half * sizeof *items);
    while (left < half && right < count) {
        bool less = false;
        status = s->less(items[right], s->scratch[left], &less, s->arg);
        if (status != EXV_OK)
            break;
        items[placed++] = less ? items[right++] : s->scratch[left++];
    }
    memcpy(items + placed, s->scratch + left, (half - left) * sizeof *items);
    return status;
}

static exv_status sort_part(const sorting *s, void **items, size_t count)
{
    if (count <= SHORT)
        return insert_each(s, items, count);
    size_t half = (count + 1) / 2;
    bool apart = true;
    exv_status status = sort_part(s, items, half);
    if (status == EXV_OK)
        status = sort_part(s, items + half, count - half);
    if (status == EXV_OK)
        status = s->less(items[half], items[half - 1], &apart, s->arg);
    return status == EXV_OK && apart ? merge(s, items, half, count) : status;
}

exv_status exvi_sort(void **items, void **scratch, size_t count, exv_less_fn *less, void *arg)
{
    sorting s = {less, arg, scratch};
    return sort_part(&s, items, count);
}
