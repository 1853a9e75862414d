/*
 * mailbox: a page of memory by which another process asks this one a question, and a thread of ours that waits for it.
 *
 * The page is a file without a name (a memfd). Its descriptor is found under /proc/PID/fd, which the system shows to
 * whoever may read this process's memory anyway: its own user, and root. So nothing listens on anything else, no
 * signal is sent, and what is not ready cannot be asked. The thread sleeps until the word `bell` changes; then it waits
 * for the GIL, calls the function that it was given, and writes down what that brought. It takes no signals, and ends
 * before each fork of the program's, since CPython warns of forks beside other threads.
 *
 * Invariant: who asks holds a lock on the file (flock), which the system gives back when he dies; he alone asks, and
 * empties the page of what he, or somebody who died before him, was told. The process alone stores WRITING, DONE and
 * FAILED. Everybody who changes something rings: the bell for the process, `state` for who asks.
 */
#ifndef EXVI_MAILBOX_H
#define EXVI_MAILBOX_H

#include "layout.h"

#include <stdatomic.h>

#define EXVI_MAILBOX_NAME "exuvia-mailbox"
#define EXVI_MAILBOX_MAGIC "EXVMBOX"
enum { EXVI_MAILBOX_VERSION = 2, EXVI_MAILBOX_TEXT = 512, EXVI_MAILBOX_TOLD = 5 };

typedef enum exvi_mail {
    EXVI_MAIL_NONE,
    EXVI_MAIL_ASKED,
    EXVI_MAIL_WRITING, /* with the GIL, and then in a child */
    EXVI_MAIL_DONE,
    EXVI_MAIL_FAILED
} exvi_mail;

typedef struct exvi_mailbox {
    char magic[8];
    uint32_t version;
    int32_t pid;             /* as the process itself sees it */
    _Atomic uint32_t bell, state;
    uint32_t question;       /* of the request, as the function understands it; so is `since` */
    int32_t file;            /* of the answer: the descriptor in this process; closed when the page is empty again */
    uint64_t since;
    uint64_t told[EXVI_MAILBOX_TOLD]; /* objects, references, bytes, nanoseconds stopped and of the child's CPU */
    char text[EXVI_MAILBOX_TEXT]; /* why it failed */
} exvi_mailbox;

/* From now on `answer`, a function of Python's, is called with the question and `since`; it gives a descriptor, which
 * is ours then, and the numbers to be told, or a text that says why not. Where the system has no such file or no
 * thread to give, nobody can ask. NULL: nobody can any more; gives up the GIL until the thread has ended. */
void exvi_mailbox_open(const exvi_layout *layout, PyObject *answer);

/* Before a fork, and after it in the parent. What is written just then is given up. The thread is begun again by a
 * pending call, since CPython 3.13 counts threads when the hooks after the fork have run, or by resume(), which costs
 * nothing where it runs already. */
void exvi_mailbox_forking(void);
void exvi_mailbox_fork_over(void);
void exvi_mailbox_resume(void);

/* After it in the child. */
void exvi_mailbox_forked(void);

/* Whether nobody waits any more for what is written, or a fork does. */
bool exvi_mailbox_is_given_up(void);

/* The interpreter is gone. */
void exvi_mailbox_forget(void);

#endif
