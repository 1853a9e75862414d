/*
 * 01_heap.c: A private heap hands out memory, takes it back and hands it out again. Blocks and objects come from it
 * through functions, and its statistics say where every byte is.
 */
#include "must.h"

#include <stdint.h>

enum { BLOCKS = 1000 };

static void print_statistics(exv_heap *heap, const char *when)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    printf("%-22s %5zu live blocks, %7zu bytes in use, %llu allocations, %llu frees\n", when, stats.live_blocks,
           stats.used_bytes, (unsigned long long)stats.allocations, (unsigned long long)stats.frees);
}

/* How many of the blocks lie where a block of before lay. */
static int count_reused(void *const *blocks, const uintptr_t *before)
{
    int reused = 0;
    for (int i = 0; i < BLOCKS; i++) {
        int j = 0;
        while (j < BLOCKS && (uintptr_t)blocks[i] != before[j])
            j++;
        reused += j < BLOCKS;
    }
    return reused;
}

static void reuse_blocks(exv_heap *heap)
{
    static void *blocks[BLOCKS];
    static uintptr_t before[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = made(exv_alloc(heap, 100));
        before[i] = (uintptr_t)blocks[i];
    }
    print_statistics(heap, "1000 blocks allocated:");
    printf("  the first lies at %p; 100 bytes were asked for, %zu may be used\n", blocks[0],
           exv_usable_size(heap, blocks[0]));
    for (int i = 0; i < BLOCKS; i++)
        exv_free(heap, blocks[i]);
    print_statistics(heap, "all of them freed:");
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = made(exv_alloc(heap, 100));
    print_statistics(heap, "1000 blocks again:");
    printf("  addresses handed out again: %d of %d\n", count_reused(blocks, before), BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        exv_free(heap, blocks[i]);
}

/* An object's memory is free as soon as it dies; here another value gets it, sooner or later. */
static void reuse_an_object(exv_heap *heap)
{
    exv_float *number = made(exv_float_new(heap, 0.5));
    uintptr_t place = (uintptr_t)number;
    printf("a float at %p ", (void *)number);
    exv_decref(number);
    int others = 0;
    exv_int *other = NULL;
    do {
        exv_decref(other);
        other = made(exv_int_new(heap, 1000 + others++));
    } while ((uintptr_t)other != place);
    printf("died; int number %d lies there now\n", others);
    exv_decref(other);
}

int main(void)
{
    exv_heap *heap = made(exv_heap_new(NULL));
    print_statistics(heap, "a new heap:");
    reuse_blocks(heap);
    reuse_an_object(heap);
    print_statistics(heap, "at the end:");
    printf("objects left when the heap was freed: %zu\n", exv_heap_free(heap));
    return 0;
}
