/*
 * libc_heap: see libc_heap.h.
 */
#define _GNU_SOURCE
#include "libc_heap.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct counts { /* struct mallinfo2, which a C library before 2.33 does not declare */
    size_t arena, free_blocks, fast_blocks, mappings, mapped, unused, fast, used, free, top;
} counts;

/* malloc() is libc's own if a block is seen in libc's counts. It is not where other threads free as much meanwhile:
 * then it is tried again. */
static bool is_counted(counts (*ask)(void))
{
    enum { TRIALS = 3, SIZE = 100000 };
    for (int i = 0; i < TRIALS; i++) {
        counts before = ask();
        void *volatile block = malloc(SIZE);
        counts after = ask();
        free(block);
        size_t more = after.used + after.mapped - before.used - before.mapped;
        if (block && more >= SIZE && more < SIZE_MAX / 2)
            return true;
    }
    return false;
}

bool exvi_libc_heap_free(size_t *bytes)
{
    void *symbol = dlsym(RTLD_DEFAULT, "mallinfo2");
    counts (*ask)(void) = (counts (*)(void))symbol;
    if (!ask || !is_counted(ask))
        return false;
    *bytes = ask().free;
    return true;
}
