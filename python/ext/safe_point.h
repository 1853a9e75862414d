/*
 * safe_point: a young collection by the program's main thread at its next safe point, asked for by another thread.
 *
 * It is where CPython itself calls finalizers, so what a timer of ours has found is freed there and nowhere else.
 */
#ifndef EXVI_SAFE_POINT_H
#define EXVI_SAFE_POINT_H

#include "layout.h"

/* Of generation 0, where the collector is enabled then and none is running. False: one is asked for already, or the
 * interpreter's queue is full. */
bool exvi_safe_point_ask(const exvi_layout *layout);

/* This process was forked: the queue may have been the parent's. Or the interpreter has ended. */
void exvi_safe_point_forget(void);

#endif
