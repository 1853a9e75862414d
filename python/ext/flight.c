/*
 * flight: see flight.h.
 *
 * One flight at a time, under the GIL. What each outside event may do to it:
 *     a block is freed           its bit is set: the candidate is stale
 *     gc.freeze(), gc.unfreeze() the permanent list's links change: all candidates are dropped
 *     the allocator is changed   the accuracy probe fails: all candidates are dropped
 *     os.fork()                  the snapshot knows that its child is not ours: abandoned there, untouched here
 */
#include "flight.h"

#include "arenas.h"
#include "graph.h"
#include "stale.h"

#include "files.h"
#include "platform.h"
#include "snapshot.h"

enum { FIRST_BATCH = 512, SMALLEST_BATCH = 256, LARGEST_BATCH = 1 << 20, HURRY_SHARE = 16 };
enum { SPARE_WORDS = 1 << 18, SMALLEST_OBJECT = 32 };

static struct {
    const exvi_layout *layout;
    exvi_flight_state state;
    int32_t owner;                      /* the process whose flight it is */
    exvi_snapshot snapshot;
    exvi_search search;
    uint64_t batch_ns;
    uintptr_t frozen_next, frozen_prev; /* the permanent list's ends at the clone */
    size_t cursor;                      /* candidates that are done */
    size_t batch;                       /* objects of one reclaiming collection */
    size_t least;                       /* and how many at least */
    size_t moved;                       /* objects of this one */
    uint64_t oldest;                    /* of the examined, those in the oldest list */
    exvi_record record;
    exvi_flight_stats stats;
} flight;

const char *exvi_fallback_name(exvi_fallback fallback)
{
    static const char *const name[EXVI_FALLBACKS] = {
        "clone-refused", "no-shared-memory", "child-died", "child-late", "child-memory", "cancelled",
        "allocator", "sub-interpreters", "frozen", "full-collection", "overtaken", "memory-tight",
    };
    return name[fallback];
}

static exvi_fallback fallback_of(exv_reason reason)
{
    switch (reason) {
    case EXV_REASON_CLONE_REFUSED:
        return EXVI_FALLBACK_CLONE_REFUSED;
    case EXV_REASON_NO_SHARED:
        return EXVI_FALLBACK_NO_SHARED;
    case EXV_REASON_CHILD_DIED:
        return EXVI_FALLBACK_CHILD_DIED;
    case EXV_REASON_CHILD_LATE:
        return EXVI_FALLBACK_CHILD_LATE;
    case EXV_REASON_CHILD_MEMORY:
        return EXVI_FALLBACK_CHILD_MEMORY;
    default:
        return EXVI_FALLBACK_CANCELLED;
    }
}

void exvi_flight_init(const exvi_layout *layout)
{
    flight.layout = layout;
}

exvi_flight_state exvi_flight_now(void)
{
    return flight.state;
}

const exvi_flight_stats *exvi_flight_stats_get(void)
{
    return &flight.stats;
}

void exvi_flight_count(exvi_fallback why)
{
    flight.stats.fallback[why]++;
}

/* Everything that a flight holds goes, in an order that leaves no address to be looked at. */
static void land(void)
{
    exvi_snapshot_end(&flight.snapshot);
    exvi_stale_stop();
    flight.state = EXVI_FLIGHT_IDLE;
}

static void note_failure(exvi_fallback why)
{
    flight.stats.fallback[why]++;
    flight.record.kind = EXVI_RECORD_FAILED;
    flight.record.reason = flight.stats.last_failure = exvi_fallback_name(why);
    if (flight.owner == exvi_own_pid())
        exvi_record_add(&flight.record);
}

void exvi_flight_abandon(exvi_fallback why)
{
    if (flight.state == EXVI_FLIGHT_IDLE)
        return;
    note_failure(why);
    land();
}

/* Room for twice what is expected, which is far off where thresholds are huge; never for more objects than the memory
 * of the process can hold, SMALLEST_OBJECT bytes each. */
static size_t answer_words(size_t expected)
{
    uint64_t objects = exvi_resident_bytes() / SMALLEST_OBJECT;
    size_t most = objects > 0 ? (size_t)objects : SIZE_MAX / 4;
    return 2 * (expected < most ? expected : most) + SPARE_WORDS;
}

