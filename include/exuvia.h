/*
 * exuvia.h: Python's memory management for C programs.
 *
 * A private heap; objects that are freed at the moment their last reference
 * goes; a collector with three generations that finds and frees reference
 * cycles, also in the background; Python's values and names on top of it.
 *
 * The rules that hold throughout:
 *  - A heap belongs to one thread at a time (exv_heap_claim()). Many heaps may live in many threads.
 *  - An object is named by the address of its payload. Its header lies before it.
 *  - `new` and `incref` return an owned reference, to be given up with one
 *    exv_decref(). `get` returns a borrowed one. `take` consumes the caller's.
 *    Arguments are borrowed unless the declaration says otherwise.
 *  - A constructor returns NULL when memory is exhausted or a size is over
 *    EXV_MAX_SIZE, and for no other reason; exv_error_message() then begins with
 *    "MemoryError", and says so if it was the size. What can fail otherwise returns an exv_status and gives its result
 *    through its last parameter, which is left as it was on failure;
 *    exv_error_message() then has the text. A call that fails changes nothing.
 *  - A caller's bug (a reference count below zero, a block freed twice) stops
 *    the program with a message that names the function and the object.
 *  - Sizes are in bytes, times in nanoseconds of the monotonic clock.
 *
 * Read in this order: types and objects, collector, background, policy; the heap
 * by itself; values and names. docs/embedding.md walks through a program.
 */
#ifndef EXUVIA_H
#define EXUVIA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if UINTPTR_MAX < 0xffffffffffffffff
#error "Exuvia needs 64 bits: headers, size limits and tables by address rely on them"
#endif

#define EXV_VERSION_MAJOR 0
#define EXV_VERSION_MINOR 2
#define EXV_VERSION_PATCH 0

#if defined(__GNUC__) || defined(__clang__)
#define EXV_API __attribute__((visibility("default")))
#define EXV_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define EXV_API
#define EXV_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** A private heap with its objects, collector, policy and statistics. */
typedef struct exv_heap exv_heap;
typedef struct exv_dict exv_dict;       /* with the values */
typedef struct exv_copying exv_copying; /* with exv_copy_to() */

/** What a fallible call answers. The names after EXV_NO_MEMORY are Python's. */
typedef enum exv_status {
    EXV_OK = 0,
    EXV_NO_MEMORY,       /**< the system or the heap's limit gave no memory */
    EXV_NAME_ERROR,      /**< a name is not defined */
    EXV_TYPE_ERROR,      /**< an operation does not fit the type of a value */
    EXV_VALUE_ERROR,     /**< right type, unusable value */
    EXV_INDEX_ERROR,     /**< an index lies outside a sequence */
    EXV_KEY_ERROR,       /**< a key is not in a dict or set */
    EXV_ATTRIBUTE_ERROR, /**< an instance has no such attribute */
    EXV_OVERFLOW_ERROR,  /**< an integer result does not fit 64 bits */
    EXV_ZERO_DIVISION_ERROR,
    EXV_UNICODE_ERROR,   /**< bytes are not valid UTF-8 */
    EXV_RECURSION_ERROR, /**< values are nested too deeply to compare or print */
    EXV_BUSY,            /**< a background collection is in flight already */
    EXV_UNSUPPORTED,     /**< this system cannot do it; the message says why */
    EXV_OS_ERROR,        /**< the system refused; the message has its words */
    EXV_ERROR,           /**< an error of the program's own: exv_raise() */
    EXV_RUNTIME_ERROR    /**< a dict or set got or lost a key while it was iterated over */
} exv_status;

/** The text of the last failure on this heap, as Python words it ("NameError:
 *  name 'x' is not defined"); "" when there was none. Borrowed, valid until the
 *  next failing call on the heap. */
EXV_API const char *exv_error_message(const exv_heap *heap);

/** What the last failure on this heap was; EXV_OK when there was none. */
EXV_API exv_status exv_error_status(const exv_heap *heap);

/** Fail: the text becomes the heap's last failure, after Python's name of `status`, or by itself for EXV_ERROR. `value`
 *  (may be NULL) is what it carries: an exception of the language. The heap takes a reference to it, which it has until
 *  the next exv_raise(), exv_error_clear() or exv_heap_free(). Returns `status`; EXV_OK stops the program. */
EXV_API exv_status exv_raise(exv_heap *heap, exv_status status, void *value, const char *format, ...) EXV_PRINTF(4, 5);

/** What the last failure carries, borrowed; NULL: nothing. Another failure carries nothing, or its own. */
EXV_API void *exv_error_get_value(const exv_heap *heap);

/** Forget the last failure and give up what it carried. */
EXV_API void exv_error_clear(exv_heap *heap);

/** "MAJOR.MINOR.PATCH" of the library that is running. */
EXV_API const char *exv_version(void);

/* ---------------------------------------------------------------- types */

/** Called by a type's visit function for each reference that the object owns.
 *  NULL children are allowed and ignored. A result other than 0 ends the visit
 *  and must be passed on. */
typedef int exv_visit_fn(void *child, void *arg);

/** An array of owned references, each or NULL, that a field of the object leads to: offsetof() the field, a pointer to
 *  the first (NULL: there is no array), and of the size_t that says how many. The array is the program's: of
 *  exv_alloc() for instance, and given back by destroy. */
typedef struct exv_array {
    uint32_t items;
    uint32_t count;
} exv_array;

/** Where the references of a type's objects lie. With this in place of visit and clear the library walks and clears
 *  them itself: there is no function that could forget one, and an object that holds nothing dies at less cost. Zeroed
 *  parts say: none. */
typedef struct exv_references {
    const uint32_t *fields;      /**< offsetof() each field that holds an owned reference or NULL */
    uint32_t field_count;
    uint32_t item_field_count;
    const uint32_t *item_fields; /**< likewise in each item of exv_new_var(); items begin at the type's `size` */
    const exv_array *arrays;
    uint32_t array_count;
    const char *const *field_names; /**< for reports: of each of `fields`; NULL: they have none */
} exv_references;

/** How a reference is called in reports: a kind, and what that needs. A name is borrowed, of `name_size` bytes of UTF-8
 *  or, where that is 0, up to its NUL, and may lie in the object. */
typedef enum exv_edge_kind {
    EXV_EDGE_UNNAMED,
    EXV_EDGE_INDEX,     /**< an item: index */
    EXV_EDGE_ATTRIBUTE, /**< name */
    EXV_EDGE_KEY,       /**< the key of a mapping, or a member of a set: index */
    EXV_EDGE_VALUE,     /**< of a mapping: name, or the key, of which the type alone is told */
    EXV_EDGE_INTERNAL   /**< a part of the object that no program names: name */
} exv_edge_kind;
typedef struct exv_edge {
    exv_edge_kind kind;
    size_t index;
    const char *name;
    size_t name_size;
    const void *key;
} exv_edge;

/**
 * A type of objects. Statically allocated as a rule; it must stay where it is as
 * long as an object of it exists. Every function may be NULL.
 *
 * visit must report each owned reference exactly once, and nothing else: no
 * borrowed pointer, no weak reference's target. It must not allocate, lock, or
 * change anything, since it also runs in the snapshot of a background collection.
 *
 * A type without visit and without references is *simple*: its objects hold none and are never
 * tracked by the collector. A type with visit but without clear can be part of a
 * cycle but not break one; a cycle of such types alone ends in exv_gc_garbage().
 */
