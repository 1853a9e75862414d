/*
 * poison: what free blocks hold, and what is done with those who disturb them.
 *
 * In the checked build a free block holds a pattern behind its first 16 bytes (an object's header stays readable, for
 * the message about its second death). What wrote there is found when the block is allocated again, or by the check. In
 * the release build free blocks are not touched, and a second free is found by the bitmaps alone.
 *
 * Invariant, checked build: every free block of a page with blocks of one size holds the pattern, or zeros where its
 * page was purged (purge.h).
 */
#ifndef EXVI_POISON_H
#define EXVI_POISON_H

#include "region.h"

/* The end of a program that frees what is free. */
_Noreturn void exvi_block_misused(const exvi_page *page, const void *block);

#ifdef EXVI_CHECKED
void exvi_page_poison(const exvi_page *page);               /* all blocks of a new page */
void exvi_block_poison(const exvi_page *page, void *block); /* a block that is to be freed; dies if it is not live */
/* A block that was allocated; dies if it was written to. */
void exvi_block_check_poison(const exvi_page *page, const void *block);
const char *exvi_page_check_poison(const exvi_page *page);  /* NULL, or what is wrong */
#else
#define exvi_page_poison(page) ((void)0)
#define exvi_block_check_poison(page, block) ((void)0)
#define exvi_page_check_poison(page) NULL
#endif

#endif
