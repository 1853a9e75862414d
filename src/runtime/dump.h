/*
 * dump: all objects of a heap in a heap file (docs/heap-file.md), written in a snapshot child or, where there is none,
 * in place.
 *
 * The child makes raw system calls only, and has the one descriptor. Objects are visited three times: to count, to mark
 * what is alive, and to write, each time in the order of memory but for the marking.
 */
#ifndef EXVI_DUMP_H
#define EXVI_DUMP_H

#include "exuvia.h"
#include "snapshot.h"

typedef struct exvi_dump {
    exvi_snapshot snapshot;
    int file;                /* the descriptor that the child keeps */
    bool active;             /* a start was made, and its end not told */
    bool in_place;           /* it is over: */
    int why;                 /* errno, 0: all went well */
} exvi_dump;

/* Forget one that is being written: its file is not whole. */
void exvi_dump_cancel(exv_heap *heap);

#endif