typedef struct exv_type {
    const char *name;  /**< as repr prints it; required */
    size_t size;       /**< payload bytes; 0 to EXV_MAX_SIZE */
    size_t item_size;  /**< bytes for each item of exv_new_var(); 0: not variable */

    /** Call visit(child, arg) for each owned reference; return the first result
     *  other than 0, or 0. */
    int (*visit)(void *self, exv_visit_fn *visit, void *arg);

    /** Give up every owned reference, leaving NULL in its place: EXV_CLEAR() for
     *  each. Called to break a cycle, and before destroy when the object dies. */
    void (*clear)(void *self);

    /** The destructor in Python's sense: called once in the object's life, before
     *  anything is cleared. It may store a reference to self somewhere, which
     *  resurrects the object. */
    void (*finalize)(void *self);

    /** Release what is not an object (descriptors, foreign memory). Called last,
     *  when the references are gone; it must not resurrect. */
    void (*destroy)(void *self);

    /** An owned str that shows the object, or NULL: then exv_raise(), or a call that failed in here, has said why; if
     *  none did, it was memory. The default is "<NAME object at 0x...>". Not called for an object inside of itself,
     *  which is shown as "...". */
    struct exv_str *(*repr)(void *self);

    /** Equality and hash for dict keys and set members; the default is identity.
     *  equal is asked of two objects of this type only. Both may fail as they like: containers and
     *  exv_equal() pass that on. A type with equal but
     *  without hash is unhashable, as is one whose hash returns EXV_TYPE_ERROR. */
    exv_status (*equal)(void *self, void *other, bool *result);
    exv_status (*hash)(void *self, uint64_t *result);

    /** In place of visit and clear, which are NULL then: where the references lie. */
    const exv_references *references;

    /** The program's own, for instance what its functions have to know of a type that was made at run time. The
     *  library does not look at it. */
    void *user;

    /** Order, as Python's <: is `self` less than `other`, which is of this type too? NULL: exv_less() is
     *  EXV_TYPE_ERROR. */
    exv_status (*less)(void *self, void *other, bool *result);

    /** For reports: how the `index`-th reference is called that visit reports, NULL ones counted, from 0. `edge` is
     *  zeroed before. Like visit it also runs in a snapshot: it must not allocate, lock, or call the C library. Where
     *  it is NULL, exv_references is asked for names; items and arrays have indexes. */
    void (*edge)(void *self, size_t index, exv_edge *edge);

    /** For reports and messages: the name of the object's class, borrowed, where one type serves many. NULL, or NULL as
     *  the answer: the type's name. What is said of `edge` holds. */
    const char *(*class_name)(void *self);

    /** For a *proxy*: an object that stands for a foreign one, which is the program's, in memory of its own, and
     *  counted by itself. How many references the foreign object has; 0: it is gone, or not there yet. With this, rings
     *  among foreign objects and through those of the heap are found, and clear breaks them.
     *
     *  As long as that count is not 0 the foreign object owns one reference to its proxy. visit reports the references
     *  that the foreign object owns: of one to another foreign object, that one's proxy. So does whatever in the heap
     *  owns such a reference; its type has a clear function then. clear gives them up, and has a reference to the
     *  foreign object meanwhile, which may die of that. When a foreign object dies, by whomever, it sets its proxy's
     *  pointer to NULL and gives up its reference to the proxy. destroy tells a foreign object that outlives its proxy
     *  (exv_heap_free()).
     *
     *  A foreign object dies by its own count, at once; references to its proxy do not keep it. This function is called
     *  in collections and reports only; like visit it has no side effects, and runs in a snapshot, too: counts change
     *  in the thread alone that has the heap. What was given no proxy is not searched, and what it refers to is held.
     *  Too low a count stops the program; too high a one keeps the object. */
    size_t (*foreign_count)(void *self);

    /** Python's protocols, asked by exv_call(), exv_iter() and exv_next(); each may fail for any reason. call: an owned
     *  result; arguments are borrowed. iter: an owned iterator, which for an iterator is itself. next: an owned item;
     *  at the end EXV_OK, and nothing is stored. */
    exv_status (*call)(void *self, void *const *args, size_t count, void **result);
    exv_status (*iter)(void *self, void **result);
    exv_status (*next)(void *self, void **item);

    /** For exv_copy_to(): make a copy in another heap, owned. What it refers to is copied by exv_copying_part(); before
     *  that, exv_copying_note() says what is the copy, so that a ring ends there. Of any type that is known there. */
    exv_status (*copy)(void *self, exv_copying *copying, void **result);
} exv_type;

/** The largest payload, items included: 2^40 bytes. */
#define EXV_MAX_SIZE ((size_t)1 << 40)

/** Drop the reference held in a field and leave NULL there, in the order that is
 *  safe when the drop runs a destructor that looks at the field. */
#define EXV_CLEAR(field)              \
    do {                              \
        void *exv_dropped_ = (field); \
        (field) = NULL;               \
        if (exv_dropped_)             \
            exv_decref(exv_dropped_); \
    } while (0)

/** Store a reference to `value`, a new one, in a field, and drop the one it held, in the order that is safe when that
 *  is the same object, or its death looks at the field. NULL is allowed. `value` is evaluated once. */
#define EXV_SET(field, value)         \
    do {                              \
        void *exv_dropped_ = (field); \
        (field) = (value);            \
        exv_incref(field);            \
        if (exv_dropped_)             \
            exv_decref(exv_dropped_); \
    } while (0)

/* -------------------------------------------------------------- objects */

/** A new object, its payload zeroed, with one owned reference. Tracked at once if
 *  its type refers to others; a visit function must therefore accept a zeroed payload.
 *  May run a collection first. Of a large payload nothing becomes resident before it
 *  is written to, as with exv_calloc(). */
EXV_API void *exv_new(exv_heap *heap, const exv_type *type);

/** The same with `count` items of type->item_size bytes behind the payload. A
 *  product that overflows or exceeds EXV_MAX_SIZE gives NULL. */
EXV_API void *exv_new_var(exv_heap *heap, const exv_type *type, size_t count);

/** One more reference; returns the object, which is now owned once more. NULL is
 *  passed through. A count that reaches 2^31 makes the object immortal. */
EXV_API void *exv_incref(void *object);

/** One reference less. At zero: finalize, weak references, clear, destroy, and the
 *  block is free, all before this returns. Chains of any length use bounded stack.
 *  NULL is ignored. */
EXV_API void exv_decref(void *object);

/** The same, but an object whose last reference this was does not die now: for what may hold a long chain or much else
 *  that would die with it. It cannot be had any more: weak references to it give NULL. exv_drop_step(),
 *  exv_collect_step(), exv_collect(heap, 2) and exv_heap_free() let it die. Finalizers run then. NULL is ignored. */
EXV_API void exv_decref_later(void *object);

/** Let objects die that exv_decref_later() put off, and one by one what only they held, until none is left (true) or
 *  `budget_ns` is over (false). Not divided: one object's own finalize, clear and destroy, and the objects without
 *  references that it holds. UINT64_MAX: all of them. */
