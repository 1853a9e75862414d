/*
 * collect: see collect.h. The story of a collection is in act(), and of one in place in exvi_collect_generation().
 *
 * Between the two searches and while callbacks and finalizers run, the collector holds a reference on each unreachable
 * object ("guard"), so that none goes away under its hands; the second search counts without it.
 */
#include "collect.h"

#include "error.h"
#include "object.h"
#include "platform.h"
#include "references.h"
#include "telemetry.h"
#include "weakref.h"

#include <stdio.h>

#ifdef EXVI_STRESS
enum { DENSE_FROM = 64, SLICE = 2 };
#else
enum { DENSE_FROM = 1 << 16, SLICE = 64 };
#endif
static const size_t KEPT_BYTES = 256 << 10; /* of scratch memory; more where the heap is KEPT_SHARE times as large */
static const size_t KEPT_SHARE = 64;

/* ---------------------------------------- what cycle.c and subset.c must know */

typedef struct set {
    exv_heap *heap;
    exvi_generation_cursor cursor; /* of generations */
    void *const *array;            /* or this array */
    size_t count, at;
    uint32_t guards;               /* references the collector itself holds on each */
    const exvi_search_watch *watch; /* of a search in a child; else NULL */
} set;

static size_t next_of_generation(void *host, void **objects, size_t room)
{
    set *s = host;
    return exvi_generation_next(s->heap, &s->cursor, objects, room);
}

static size_t next_of_array(void *host, void **objects, size_t room)
{
    set *s = host;
    size_t count = 0;
    for (; count < room && s->at < s->count; s->at++)
        objects[count++] = s->array[s->at];
    return count;
}

static uint64_t refcount_of(void *host, void *object)
{
    set *s = host;
    uint32_t count = exvi_header_of(object)->refcount;
    return count >= EXVI_IMMORTAL_COUNT ? EXVI_HELD : exvi_references_to(object, count - s->guards);
}

static __attribute__((noinline)) void visit_fields(void *object, const exv_references *r, exv_visit_fn *visit,
                                                   void *arg)
{
    for (const uint32_t *at = r->fields, *end = at + r->field_count; at < end; at++)
        visit(*exvi_field_at(object, *at), arg);
}

/* What most objects need of exvi_object_visit(), at less cost: it is asked for each object of a search. */
static inline void visit_references(void *object, exv_visit_fn *visit, void *arg)
{
    const exvi_header *header = exvi_header_of(object);
    const exv_type *type = header->type;
    const exv_references *r = type->references;
    bool weak = header->flags & EXVI_WEAK;
    if (type->visit && !weak)
        type->visit(object, visit, arg);
    else if (r && !weak && !(r->item_field_count | r->array_count))
        visit_fields(object, r, visit, arg);
    else
        exvi_object_visit(object, visit, arg);
}

static void visit_object(void *host, void *object, exvi_phase phase, exvi_visit_fn *visit, void *arg)
{
    (void)host, (void)phase;
    visit_references(object, visit, arg);
}

static void *weak_target(void *host, void *object)
{
    (void)host;
    return exvi_header_of(object)->type == &exv_weakref_type ? exvi_weakref_awaited(object) : NULL;
}

static void describe(void *host, void *object, exvi_description *description)
{
    (void)host;
    const exvi_header *header = exvi_header_of(object);
    *description = (exvi_description){header->type, header->type->name, exvi_page_of(header)->block_size};
}

static void die_of_excess(void *host, void *object, uint64_t refcount, uint64_t inside)
{
    exvi_description what;
    describe(host, object, &what);
    exvi_die("exv_collect",
             "visit functions report %llu references to object %p of type %s, which has %llu: a visit function "
             "reports what its object does not own, or a reference was given up twice",
             (unsigned long long)inside, object, what.type_name, (unsigned long long)refcount);
}

static bool set_stop(void *host)
{
    const exvi_search_watch *watch = ((set *)host)->watch;
    return watch->stop(watch->arg);
}

static void set_release(void *host)
{
    const exvi_search_watch *watch = ((set *)host)->watch;
    watch->release(watch->arg);
}

