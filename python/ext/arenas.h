/*
 * arenas: memory for pymalloc from regions of huge pages.
 *
 * What a snapshot costs is the copying of page tables, and a huge page has one entry where small ones have 512.
 * pymalloc asks for arenas of 1 MiB, or of 2 MiB as it was built; they are cut from regions of 32 MiB. Requests of
 * another size, and what was allocated before we came, go to the allocator that was there.
 *
 * Once installed it stays for the process' life: arenas outlive uninstall(). Does nothing where pymalloc is not in
 * use, because then nobody asks.
 */
#ifndef EXVI_ARENAS_H
#define EXVI_ARENAS_H

#include <stddef.h>
#include <stdint.h>

void exvi_arenas_install(void);
/* A flight is over: let huge pages that it made the system split be made whole, if that is worth it: see collapse.h. */
void exvi_arenas_collapse(uint64_t budget_ns);
void exvi_arenas_halt(void); /* a clone is about to come: does not wait */
void exvi_arenas_rest(void); /* no thread of ours is left */

size_t exvi_arenas_bytes(void); /* in arenas of ours that pymalloc holds */

#endif