EXV_API bool exv_drop_step(exv_heap *heap, uint64_t budget_ns);

/** The number of references; EXV_IMMORTAL for an immortal object. */
EXV_API uint32_t exv_refcount(const void *object);
#define EXV_IMMORTAL UINT32_MAX

/** The object is never freed before its heap; counting stops for it. */
EXV_API void exv_make_immortal(void *object);
EXV_API bool exv_is_immortal(const void *object);

/** Borrowed: the object's type and heap; the items exv_new_var() was called with. */
EXV_API const exv_type *exv_get_type(const void *object);
EXV_API exv_heap *exv_get_heap(const void *object);
EXV_API size_t exv_get_count(const void *object);

/** Take an object out of the collector's sight, or put it back. Tracking needs a
 *  type with visit or references. Untracked objects are still counted. */
EXV_API void exv_track(void *object);
EXV_API void exv_untrack(void *object);

/** A weak reference: itself an object, to be given up with exv_decref(). The
 *  callback (may be NULL) is called once, when the target dies while the weak
 *  reference is alive, after the target can no longer be had from it. NULL for out
 *  of memory. */
typedef struct exv_weakref exv_weakref;
typedef void exv_weakref_fn(exv_weakref *ref, void *arg);
EXV_API exv_weakref *exv_weakref_new(void *target, exv_weakref_fn *callback, void *arg);

/** The same with an object as the callback's argument, a closure of a language for instance. The weak reference owns a
 *  reference to it, which the collector visits: a cycle through it is found. It is given up after the callback was
 *  called, or when the weak reference dies. */
EXV_API exv_weakref *exv_weakref_new_owning(void *target, exv_weakref_fn *callback, void *object);

/** An owned reference to the target, or NULL when it is dead. */
EXV_API void *exv_weakref_incref(exv_weakref *ref);

/** A table whose keys are weak and whose values live as long as their keys (ephemerons): data about objects, kept
 *  beside them. Keys are told apart by identity. An entry goes with its key, with its table, or when it is deleted. A
 *  value may refer to its key, directly or through others and other tables: such a ring is found like any other. A
 *  table to which only its own values refer lives as long as their keys.
 *
 *  exv_weak_table_set() takes references of its own; EXV_TYPE_ERROR if the key's type is simple (a string, a number):
 *  references that describe nothing are enough for a type of yours. exv_weak_table_get() borrows; NULL: it is not
 *  there. exv_weak_table_next() walks as exv_dict_next() does. */
typedef struct exv_weak_table exv_weak_table;
EXV_API exv_weak_table *exv_weak_table_new(exv_heap *heap);
EXV_API size_t exv_weak_table_size(const exv_weak_table *self);
EXV_API void *exv_weak_table_get(const exv_weak_table *self, const void *key);
EXV_API exv_status exv_weak_table_set(exv_weak_table *self, void *key, void *value);
EXV_API bool exv_weak_table_delete(exv_weak_table *self, const void *key);
EXV_API bool exv_weak_table_next(const exv_weak_table *self, size_t *position, void **key, void **value);

/* ------------------------------------------- the collector: Python's gc */

#define EXV_GENERATIONS 3

/** Find and free the reference cycles of `generation` and the younger ones (0, 1 or
 *  2; any other number stops the program). Returns the number of unreachable objects
 *  found, the uncollectable ones included. 0 if a collection is running already (a
 *  destructor called it). Everything of these generations that was dead before the call
 *  is gone after it, but what finalizers keep. A full collection therefore ends one that
 *  is in flight in the background: what its child has found is freed, and counted here; a
 *  child that is still searching is ended. exv_collect_wait() then tells of what earlier
 *  steps had found. Younger generations leave a flight alone. */
EXV_API size_t exv_collect(exv_heap *heap, int generation);

/** Automatic collection on (the default) or off. Off, nothing is collected but by exv_collect(), exv_collect_start()
 *  with exv_collect_poll() or exv_collect_wait(), exv_idle() and exv_heap_free(): a collection that is in flight is not
 *  called off, but allocations and exv_poll() only take leave of its child then, and free nothing before one of these
 *  calls or exv_gc_enable(). */
EXV_API void exv_gc_enable(exv_heap *heap);
EXV_API void exv_gc_disable(exv_heap *heap);
EXV_API bool exv_gc_is_enabled(const exv_heap *heap);

/** Thresholds, (700, 10, 10) at first. Generation 0 is collected when allocations
 *  minus deallocations of tracked objects exceed the first; generation 1 when that
 *  happened more often than the second; generation 2 likewise, and only when the
 *  survivors waiting are at least a quarter of the long-lived objects. A first
 *  threshold of 0 turns automatic collection off. */
EXV_API void exv_gc_set_threshold(exv_heap *heap, const uint32_t threshold[EXV_GENERATIONS]);
EXV_API void exv_gc_get_threshold(const exv_heap *heap, uint32_t threshold[EXV_GENERATIONS]);

/** The three counters that are compared with the thresholds. */
EXV_API void exv_gc_get_count(const exv_heap *heap, uint32_t count[EXV_GENERATIONS]);

/** What gc.get_stats() gives for each generation. */
typedef struct exv_gc_stats {
    uint64_t collections;   /**< times it was the oldest generation collected */
    uint64_t collected;     /**< unreachable objects found and freed */
    uint64_t uncollectable; /**< unreachable objects put into garbage */
} exv_gc_stats;
EXV_API void exv_gc_get_stats(const exv_heap *heap, exv_gc_stats stats[EXV_GENERATIONS]);

/** A new list of the tracked objects of one generation, or of all for -1. */
EXV_API struct exv_list *exv_gc_get_objects(exv_heap *heap, int generation);

/** A new list of the tracked objects that refer to one of `objects`. */
EXV_API struct exv_list *exv_gc_get_referrers(exv_heap *heap, void *const *objects, size_t count);

/** A new list of what `objects` refer to, as their visit functions report it. */
EXV_API struct exv_list *exv_gc_get_referents(exv_heap *heap, void *const *objects, size_t count);

EXV_API bool exv_gc_is_tracked(const void *object);
EXV_API bool exv_gc_is_finalized(const void *object);

/** Set all tracked objects aside in a permanent generation that no collection looks
 *  at; bring them back into the oldest generation; how many there are. */
EXV_API void exv_gc_freeze(exv_heap *heap);
EXV_API void exv_gc_unfreeze(exv_heap *heap);
EXV_API size_t exv_gc_get_freeze_count(const exv_heap *heap);

/** Called at the start and at the end of every collection. */
typedef enum exv_gc_phase { EXV_GC_START, EXV_GC_STOP } exv_gc_phase;
typedef struct exv_gc_info {
    int generation;       /**< 0, 1 or 2 */
    size_t collected;     /**< at the stop: as in exv_gc_stats */
    size_t uncollectable; /**< at the stop: as in exv_gc_stats */
} exv_gc_info;
typedef void exv_gc_callback_fn(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info,
                                void *arg);

/** Add a callback, or take away the first one with this function and argument (false
 *  if there is none). Callbacks run in the order they were added. */
