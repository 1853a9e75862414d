/*
 * gc: the functions of Python's gc module that read and set, and the readings of telemetry. What a collection does is
 * in collect.c.
 */
#include "gc.h"

#include "object.h"

#include <string.h>

enum { BATCH = 256 };

/* ------------------------------------------------------------- switches */

void exv_gc_enable(exv_heap *heap)
{
    heap->collector.enabled = true;
    exvi_generation_arm(&heap->generations, true);
}

void exv_gc_disable(exv_heap *heap)
{
    heap->collector.enabled = false;
    exvi_generation_arm(&heap->generations, false);
}

bool exv_gc_is_enabled(const exv_heap *heap)
{
    return heap->collector.enabled;
}

void exv_gc_set_threshold(exv_heap *heap, const uint32_t threshold[EXV_GENERATIONS])
{
    memcpy(heap->generations.threshold, threshold, sizeof heap->generations.threshold);
    exvi_generation_arm(&heap->generations, heap->collector.enabled);
}

void exv_gc_get_threshold(const exv_heap *heap, uint32_t threshold[EXV_GENERATIONS])
{
    memcpy(threshold, heap->generations.threshold, sizeof heap->generations.threshold);
}

void exv_gc_get_count(const exv_heap *heap, uint32_t count[EXV_GENERATIONS])
{
    memcpy(count, heap->generations.count, sizeof heap->generations.count);
}

void exv_gc_get_stats(const exv_heap *heap, exv_gc_stats stats[EXV_GENERATIONS])
{
    memcpy(stats, heap->collector.stats, sizeof heap->collector.stats);
}

void exv_gc_set_debug(exv_heap *heap, unsigned flags)
{
    heap->collector.debug = flags;
}

unsigned exv_gc_get_debug(const exv_heap *heap)
{
    return heap->collector.debug;
}

exv_list *exv_gc_get_garbage(exv_heap *heap)
{
    return heap->garbage;
}

void exv_get_telemetry(const exv_heap *heap, exv_telemetry *telemetry)
{
    *telemetry = heap->telemetry;
    telemetry->in_flight = heap->flight.active && exvi_snapshot_is_ours(&heap->flight.snapshot);
    telemetry->searching = telemetry->in_flight && exvi_snapshot_is_searching(&heap->flight.snapshot);
}

void exv_set_listener(exv_heap *heap, exv_listener_fn *listener, void *arg)
{
    heap->listener = listener;
    heap->listener_arg = arg;
    EXV_CLEAR(heap->listener_owned);
}

void exv_set_listener_owning(exv_heap *heap, exv_listener_fn *listener, void *object)
{
    void *old = heap->listener_owned;
    heap->listener = listener;
    heap->listener_arg = object;
    heap->listener_owned = exv_incref(object);
    exv_decref(old);
}

/* -------------------------------------------------------------- objects */

/* Filling a list allocates raw blocks only, so no object is born, moved or freed during a walk. */
typedef struct gathering {
    exv_list *list;
    exv_status status;
    void *const *sought;
    size_t sought_count;
} gathering;

static bool gather(gathering *g, void *object)
{
    if (g->status == EXV_OK)
        g->status = exv_list_append(g->list, object);
    return g->status == EXV_OK;
}

static exv_list *list_or_null(gathering *g)
{
    if (g->list && g->status != EXV_OK) {
        exv_decref(g->list);
        g->list = NULL;
    }
    return g->list;
}

/* Call `each` for the tracked objects of a generation (-1: all), but not for what a collection found unreachable. */
static void for_objects(exv_heap *heap, int generation, bool (*each)(gathering *g, void *object), gathering *g)
{
    exvi_generation_cursor cursor = {.generation = generation < 0 ? EXVI_OLDEST : generation, .only = generation >= 0};
    void *objects[BATCH];
    size_t count;
    bool more = true;
    while (more && (count = exvi_generation_next(heap, &cursor, objects, BATCH)) > 0)
        for (size_t i = 0; more && i < count; i++)
            if (objects[i] != g->list && !(exvi_header_of(objects[i])->flags & EXVI_UNREACHABLE))
                more = each(g, objects[i]);
}

exv_list *exv_gc_get_objects(exv_heap *heap, int generation)
{
    if (generation < -1 || generation > EXVI_OLDEST)
        exvi_die(__func__, "generation %d does not exist: give 0, 1, 2, or -1 for all", generation);
    gathering g = {.list = exv_list_new(heap)};
    if (g.list)
        for_objects(heap, generation, gather, &g);
    return list_or_null(&g);
}

static int is_sought(void *child, void *arg)
{
    gathering *g = arg;
    for (size_t i = 0; i < g->sought_count; i++)
        if (child == g->sought[i])
            return 1;
    return 0;
}

