/*
 * question: what the commands ask of heap files, by name. The one door of the analyzer: exuvia-heap and the Python
 * commands come through here.
 */
#ifndef EXVI_QUESTION_H
#define EXVI_QUESTION_H

#include "answer.h"

typedef struct exvi_question {
    const char *name;    /* summary, census, why, cycles, diff, holders, heapsnapshot */
    const char *path;
    const char *other;   /* diff: the later file. heapsnapshot: the new file that it is written to */
    const char *what;    /* why */
    uint32_t limit;      /* of lines in each list; 0: all */
    bool retained;       /* census: also what each type retains */
    bool tells;          /* progress, on standard error */
} exvi_question;

typedef enum exvi_answered { EXVI_ANSWERED, EXVI_NOTHING_FOUND, EXVI_MISASKED } exvi_answered; /* exit statuses */

/* The answer is filled, and dropped by the caller in any case. MISASKED: error says why: cause and cure. */
exvi_answered exvi_question_answer(const exvi_question *question, exvi_answer *answer, char *error, size_t room);

#endif
