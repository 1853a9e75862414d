/*
 * alloc: a heap's use as plain memory: the family of exv_alloc().
 *
 * Blocks come from and go to the bins of blocks.c. What is added here: sizes are checked, a failure leaves its message,
 * a large block gives the alarm, and in the checked build what is no live block of this heap stops the program.
 *
 * Runs none of the program's code: no collection starts here.
 */
#include "exv_heap.h"

#include <string.h>

static __attribute__((noinline)) void *alloc_slow(exv_heap *heap, size_t size, bool zeroed, const char *function)
{
    if (size > EXV_MAX_SIZE)
        return exvi_too_large(heap, size);
    if (size >= EXVI_ALARM_SIZE)
        exvi_generation_alarm(&heap->generations);
    exvi_heap_enter(heap, function);
    (void)function;
    size += size == 0;
    void *block = zeroed ? exvi_block_new_zeroed(&heap->blocks, EXVI_RAW, size)
                         : exvi_block_new_slow(&heap->blocks, EXVI_RAW, size);
    if (exvi_unlikely(!block))
        exvi_no_memory(heap);
    exvi_heap_leave(heap);
    return block;
}

void *exv_alloc(exv_heap *heap, size_t size)
{
    void *block = exvi_block_take(&heap->blocks, EXVI_RAW, size);
    return exvi_likely(block != NULL) ? block : alloc_slow(heap, size, false, __func__);
}

void *exv_calloc(exv_heap *heap, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return exvi_too_large(heap, SIZE_MAX);
    void *block = exvi_block_take(&heap->blocks, EXVI_RAW, total);
    return exvi_likely(block != NULL) ? memset(block, 0, total) : alloc_slow(heap, total, true, __func__);
}

#ifdef EXVI_CHECKED
static void die_of_no_block(const char *function, const exvi_page *page, const void *block)
{
    if (!page->start)
        exvi_die(function, "%p is not a block: nothing was ever allocated there", block);
    if (page->kind == EXVI_OBJECT)
        exvi_die(function, "%p is an object, or lies in one: it is given up with exv_decref()", block);
    uint32_t index = exvi_block_index(page, block);
    if (index < page->capacity && exvi_block_at(page, index) == block)
        exvi_die(function, "block %p was freed already", block);
    exvi_die(function, "%p lies inside a block", block);
}

static void expect_block(const exv_heap *heap, const char *function, const void *block)
{
    exvi_page *page;
    uint32_t index;
    if (!exvi_region_is_known(block))
        exvi_die(function, "%p is not a block: no heap holds that address", block);
    if (exvi_region_of(block)->blocks != &heap->blocks)
        exvi_die(function, "block %p belongs to another heap", block);
    if (!exvi_block_find(&heap->blocks, block, &page, &index) || page->kind != EXVI_RAW)
        die_of_no_block(function, exvi_page_of(block), block);
}
#else
#define expect_block(heap, function, block) ((void)0)
#endif

void exv_free(exv_heap *heap, void *block)
{
    if (!block)
        return;
    exvi_heap_enter(heap, __func__);
    expect_block(heap, __func__, block);
    (void)heap;
    exvi_block_free(block);
    exvi_heap_leave(heap);
}

void *exv_realloc(exv_heap *heap, void *block, size_t size)
{
    if (!block)
        return exv_alloc(heap, size);
    if (size > EXV_MAX_SIZE)
        return exvi_too_large(heap, size);
    expect_block(heap, __func__, block);
    exvi_page *page = exvi_page_of(block);
    if (exvi_block_resize(page, size ? size : 1))
        return block;
    size_t kept = exvi_block_size(page);
    void *moved = exv_alloc(heap, size);
    if (!moved)
        return NULL;
    memcpy(moved, block, kept < size ? kept : size);
    exv_free(heap, block);
    return moved;
}

size_t exv_usable_size(const exv_heap *heap, const void *block)
{
    (void)heap;
    if (!block)
        return 0;
    expect_block(heap, __func__, block);
    return exvi_block_size(exvi_page_of(block));
}
