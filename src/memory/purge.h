/*
 * purge: the free parts of pages that are still in use go back to the system.
 *
 * All that is known of a block lies outside of it (blocks.h), so the system's pages under free blocks hold nothing, and
 * can be returned one by one while their neighbours live. That matters when survivors are spread thinly: a page of
 * 64 KiB is kept by a single one of them.
 *
 * A page is noted when it is found half empty, and again at each further halving. When the noted ones together have
 * more free than is worth keeping, their free system pages are purged; the next use of such a block finds zeros.
 *
 * Invariant: regions->purgeable_bytes == sum of purgeable_bytes and pages_purged_bytes == sum of purged_bytes of all
 * pages; a region's purgeable_pages are those with purgeable_bytes; a page that a bin allocates from has none.
 */
#ifndef EXVI_PURGE_H
#define EXVI_PURGE_H

#include "region.h"

void exvi_purge_note(exvi_regions *regions, exvi_page *page);   /* half empty, not current, just freed in */
void exvi_purge_forget(exvi_regions *regions, exvi_page *page); /* it becomes current or leaves, or goes */

/* Purge noted pages, in steps of a millisecond at most, if they have too much free. */
void exvi_purge_settle(exvi_regions *regions);

/* Purge all pages that there are. Returns how many bytes went that had not gone before. */
size_t exvi_purge_trim(exvi_regions *regions);

#endif
