/*
 * sigterm: SIGTERM handled by a Python function still ends the process where no Python function gets its turn.
 *
 * Left at its default it ends a process at once, whatever the process is doing. A handler in Python waits for the main
 * thread's next safe point, which in a long call of C may never come. Invariant: from the signal on, either the handler
 * has begun within a second, or the process dies by the signal; a second signal meanwhile ends it at once, and so does
 * the first in a process that was forked.
 */
#ifndef EXVI_SIGTERM_H
#define EXVI_SIGTERM_H

#include <stdbool.h>

/* The interpreter's own function is in place for SIGTERM: put ours before it. It is gone as soon as signal.signal() is
 * used again. False, with errno: nothing was done. */
bool exvi_sigterm_watch(void);

/* The handler in Python has begun. */
void exvi_sigterm_taken(void);

#endif
