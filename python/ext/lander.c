/*
 * lander: see lander.h.
 */
#include "lander.h"

#include "own_thread.h"
#include "safe_point.h"
#include "turn.h"

#include "child.h"
#include "platform.h"

#define LOOK_NS UINT64_C(100000000)    /* between two looks at the child */
#define GRACE_NS UINT64_C(300000000)   /* after its end, in which the program's own collections may land it */
#define STEP_NS UINT64_C(1000000)      /* without the GIL, between two steps */
#define ASK_NS UINT64_C(25000000)      /* between two questions for a young collection */
enum { ASKS = 20 };

static struct {
    exvi_own_thread thread;            /* its number is that of the search that is watched */
    int32_t child;
} lander;

static bool is_mine(uint32_t number)
{
    return exvi_own_thread_is(&lander.thread, number);
}

/* False: the search is over. */
static bool wait_for_end(uint32_t number, int32_t child)
{
    while (is_mine(number) && !exvi_child_is_over(child))
        exvi_wait_word(&lander.thread.number, number, LOOK_NS);
    uint64_t until_ns = exvi_clock_ns() + GRACE_NS;
    for (uint64_t now; is_mine(number) && (now = exvi_clock_ns()) < until_ns;)
        exvi_wait_word(&lander.thread.number, number, until_ns - now);
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

static void run(void *arg)
{
    uint32_t number = (uint32_t)(uintptr_t)arg;
    bool ended = wait_for_end(number, lander.child);
    while (ended && !exvi_own_thread_has_memory() && (ended = is_mine(number)))
        exvi_wait_word(&lander.thread.number, number, LOOK_NS);
    if (ended) {
        PyGILState_STATE state = PyGILState_Ensure();
        land(number);
        PyGILState_Release(state);
    }
    exvi_own_thread_ends(&lander.thread);
}

void exvi_lander_follow(void)
{
    if (exvi_own_thread_is_wanted(&lander.thread))
        exvi_own_thread_disown(&lander.thread);
    exvi_reclaim_state now = exvi_reclaim_now();
    bool watched = exvi_own_thread_is_wanted(&lander.thread);
    if (now == EXVI_RECLAIM_SEARCHING && !watched) {
        lander.child = exvi_reclaim_child();
        exvi_own_thread_begin(&lander.thread, run);
    } else if (now != EXVI_RECLAIM_SEARCHING && now != EXVI_RECLAIM_LANDING) {
        exvi_own_thread_rest(&lander.thread);
    }
}

void exvi_lander_wait(void)
{
    exvi_own_thread_disown(&lander.thread);
    exvi_own_thread_await(&lander.thread);
}

void exvi_lander_forked(void)
{
    exvi_own_thread_forked(&lander.thread);
}
