/*
 * reclaim: see reclaim.h.
 *
 * One at a time, under the GIL. What each outside event may do to it:
 *     a block is freed           its bit is set: the candidate is stale. In a range it leaves the list by itself
 *     gc.freeze(), gc.unfreeze() the permanent list's links change: all candidates are dropped
 *     the allocator is changed   the accuracy probe fails: candidates that are not in a range are dropped
 *     os.fork()                  the snapshot knows that its child is not ours: abandoned there, untouched here
 */
#include "reclaim.h"

#include "arenas.h"
#include "free_log.h"
#include "ranges.h"
#include "search.h"

#include "child.h"
#include "die.h"
#include "platform.h"
#include "snapshot.h"

#ifdef EXVI_STRESS
enum { RANGE_OBJECTS = 2, LANDING_LOOK = 1 };
#else
enum { RANGE_OBJECTS = 256, LANDING_LOOK = 64 };
#endif
enum { SPARE_WORDS = 1 << 18, AHEAD = 8 };

static struct {
    const exvi_layout *layout;
    exvi_reclaim_state state;
    int32_t owner;                      /* the process whose it is */
    exvi_snapshot snapshot;
    exvi_search search;
    uintptr_t frozen_next, frozen_prev; /* the permanent list's ends at the clone */
    size_t cursor;                      /* candidates that were landed or are stale */
    size_t in_range;                    /* objects in the range that is open */
    size_t moved;                       /* of the portion at hand */
    uint64_t oldest;                    /* of the examined, those in the oldest list */
    exvi_record record;
    exvi_reclaim_stats stats;
} reclaim;

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
    case EXV_REASON_MEMORY_TIGHT:
        return EXVI_FALLBACK_MEMORY_TIGHT;
    default:
        return EXVI_FALLBACK_CANCELLED;
    }
}

void exvi_reclaim_init(const exvi_layout *layout)
{
    reclaim.layout = layout;
}

const char *exvi_reclaim_state_name(exvi_reclaim_state state)
{
    static const char *const name[] = {"", "searching", "landing", "freeing"};
    return name[state];
}

exvi_reclaim_state exvi_reclaim_now(void)
{
    return reclaim.state;
}

const exvi_reclaim_stats *exvi_reclaim_stats_get(void)
{
    return &reclaim.stats;
}

/* What the last clone took is still the best guess for the next. */
void exvi_reclaim_forked(void)
{
    uint64_t clone_ns = reclaim.stats.last_clone_ns, start_ns = reclaim.stats.last_start_ns;
    reclaim.stats = (exvi_reclaim_stats){.last_clone_ns = clone_ns, .last_start_ns = start_ns};
}

/* Child, answer and free log, in an order that leaves no address to be looked at. */
static void end_search(void)
{
    exvi_snapshot_end(&reclaim.snapshot);
    exvi_free_log_stop();
}

