/*
 * lander: see lander.h.
 *
 * A thread is told to end by a number that is no longer its own; nobody joins it, so that no stop waits for the system
 * to run it. Invariant: `threads` counts those that may still look at anything of ours.
 */
#include "lander.h"

#include "safe_point.h"
#include "turn.h"

#include "child.h"
#include "platform.h"

#include <stdatomic.h>

#define LOOK_NS UINT64_C(100000000)    /* between two looks at the child */
#define GRACE_NS UINT64_C(300000000)   /* after its end, in which the program's own collections may land it */
#define STEP_NS UINT64_C(1000000)      /* without the GIL, between two steps */
#define ASK_NS UINT64_C(25000000)      /* between two questions for a young collection */
#define LEAVE_NS UINT64_C(1000000000)  /* that is waited at most for the system to forget one that has ended */
enum { ASKS = 20, STATE_ROOM = 1 << 16 };

static struct {
    _Atomic uint32_t number;           /* of the search that is watched: odd; even: none is */
    _Atomic uint32_t threads;
    int32_t child;
    int32_t owner;                     /* the process whose threads these are */
} lander;

static bool is_mine(uint32_t number)
{
    return atomic_load(&lander.number) == number;
}

/* False: the search is over. */
static bool wait_for_end(uint32_t number, int32_t child)
{
    while (is_mine(number) && !exvi_child_is_over(child))
        exvi_wait_word(&lander.number, number, LOOK_NS);
    uint64_t until_ns = exvi_clock_ns() + GRACE_NS;
    for (uint64_t now; is_mine(number) && (now = exvi_clock_ns()) < until_ns;)
        exvi_wait_word(&lander.number, number, until_ns - now);
    return is_mine(number);
}

static void step_aside(uint64_t ns)
{
    Py_BEGIN_ALLOW_THREADS
    exvi_sleep_ns(ns);
    Py_END_ALLOW_THREADS
}

/* With the GIL. */
static void land(uint32_t number)
{
    while (is_mine(number) && exvi_turn_land())
        step_aside(STEP_NS);
    for (int i = 0; i < ASKS && exvi_turn_frees() && exvi_safe_point_ask(exvi_turn_layout()); i++)
        step_aside(ASK_NS);
}

/* Without memory for a thread state the interpreter ends the program: see that there is some first. */
static bool has_memory(void)
{
    void *some = PyMem_RawMalloc(STATE_ROOM);
    PyMem_RawFree(some);
    return some != NULL;
}

static void run(void *arg)
{
    uint32_t number = (uint32_t)(uintptr_t)arg;
    bool ended = wait_for_end(number, lander.child);
    while (ended && !has_memory() && (ended = is_mine(number)))
        exvi_wait_word(&lander.number, number, LOOK_NS);
    if (ended) {
        PyGILState_STATE state = PyGILState_Ensure();
        land(number);
        PyGILState_Release(state);
    }
    exvi_thread_ends();
    atomic_fetch_sub(&lander.threads, 1);
    exvi_wake_word(&lander.threads);
}

static void rest(void)
{
    uint32_t number = atomic_load(&lander.number);
    if (number % 2 == 0)
        return;
    atomic_store(&lander.number, number + 1);
    exvi_wake_word(&lander.number);
}

static void watch(uint32_t number)
{
    lander.child = exvi_reclaim_child();
    lander.owner = exvi_own_pid();
    atomic_store(&lander.number, number);
    atomic_fetch_add(&lander.threads, 1);
    if (!exvi_thread_start(run, (void *)(uintptr_t)number))
        atomic_fetch_sub(&lander.threads, 1);
}

/* A process that C code has forked, without telling Python, has none of its parent's threads. */
static void disown(void)
{
    if (lander.owner != exvi_own_pid())
        exvi_lander_forked();
}

void exvi_lander_follow(void)
{
    disown();
    exvi_reclaim_state now = exvi_reclaim_now();
    uint32_t number = atomic_load_explicit(&lander.number, memory_order_relaxed);
    if (now == EXVI_RECLAIM_SEARCHING && number % 2 == 0)
        watch(number + 1);
    else if (now != EXVI_RECLAIM_SEARCHING && now != EXVI_RECLAIM_LANDING)
        rest();
}

void exvi_lander_wait(void)
{
    disown();
    for (uint32_t left; rest(), (left = atomic_load(&lander.threads)) > 0;) {
        Py_BEGIN_ALLOW_THREADS
        exvi_wait_word(&lander.threads, left, LOOK_NS);
        Py_END_ALLOW_THREADS
    }
    exvi_threads_leave(LEAVE_NS);
}

void exvi_lander_forked(void)
{
    atomic_store(&lander.threads, 0);
    atomic_fetch_and(&lander.number, ~UINT32_C(1));
}
