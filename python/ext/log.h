/*
 * log: a line of JSON for each full collection, in a file.
 *
 * Never written inside a collection: at its end the interpreter is asked to call us back at the main thread's next safe
 * point. While that thread waits in one long call, lines wait for another collection after a second, or for
 * exvi_log_write(). Each line bears the number of the process, so that forked ones may share the file.
 *
 * Invariant: a record becomes at most one line, of the process that made it.
 */
#ifndef EXVI_LOG_H
#define EXVI_LOG_H

#include "layout.h"

#include <stdint.h>

/* How it went. */
typedef struct exvi_log_end {
    uint64_t written;
    uint64_t missing; /* lines that could not be written, and records for which there was no memory */
    int why;          /* errno of the last one that could not; 0: none */
} exvi_log_end;

/* Records from now on; the path is copied. False: no memory. */
bool exvi_log_open(const exvi_layout *layout, const char *path);

/* Writes what is left. */
exvi_log_end exvi_log_close(void);

/* The interpreter has ended without that: nothing is written any more. */
void exvi_log_forget(void);

/* A collection begins: nothing is written until exvi_log_ask(). */
void exvi_log_hold(void);

/* It has ended, but for what other callbacks do: ask to be called back, if there is something to write. */
void exvi_log_ask(void);

/* Write what waits, unless a collection is running. With the GIL. */
void exvi_log_write(void);

/* This process was forked: what waits is its parent's. */
void exvi_log_forked(void);

#endif
