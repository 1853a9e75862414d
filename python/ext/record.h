/*
 * record: what each full collection was, and what it cost; the last ones, and those that a log has not yet got.
 *
 * A fixed ring of numbers, written by the holder of the GIL at the end of a collection: no lock, no Python object, no
 * memory from anybody. Only while records are kept for a log, and it is EXVI_RECORDS behind, the ring is mapped anew at
 * twice the size.
 *
 * Invariant: taken <= made, and made - taken <= room while records are kept: what a log has not got is in the ring, or
 * was counted as lost.
 */
#ifndef EXVI_RECORD_H
#define EXVI_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXVI_RECORDS = 256 }; /* what is always there to be read, once so many were made */

typedef enum exvi_record_kind {
    EXVI_RECORD_BACKGROUND, /* searched in a snapshot; all its candidates were proven or dropped as stale */
    EXVI_RECORD_TRIAL,      /* the same, of young objects alone: the trial of an installation */
    EXVI_RECORD_FAILED,     /* begun, or about to, and given up; the reason says why */
    EXVI_RECORD_INPLACE,    /* by CPython, because its rule for a full collection held */
    EXVI_RECORD_USER,       /* by CPython, because the program called gc.collect() */
} exvi_record_kind;

/* Times and sizes that do not apply are 0. Only a part of them is known of a collection that failed. */
typedef struct exvi_record {
    exvi_record_kind kind;
    const char *reason;     /* why it failed, or what left it to CPython; NULL: nothing special. Static */
    uint64_t number;        /* 1, 2, ... in this process */
    uint64_t wall_ns;       /* the end, since 1970 */
    uint64_t began_ns;      /* on the monotonic clock */
    uint64_t ended_ns;
    uint64_t examined;      /* tracked objects */
    uint64_t clone_ns;      /* the program stood still for it */
    uint64_t search_ns;     /* the child's, beside the program */
    uint64_t child_cpu_ns;
    uint64_t child_bytes;   /* the most memory that the child had for itself */
    uint64_t reclaim_ns;    /* proof and freeing: the young collections with candidates; in place, the whole one */
    uint64_t longest_ns;    /* the longest single stop */
    uint64_t batches;       /* young collections that brought candidates */
    uint64_t candidates;    /* the child's answer */
    uint64_t stale;         /* of them freed, or in no list, when it was their turn */
    uint64_t relinked;      /* the others: given to young collections for proof */
    uint64_t unreachable;   /* collected and uncollectable, in the collections that had candidates */
    uint64_t uncollectable;
    uint64_t released_ns;   /* from the clone until the child gave the heap's pages back */
    uint64_t listed;        /* of the examined, those that the child found along lists, not by walking over memory */
} exvi_record;

/* The numbers of a record by the names they have in Python and in a log; ends with a name of NULL. */
typedef struct exvi_record_field {
    const char *name;
    size_t offset;
} exvi_record_field;
extern const exvi_record_field exvi_record_fields[];
uint64_t exvi_record_value(const exvi_record *record, const exvi_record_field *field);
const char *exvi_record_kind_name(exvi_record_kind kind);

/* Adds it and returns it with its number; the end is now. Valid until the next one. */
const exvi_record *exvi_record_add(const exvi_record *record);

/* How many were made in this process. */
uint64_t exvi_record_made(void);

/* This process was forked: it has made none, and what waits is its parent's to write. */
void exvi_record_forked(void);

/* Copies the last ones, at most EXVI_RECORDS, oldest first; returns how many. */
size_t exvi_record_read(exvi_record *records);

/* Keep from now on what is not taken, or stop to. */
void exvi_record_keep(bool keep);

/* The oldest that was not taken. False: there is none. */
bool exvi_record_take(exvi_record *record);
bool exvi_record_is_waiting(void);

/* Records since exvi_record_keep(true) for which there was no memory. */
uint64_t exvi_record_lost(void);

#endif
