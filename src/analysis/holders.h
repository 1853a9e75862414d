/*
 * holders: the dominator tree with what is alike put together: what a picture of a heap is drawn from.
 */
#ifndef EXVI_HOLDERS_H
#define EXVI_HOLDERS_H

#include "study.h"

/* An object with the list "tree", of at most `limit` nodes, those that retain most, each after its parent: parent (its
 * place in the list; the first is its own), edge, type or group, count and bytes of its own objects, retained. What is
 * left out is in its parent's `retained` alone. False: study->error. */
bool exvi_holders_answer(exvi_study *study, exvi_answer *answer, uint32_t limit);

#endif
