/*
 * answer: what was found out, written down as JSON, or as lines for a person at a terminal.
 *
 * A writer of one document, in memory or, as it grows, into a file. Text that is no UTF-8 comes out with U+FFFD for
 * what is none, so that a reader never stumbles over it.
 */
#ifndef EXVI_ANSWER_H
#define EXVI_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXVI_ANSWER_DEPTH = 16 };

typedef struct exvi_answer {
    char *text;          /* length bytes; not ended with NUL */
    size_t length, room;
    bool as_lines;
    bool to_file;
    int file;            /* where to_file: a descriptor that full buffers are appended to */
    bool failed;         /* no memory, or, with an errno in `why`, the file took no more */
    int why;
    unsigned depth;
    struct {
        char close;
        bool has_items, has_key;
    } open[EXVI_ANSWER_DEPTH];
} exvi_answer;

/* A key is NULL in lists and at the top. */
void exvi_answer_object(exvi_answer *answer, const char *key);
void exvi_answer_list(exvi_answer *answer, const char *key);
void exvi_answer_close(exvi_answer *answer); /* the innermost object or list */
void exvi_answer_text(exvi_answer *answer, const char *key, const char *text);
void exvi_answer_bytes(exvi_answer *answer, const char *key, const char *text, size_t size);
void exvi_answer_number(exvi_answer *answer, const char *key, uint64_t value);
void exvi_answer_flag(exvi_answer *answer, const char *key, bool value);

void exvi_answer_raw(exvi_answer *answer, const char *text, size_t size); /* as it is */
void exvi_answer_quoted(exvi_answer *answer, const char *text, size_t size); /* a JSON string */
bool exvi_answer_flush(exvi_answer *answer); /* to the file; whether all went well */
void exvi_answer_drop(exvi_answer *answer);

#endif
