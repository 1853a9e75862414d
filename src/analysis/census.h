/*
 * census: what there is, by type, and by what holds it.
 */
#ifndef EXVI_CENSUS_H
#define EXVI_CENSUS_H

#include "study.h"

/* An object with a list "types": of each type its number, bytes, generations, and where asked for, what it retains.
 * The most bytes first; `limit` of them, 0: all. False: study->error. */
bool exvi_census_answer(exvi_study *study, exvi_answer *answer, uint32_t limit, bool retained);

/* Totals, the interpreter's data, groups of roots, types by own and by retained bytes, the largest single holders and
 * what C alone holds. */
bool exvi_summary_answer(exvi_study *study, exvi_answer *answer, uint32_t limit);

/* The living node that most is gathered under: what it retains is spread below it. EXVI_NO_NODE: there is none, or
 * study->error. */
uint32_t exvi_census_largest(exvi_study *study);

#endif
