/*
 * sigterm: see sigterm.h.
 *
 * What the function that gets the signal does is async-signal-safe. The timer sends SIGTERM itself, so that the process
 * dies by that one; a forked process has no timer, and does not wait for one.
 */
#include "sigterm.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 1 };

static struct {
    void (*next)(int);   /* the interpreter's */
    pid_t owner;
    timer_t timer;
    bool has_timer;
    atomic_bool waiting; /* for the handler in Python */
} term;

static void die(int number)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(number, &by_default, NULL);
    raise(number); /* it is blocked here, and comes when we return */
}

static void on_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    bool by_timer = info->si_code == SI_TIMER;
    if (by_timer && !atomic_load(&term.waiting))
        return; /* the handler began as the time was over */
    if (getpid() != term.owner || atomic_exchange(&term.waiting, true)) {
        die(number);
        return;
    }
    struct itimerspec when = {.it_value = {.tv_sec = PATIENCE_SECONDS}};
    timer_settime(term.timer, 0, &when, NULL);
    term.next(number);
}

bool exvi_sigterm_watch(void)
{
    struct sigaction action;
    if (sigaction(SIGTERM, NULL, &action) < 0)
        return false;
    if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN)
        return true; /* not the interpreter's, or ours */
    if (!term.has_timer || term.owner != getpid()) {
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTERM};
        if (timer_create(CLOCK_MONOTONIC, &event, &term.timer) < 0)
            return false;
        term.has_timer = true;
    }
    term.owner = getpid();
    term.next = action.sa_handler;
    atomic_store(&term.waiting, false);
    action.sa_flags |= SA_SIGINFO;
    action.sa_sigaction = on_signal;
    return sigaction(SIGTERM, &action, NULL) == 0;
}

void exvi_sigterm_taken(void)
{
    if (!term.has_timer || term.owner != getpid())
        return;
    struct itimerspec never = {0};
    timer_settime(term.timer, 0, &never, NULL);
    atomic_store(&term.waiting, false);
}