EXV_API exv_status exv_gc_add_callback(exv_heap *heap, exv_gc_callback_fn *callback, void *arg);
EXV_API bool exv_gc_remove_callback(exv_heap *heap, exv_gc_callback_fn *callback, void *arg);

/** The same with an object as the argument: the heap owns a reference to it until the callback is taken away, which
 *  exv_heap_free() does before its last collection. */
EXV_API exv_status exv_gc_add_callback_owning(exv_heap *heap, exv_gc_callback_fn *callback, void *object);

/** The list of what was found unreachable and could not be freed. Borrowed; it may be
 *  changed like any list. */
EXV_API struct exv_list *exv_gc_get_garbage(exv_heap *heap);

/** Debug flags; their reports go to standard error. */
enum {
    EXV_DEBUG_STATS = 1,         /**< a line for each collection */
    EXV_DEBUG_COLLECTABLE = 2,   /**< a line for each object found collectable */
    EXV_DEBUG_UNCOLLECTABLE = 4, /**< a line for each object found uncollectable */
    EXV_DEBUG_SAVEALL = 32,      /**< put all unreachable objects into garbage */
    EXV_DEBUG_LEAK = 38          /**< the three before this one together */
};
EXV_API void exv_gc_set_debug(exv_heap *heap, unsigned flags);
EXV_API unsigned exv_gc_get_debug(const exv_heap *heap);

/* --------------------------------------------- collection in the background */

/** Start a full collection: the heap is searched in a copy-on-write child while the
 *  program goes on. EXV_BUSY when one is in flight; EXV_UNSUPPORTED when no child
 *  could be made (exv_telemetry counts the reason): exv_collect() still works.
 *
 *  While it is in flight all of the library may be used. Allocations of tracked objects,
 *  exv_poll() and exv_idle() free its garbage in small steps, unless exv_gc_disable() is
 *  in force; younger generations are collected as ever; exv_collect(heap, 2) ends it. A
 *  process forked meanwhile knows nothing of the flight but what was proven dead before:
 *  that it clears at its next of these calls. When this process ends or replaces itself
 *  with exec, the child ends too. */
EXV_API exv_status exv_collect_start(exv_heap *heap);

/** What a poll or wait answers. */
typedef enum exv_progress {
    EXV_IDLE,    /**< nothing in flight */
    EXV_FLIGHT,  /**< the child is searching, or garbage is still being freed */
    EXV_FINISHED /**< this call finished the collection; or another did, and none had said so of
                      what exv_collect_start() began */
} exv_progress;

/** Go on with the collection in flight: free a batch of proven garbage within the
 *  pause budget. `found` (may be NULL) receives the number of unreachable objects when
 *  the answer is EXV_FINISHED. A child that failed or is late is replaced by a
 *  collection in place. In a process forked meanwhile the answer is EXV_IDLE: the
 *  collection is its parent's. Never waits. */
EXV_API exv_progress exv_collect_poll(exv_heap *heap, size_t *found);

/** Wait for the child, at most timeout_ns (UINT64_MAX: until its deadline), then free
 *  all garbage at once. EXV_FLIGHT means the time ran out. */
EXV_API exv_progress exv_collect_wait(exv_heap *heap, uint64_t timeout_ns, size_t *found);

/** Collect for about `budget_ns` and no longer: for programs with frames, which call it in each. It does, as
 *  far as the time goes: let objects die that were put off (exv_decref_later()); free the next portion of what
 *  a search found; begin a search, if more tracked objects were born since the last than the first threshold
 *  and a quarter of those there are. EXV_IDLE: there is nothing to do. EXV_FLIGHT: call again. EXV_FINISHED: a
 *  search and its freeing are over, `found` (may be NULL) has its result. It does so under exv_gc_disable(),
 *  too, which such a program wants.
 *
 *  Bounded: finding and freeing in place, which happens for heaps that fit the budget only; proofs and freeing
 *  of a flight's garbage. Not bounded: the stop that makes a search's child (it goes with the size of the heap:
 *  see clone_ns of exv_record); one component of dead objects that refer to each other in rings, which is
 *  proven at once; one object's death with all that counting frees with it, and its callbacks. Where no child
 *  can be made or it fails, nothing is done in place: EXV_IDLE, exv_telemetry says why, and exv_collect() still
 *  works. */
EXV_API exv_progress exv_collect_step(exv_heap *heap, uint64_t budget_ns, size_t *found);

/* --------------------------------------------------------------- policy */

/** Where full collections that start by themselves take place. */
typedef enum exv_mode {
    EXV_MODE_AUTO,       /**< in the background if the expected stop is over the budget */
    EXV_MODE_BACKGROUND, /**< always in the background */
    EXV_MODE_INLINE      /**< always in place */
} exv_mode;

/** When collections start, beside the thresholds. Any mix; 0 or false turns one off.
 *  All of them are checked at allocations of tracked objects and at exv_poll(). */
typedef struct exv_policy {
    exv_mode mode;            /**< EXV_MODE_AUTO */
    uint64_t pause_budget_ns; /**< the longest stop wished for: 5,000,000 */
    uint64_t deadline_ns;     /**< a child that takes longer is killed: 60,000,000,000 */
    uint64_t every_ns;        /**< a full collection at this interval: 0 */
    size_t every_bytes;       /**< one after so many bytes were allocated: 0 */
    bool on_idle;             /**< one at exv_idle(), if there were allocations: true */
    bool on_exit;             /**< one at exv_heap_free(): true */
    bool on_pressure;         /**< one when the control group's memory runs short: true */
} exv_policy;

/** A mode that does not exist stops the program. */
EXV_API void exv_get_policy(const exv_heap *heap, exv_policy *policy);
EXV_API void exv_set_policy(exv_heap *heap, const exv_policy *policy);

/** Do what is due by the policy. Cheap when nothing is (some nanoseconds): made for
 *  event loops and safe points. */
EXV_API void exv_poll(exv_heap *heap);

/** The program has nothing to do for now: collect fully if the policy says so and there
 *  were allocations since the last full collection. Returns what was found. */
EXV_API size_t exv_idle(exv_heap *heap);

/* ------------------------------------------------------------ telemetry */

/** Why something other than the plain way was taken. */
typedef enum exv_reason {
    EXV_REASON_CLONE_REFUSED,   /**< clone() failed: limits, seccomp, memory */
    EXV_REASON_NO_SHARED,       /**< no shared memory for the child's result */
    EXV_REASON_CHILD_DIED,      /**< killed, or crashed in a visit function */
    EXV_REASON_CHILD_LATE,      /**< over the deadline; it was killed */
    EXV_REASON_CHILD_MEMORY,    /**< the child could not get memory to search */
    EXV_REASON_CANCELLED,       /**< the heap was freed, or the process forked */
    EXV_REASON_SCAN_MEMORY,     /**< no memory to search in place: not collected */
    EXV_REASON_STALE_CANDIDATE, /**< candidates that were no longer garbage */
    EXV_REASON_MEMORY_TIGHT,    /**< a search would have come, or came, near a limit of memory */
    EXV_REASONS
} exv_reason;

/** Pauses in powers of two: bucket i counts stops below 2^(i+10) ns. */
#define EXV_PAUSE_BUCKETS 26

