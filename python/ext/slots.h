/*
 * slots: arenas for pymalloc, cut from regions of huge pages.
 *
 * A region is 32 MiB aligned to 32 MiB, so a mask finds it. It has 32 slots of 1 MiB; an arena of 1 MiB takes one, an
 * arena of 2 MiB the two that are one huge page.
 *
 * What is free goes back to the system: a huge page when both of its slots are free. A single free half of one would
 * split it, so some of those stay resident, and are used first; when they are more than a 32nd of what is in use,
 * the next one goes back too, and its huge page is small pages until it is whole again. So a heap with holes is larger
 * than in small pages by that 32nd at most.
 *
 * Any thread may call, with or without the GIL, at any time; a forked process finds the table usable, at worst with
 * a slot or a region that nobody will use.
 */
#ifndef EXVI_SLOTS_H
#define EXVI_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXVI_SLOT_SIZE ((size_t)1 << 20)

bool exvi_slots_init(void); /* false: no memory. Once. */
void *exvi_slots_new(unsigned slots); /* 1 or 2; NULL: no memory */

/* False: not ours. `halt` is called before memory goes back that is of a huge page: who joins such must not fill it up
 * again. */
bool exvi_slots_free(void *start, unsigned slots, void (*halt)(void));

size_t exvi_slots_bytes(void); /* in use */

/* Call `found` for each huge page with both halves in use. It must not call anything of this file. */
void exvi_slots_each_whole(void (*found)(void *start));

/* In a snapshot child only. Call `found` for each region, the highest first; bit i of `used`: its slot i is. And: all
 * regions go back to the system. */
enum { EXVI_SLOTS = 32 };
void exvi_slots_each_region(void (*found)(void *arg, uintptr_t start, uint32_t used), void *arg);
void exvi_slots_leave(void);

#endif
