/*
 * poison: what free blocks hold, and what is done with those who disturb them. See poison.h.
 *
 * The messages name the public function that was misused: exv_free and exv_alloc for plain blocks, exv_decref and
 * exv_new for objects.
 *
 * Large blocks are not filled: their pages go back as they are freed.
 */
#include "poison.h"

#include "die.h"

#include <string.h>

static const char *function_of(const exvi_page *page, const char *raw, const char *object)
{
    return page->kind == EXVI_OBJECT ? object : raw;
}

void exvi_block_misused(const exvi_page *page, const void *block)
{
    exvi_die(function_of(page, "exv_free", "exv_decref"), "block %p was freed already", block);
}

#ifdef EXVI_CHECKED
#define FILL 0xDD
#define FILL_FROM ((size_t)16)

static void fill(const exvi_page *page, void *block)
{
    if (page->block_size > FILL_FROM && page->bin != EXVI_BIN_LARGE)
        memset((char *)block + FILL_FROM, FILL, page->block_size - FILL_FROM);
}

/* Zeros are what is left of a block whose page went back to the system. */
static bool is_filled(const exvi_page *page, const void *block)
{
    const unsigned char *bytes = block;
    for (size_t i = FILL_FROM; i < page->block_size; i++) {
        if (bytes[i] != FILL && (bytes[i] != 0 || !page->purged))
            return false;
    }
    return true;
}

static bool is_live(const exvi_page *page, uint32_t index)
{
    return exvi_page_live(page, index / 64) >> (index % 64) & 1;
}

void exvi_page_poison(const exvi_page *page)
{
    for (uint32_t index = 0; index < page->capacity; index++)
        fill(page, exvi_block_at(page, index));
}

void exvi_block_poison(const exvi_page *page, void *block)
{
    const char *function = function_of(page, "exv_free", "exv_decref");
    if (page->start == NULL)
        exvi_die(function, "%p is not a block: nothing was ever allocated there", block);
    uint32_t index = exvi_block_index(page, block);
    if (index >= page->capacity || exvi_block_at(page, index) != block)
        exvi_die(function, "%p points inside a block", block);
    if (page->units == 0 || !is_live(page, index))
        exvi_block_misused(page, block);
    fill(page, block);
}

void exvi_block_check_poison(const exvi_page *page, const void *block)
{
    if (!is_filled(page, block))
        exvi_die(function_of(page, "exv_alloc", "exv_new"), "block %p was written to after it was freed", block);
}

const char *exvi_page_check_poison(const exvi_page *page)
{
    for (uint32_t index = 0; index < page->capacity; index++) {
        if (!is_live(page, index) && !is_filled(page, exvi_block_at(page, index)))
            return "a block was written to after it was freed";
    }
    return NULL;
}
#endif