typedef struct exv_telemetry {
    uint64_t collections;            /**< of any generation, either way */
    uint64_t background_collections; /**< those whose child answered */
    uint64_t pauses;                 /**< every stop: collection, clone, proof, freeing */
    uint64_t pause_total_ns;
    uint64_t pause_max_ns;
    uint64_t pause_bucket[EXV_PAUSE_BUCKETS];
    uint64_t reasons[EXV_REASONS];   /**< indexed by exv_reason */
    bool in_flight;                  /**< a collection in the background is in progress: exv_collect_poll() has work */
    bool searching;                  /**< and its child has not answered yet */
} exv_telemetry;
EXV_API void exv_get_telemetry(const exv_heap *heap, exv_telemetry *telemetry);
EXV_API const char *exv_reason_name(exv_reason reason);

/** An upper bound for the pause at `percentile` (0 to 100), from the buckets. */
EXV_API uint64_t exv_pause_percentile(const exv_telemetry *telemetry, double percentile);

/** One finished collection. Times that do not apply are 0. */
typedef struct exv_record {
    int generation;
    bool background;
    uint64_t objects;       /**< tracked objects examined */
    uint64_t candidates;    /**< the child's answer */
    uint64_t stale;         /**< candidates that were not proven */
    uint64_t found;         /**< unreachable, as exv_collect() returns */
    uint64_t uncollectable;
    uint64_t clone_ns;      /**< stop for making the child */
    uint64_t child_ns;      /**< the child's search, beside the program */
    uint64_t proof_ns;      /**< stops for finding or proving, all batches */
    uint64_t free_ns;       /**< stops for finalizing and freeing, all batches */
    uint64_t longest_ns;    /**< the longest single stop */
} exv_record;

/** Called after each collection, outside of it: it may allocate and read anything. One
 *  listener a heap; NULL takes it away. */
typedef void exv_listener_fn(exv_heap *heap, const exv_record *record, void *arg);
EXV_API void exv_set_listener(exv_heap *heap, exv_listener_fn *listener, void *arg);

/** The same with an object as the argument: the heap owns a reference to it until the listener is replaced, which
 *  exv_heap_free() does before its last collection. */
EXV_API void exv_set_listener_owning(exv_heap *heap, exv_listener_fn *listener, void *object);

/* --------------------------------------------------- the heap by itself */

/** What a heap is made with. Start from exv_config_default(). */
typedef struct exv_config {
    size_t limit_bytes;                   /**< most that held_bytes may become: 0, no limit */
    uint32_t threshold[EXV_GENERATIONS];  /**< (700, 10, 10) */
    exv_policy policy;                    /**< defaults as said there */
    bool huge_pages;                      /**< ask the system for them: true */
} exv_config;
EXV_API exv_config exv_config_default(void);

/** With this much as its limit a heap can be made, and has room for blocks of some sizes; its tables are 0.7 MiB of it,
 *  and a page of blocks from 8 to 64 KiB is 0.5 MiB. */
#define EXV_LIMIT_MIN ((size_t)2 << 20)

/** A new heap; NULL as configuration means the default. NULL for out of memory, which a limit below EXV_LIMIT_MIN may
 *  mean from the start. A policy that exv_set_policy() would not take stops the program. */
EXV_API exv_heap *exv_heap_new(const exv_config *config);

/** Collect (if the policy says on_exit), then finalize and destroy what is left and give
 *  all memory back. Returns how many mortal objects were left: still referenced from outside, or
 *  by what is; 0 in a program without leaks; exv_heap_set_leak_report() tells which. NULL is ignored. */
EXV_API size_t exv_heap_free(exv_heap *heap);

/** One of the objects that are left at exv_heap_free(), after its last collection and before anything of them is given
 *  up: `object` may be looked at and shown, with exv_repr() for instance. count == inside + outside, but for immortal
 *  ones, which are not told. What comes from outside is held by the program, or by an object whose type does not report
 *  it: if a payload has the address of the object, or a block of exv_alloc() that it leads to, and the visit function
 *  reports it less often, that object is the `suspect`. It may be innocent: a pointer that is not owned looks the
 *  same. */
typedef struct exv_leak {
    void *object;
    const char *type_name;   /**< its class, where the type tells it */
    uint32_t count;          /**< its references */
    uint32_t inside;         /**< of these, those that visit functions and exv_references report */
    uint32_t outside;        /**< the others */
    void *suspect;           /**< or NULL */
    size_t offset;           /**< where in its payload; SIZE_MAX: in a block that it leads to */
} exv_leak;
typedef void exv_leak_fn(exv_heap *heap, const exv_leak *leak, void *arg);

/** Let exv_heap_free() tell of each object that is left, in the order of addresses; NULL: it does not (the default). It
 *  takes about as long as two full collections, looks at every word of the heap's objects, and is left out where there
 *  is no memory for it: 17 bytes for each object. */
EXV_API void exv_heap_set_leak_report(exv_heap *heap, exv_leak_fn *report, void *arg);

/** A report of one line on standard error; `arg` is not used. */
EXV_API void exv_leak_print(exv_heap *heap, const exv_leak *leak, void *arg);

/** From now on the heap is this thread's alone, until it releases it: then another may claim it. That is how a heap
 *  with all that is in it is handed over, without a copy; the program passes the pointer on with a lock, a queue or a
 *  join of its own. Optional: the checked build then stops the program at any use from another thread, and every build
 *  at a claim by another and at a release by who did not claim. */
EXV_API void exv_heap_claim(exv_heap *heap);
EXV_API void exv_heap_release(exv_heap *heap);

/** What the program wants to find again where it has the heap alone, in a destructor or callback for instance. NULL at
 *  first. The library does not look at it. */
EXV_API void exv_heap_set_user(exv_heap *heap, void *user);
EXV_API void *exv_heap_get_user(const exv_heap *heap);

/** As malloc and its family, on this heap. Blocks are aligned to 16 bytes and are not
 *  objects: no header, no count. NULL for out of memory or a size over EXV_MAX_SIZE, at once and with a message.
 *  exv_calloc() does not touch pages that are fresh from the system.
 *  Size 0 gives a block of the smallest size. exv_realloc() leaves the block as it was on
 *  failure; exv_free() of NULL does nothing. */
EXV_API void *exv_alloc(exv_heap *heap, size_t size);
EXV_API void *exv_calloc(exv_heap *heap, size_t count, size_t size);
EXV_API void *exv_realloc(exv_heap *heap, void *block, size_t size);
EXV_API void exv_free(exv_heap *heap, void *block);

/** The bytes that may be used behind `block`; at least what was asked for. */
EXV_API size_t exv_usable_size(const exv_heap *heap, const void *block);

/** used_bytes + free_bytes == held_bytes - metadata_bytes. What the library has for itself (None, True, False, the
 *  ints it keeps, the list of garbage, tables of weak references and callbacks, scratch memory of young collections)
 *  is metadata, and in no other figure: a heap in which the program has nothing has no live blocks. What a collection
 *  takes while it runs, up to a sixteenth of the heap and a few words for each unreachable object, is not counted, nor
 *  bound by the limit; it goes back at its end. */
