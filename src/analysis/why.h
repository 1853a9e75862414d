/*
 * why: what keeps objects alive.
 *
 * What is asked for is a type, with its module or without, an address as 0x..., or EXVI_LARGEST: the object that most
 * is gathered under. Where the name fits types of several modules, they are listed instead.
 */
#ifndef EXVI_WHY_H
#define EXVI_WHY_H

#include "study.h"

#define EXVI_LARGEST "--largest"

typedef enum exvi_found { EXVI_FOUND, EXVI_NOT_FOUND, EXVI_FAILED } exvi_found;

/* Not found: nothing is answered, or "fits", the types that the name fits. Failed: study->error. */
exvi_found exvi_why_answer(exvi_study *study, exvi_answer *answer, const char *what, uint32_t limit);

/* Lists in an object of the answer: "paths" to the chosen objects, those alike in one line; who refers to them in
 * "referrers"; "held_by_c". chosen(node) says which they are. False: study->error. */
typedef struct exvi_choice {
    const exvi_study *study;
    uint32_t node, kind;     /* the one, or EXVI_NO_NODE and all of a kind */
    const uint8_t *marks;    /* or where not NULL: a bit for each node */
    bool by_retained;        /* paths are told with what the objects retain, and in that order */
} exvi_choice;
bool exvi_why_paths(exvi_study *study, exvi_answer *answer, const exvi_choice *choice, uint32_t limit);
bool exvi_why_referrers(exvi_study *study, exvi_answer *answer, const exvi_choice *choice, uint32_t limit);

#endif
