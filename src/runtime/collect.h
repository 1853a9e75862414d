/*
 * collect: one collection of one set of objects.
 *
 * The set is a generation with the younger ones, or a batch of candidates that a snapshot brought back. What happens
 * to it is the same: find what is unreachable, cut its weak references, run finalizers, find again if any ran, clear.
 * Since the proof is made here, for any set of live tracked objects, it does not matter where a set comes from.
 *
 * Invariant: on each object in a doomed list that was not released, the collector holds one reference; it is not
 * tracked, and it has the flag EXVI_UNREACHABLE. Outside of a collection no other object has that flag.
 */
#ifndef EXVI_COLLECT_H
#define EXVI_COLLECT_H

#include "exuvia.h"
#include "garbage.h"
#include "subset.h"

/* Objects that are unreachable for good, to be cleared and then released, in slices if need be. */
typedef struct exvi_doomed {
    void **object;
    size_t count, room;
    size_t cleared;  /* [0, cleared) gave up their references */
    size_t released; /* [0, released) were released: their addresses may be stale */
} exvi_doomed;

typedef struct exvi_callback {
    exv_gc_callback_fn *call;
    void *arg;
    void *owned;             /* NULL, or the same object as `arg`, which the heap has a reference to */
} exvi_callback;

/* Where objects go that are unreachable and are not freed. It may fail, and then they are merely not listed. */
typedef void exvi_keep_fn(exv_heap *heap, void *object);

typedef struct exvi_collector {
    bool enabled;
    bool running;            /* a collection is in progress: no other starts */
    unsigned debug;
    exvi_cycle cycle;        /* of what is most of the heap; and the answer of each search */
    exvi_subset subset;      /* of what is not */
    size_t scratch_bytes;    /* kept by these two and `doomed`: part of what the heap holds */
    exvi_doomed doomed;      /* of the collection in place */
    size_t unreachable;      /* live objects with the flag EXVI_UNREACHABLE */
    exvi_keep_fn *keep;
    exvi_callback *callbacks;
    size_t callback_count;
    exv_gc_stats stats[EXV_GENERATIONS];
    uint64_t last_full_ns;   /* start of the last full collection */
    uint64_t last_full_bytes; /* allocated until then */
    uint64_t last_full_births; /* of tracked objects until then */
} exvi_collector;

/* Collect a generation in place. Returns what exv_collect() does. */
size_t exvi_collect_generation(exv_heap *heap, int generation);

/* Search the oldest generation for a snapshot child; nothing of the heap is changed. `stop` is asked now and then,
 * `release` told when no object will be looked at any more; either may be NULL. */
typedef struct exvi_search_watch {
    bool (*stop)(void *arg);
    void (*release)(void *arg);
    void *arg;
} exvi_search_watch;
exvi_cycle_end exvi_collect_search(exv_heap *heap, exvi_garbage *garbage, const exvi_search_watch *watch);

/* A full collection starts now. */
void exvi_collect_note_full(exv_heap *heap);

/* Prove which of `count` live tracked objects are unreachable, and doom these. */
void exvi_collect_batch(exv_heap *heap, void **candidates, size_t count, exvi_doomed *doomed, exv_record *record);

/* Clear and release doomed objects until none is left or `until_ns` has passed (UINT64_MAX: all). True if none is
 * left. */
bool exvi_collect_clear(exv_heap *heap, exvi_doomed *doomed, uint64_t until_ns, exv_record *record);

/* Callbacks at a collection's start; callbacks, statistics and debug output at its end. */
void exvi_collect_begin(exv_heap *heap, const exv_record *record);
void exvi_collect_finish(exv_heap *heap, const exv_record *record);

/* The collection is over: tell the listener. */
void exvi_collect_tell(exv_heap *heap, const exv_record *record);

/* The end of one that did not take place: callbacks see a stop with nothing found. */
void exvi_collect_call_off(exv_heap *heap, const exv_record *record);

void exvi_collector_init(exv_heap *heap, exvi_keep_fn *keep);
void exvi_collector_drop(exv_heap *heap);

/* Give scratch memory back, but not in the midst of a collection. Returns how many bytes. */
size_t exvi_collector_trim(exv_heap *heap);

#endif