typedef struct exv_heap_stats {
    size_t held_bytes;     /**< taken from the system, address space that was not given back */
    size_t used_bytes;     /**< in live blocks, rounded up to their size class */
    size_t free_bytes;     /**< in free blocks and free pages, resident or not */
    size_t metadata_bytes; /**< the heap's own tables */
    size_t live_blocks;    /**< exv_alloc() blocks and objects */
    size_t live_objects;
    size_t tracked_objects;
    uint64_t allocations;  /**< since the heap was made, blocks and objects */
    uint64_t frees;        /**< allocations == frees + live_blocks */
} exv_heap_stats;
EXV_API void exv_get_heap_stats(const exv_heap *heap, exv_heap_stats *stats);

/** Give free pages back to the system now. Returns how many bytes. */
EXV_API size_t exv_heap_trim(exv_heap *heap);

/** Call `each` for every live block of the program until it returns other than 0, which is then returned: those of
 *  exv_alloc() first, then objects, both in address order. `type` is NULL for a block of exv_alloc(); `block` is the
 *  object, if it is one. The heap must not be changed meanwhile. */
typedef int exv_block_fn(void *block, size_t size, const exv_type *type, void *arg);
EXV_API int exv_heap_walk(exv_heap *heap, exv_block_fn *each, void *arg);

/** Examine the whole heap: page tables, bitmaps, counters, object headers, generations,
 *  and that no object has fewer references than others hold on it. NULL if all is well,
 *  else what is wrong (borrowed, static). */
EXV_API const char *exv_heap_check(exv_heap *heap);

/* --------------------------------------------------- what a heap holds */

/** Write a heap file: every object, its type, size and references and how they are called, and which objects the
 *  program holds. docs/heap-file.md has the format; `exuvia-heap` and the Python commands answer questions to it. It
 *  has no values. `fd`, which stays the caller's, is a regular file that is empty, open for writing, and not to append.
 *
 *  The program stops for one clone; a child searches and writes, and exv_heap_dump() waits for it. To go on meanwhile,
 *  exv_heap_dump_start(), and later exv_heap_dump_wait(): EXV_BUSY is its answer when the time is over first (0: it
 *  does not wait). Where no child can be had the file is written in place, before the start returns.
 *
 *  EXV_OS_ERROR: the file took no more (disk full, closed, not open for writing), or is open to append. EXV_NO_MEMORY;
 *  EXV_UNSUPPORTED: the child died, or the process was forked. EXV_BUSY from a start: one is being written. A file that
 *  is not whole says so of itself. A wait without a start is EXV_OK. exv_heap_free() ends one that is being written.
 *
 *  Each object is visited three times; beside the heap that takes 13 bytes of memory for each. */
EXV_API exv_status exv_heap_dump(exv_heap *heap, int fd);
EXV_API exv_status exv_heap_dump_start(exv_heap *heap, int fd);
EXV_API exv_status exv_heap_dump_wait(exv_heap *heap, uint64_t timeout_ns);

/** Ask at once: which types there are, why an object, or those of a type, live, and which dead cycles wait for a
 *  collection. The answer is a new dict, with the items that `exuvia-heap census`, `why` and `cycles` have: numbers are
 *  ints in objects and bytes, what is yes or no is a bool. `limit`: lines in each list, 0: all.
 *
 *  exv_heap_census(): "objects", "references", "bytes", "dead", "dead_bytes", and "types", a list of dicts, the most
 *  bytes first: "type", "count", "bytes", generations ("young", "middle", "old", "frozen") and, where there are any,
 *  "dead" and "dead_bytes". `retained`: also "retained", what would go if the type's objects did.
 *
 *  exv_why() and exv_why_type(): "type", "count", "bytes", and "paths", a list of dicts with "steps" from what holds
 *  them: "group" ("held by the program"), then "edge" and "type" of each; "referrers"; of one object "address",
 *  "references", "retained", "dead", and "kept_by", without which it would be gone.
 *
 *  exv_heap_cycles(): "dead", "dead_bytes", and "shapes", a list of dicts of dead cycles that are alike: "rings", how
 *  many, "objects" and "bytes" in them, "held", the bytes that go with them, and "ring", the references and types
 *  around one. It frees nothing.
 *
 *  The heap is written as by exv_heap_dump(), into memory, and the file is asked: the caller waits for both, which
 *  takes up to some 120 bytes for each object of the heap meanwhile, and time by the number of objects and references.
 *  A program that cannot wait has exv_heap_dump_start(), and the file asked elsewhere. What exv_heap_dump() answers may
 *  be the answer; EXV_OS_ERROR also: no such memory, or no /proc. EXV_KEY_ERROR: the object is in the midst of its
 *  death, or no type, or several, are called so. EXV_NO_MEMORY: for the answer. */
EXV_API exv_status exv_heap_census(exv_heap *heap, bool retained, uint32_t limit, exv_dict **result);
EXV_API exv_status exv_why(void *object, uint32_t limit, exv_dict **result);
EXV_API exv_status exv_why_type(exv_heap *heap, const char *name, uint32_t limit, exv_dict **result);
EXV_API exv_status exv_heap_cycles(exv_heap *heap, uint32_t limit, exv_dict **result);

/* --------------------------------------------------------------- values */

/** Values are objects: counted with exv_incref() and exv_decref(), named here by types of
 *  their own so that the compiler tells them apart. Functions that take any value take
 *  void *. */
typedef struct exv_none exv_none;
typedef struct exv_bool exv_bool;
typedef struct exv_int exv_int;
typedef struct exv_float exv_float;
typedef struct exv_str exv_str;
typedef struct exv_bytes exv_bytes;
typedef struct exv_builder exv_builder;
typedef struct exv_list exv_list;
typedef struct exv_tuple exv_tuple;
typedef struct exv_set exv_set;
typedef struct exv_class exv_class;
typedef struct exv_instance exv_instance;
typedef struct exv_names exv_names;

/** The types of the values above, to compare with exv_get_type(). */
EXV_API extern const exv_type exv_none_type, exv_bool_type, exv_int_type, exv_float_type,
    exv_str_type, exv_bytes_type, exv_list_type, exv_tuple_type, exv_dict_type, exv_set_type,
    exv_class_type, exv_instance_type, exv_weakref_type, exv_names_type, exv_weak_table_type,
    exv_builder_type;

/** Borrowed: the heap's immortal None, True and False. */
EXV_API exv_none *exv_get_none(exv_heap *heap);
EXV_API exv_bool *exv_get_bool(exv_heap *heap, bool value);
EXV_API bool exv_bool_value(const exv_bool *self);

/** 64-bit integers. Arithmetic gives an owned result; what does not fit is
 *  EXV_OVERFLOW_ERROR. Division floors, as Python's // and % do. */
EXV_API exv_int *exv_int_new(exv_heap *heap, int64_t value);
EXV_API int64_t exv_int_value(const exv_int *self);
EXV_API exv_status exv_int_add(exv_int *a, exv_int *b, exv_int **result);
EXV_API exv_status exv_int_subtract(exv_int *a, exv_int *b, exv_int **result);
EXV_API exv_status exv_int_multiply(exv_int *a, exv_int *b, exv_int **result);
EXV_API exv_status exv_int_floor_divide(exv_int *a, exv_int *b, exv_int **result);
EXV_API exv_status exv_int_modulo(exv_int *a, exv_int *b, exv_int **result);

