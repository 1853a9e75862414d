/*
 * answer: what was found out, written down as JSON, or as lines for a person at a terminal; or handed over as data.
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

/* One item of an answer that is data. `text` is UTF-8, valid during the call; control characters are escaped. */
typedef enum exvi_answer_kind {
    EXVI_ANSWER_OBJECT,
    EXVI_ANSWER_LIST,
    EXVI_ANSWER_CLOSE,   /* of the innermost object or list */
    EXVI_ANSWER_TEXT,
    EXVI_ANSWER_NUMBER,
    EXVI_ANSWER_FLAG,    /* number: 0 or 1 */
} exvi_answer_kind;
typedef struct exvi_answer_item {
    exvi_answer_kind kind;
    const char *key;     /* NULL in lists and at the top */
    const char *text;
    size_t size;
    uint64_t number;
} exvi_answer_item;
typedef bool exvi_answer_sink(void *arg, const exvi_answer_item *item); /* false: it takes no more */

typedef struct exvi_answer {
    exvi_answer_sink *sink; /* where not NULL: each item goes there, and nothing is written */
    void *sink_arg;
    char *text;          /* length bytes; not ended with NUL */
    size_t length, room;
    bool as_lines;
    bool to_file;
    int file;            /* where to_file: a descriptor that full buffers are appended to */
    bool failed;         /* no memory, or the sink or, with an errno in `why`, the file took no more */
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
