/*
 * asker: how another process is asked by its mailbox (mailbox.h).
 *
 * Nothing is written before the page has proved to be one of ours, of this version, of this very process, and such that
 * it cannot shrink under our hands. What the process then offers is opened only as a regular file without a name: a
 * process that means harm cannot have us open anything else.
 */
#ifndef EXVI_ASKER_H
#define EXVI_ASKER_H

#include <Python.h>

/* (folder, number, pid, question, since, patience) -> (descriptor, objects, references, bytes, nanoseconds stopped,
 * nanoseconds of the child's CPU), or what says why not. The question is one of _answers.py. `folder` is /proc/PID/fd
 * and `number` the descriptor's there, `pid` the process's number as it sees it itself. The descriptor is of a whole
 * file without a name, to be read, and is the caller's. None: this is no mailbox of that process's. A text: the
 * process could not make one, and says why. A number: EXVI_REFUSED_*. OSError: what the system says. Waits without
 * the GIL, `patience` seconds until the process begins, and then as long as it writes; a signal handler that raises
 * gives the request up. */
PyObject *exvi_asker_ask(PyObject *self, PyObject *args);

enum {
    EXVI_REFUSED_BUSY = 1,  /* somebody else is asking */
    EXVI_REFUSED_SILENT,    /* it has not begun: no thread of it gives up the GIL, or it is stopped */
    EXVI_REFUSED_GONE,      /* it has ended, or begun another program */
    EXVI_REFUSED_STRANGE    /* what it offers is not what it should be */
};

#endif
