/*
 * snapshot: run a search in a copy-on-write child, and bring back its answer in shared memory. See snapshot.h.
 *
 * The life of a flight, in the parent:
 *
 *     NONE --start--> RUNNING --child reaped--> ANSWERED (state is DONE)  --end--> NONE
 *                        |                \---> FAILED   (anything else)  --end--> NONE
 *                        \--in a forked process, at any time--> FAILED, cancelled
 *
 * Invariant: only a reaped child changes RUNNING in the process that started it. So an answer is never read while
 * somebody may write it, and a pid is never used after the system could have given it to another process.
 */
#include "snapshot.h"

#include "cgroup.h"
#include "child.h"
#include "platform.h"

#include <string.h>

/* A child that was killed wakes nobody, nor does a deadline: how long a wait may sleep without looking. */
#define LOOK_NS 20000000u
/* The same while a child is being taken down. */
#define TEARDOWN_LOOK_NS 200000u

/* ---- in the child ---- */

static exvi_answer_state run_search(exvi_answer *answer, exvi_search_fn *search, void *arg)
{
    static const exvi_answer_state state_of[] = {
        [EXVI_SEARCH_DONE] = EXVI_ANSWER_DONE,
        [EXVI_SEARCH_MEMORY] = EXVI_ANSWER_MEMORY,
        [EXVI_SEARCH_STOPPED] = EXVI_ANSWER_STOPPED,
    };
    uint64_t start_ns = exvi_clock_ns();
    uint64_t inherited_bytes = exvi_peak_bytes();
    exvi_search_end end = search(answer, arg);
    answer->search_ns = exvi_clock_ns() - start_ns;
    answer->cpu_ns = exvi_cpu_ns();
    answer->resident_bytes = exvi_peak_bytes() - inherited_bytes;
    return state_of[end];
}

/* The child's one thread looks in a signal handler, which nothing can be handed to. */
static exvi_answer *watched_answer;
static exvi_watch *limits_watched;

static void look_at_memory(void)
{
    uint32_t none = EXVI_ANSWER_NONE;
    if (!exvi_room_is_tight(limits_watched) ||
        !atomic_compare_exchange_strong(&watched_answer->state, &none, EXVI_ANSWER_TIGHT))
        return;
    exvi_wake_word(&watched_answer->state);
    exvi_child_exit(0);
}

static _Noreturn void live_as_child(exvi_answer *answer, exvi_watch *watch, exvi_search_fn *search, void *arg)
{
    uint64_t now = exvi_clock_ns();
    exvi_child_settle("exuvia-search", answer->deadline_ns > now ? answer->deadline_ns - now : 0);
    watched_answer = answer;
    limits_watched = watch;
    exvi_child_watch(answer, look_at_memory);
    exvi_answer_state state = run_search(answer, search, arg);
    atomic_store_explicit(&answer->state, state, memory_order_release);
    exvi_wake_word(&answer->state);
    exvi_child_exit(0);
}

bool exvi_answer_put(exvi_answer *answer, const void *words, size_t count)
{
    if (count > answer->room - answer->count)
        return false;
    if (count > 0)
        memcpy(&answer->word[answer->count], words, count * sizeof answer->word[0]);
    answer->count += count;
    return true;
}

void exvi_answer_release(exvi_answer *answer)
{
    atomic_store_explicit(&answer->released_ns, exvi_clock_ns(), memory_order_release);
}

static bool is_over(const exvi_answer *answer)
{
    return atomic_load_explicit(&answer->abort, memory_order_relaxed) != 0 ||
           exvi_clock_ns() >= answer->deadline_ns || exvi_parent_pid() != answer->parent;
}

/* Between two looks at what the program does: its clock costs a system call. */
#define HELD_LOOK_NS UINT64_C(2000000)

typedef struct look {
    uint64_t clock_ns, program_ns;
} look;

/* Since the look before, which this one replaces. */
static bool is_program_idle(const exvi_answer *answer, look *before)
{
    look now = {exvi_clock_ns(), exvi_child_cpu_ns(answer->parent)};
    bool idle = (now.program_ns - before->program_ns) * 4 < now.clock_ns - before->clock_ns;
    *before = now;
    return idle;
}

static void stand_still(const exvi_answer *answer)
{
    static look before; /* the child's own, of the only search that it makes */
    _Atomic uint32_t *held = (_Atomic uint32_t *)&answer->held; /* which is waited on, not written */
    while (atomic_load_explicit(held, memory_order_relaxed) != 0 && !is_over(answer) &&
           !is_program_idle(answer, &before))
        exvi_wait_word(held, 1, HELD_LOOK_NS);
}

