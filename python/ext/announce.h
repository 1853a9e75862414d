/*
 * announce: a full collection in the background that is over is told to the program's own gc.callbacks as one of
 * generation 2.
 *
 * Told like a collection in place: "start", then "stop" with what was collected, to each function but ours, with the
 * collector's own mark that it is collecting set, so that none comes in between. Outside of any collection, in the main
 * thread, once for each record of a collection in the background; not for the trial of an installation.
 */
#ifndef EXVI_ANNOUNCE_H
#define EXVI_ANNOUNCE_H

#include "layout.h"

/* From now on, but not to this function, which is ours; a layout of NULL: no more. False with an exception set: no
 * memory. */
bool exvi_announce_to(const exvi_layout *layout, const PyObject *ours);

/* There is a record that was not looked at. */
bool exvi_announce_is_waiting(void);

/* Tell what waits, unless a collection is running: a callback of somebody else's may be where we are. */
void exvi_announce(void);

/* This process was forked, or the interpreter has ended. */
void exvi_announce_forked(void);
void exvi_announce_forget(void);

#endif