EXV_API exv_float *exv_float_new(exv_heap *heap, double value);
EXV_API double exv_float_value(const exv_float *self);

/** Python's + - * / // % of any two numbers (int, float, bool): of ints an int, with a float a float, by / always a
 *  float, rounded once. Gives an owned result. EXV_TYPE_ERROR for what is no number, EXV_ZERO_DIVISION_ERROR, and for
 *  ints EXV_OVERFLOW_ERROR as above, both unless exv_heap_set_arithmetic() knows more: floats become infinite. */
EXV_API exv_status exv_number_add(void *a, void *b, void **result);
EXV_API exv_status exv_number_subtract(void *a, void *b, void **result);
EXV_API exv_status exv_number_multiply(void *a, void *b, void **result);
EXV_API exv_status exv_number_divide(void *a, void *b, void **result);
EXV_API exv_status exv_number_floor_divide(void *a, void *b, void **result);
EXV_API exv_status exv_number_modulo(void *a, void *b, void **result);

/** Arithmetic of the program's own: asked by exv_number_add() and the others where ints give what does not fit 64 bits,
 *  or an operand is no number, for instance an integer that this function made before; and by exv_less() of a number
 *  and what is none. `result` receives an owned object, for EXV_LESS a bool. Fails as it likes; EXV_TYPE_ERROR with no
 *  more said is worded as Python does. NULL (the default): errors as said there. exv_equal() does not ask: what fits
 *  64 bits is an int. */
typedef enum exv_operation {
    EXV_ADD,
    EXV_SUBTRACT,
    EXV_MULTIPLY,
    EXV_DIVIDE,
    EXV_FLOOR_DIVIDE,
    EXV_MODULO,
    EXV_LESS
} exv_operation;
typedef exv_status exv_arithmetic_fn(exv_heap *heap, exv_operation operation, void *a, void *b, void **result,
                                     void *arg);
EXV_API void exv_heap_set_arithmetic(exv_heap *heap, exv_arithmetic_fn *function, void *arg);

/** Text in UTF-8. exv_str_new() takes `size` bytes, which may contain NUL; invalid UTF-8
 *  (also surrogates and overlong forms) is EXV_UNICODE_ERROR. The data is borrowed and
 *  NUL-terminated. */
EXV_API exv_status exv_str_new(exv_heap *heap, const char *utf8, size_t size, exv_str **result);
EXV_API exv_status exv_str_from(exv_heap *heap, const char *utf8, exv_str **result);
EXV_API exv_status exv_str_concat(exv_str *a, exv_str *b, exv_str **result);
EXV_API const char *exv_str_data(const exv_str *self);
EXV_API size_t exv_str_size(const exv_str *self);   /**< in bytes */
EXV_API size_t exv_str_length(const exv_str *self); /**< in characters */

/** The characters from `start` up to `stop`, as self[start:stop]: negative ones count from the end, and what lies
 *  outside means the end. Gives an owned str, `self` itself if that is all of it. Goes over the text if it is not
 *  ASCII, as find does. */
EXV_API exv_status exv_str_slice(exv_str *self, ptrdiff_t start, ptrdiff_t stop, exv_str **result);

/** The character at which `part` is found first, from `start` on; -1: nowhere. */
EXV_API ptrdiff_t exv_str_find(const exv_str *self, const exv_str *part, ptrdiff_t start);

/** -1, 0 or 1: by the numbers of their characters, as Python orders them. */
EXV_API int exv_str_compare(const exv_str *a, const exv_str *b);

/** The strs with `separator` between them, in one new str; EXV_TYPE_ERROR for what is none. */
EXV_API exv_status exv_str_join(exv_str *separator, void *const *items, size_t count, exv_str **result);

/** Text in pieces. A failure sticks: later pieces are ignored and answered the same, and finish gives it too, so it is
 *  enough to look there. Finish gives an owned str (EXV_UNICODE_ERROR if the pieces are no UTF-8 together) and begins
 *  anew, whatever it answers. add_value adds what exv_to_str() gives; format is printf()'s. Adding costs what is added,
 *  on average. */
EXV_API exv_builder *exv_builder_new(exv_heap *heap);
EXV_API size_t exv_builder_size(const exv_builder *self); /**< in bytes, up to now */
EXV_API exv_status exv_builder_add(exv_builder *self, const char *utf8, size_t size);
EXV_API exv_status exv_builder_add_value(exv_builder *self, void *value);
EXV_API exv_status exv_builder_format(exv_builder *self, const char *format, ...) EXV_PRINTF(2, 3);
EXV_API exv_status exv_builder_finish(exv_builder *self, exv_str **result);

EXV_API exv_bytes *exv_bytes_new(exv_heap *heap, const void *data, size_t size);
EXV_API const unsigned char *exv_bytes_data(const exv_bytes *self);
EXV_API size_t exv_bytes_size(const exv_bytes *self);

/** An order, for exv_list_sort(): is `a` less than `b`? It may fail, and run any code. */
typedef exv_status exv_less_fn(void *a, void *b, bool *less, void *arg);

/** Lists. Items are borrowed on the way in (the list takes its own reference) and on the
 *  way out of get. A negative index counts from the end. */
EXV_API exv_list *exv_list_new(exv_heap *heap);
EXV_API size_t exv_list_size(const exv_list *self);
EXV_API exv_status exv_list_get(exv_list *self, ptrdiff_t index, void **item);
EXV_API exv_status exv_list_set(exv_list *self, ptrdiff_t index, void *item);
EXV_API exv_status exv_list_append(exv_list *self, void *item);
EXV_API exv_status exv_list_insert(exv_list *self, ptrdiff_t index, void *item);
EXV_API exv_status exv_list_delete(exv_list *self, ptrdiff_t index);
EXV_API void exv_list_clear(exv_list *self);

/** Take an item out: an owned reference. -1 is the last one, at a cost that does not grow with the list. */
EXV_API exv_status exv_list_pop(exv_list *self, ptrdiff_t index, void **item);

/** The items as an array, exv_list_size() of them, borrowed until the list changes; NULL if there never was any. */
EXV_API void *const *exv_list_items(const exv_list *self);

/** Append `count` items, of an array or of another list (exv_list_items(), also this one's), or of a tuple. */
EXV_API exv_status exv_list_extend(exv_list *self, void *const *items, size_t count);

/** A new list of the items from `start` up to `stop`, as self[start:stop]. */
EXV_API exv_status exv_list_slice(exv_list *self, ptrdiff_t start, ptrdiff_t stop, exv_list **result);

/** Sort in place; NULL as the order means exv_less(). Stable: what is equal keeps its order. Takes about n log2 n
 *  questions, n of a list that is sorted, and memory for one and a half times the items. The list is empty while the
 *  order is asked: EXV_VALUE_ERROR if that puts something in. A failure of the order is passed on. On failure the list
 *  is as it was before. */
EXV_API exv_status exv_list_sort(exv_list *self, exv_less_fn *less, void *arg);

EXV_API exv_tuple *exv_tuple_new(exv_heap *heap, void *const *items, size_t count);
EXV_API size_t exv_tuple_size(const exv_tuple *self);
EXV_API exv_status exv_tuple_get(exv_tuple *self, ptrdiff_t index, void **item);
EXV_API void *const *exv_tuple_items(const exv_tuple *self); /**< exv_tuple_size() of them, borrowed */