static exvi_graph graph_of(set *s)
{
    return (exvi_graph){
        .host = s,
        .next = s->array ? next_of_array : next_of_generation,
        .refcount = refcount_of,
        .visit = visit_object,
        .weak = weak_target,
        .excess = die_of_excess,
        .stop = s->watch && s->watch->stop ? set_stop : NULL,
        .release = s->watch && s->watch->release ? set_release : NULL,
        .describe = describe,
    };
}

/* Search; what is unreachable is in cycle->found. False: no memory. */
static bool search(exv_heap *heap, set *s, size_t expected)
{
    exvi_collector *c = &heap->collector;
    exvi_graph graph = graph_of(s);
    exvi_cycle_end end =
        expected >= DENSE_FROM ? exvi_cycle_find(&c->cycle, &graph) : exvi_subset_find(&c->subset, &graph, &c->cycle);
    if (end == EXVI_CYCLE_DONE)
        return true;
    exvi_telemetry_reason(&heap->telemetry, EXV_REASON_SCAN_MEMORY, 1);
    exvi_no_memory(heap);
    return false;
}

exvi_cycle_end exvi_collect_search(exv_heap *heap, exvi_garbage *garbage, const exvi_search_watch *watch)
{
    set s = {.heap = heap, .cursor = {.generation = EXVI_OLDEST}, .watch = watch};
    exvi_graph graph = graph_of(&s);
    return exvi_garbage_find(garbage, &graph);
}

/* ----------------------------------------- from unreachable to doomed */

/* Move what was found into the doomed list, and hold it. The flag is there already when a flight has released an object
 * that lives on, the program tracks it, and this is a collection in place. */
static void hold(exv_heap *heap, exvi_doomed *doomed)
{
    exvi_cycle *cycle = &heap->collector.cycle;
    exv_assert(doomed->count == 0);
    void **found = cycle->found;
    size_t room = cycle->found_room;
    cycle->found = doomed->object;
    cycle->found_room = doomed->room;
    *doomed = (exvi_doomed){.object = found, .room = room, .count = cycle->count};
    for (size_t i = 0; i < doomed->count; i++) {
        exvi_header *header = exvi_header_of(found[i]);
        header->refcount++;
        heap->collector.unreachable += !(header->flags & EXVI_UNREACHABLE);
        header->flags |= EXVI_UNREACHABLE;
    }
}

static bool finalize(const exvi_doomed *doomed)
{
    bool any = false;
    for (size_t i = 0; i < doomed->count; i++) {
        const exvi_header *header = exvi_header_of(doomed->object[i]);
        if (header->type->finalize && !(header->flags & EXVI_FINALIZED)) {
            any = true;
            exvi_object_finalize(doomed->object[i]);
        }
    }
    return any;
}

static void release(exv_heap *heap, void *object)
{
    exvi_header_of(object)->flags &= ~(uint32_t)EXVI_UNREACHABLE;
    heap->collector.unreachable--;
    exv_decref(object);
}

/* Search again: finalizers may have stored references. What is not unreachable any more is let go; if there is no
 * memory to search, that is everything. */
static void let_resurrected_go(exv_heap *heap, exvi_doomed *doomed)
{
    exvi_cycle *cycle = &heap->collector.cycle;
    set s = {.heap = heap, .array = doomed->object, .count = doomed->count, .guards = 1};
    size_t still = search(heap, &s, doomed->count) ? cycle->count : 0;
    for (size_t i = 0; i < still; i++)
        exvi_header_of(cycle->found[i])->flags |= EXVI_PROVEN;
    size_t kept = 0;
    for (size_t i = 0; i < doomed->count; i++) {
        void *object = doomed->object[i];
        exvi_header *header = exvi_header_of(object);
        bool proven = header->flags & EXVI_PROVEN;
        header->flags &= ~(uint32_t)EXVI_PROVEN;
        if (proven)
            doomed->object[kept++] = object;
        else
            release(heap, object);
    }
    doomed->count = kept;
}

