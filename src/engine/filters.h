/*
 * filters: whether filters of system calls (seccomp) are known to let this process be copied.
 *
 * A filter may refuse a call or end the process for it, and nothing shows which but the call. What shows is how many
 * filters a process has and how many its parent has:
 *
 *     parent 1, own 1     the parent made this process under that filter: it lets processes be made
 *     parent 0, own 1     put on since, by a sandbox or by the program itself: a clone may be the end
 *     parent unseen, or the system's first process: a container's or a service's filter, which is there so that
 *                         programs run
 *
 * Invariant: nothing is tried; files are read. What was found harmless once stays so, for filters are never taken off.
 */
#ifndef EXVI_FILTERS_H
#define EXVI_FILTERS_H

typedef enum exvi_filters {
    EXVI_FILTERS_NONE,
    EXVI_FILTERS_HARMLESS, /* as far as can be told */
    EXVI_FILTERS_UNKNOWN,  /* a clone may end the process */
} exvi_filters;

/* Those of the calling thread, now. Reads two files of /proc; where these cannot be read there are none. */
exvi_filters exvi_filters_look(void);

#endif