static bool take_snapshot(const exvi_flight_options *options, exvi_fallback *why)
{
    const exvi_gc_head *permanent = flight.layout->permanent;
    if (!exvi_stale_start()) {
        *why = exvi_stale_is_alone() ? EXVI_FALLBACK_ALLOCATOR : EXVI_FALLBACK_INTERPRETERS;
        return false;
    }
    flight.search = (exvi_search){flight.layout, options->generations, PyImport_GetModuleDict()};
    flight.batch_ns = options->batch_ns;
    flight.frozen_next = permanent->next;
    flight.frozen_prev = permanent->prev;
    flight.cursor = flight.least = 0;
    flight.batch = FIRST_BATCH; /* what is cheap at the end of an answer may be dear at the beginning of the next */
    exvi_arenas_halt();
    exv_status status = exvi_snapshot_start(&flight.snapshot, exvi_graph_search, &flight.search,
                                            answer_words(options->expected), options->deadline_ns);
    if (status == EXV_OK)
        return true;
    *why = fallback_of(flight.snapshot.reason);
    land();
    return false;
}

bool exvi_flight_start(const exvi_flight_options *options, exvi_fallback *why)
{
    bool whole = options->generations == EXVI_GENERATIONS;
    uint64_t began_ns = exvi_clock_ns();
    flight.owner = exvi_own_pid();
    flight.record = (exvi_record){.kind = whole ? EXVI_RECORD_BACKGROUND : EXVI_RECORD_TRIAL, .began_ns = began_ns};
    bool taken = take_snapshot(options, why);
    uint64_t ns = exvi_clock_ns() - began_ns;
    flight.stats.last_start_ns = flight.record.longest_ns = ns;
    if (!taken) {
        note_failure(*why);
        return false;
    }
    flight.stats.started++;
    flight.stats.last_clone_ns = flight.record.clone_ns = flight.snapshot.clone_ns;
    flight.state = EXVI_FLIGHT_SEARCHING;
    return true;
}

static void read_answer(void)
{
    const exvi_answer *answer = flight.snapshot.answer;
    flight.record.examined = answer->examined;
    flight.record.search_ns = answer->search_ns;
    flight.record.child_cpu_ns = answer->cpu_ns;
    flight.record.child_bytes = answer->resident_bytes;
    flight.oldest = answer->word[0];
    flight.record.candidates = answer->count - EXVI_ANSWER_HEAD;
}

bool exvi_flight_poll(exvi_fallback *why)
{
    if (flight.state != EXVI_FLIGHT_SEARCHING)
        return false;
    switch (exvi_snapshot_poll(&flight.snapshot)) {
    case EXVI_FLIGHT_RUNNING:
        return false;
    case EXVI_FLIGHT_ANSWERED:
        read_answer();
        flight.state = EXVI_FLIGHT_RECLAIMING;
        return false;
    case EXVI_FLIGHT_FAILED:
        exvi_flight_abandon(*why = fallback_of(flight.snapshot.reason));
        return true;
    default:
        exvi_flight_abandon(*why = EXVI_FALLBACK_CANCELLED);
        return true;
    }
}

void exvi_flight_wait(uint64_t ns)
{
    if (flight.state == EXVI_FLIGHT_SEARCHING)
        exvi_snapshot_wait(&flight.snapshot, ns);
}

/* ------------------------------------------------------------- candidates */

/* gc.freeze() appends whole lists; from 3.12 on a collection also appends immortal objects, one by one, which is
 * harmless. */
static bool is_frozen_since(void)
{
    const exvi_gc_head *permanent = flight.layout->permanent;
    bool was_empty = flight.frozen_next == (uintptr_t)permanent;
    if (!was_empty && permanent->next != flight.frozen_next)
        return true;
    const exvi_gc_head *head = exvi_gc_prev(permanent);
    while ((uintptr_t)head != flight.frozen_prev) {
        if (head == permanent || !exvi_layout_immortal(exvi_gc_object_of(head)))
            return true;
        head = exvi_gc_prev(head);
    }
    flight.frozen_next = permanent->next;
    flight.frozen_prev = permanent->prev;
    return false;
}

/* Memory that was not freed and holds a tracked object; whether it is still garbage is for the collection to find
 * out. */
