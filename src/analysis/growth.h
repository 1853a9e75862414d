/*
 * growth: what is in one heap file and was not in an earlier one of the same process.
 *
 * An object is new when nothing of its type, by module and name, was at its address. One that took the place of a dead
 * one of its type is not told from it: what is called new is new, and numbers by type are exact in any case.
 */
#ifndef EXVI_GROWTH_H
#define EXVI_GROWTH_H

#include "study.h"

/* An object with "types", what grew most first, and "paths": to new objects that no other new one keeps alive, with
 * all that they retain. False: the error of either study. */
bool exvi_growth_answer(exvi_study *before, exvi_study *after, exvi_answer *answer, uint32_t limit);

#endif