static bool gather_referrer(gathering *g, void *object)
{
    return exvi_object_visit(object, is_sought, g) ? gather(g, object) : true;
}

exv_list *exv_gc_get_referrers(exv_heap *heap, void *const *objects, size_t count)
{
    gathering g = {.list = exv_list_new(heap), .sought = objects, .sought_count = count};
    if (g.list)
        for_objects(heap, -1, gather_referrer, &g);
    return list_or_null(&g);
}

static int gather_child(void *child, void *arg)
{
    return child ? !gather(arg, child) : 0;
}

exv_list *exv_gc_get_referents(exv_heap *heap, void *const *objects, size_t count)
{
    gathering g = {.list = exv_list_new(heap)};
    for (size_t i = 0; g.list && i < count; i++)
        exvi_object_visit(objects[i], gather_child, &g);
    return list_or_null(&g);
}

/* --------------------------------------------------------------- freeze */

static void set_frozen(exv_heap *heap, int generation, bool frozen)
{
    exvi_generation_cursor cursor = {.generation = generation};
    void *objects[BATCH];
    size_t count;
    while ((count = exvi_generation_next(heap, &cursor, objects, BATCH)) > 0)
        for (size_t i = 0; i < count; i++)
            exvi_header_of(objects[i])->flags ^= EXVI_FROZEN;
    heap->generations.frozen = frozen ? exvi_generations_tracked(&heap->generations) : 0;
}

void exv_gc_freeze(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    exvi_generation_promote(heap, EXVI_OLDEST);
    set_frozen(heap, EXVI_OLDEST, true);
    memset(heap->generations.count, 0, sizeof heap->generations.count);
    exvi_heap_leave(heap);
}

void exv_gc_unfreeze(exv_heap *heap)
{
    exvi_heap_enter(heap, __func__);
    set_frozen(heap, -1, false);
    exvi_heap_leave(heap);
}

size_t exv_gc_get_freeze_count(const exv_heap *heap)
{
    return heap->generations.frozen;
}

/* ------------------------------------------------------------ callbacks */

static exv_status add_callback(exv_heap *heap, exvi_callback callback)
{
    exvi_collector *c = &heap->collector;
    exvi_callback *callbacks = exv_realloc(heap, c->callbacks, (c->callback_count + 1) * sizeof *callbacks);
    if (!callbacks)
        return exvi_no_memory(heap);
    c->callbacks = callbacks;
    c->callbacks[c->callback_count++] = callback;
    exv_incref(callback.owned);
    return EXV_OK;
}

exv_status exv_gc_add_callback(exv_heap *heap, exv_gc_callback_fn *callback, void *arg)
{
    return add_callback(heap, (exvi_callback){.call = callback, .arg = arg});
}

exv_status exv_gc_add_callback_owning(exv_heap *heap, exv_gc_callback_fn *callback, void *object)
{
    return add_callback(heap, (exvi_callback){.call = callback, .arg = object, .owned = object});
}

static void remove_at(exv_heap *heap, size_t at)
{
    exvi_collector *c = &heap->collector;
    void *owned = c->callbacks[at].owned;
    c->callback_count--;
    memmove(&c->callbacks[at], &c->callbacks[at + 1], (c->callback_count - at) * sizeof *c->callbacks);
    exv_decref(owned); /* last: what dies may call here */
}

bool exv_gc_remove_callback(exv_heap *heap, exv_gc_callback_fn *callback, void *arg)
{
    exvi_collector *c = &heap->collector;
    for (size_t i = 0; i < c->callback_count; i++) {
        if (c->callbacks[i].call != callback || c->callbacks[i].arg != arg)
            continue;
        remove_at(heap, i);
        return true;
    }
    return false;
}

void exvi_gc_give_up_owned(exv_heap *heap)
{
    for (size_t i = heap->collector.callback_count; i-- > 0;) {
        if (i < heap->collector.callback_count && heap->collector.callbacks[i].owned)
            remove_at(heap, i);
    }
    if (heap->listener_owned)
        exv_set_listener(heap, NULL, NULL);
}

/* ---------------------------------------------------------------- begin */

static void keep_in_garbage(exv_heap *heap, void *object)
{
    (void)exv_list_append(heap->garbage, object);
}

bool exvi_gc_init(exv_heap *heap)
{
    exvi_collector_init(heap, keep_in_garbage);
    heap->garbage = exv_list_new(heap);
    if (!heap->garbage)
        return false;
    exv_untrack(heap->garbage);
    exvi_make_own(heap->garbage); /* finalizers may ask for it until the heap's end */
    heap->generations.count[0] = 0;
    heap->collector.enabled = true;
    return true;
}
