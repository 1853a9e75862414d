/*
 * stops: how long the program stood still, by what for, and the records of collections in place.
 *
 * Whatever of ours or of the collector's stops the program passes here. Numbers only, written by the holder of the GIL;
 * no lock, no memory.
 */
#ifndef EXVI_STOPS_H
#define EXVI_STOPS_H

#include "telemetry.h"

/* A snapshot taken at the end of a collection, and a wait for the child there, are counted apart from it, so the times
 * of the others add up to those of EXVI_STOP_ALL, where all of it is one stop. */
typedef enum exvi_stop {
    EXVI_STOP_ALL,         /* as the program felt them */
    EXVI_STOP_CLONE,       /* taking a snapshot, or the attempt */
    EXVI_STOP_RECLAIM,     /* a young collection that brought candidates */
    EXVI_STOP_YOUNG,       /* any other collection of generation 0 or 1 */
    EXVI_STOP_FULL,        /* a collection of generation 2 in place */
    EXVI_STOP_ASSIST,      /* waiting for a search that is behind */
    EXVI_STOPS
} exvi_stop;
const char *exvi_stop_name(exvi_stop stop);

typedef struct exvi_stops {
    uint64_t young_collections;
    uint64_t full_collections;        /* by CPython in place, the user's own included */
    exv_telemetry of[EXVI_STOPS];
} exvi_stops;
const exvi_stops *exvi_stops_get(void);

/* One stop of this kind alone. */
void exvi_stops_note(exvi_stop kind, uint64_t ns);

/* A collection has ended, so long after its beginning, and in it was brought: candidates, or none. */
typedef struct exvi_stop_end {
    int generation;
    bool carried;
    uint64_t ns, clone_ns, wait_ns;   /* the latter two are parts of the first */
} exvi_stop_end;
void exvi_stops_collection(const exvi_stop_end *end);

/* This process was forked: it has had none. */
void exvi_stops_forked(void);

#endif
