/*
 * devtools: a heap file as a .heapsnapshot, as Chrome's DevTools and memlab read it.
 *
 * What those readers require beyond the format's look: one synthetic root, below it the groups alone; every object
 * reached from a group; exact counts before the first node; no class named Object or Array, nor one that begins with
 * `<`; sizes below 4 GiB, the rest in a child of its own. Identities are numbers of this one file: two snapshots are
 * compared by growth.h, not by DevTools.
 */
#ifndef EXVI_DEVTOOLS_H
#define EXVI_DEVTOOLS_H

#include "study.h"

/* False: study->error, or answer->failed. */
bool exvi_devtools_write(exvi_study *study, exvi_answer *answer);

#endif
