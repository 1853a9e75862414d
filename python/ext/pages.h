/*
 * pages: all tracked objects, found by a walk over memory in the order of addresses instead of along their lists.
 *
 * A list that has grown old leads to and fro: each step waits for memory. pymalloc's arenas are ours (slots.h), so a
 * snapshot child can look at every block in them:
 *
 *     arena of 1 MiB:  pool | pool | pool ...     pool of 16 KiB:  header | block | block ...     blocks of one size
 *
 * The header says how many blocks were handed out once, and which of them are free now. Of the others those count whose
 * first words are the header of a tracked object. What lies outside the arenas is found along the lists, from each
 * place where one leaves the arenas.
 *
 * Nothing of this is taken on trust, for the layout of pools is CPython's own affair and any memory may look like a
 * header. The proof: over all objects found and all heads of lists, the sum of mix(next) - mix(own address), where mix
 * makes a random number of an address. Each link of a whole list is in it twice, with either sign; the sum is 0 for a
 * union of whole lists, and for any other set but by a chance of 2^-64. So one object too many or too few, an
 * interpreter whose heads we do not know, a debug allocator that shifts everything: not 0, and the lists are walked.
 */
#ifndef EXVI_PAGES_H
#define EXVI_PAGES_H

#include "kinds.h"

#include "walk.h"

/* Make all tracked objects that are not frozen members. False: that could not be proven, or is not worth it; the
 * members are void. For a snapshot child. *outside: of them, those that were found along the lists. */
bool exvi_pages_add_members(exvi_kinds *kinds, exvi_walk *walk, const exvi_graph *graph, size_t *outside);

/* Bytes of our arenas that are resident, and of them those in blocks that are in use. For a snapshot child, before it
 * gives pages back. False: there are none, or the system does not say. */
bool exvi_pages_use(uint64_t *resident, uint64_t *used);

#endif