bool exvi_answer_stopped(const exvi_answer *answer)
{
    if (atomic_load_explicit(&answer->held, memory_order_relaxed) != 0)
        stand_still(answer);
    return is_over(answer);
}

/* ---- in the parent ---- */

static uint64_t add_ns(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static size_t answer_room(size_t answer_size)
{
    return (answer_size - sizeof(exvi_answer)) / sizeof(uint64_t);
}

static bool make_answer(exvi_snapshot *snapshot, size_t room)
{
    if (room > (SIZE_MAX / 2 - sizeof(exvi_answer)) / sizeof(uint64_t))
        return false;
    size_t size = sizeof(exvi_answer) + room * sizeof(uint64_t);
    exvi_answer *answer = exvi_map_shared(size);
    if (!answer)
        return false;
    answer->room = room;
    answer->deadline_ns = snapshot->deadline_ns;
    answer->parent = snapshot->owner;
    snapshot->answer = answer;
    snapshot->answer_size = size;
    return true;
}

static void drop_answer(exvi_snapshot *snapshot)
{
    if (snapshot->answer)
        exvi_unmap(snapshot->answer, snapshot->answer_size);
    snapshot->answer = NULL;
    snapshot->answer_size = 0;
}

static void fail(exvi_snapshot *snapshot, exv_reason reason)
{
    drop_answer(snapshot);
    snapshot->pid = 0;
    snapshot->reason = reason;
    snapshot->flight = EXVI_FLIGHT_FAILED;
}

exv_status exvi_snapshot_start(exvi_snapshot *snapshot, exvi_search_fn *search, void *arg, size_t room,
                               uint64_t deadline_ns)
{
    exvi_flight flight = exvi_snapshot_poll(snapshot);
    if (flight == EXVI_FLIGHT_RUNNING || flight == EXVI_FLIGHT_ANSWERED)
        return EXV_BUSY;
    *snapshot = (exvi_snapshot){
        .owner = exvi_own_pid(), .started_ns = exvi_clock_ns(), .plan = snapshot->plan, .file = snapshot->file,
        .room = snapshot->room};
    snapshot->deadline_ns = add_ns(snapshot->started_ns, deadline_ns);
    snapshot->forecast = exvi_room_forecast(&snapshot->room, &snapshot->plan);
    exvi_watch watch = {0};
    if (!exvi_room_allows(&snapshot->room, &snapshot->forecast, &watch, &snapshot->limit)) {
        snapshot->reason = EXV_REASON_MEMORY_TIGHT;
        return EXV_UNSUPPORTED;
    }
    if (!make_answer(snapshot, room)) {
        snapshot->reason = EXV_REASON_NO_SHARED;
        return EXV_UNSUPPORTED;
    }

    uint64_t before_ns = exvi_clock_ns();
    int32_t pid = exvi_clone();
    if (pid == 0) {
        exvi_child_keep(snapshot->file ? *snapshot->file : -1);
        live_as_child(snapshot->answer, &watch, search, arg);
    }
    snapshot->clone_ns = exvi_clock_ns() - before_ns;
    if (pid < 0) {
        drop_answer(snapshot);
        snapshot->reason = EXV_REASON_CLONE_REFUSED;
        return EXV_UNSUPPORTED;
    }
    exvi_room_began(&snapshot->room, snapshot->clone_ns);
    snapshot->pid = pid;
    snapshot->flight = EXVI_FLIGHT_RUNNING;
    return EXV_OK;
}

static bool is_forked(const exvi_snapshot *snapshot)
{
    return snapshot->owner != exvi_own_pid();
}

bool exvi_snapshot_is_ours(const exvi_snapshot *snapshot)
{
    return !is_forked(snapshot);
}

bool exvi_snapshot_is_searching(const exvi_snapshot *snapshot)
{
    return snapshot->flight == EXVI_FLIGHT_RUNNING && !is_forked(snapshot) &&
           atomic_load(&snapshot->answer->state) == EXVI_ANSWER_NONE;
}

/* Told and killed: a parent that has changed its user since may not kill. */
static void stop_child(exvi_snapshot *snapshot)
{
    atomic_store_explicit(&snapshot->answer->abort, 1, memory_order_relaxed);
    exvi_child_kill(snapshot->pid);
}

/* The child is reaped. Its last word counts, however it ended; a count that does not fit was written by a child gone
 * wild. */
static void land(exvi_snapshot *snapshot, int status)
{
    const exvi_answer *answer = snapshot->answer;
    uint32_t state = atomic_load_explicit(&snapshot->answer->state, memory_order_acquire);
    bool whole = state == EXVI_ANSWER_DONE;
    snapshot->pid = 0;
    exvi_room_ended(&snapshot->room, whole ? snapshot->plan.objects : 0, whole ? answer->resident_bytes : 0);
    if (whole && answer->count <= answer_room(snapshot->answer_size))
        snapshot->flight = EXVI_FLIGHT_ANSWERED;
    else if (state == EXVI_ANSWER_TIGHT)
        fail(snapshot, EXV_REASON_MEMORY_TIGHT);
    else if (state == EXVI_ANSWER_MEMORY)
        fail(snapshot, EXV_REASON_CHILD_MEMORY);
    else if (state == EXVI_ANSWER_STOPPED || exvi_status_is_timeout(status) ||
             exvi_clock_ns() >= snapshot->deadline_ns)
        fail(snapshot, EXV_REASON_CHILD_LATE);
    else
        fail(snapshot, EXV_REASON_CHILD_DIED);
}

exvi_flight exvi_snapshot_poll(exvi_snapshot *snapshot)
{
    int status;
    if (snapshot->flight == EXVI_FLIGHT_NONE || snapshot->flight == EXVI_FLIGHT_FAILED)
        return snapshot->flight;
    if (is_forked(snapshot))
        fail(snapshot, EXV_REASON_CANCELLED);
    else if (snapshot->flight == EXVI_FLIGHT_RUNNING && exvi_child_ended(snapshot->pid, &status))
        land(snapshot, status);
    else if (snapshot->flight == EXVI_FLIGHT_RUNNING && exvi_clock_ns() >= snapshot->deadline_ns)
        stop_child(snapshot);
    return snapshot->flight;
}

/* Sleep until the child writes its last word, or it is time to look again. */
static void sleep_in_flight(exvi_snapshot *snapshot, uint64_t now, uint64_t until_ns)
{
    _Atomic uint32_t *state = &snapshot->answer->state;
    uint64_t left = until_ns - now;
    if (now >= snapshot->deadline_ns || atomic_load(state) != EXVI_ANSWER_NONE) {
        exvi_sleep_ns(left < TEARDOWN_LOOK_NS ? left : TEARDOWN_LOOK_NS);
        return;
    }
    exvi_wait_word(state, EXVI_ANSWER_NONE, left < LOOK_NS ? left : LOOK_NS);
}

bool exvi_snapshot_is_crowded(void)
{
    double quota = exvi_cgroup_processors();
    return exvi_processors() < 2 || (quota > 0 && quota < 2);
}

static bool set_held(exvi_snapshot *snapshot, bool held)
{
    return atomic_exchange(&snapshot->answer->held, held) != 0;
}

void exvi_snapshot_hold(exvi_snapshot *snapshot)
{
    if (snapshot->flight == EXVI_FLIGHT_RUNNING)
        set_held(snapshot, true);
}

static exvi_flight wait_for_it(exvi_snapshot *snapshot, uint64_t timeout_ns)
{
    uint64_t until_ns = add_ns(exvi_clock_ns(), timeout_ns);
    while (exvi_snapshot_poll(snapshot) == EXVI_FLIGHT_RUNNING) {
        uint64_t now = exvi_clock_ns();
        if (now >= until_ns)
            break;
        sleep_in_flight(snapshot, now, until_ns);
    }
    return snapshot->flight;
}

exvi_flight exvi_snapshot_wait(exvi_snapshot *snapshot, uint64_t timeout_ns)
{
    if (snapshot->flight != EXVI_FLIGHT_RUNNING)
        return exvi_snapshot_poll(snapshot);
    bool held = set_held(snapshot, false);
    if (held)
        exvi_wake_word(&snapshot->answer->held);
    exvi_flight end = wait_for_it(snapshot, timeout_ns);
    if (held && end == EXVI_FLIGHT_RUNNING)
        set_held(snapshot, true);
    return end;
}

void exvi_snapshot_end(exvi_snapshot *snapshot)
{
    int status;
    if (exvi_snapshot_poll(snapshot) == EXVI_FLIGHT_RUNNING) {
        do {
            stop_child(snapshot);
            exvi_child_await(snapshot->pid);
        } while (!exvi_child_ended(snapshot->pid, &status));
    }
    drop_answer(snapshot);
    snapshot->pid = 0;
    snapshot->flight = EXVI_FLIGHT_NONE;
}