static void report(const exv_heap *heap, unsigned flag, const char *what, const void *object)
{
    if (heap->collector.debug & flag)
        fprintf(stderr, "gc: %s <%s %p>\n", what, exvi_header_of(object)->type->name, object);
}

/* With the debug flag for it, unreachable objects are kept in garbage instead of being freed. */
static void save_all(exv_heap *heap, exvi_doomed *doomed)
{
    for (size_t i = 0; i < doomed->count; i++) {
        heap->collector.keep(heap, doomed->object[i]);
        release(heap, doomed->object[i]);
    }
    doomed->count = 0;
}

static void doom(exv_heap *heap, exvi_doomed *doomed)
{
    for (size_t i = 0; i < doomed->count; i++) {
        report(heap, EXV_DEBUG_COLLECTABLE, "collectable", doomed->object[i]);
        if (!(heap->collector.debug & EXV_DEBUG_SAVEALL) && exvi_header_of(doomed->object[i])->flags & EXVI_TRACKED)
            exvi_generation_remove(heap, doomed->object[i]); /* a finalizer may have untracked it */
    }
    if (heap->collector.debug & EXV_DEBUG_SAVEALL)
        save_all(heap, doomed);
}

/* The unreachable objects that a search found go their way. Afterwards `doomed` holds what is left to be cleared. */
static void act(exv_heap *heap, exvi_doomed *doomed, exv_record *record)
{
    hold(heap, doomed);
    exvi_weakrefs_die_together(heap, doomed->object, doomed->count);
    if (finalize(doomed)) {
        let_resurrected_go(heap, doomed);
        exvi_weakrefs_die_together(heap, doomed->object, doomed->count); /* those that finalizers made */
    }
    record->found += doomed->count;
    doom(heap, doomed);
}

/* ---------------------------------------------------------------- clear */

static bool time_is_over(size_t done, uint64_t until_ns)
{
    return until_ns != UINT64_MAX && done % SLICE == 0 && exvi_clock_ns() >= until_ns;
}

/* What lived on after all were cleared and released: someone took a reference while clearing, or the cycle has no
 * type that can break it. It goes back under the collector's eyes. The others' addresses lead nowhere, or to new
 * objects without the flag. */
static void rescue_survivors(exv_heap *heap, const exvi_doomed *doomed, exv_record *record)
{
    for (size_t i = 0; i < doomed->count; i++) {
        void *object = doomed->object[i];
        exvi_header *header = exvi_header_of(object);
        exvi_page *page;
        uint32_t index;
        if (!exvi_block_find(&heap->blocks, header, &page, &index) || page->kind != EXVI_OBJECT ||
            !(header->flags & EXVI_UNREACHABLE))
            continue;
        header->flags &= ~(uint32_t)EXVI_UNREACHABLE;
        heap->collector.unreachable--;
        exv_track(object);
        if (exvi_type_clears(header->type))
            continue;
        report(heap, EXV_DEBUG_UNCOLLECTABLE, "uncollectable", object);
        record->uncollectable++;
        heap->collector.keep(heap, object);
    }
}

/* False: the time is over. */
static bool clear_and_release(exvi_doomed *doomed, uint64_t until_ns)
{
    while (doomed->cleared < doomed->count) {
        exvi_object_clear(doomed->object[doomed->cleared++]);
        if (time_is_over(doomed->cleared, until_ns))
            return false;
    }
    while (doomed->released < doomed->count) {
        exv_decref(doomed->object[doomed->released++]);
        if (time_is_over(doomed->released, until_ns))
            return false;
    }
    return true;
}

/* Deaths count their depth anew: called from a deep one, those that come of clearing would be put off until after it,
 * and what they hold would look like survivors. */
bool exvi_collect_clear(exv_heap *heap, exvi_doomed *doomed, uint64_t until_ns, exv_record *record)
{
    void *deferred = heap->deferred;
    unsigned depth = heap->depth;
    heap->deferred = NULL;
    heap->depth = 0;
    bool done = clear_and_release(doomed, until_ns);
    exv_assert(heap->depth == 0 && !heap->deferred);
    heap->deferred = deferred;
    heap->depth = depth;
    if (!done)
        return false;
    if (heap->collector.unreachable)
        rescue_survivors(heap, doomed, record);
    doomed->count = doomed->cleared = doomed->released = 0;
    return true;
}