static void add_to_sum(const exvi_record *record)
{
    exvi_record *sum = &reclaim.stats.sum;
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

/* The record of one that has landed. */
static void finish(const char *reason)
{
    reclaim.record.reason = reason;
    add_to_sum(&reclaim.record);
    reclaim.stats.last = *exvi_record_add(&reclaim.record);
    reclaim.stats.last_oldest = reclaim.oldest;
    reclaim.stats.finished++;
    exvi_ranges_drop();
    reclaim.state = EXVI_RECLAIM_IDLE;
}

static void note_failure(exvi_fallback why)
{
    reclaim.record.kind = EXVI_RECORD_FAILED;
    reclaim.record.reason = reclaim.stats.last_failure = exvi_fallback_name(why);
    if (reclaim.owner == exvi_own_pid())
        exvi_record_add(&reclaim.record);
}

void exvi_reclaim_abandon(exvi_fallback why)
{
    if (reclaim.state == EXVI_RECLAIM_IDLE)
        return;
    reclaim.stats.fallback[why]++;
    if (reclaim.state == EXVI_RECLAIM_FREEING && reclaim.owner == exvi_own_pid()) {
        finish(exvi_fallback_name(why));
        return;
    }
    note_failure(why);
    end_search();
    exvi_ranges_drop();
    reclaim.state = EXVI_RECLAIM_IDLE;
}

void exvi_reclaim_ended(void)
{
    exvi_ranges_forget();
    exvi_reclaim_abandon(EXVI_FALLBACK_CANCELLED);
}

void exvi_reclaim_forget(void)
{
    exvi_ranges_forget();
}

/* Room for twice what is expected. */
static size_t answer_words(size_t expected)
{
    return 2 * expected + SPARE_WORDS;
}

uint64_t exvi_reclaim_clone_ns(void)
{
    const exvi_search_plan plan = {.huge_bytes = exvi_arenas_bytes()};
    return exvi_room_forecast(&reclaim.snapshot.room, &plan).clone_ns;
}

static bool take_snapshot(const exvi_reclaim_options *options, exvi_fallback *why)
{
    const exvi_gc_head *permanent = reclaim.layout->permanent;
    if (!exvi_free_log_start()) {
        *why = exvi_free_log_is_alone() ? EXVI_FALLBACK_ALLOCATOR : EXVI_FALLBACK_INTERPRETERS;
        return false;
    }
    reclaim.search = (exvi_search){reclaim.layout, options->generations, options->idle, PyImport_GetModuleDict()};
    reclaim.frozen_next = permanent->next;
    reclaim.frozen_prev = permanent->prev;
    reclaim.snapshot.plan = (exvi_search_plan){
        .objects = options->expected, .expected_ns = options->search_ns, .huge_bytes = exvi_arenas_bytes()};
    exvi_arenas_halt();
    exv_status status = exvi_snapshot_start(&reclaim.snapshot, exvi_graph_search, &reclaim.search,
                                            answer_words(options->expected), options->deadline_ns);
    if (status == EXV_OK)
        return true;
    *why = fallback_of(reclaim.snapshot.reason);
    end_search();
    return false;
}

bool exvi_reclaim_start(const exvi_reclaim_options *options, exvi_fallback *why)
{
    bool whole = options->generations == EXVI_GENERATIONS;
    uint64_t began_ns = exvi_clock_ns();
    exv_assert(reclaim.state == EXVI_RECLAIM_IDLE && exvi_ranges_left() == 0);
    reclaim.owner = exvi_own_pid();
    reclaim.record = (exvi_record){.kind = whole ? EXVI_RECORD_BACKGROUND : EXVI_RECORD_TRIAL, .began_ns = began_ns};
    bool taken = take_snapshot(options, why);
    uint64_t ns = exvi_clock_ns() - began_ns;
    reclaim.stats.last_start_ns = reclaim.record.longest_ns = ns;
    if (!taken) {
        reclaim.stats.fallback[*why]++;
        note_failure(*why);
        return false;
    }
    if (options->shares)
        exvi_snapshot_hold(&reclaim.snapshot);
    reclaim.stats.started++;
    reclaim.stats.last_clone_ns = reclaim.record.clone_ns = reclaim.snapshot.clone_ns;
    reclaim.state = EXVI_RECLAIM_SEARCHING;
    return true;
}

static void read_answer(void)
{
    const exvi_answer *answer = reclaim.snapshot.answer;
    exv_assert(answer->count >= EXVI_ANSWER_HEAD);
    reclaim.record.examined = answer->examined;
    reclaim.record.search_ns = answer->search_ns;
    reclaim.record.child_cpu_ns = answer->cpu_ns;
    reclaim.record.child_bytes = answer->resident_bytes;
    reclaim.record.released_ns = answer->released_ns > reclaim.snapshot.started_ns
                                     ? answer->released_ns - reclaim.snapshot.started_ns : 0;
    reclaim.oldest = answer->word[0];
    reclaim.record.listed = answer->word[1];
    reclaim.record.candidates = answer->count - EXVI_ANSWER_HEAD;
    reclaim.cursor = reclaim.in_range = 0;
    reclaim.moved = 0;
}

bool exvi_reclaim_poll(exvi_fallback *why)
{
    if (reclaim.state != EXVI_RECLAIM_SEARCHING)
        return false;
    switch (exvi_snapshot_poll(&reclaim.snapshot)) {
    case EXVI_FLIGHT_RUNNING:
        return false;
    case EXVI_FLIGHT_ANSWERED:
        read_answer();
        reclaim.state = EXVI_RECLAIM_LANDING;
        return false;
    case EXVI_FLIGHT_FAILED:
        exvi_reclaim_abandon(*why = fallback_of(reclaim.snapshot.reason));
        return true;
    default:
        exvi_reclaim_abandon(*why = EXVI_FALLBACK_CANCELLED);
        return true;
    }
}

void exvi_reclaim_wait(uint64_t ns)
{
    if (reclaim.state == EXVI_RECLAIM_SEARCHING)
        exvi_snapshot_wait(&reclaim.snapshot, ns);
}

const exvi_record *exvi_reclaim_answer(void)
{
    return &reclaim.record;
}

int32_t exvi_reclaim_child(void)
{
    return reclaim.snapshot.pid;
}

uint64_t exvi_reclaim_child_ns(void)
{
    return reclaim.state == EXVI_RECLAIM_SEARCHING ? exvi_child_cpu_ns(reclaim.snapshot.pid) : 0;
}

/* ---------------------------------------------------------------- landing */

/* gc.freeze() appends whole lists; from 3.12 on a collection also appends immortal objects, one by one, which is
 * harmless. */
static bool is_frozen_since(void)
{
    const exvi_gc_head *permanent = reclaim.layout->permanent;
    bool was_empty = reclaim.frozen_next == (uintptr_t)permanent;
    if (!was_empty && permanent->next != reclaim.frozen_next)
        return true;
    const exvi_gc_head *head = exvi_gc_prev(permanent);
    while ((uintptr_t)head != reclaim.frozen_prev) {
        if (head == permanent || !exvi_layout_immortal(exvi_gc_object_of(head)))
            return true;
        head = exvi_gc_prev(head);
    }
    reclaim.frozen_next = permanent->next;
    reclaim.frozen_prev = permanent->prev;
    return false;
}

/* Memory that was not freed and holds a tracked object; whether it is still garbage is for the collection to find
 * out. */
static bool put_candidate(uint64_t word)
{
    uintptr_t object = (uintptr_t)(word & ~EXVI_WORD_FLAGS);
    uintptr_t block = object - ((word & EXVI_WORD_PREHEADER) != 0 ? 32 : 16);
    exvi_gc_head *head = exvi_gc_head_of((const void *)object);
    exv_assert(reclaim.state == EXVI_RECLAIM_LANDING);
    if (exvi_free_log_is_freed((const void *)block) || !exvi_gc_is_listed(head))
        return false;
    exvi_ranges_put(head);
    return true;
}

static const exvi_gc_head *head_ahead(const uint64_t *words)
{
    return exvi_gc_head_of((const void *)(uintptr_t)(words[AHEAD] & ~EXVI_WORD_FLAGS));
}

/* Until the time is over. A component is not split: its parts would keep each other alive. */
static bool put_candidates_until(uint64_t until_ns)
{
    const uint64_t *words = reclaim.snapshot.answer->word + EXVI_ANSWER_HEAD;
    const size_t count = (size_t)reclaim.record.candidates;
    size_t looked = 0; /* some are done each time, so that it comes to an end */
    for (bool ends = true; reclaim.cursor < count;) {
        if (ends && ++looked % LANDING_LOOK == 0 && exvi_clock_ns() >= until_ns)
            return false;
        if (reclaim.cursor + AHEAD < count)
            __builtin_prefetch(head_ahead(words + reclaim.cursor));
        uint64_t word = words[reclaim.cursor++];
        ends = (word & EXVI_WORD_LAST) != 0;
        if (put_candidate(word))
            reclaim.in_range++;
        else
            reclaim.record.stale++;
        if (ends && reclaim.in_range >= RANGE_OBJECTS && exvi_ranges_close())
            reclaim.in_range = 0;
    }
    return true;
}

/* What has to hold for each step: NULL, or why the rest is dropped. */
static const exvi_fallback *obstacle(void)
{
    static const exvi_fallback why[] = {EXVI_FALLBACK_ALLOCATOR, EXVI_FALLBACK_FROZEN, EXVI_FALLBACK_CHILD_MEMORY};
    if (!exvi_free_log_accurate())
        return &why[0];
    if (is_frozen_since())
        return &why[1];
    return exvi_ranges_begin(reclaim.layout) ? NULL : &why[2];
}

bool exvi_reclaim_land(uint64_t ns, exvi_fallback *why)
{
    uint64_t now = exvi_clock_ns();
    int enabled = *reclaim.layout->enabled;
    *reclaim.layout->enabled = 0; /* up to 3.11 the making of a marker may begin a collection */
    const exvi_fallback *failed = obstacle();
    bool all = !failed && put_candidates_until(ns > UINT64_MAX - now ? UINT64_MAX : now + ns);
    bool closed = !failed && (reclaim.in_range == 0 || exvi_ranges_close());
    *reclaim.layout->enabled = enabled;
    if (failed || !closed) {
        exvi_reclaim_abandon(*why = failed ? *failed : EXVI_FALLBACK_CHILD_MEMORY);
        return false;
    }
    reclaim.in_range = 0;
    if (all) {
        end_search();
        reclaim.state = EXVI_RECLAIM_FREEING;
        reclaim.stats.completed++;
    }
    return true;
}

/* ---------------------------------------------------------------- freeing */

size_t exvi_reclaim_left(void)
{
    return exvi_ranges_left();
}

size_t exvi_reclaim_bring(size_t most, bool *whole)
{
    exv_assert(reclaim.state == EXVI_RECLAIM_LANDING || reclaim.state == EXVI_RECLAIM_FREEING);
    *whole = !is_frozen_since();
    if (!*whole) {
        exvi_reclaim_abandon(EXVI_FALLBACK_FROZEN);
        return 0;
    }
    reclaim.moved = exvi_ranges_take(most);
    reclaim.record.relinked += reclaim.moved;
    return reclaim.moved;
}

static void note_portion(const exvi_portion_end *portion)
{
    exvi_record *record = &reclaim.record;
    record->batches++;
    record->reclaim_ns += portion->stop_ns;
    record->unreachable += portion->unreachable;
    record->uncollectable += portion->uncollectable;
    if (portion->stop_ns > record->longest_ns)
        record->longest_ns = portion->stop_ns;
    reclaim.moved = 0;
}

bool exvi_reclaim_brought(const exvi_portion_end *portion)
{
    if (reclaim.moved > 0)
        note_portion(portion);
    if (reclaim.state != EXVI_RECLAIM_FREEING || exvi_ranges_left() > 0)
        return false;
    finish(NULL);
    return true;
}