/** Dictionaries keep insertion order. Keys must be hashable. exv_dict_get() borrows.
 *  exv_dict_next() walks: start with *position 0; false at the end; key and value are
 *  borrowed and may be NULL if not wanted; the dict must not change size meanwhile. */
EXV_API exv_dict *exv_dict_new(exv_heap *heap);
EXV_API size_t exv_dict_size(const exv_dict *self);
EXV_API exv_status exv_dict_get(exv_dict *self, void *key, void **value);
EXV_API exv_status exv_dict_set(exv_dict *self, void *key, void *value);
EXV_API exv_status exv_dict_delete(exv_dict *self, void *key);
EXV_API exv_status exv_dict_contains(exv_dict *self, void *key, bool *result);
EXV_API bool exv_dict_next(exv_dict *self, size_t *position, void **key, void **value);
EXV_API void exv_dict_clear(exv_dict *self);

/** Get or insert: the value of the key, borrowed, which is `value` from now on if there was none. */
EXV_API exv_status exv_dict_set_default(exv_dict *self, void *key, void *value, void **result);

/** With a C string as the key, which means the str of the same text; only a set that inserts makes one. */
EXV_API exv_status exv_dict_get_text(exv_dict *self, const char *key, void **value);
EXV_API exv_status exv_dict_set_text(exv_dict *self, const char *key, void *value);
EXV_API exv_status exv_dict_delete_text(exv_dict *self, const char *key);

/** For a walk during which the dict may change: new lists of the keys and values, in order, which stay as they are; or
 *  a number that is another one after each insertion and deletion, but not when a value is replaced, so that a walk
 *  with exv_dict_next() can find out. */
EXV_API exv_status exv_dict_keys(exv_dict *self, exv_list **result);
EXV_API exv_status exv_dict_values(exv_dict *self, exv_list **result);
EXV_API uint32_t exv_dict_version(const exv_dict *self);

EXV_API exv_set *exv_set_new(exv_heap *heap);
EXV_API size_t exv_set_size(const exv_set *self);
EXV_API exv_status exv_set_add(exv_set *self, void *item);
EXV_API exv_status exv_set_discard(exv_set *self, void *item, bool *was_there);
EXV_API exv_status exv_set_contains(exv_set *self, void *item, bool *result);
EXV_API bool exv_set_next(exv_set *self, size_t *position, void **item);
EXV_API exv_status exv_set_members(exv_set *self, exv_list **result); /**< a new list, in order of insertion */
EXV_API uint32_t exv_set_version(const exv_set *self); /**< as exv_dict_version() */

/** User-defined classes: a name, and a destructor (__del__; may be NULL) called once for
 *  each instance with `arg`. Instances have attributes. `result` of get is borrowed. */
typedef void exv_destructor_fn(exv_instance *self, void *arg);
EXV_API exv_status exv_class_new(exv_heap *heap, const char *name, exv_destructor_fn *destructor,
                                 void *arg, exv_class **result);
/** The same with an object as the destructor's argument: the class owns a reference to it, which the collector visits.
 *  A class cannot break a cycle: something else in it must be able to, an instance or the object itself. */
EXV_API exv_status exv_class_new_owning(exv_heap *heap, const char *name, exv_destructor_fn *destructor,
                                        void *object, exv_class **result);
EXV_API const char *exv_class_name(const exv_class *self);
EXV_API exv_instance *exv_instance_new(exv_class *cls);
EXV_API exv_class *exv_instance_get_class(exv_instance *self);
EXV_API exv_status exv_attr_get(exv_instance *self, const char *name, void **result);
EXV_API exv_status exv_attr_set(exv_instance *self, const char *name, void *value);
EXV_API exv_status exv_attr_delete(exv_instance *self, const char *name);

/** A namespace: names bound to values, neither declared nor typed. Reading or deleting a
 *  name that is not bound is EXV_NAME_ERROR. Get borrows; next walks as for a dict. */
EXV_API exv_names *exv_names_new(exv_heap *heap);
EXV_API size_t exv_names_size(const exv_names *self);
EXV_API exv_status exv_name_get(exv_names *self, const char *name, void **value);
EXV_API exv_status exv_name_set(exv_names *self, const char *name, void *value);
EXV_API exv_status exv_name_delete(exv_names *self, const char *name);
EXV_API bool exv_name_next(exv_names *self, size_t *position, const char **name, void **value);

/** Of any object. repr and str give an owned str: as Python's repr() and str(), also for
 *  what contains itself. print writes str and a newline to standard output. */
EXV_API exv_status exv_repr(void *object, exv_str **result);
EXV_API exv_status exv_to_str(void *object, exv_str **result);
EXV_API exv_status exv_print(void *object);
EXV_API exv_status exv_equal(void *a, void *b, bool *result);

/** Python's object(*args): an owned result. EXV_TYPE_ERROR if its type has no `call`; a class makes an instance.
 *  EXV_RECURSION_ERROR from 1,000 calls in each other on. Other failures are those of the call. */
EXV_API exv_status exv_call(void *callable, void *const *args, size_t count, void **result);

/** Python's iter(): an owned iterator over the items of a list or tuple, the keys of a dict, the members of a set, the
 *  characters of a str, the ints of a bytes, or what the type's `iter` gives; EXV_TYPE_ERROR otherwise. It owns what it
 *  goes over until its end. */
EXV_API exv_status exv_iter(void *object, void **result);

/** Python's next(): an owned item, or NULL at the end, and from then on. EXV_TYPE_ERROR if it is no iterator;
 *  EXV_RUNTIME_ERROR: the dict or set has got or lost a key since. On failure *item is left as it was. */
EXV_API exv_status exv_next(void *iterator, void **item);

/** A copy of a value in `heap`, owned: with all that it holds, what is shared shared in the copy too, and rings as
 *  rings. The value may be of any heap that this thread may use, also the same: a message from thread to thread is
 *  copied into a heap that is then handed over. EXV_TYPE_ERROR for what is no None, bool, int, float, str, bytes, list,
 *  tuple, dict or set, and of no type with `copy`; EXV_RECURSION_ERROR; the message is `heap`'s. Takes memory for a
 *  word or two more for each part that is referred to more than once. */
EXV_API exv_status exv_copy_to(exv_heap *heap, void *value, void **result);

/** For a type's `copy`, during its call: the heap that gets the copy; an owned copy of what `self` refers to (of NULL:
 *  NULL); and from now on `to` is the copy of `self`. */
EXV_API exv_heap *exv_copying_get_heap(const exv_copying *copying);
EXV_API exv_status exv_copying_part(exv_copying *copying, void *part, void **result);
EXV_API exv_status exv_copying_note(exv_copying *copying, void *self, void *to);

/** Python's a < b: of numbers, of two strs, bytes, lists or tuples, of two sets (a proper subset), and of two objects
 *  of a type with `less`; EXV_TYPE_ERROR otherwise. */
EXV_API exv_status exv_less(void *a, void *b, bool *result);
EXV_API exv_status exv_hash(void *object, uint64_t *result);

#ifdef __cplusplus
}
#endif
#endif
