/*
 * ranges: dead objects that wait for their turn, in the oldest list, between markers.
 *
 *     oldest list:  ... live objects ...  M0 a a a b b  M1 c c  M2 x y z  M3 d d d e  M4 ... became old since ...
 *                                         range         range   gap       range
 *
 * Once the candidates of a search are here, nothing of the search is needed any more: an object that dies leaves the
 * list by itself, as every tracked object does. A marker is an object of ours. A range is cut out and joined to
 * generation 0 as a whole. A gap holds what became old between two times of putting. CPython's own full collection
 * finds all of them without us.
 *
 * Invariant: in a range stand only objects that were put there, until a full collection, gc.freeze() or gc.unfreeze(),
 * each of which ends it all: exvi_ranges_drop().
 */
#ifndef EXVI_RANGES_H
#define EXVI_RANGES_H

#include "layout.h"

/* Begin a range at the end of the oldest list; what is there since the last exvi_ranges_close() is a gap. False: no
 * memory. Not inside a collection, but at its very beginning. */
bool exvi_ranges_begin(const exvi_layout *layout);

/* The object goes to the end, into the range that was begun. */
void exvi_ranges_put(exvi_gc_head *head);

/* What was put since is a range, and another is begun. False: no memory; the range is still open. */
bool exvi_ranges_close(void);

/* How many objects were put into ranges that are closed and not taken, those that died since included. */
size_t exvi_ranges_left(void);

/* Join ranges to generation 0, at least one if there is any, of so many objects together. Returns how many of these
 * have not died. */
size_t exvi_ranges_take(size_t most);

/* Objects that still wait stay where they are, as any other. */
void exvi_ranges_drop(void);

/* The interpreter has ended: no object is touched any more. */
void exvi_ranges_forget(void);

#endif
