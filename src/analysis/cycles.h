/*
 * cycles: dead cycles by shape.
 *
 * A ring is a strongly connected component of dead objects. Rings of one shape have the same numbers of objects by type
 * and of references by type and name, and the same functions, frames and tracebacks, by code and line. What a ring
 * holds is what would go with it: all that it dominates, itself included.
 */
#ifndef EXVI_CYCLES_H
#define EXVI_CYCLES_H

#include "study.h"

/* An object with the list "shapes". False: study->error. */
bool exvi_cycles_answer(exvi_study *study, exvi_answer *answer, uint32_t limit);

#endif