static bool move_candidate(uint64_t word)
{
    uintptr_t object = (uintptr_t)(word & ~EXVI_WORD_FLAGS);
    uintptr_t block = object - ((word & EXVI_WORD_PREHEADER) != 0 ? 32 : 16);
    exvi_gc_head *head = exvi_gc_head_of((const void *)object);
    if (exvi_stale_is_freed((const void *)block) || !exvi_gc_is_listed(head))
        return false;
    exvi_gc_move(head, flight.layout->head[0]);
    return true;
}

static void move_batch(void)
{
    const uint64_t *words = flight.snapshot.answer->word + EXVI_ANSWER_HEAD;
    const size_t count = (size_t)flight.record.candidates;
    bool whole = true; /* a component must not be split: its parts would keep each other alive */
    while (flight.cursor < count && (flight.moved < flight.batch || !whole)) {
        if (flight.cursor + 8 < count)
            __builtin_prefetch(exvi_gc_head_of((const void *)(uintptr_t)(words[flight.cursor + 8] & ~EXVI_WORD_FLAGS)));
        uint64_t word = words[flight.cursor++];
        whole = (word & EXVI_WORD_LAST) != 0;
        if (move_candidate(word))
            flight.moved++;
        else
            flight.record.stale++;
    }
}

static void add_to_sum(const exvi_record *record)
{
    exvi_record *sum = &flight.stats.sum;
    sum->examined += record->examined;
    sum->clone_ns += record->clone_ns;
    sum->search_ns += record->search_ns;
    sum->child_cpu_ns += record->child_cpu_ns;
    sum->child_bytes = sum->child_bytes > record->child_bytes ? sum->child_bytes : record->child_bytes;
    sum->reclaim_ns += record->reclaim_ns;
    sum->longest_ns = sum->longest_ns > record->longest_ns ? sum->longest_ns : record->longest_ns;
    sum->batches += record->batches;
    sum->candidates += record->candidates;
    sum->stale += record->stale;
    sum->relinked += record->relinked;
    sum->unreachable += record->unreachable;
    sum->uncollectable += record->uncollectable;
}

static void complete(void)
{
    add_to_sum(&flight.record);
    flight.stats.last = *exvi_record_add(&flight.record);
    flight.stats.last_oldest = flight.oldest;
    flight.stats.completed++;
    land();
}

size_t exvi_flight_reclaim(void)
{
    flight.moved = 0;
    if (flight.state != EXVI_FLIGHT_RECLAIMING)
        return 0;
    if (!exvi_stale_accurate()) {
        exvi_flight_abandon(EXVI_FALLBACK_ALLOCATOR);
        return 0;
    }
    if (is_frozen_since()) {
        exvi_flight_abandon(EXVI_FALLBACK_FROZEN);
        return 0;
    }
    move_batch();
    flight.record.relinked += flight.moved;
    return flight.moved;
}

/* Garbage differs in what it costs to free, up to six times within one answer, so the next batch follows the last one's
 * time: down at once, up by an eighth. */
static void adapt_batch(uint64_t ns)
{
    if (flight.moved < SMALLEST_BATCH || ns == 0)
        return;
    double wanted = (double)flight.moved * (double)flight.batch_ns / (double)ns;
    double most = (double)(flight.batch + flight.batch / 8);
    wanted = wanted > most ? most : wanted;
    wanted = wanted > LARGEST_BATCH ? LARGEST_BATCH : wanted < SMALLEST_BATCH ? SMALLEST_BATCH : wanted;
    flight.batch = (size_t)wanted < flight.least ? flight.least : (size_t)wanted;
}

void exvi_flight_hurry(void)
{
    size_t part = ((size_t)flight.record.candidates - flight.cursor) / HURRY_SHARE;
    if (part > flight.least)
        flight.least = part;
    if (flight.batch < flight.least)
        flight.batch = flight.least;
}

static void note_batch(const exvi_batch_end *batch)
{
    exvi_record *record = &flight.record;
    record->batches++;
    record->reclaim_ns += batch->stop_ns;
    record->unreachable += batch->unreachable;
    record->uncollectable += batch->uncollectable;
    if (batch->stop_ns > record->longest_ns)
        record->longest_ns = batch->stop_ns;
    adapt_batch(batch->part_ns);
    flight.moved = 0;
}

bool exvi_flight_reclaimed(const exvi_batch_end *batch)
{
    if (flight.state != EXVI_FLIGHT_RECLAIMING)
        return false;
    if (flight.moved > 0)
        note_batch(batch);
    if (flight.cursor < flight.record.candidates)
        return false;
    complete();
    return true;
}