/* ------------------------------------------------------ one collection */

static void call_callbacks(exv_heap *heap, exv_gc_phase phase, const exv_record *record)
{
    exv_gc_info info = {.generation = record->generation};
    if (phase == EXV_GC_STOP) {
        info.collected = record->found - record->uncollectable;
        info.uncollectable = record->uncollectable;
    }
    for (size_t i = 0; i < heap->collector.callback_count; i++) {
        exvi_callback callback = heap->collector.callbacks[i]; /* it may change the table */
        exv_incref(callback.owned); /* and take itself out of it */
        callback.call(heap, phase, &info, callback.arg);
        exv_decref(callback.owned);
    }
}

void exvi_collect_begin(exv_heap *heap, const exv_record *record)
{
    if (heap->collector.debug & EXV_DEBUG_STATS)
        fprintf(stderr, "gc: collecting generation %d, %zu objects tracked\n", record->generation,
                exvi_generations_tracked(&heap->generations));
    call_callbacks(heap, EXV_GC_START, record);
}

void exvi_collect_finish(exv_heap *heap, const exv_record *record)
{
    exv_gc_stats *stats = &heap->collector.stats[record->generation];
    stats->collections++;
    stats->collected += record->found - record->uncollectable;
    stats->uncollectable += record->uncollectable;
    heap->telemetry.collections++;
    heap->telemetry.background_collections += record->background;
    if (heap->collector.debug & EXV_DEBUG_STATS)
        fprintf(stderr, "gc: done, %llu unreachable, %llu uncollectable, longest stop %.3f ms\n",
                (unsigned long long)record->found, (unsigned long long)record->uncollectable,
                (double)record->longest_ns / 1e6);
    call_callbacks(heap, EXV_GC_STOP, record);
}

void exvi_collect_tell(exv_heap *heap, const exv_record *record)
{
    if (!heap->listener)
        return;
    void *owned = exv_incref(heap->listener_owned); /* it may replace itself */
    heap->listener(heap, record, heap->listener_arg);
    exv_decref(owned);
}

void exvi_collect_call_off(exv_heap *heap, const exv_record *record)
{
    exv_record nothing = {.generation = record->generation, .background = true};
    heap->collector.running = true;
    call_callbacks(heap, EXV_GC_STOP, &nothing);
    heap->collector.running = false;
}

/* ------------------------------------------------------------- scratch */

static size_t scratch_bytes(const exvi_collector *c)
{
    size_t entries = c->cycle.found_room + c->cycle.stack_room + c->doomed.room;
    return exvi_subset_bytes(&c->subset) + entries * sizeof(void *);
}

static void drop_scratch(exvi_collector *c)
{
    exvi_cycle_drop(&c->cycle);
    exvi_subset_drop(&c->subset);
    if (c->doomed.object)
        exvi_unmap(c->doomed.object, c->doomed.room * sizeof(void *));
    c->doomed = (exvi_doomed){0};
}

/* Keep what small searches need, as far as it is little beside the heap and its limit; the next ones begin at once. */
static void settle_scratch(exv_heap *heap)
{
    exvi_collector *c = &heap->collector;
    exvi_arena *arena = &heap->blocks.regions.arena;
    size_t most = arena->held_bytes / KEPT_SHARE;
    if (most < KEPT_BYTES && (arena->limit_bytes == 0 || KEPT_BYTES < arena->limit_bytes / KEPT_SHARE))
        most = KEPT_BYTES;
    exvi_arena_unclaim(arena, c->scratch_bytes);
    if (c->cycle.side.map.directory || scratch_bytes(c) > most)
        drop_scratch(c);
    c->scratch_bytes = scratch_bytes(c);
    if (exvi_arena_claim(arena, c->scratch_bytes))
        return;
    drop_scratch(c);
    c->scratch_bytes = 0;
}

static size_t give_scratch_back(exv_heap *heap)
{
    exvi_collector *c = &heap->collector;
    size_t bytes = c->scratch_bytes;
    drop_scratch(c);
    exvi_arena_unclaim(&heap->blocks.regions.arena, bytes);
    c->scratch_bytes = 0;
    return bytes;
}

size_t exvi_collector_trim(exv_heap *heap)
{
    return heap->collector.running ? 0 : give_scratch_back(heap);
}

/* ------------------------------------------------------ one collection */

static void note_survivors(exv_heap *heap, int generation, uint64_t survivors)
{
    if (generation == EXVI_OLDEST) {
        heap->generations.long_lived_total = survivors;
        heap->generations.long_lived_pending = 0;
    } else if (generation == EXVI_OLDEST - 1) {
        heap->generations.long_lived_pending += survivors;
    }
}

/* Search a generation, move the survivors on, and doom the rest. */
static void find_and_act(exv_heap *heap, exv_record *record)
{
    exvi_collector *c = &heap->collector;
    uint64_t start = exvi_clock_ns();
    exvi_generation_reset(&heap->generations, record->generation);
    set s = {.heap = heap, .cursor = {.generation = record->generation}};
    if (!search(heap, &s, exvi_generation_size(heap, record->generation)))
        return;
    record->objects = c->cycle.examined;
    record->proof_ns = exvi_clock_ns() - start;
    exvi_generation_promote(heap, record->generation);
    note_survivors(heap, record->generation, record->objects - c->cycle.count);
    if (c->cycle.count)
        act(heap, &c->doomed, record);
    exvi_pace_scanned(&heap->pace, record->proof_ns, record->objects);
}

void exvi_collect_note_full(exv_heap *heap)
{
    heap->collector.last_full_ns = exvi_clock_ns();
    heap->collector.last_full_bytes = exvi_blocks_allocated_bytes(&heap->blocks);
    heap->collector.last_full_births = heap->generations.births;
}

size_t exvi_collect_generation(exv_heap *heap, int generation)
{
    exvi_collector *c = &heap->collector;
    if (c->running)
        return 0;
    exv_record record = {.generation = generation};
    uint64_t start = exvi_clock_ns();
    c->running = true;
    if (generation == EXVI_OLDEST)
        exvi_collect_note_full(heap);
    exvi_collect_begin(heap, &record);
    find_and_act(heap, &record);
    exvi_collect_clear(heap, &c->doomed, UINT64_MAX, &record);
    exvi_blocks_settle(&heap->blocks);
    settle_scratch(heap);
    record.longest_ns = exvi_clock_ns() - start;
    record.free_ns = record.longest_ns - record.proof_ns;
    exvi_pace_freed(&heap->pace, record.found, record.free_ns);
    exvi_telemetry_pause(&heap->telemetry, record.longest_ns);
    exvi_collect_finish(heap, &record);
    c->running = false;
    exvi_collect_tell(heap, &record);
    return record.found;
}

void exvi_collect_batch(exv_heap *heap, void **candidates, size_t count, exvi_doomed *doomed, exv_record *record)
{
    uint64_t start = exvi_clock_ns();
    set s = {.heap = heap, .array = candidates, .count = count};
    bool searched = search(heap, &s, count);
    uint64_t proven = exvi_clock_ns();
    size_t unreachable = searched ? heap->collector.cycle.count : 0;
    if (unreachable)
        act(heap, doomed, record);
    record->proof_ns += proven - start;
    record->free_ns += exvi_clock_ns() - proven;
    record->stale += count - unreachable;
    settle_scratch(heap);
}

/* --------------------------------------------------------- begin and end */

void exvi_collector_init(exv_heap *heap, exvi_keep_fn *keep)
{
    heap->collector.last_full_ns = exvi_clock_ns();
    heap->collector.keep = keep;
}

void exvi_collector_drop(exv_heap *heap)
{
    exvi_collector *c = &heap->collector;
    give_scratch_back(heap);
    exv_free(heap, c->callbacks);
    c->callbacks = NULL;
    c->callback_count = 0;
}
