/*
 * frames: what running functions, suspended generators and threads refer to.
 *
 * A frame of CPython's is read as layout.h has it, after a probe that looks at frames whose variables it knows. Where
 * they do not check out nothing is read, and what frames hold is held by C, as far as anybody can tell.
 *
 * Nothing is allocated and no lock taken: all but the probe is for a snapshot child.
 */
#ifndef EXVI_FRAMES_H
#define EXVI_FRAMES_H

#include "layout.h"

/* Runs a few lines of Python. What it finds goes to the report; it is no error. */
void exvi_frames_probe(exvi_report *report);

/* Of a generator, coroutine or frame object, where its tp_traverse reports what is in it; else NULL. Its slots may be
 * old ones, no longer referred to, if the generator has ended: they are for comparing. */
const exvi_frame *exvi_frame_of(PyObject *object);
PyCodeObject *exvi_frame_code(const exvi_frame *frame); /* borrowed; NULL: it has none */
int exvi_frame_line(const exvi_frame *frame);           /* 0: not known */

typedef enum exvi_hold {
    EXVI_HOLD_LOCAL,         /* a variable, or a namespace of its own */
    EXVI_HOLD_CALL,          /* something that a call or operator is at work on */
    EXVI_HOLD_FRAME,         /* what the frame itself is made of */
    EXVI_HOLD_THREAD,        /* the thread's own */
} exvi_hold;

typedef struct exvi_held {
    PyObject *object;
    exvi_hold kind;
    PyObject *name;          /* a str: of the variable; else NULL, and it is called: */
    const char *what;
    bool counted;            /* in the object's count of references, and by no other object's traversal */
    const exvi_frame *frame; /* NULL: the thread's own */
    unsigned long thread;    /* its number at the system */
} exvi_held;

/* All of it, from this thread state on; the innermost frames first. */
void exvi_frames_each(PyThreadState *first, void (*each)(void *arg, const exvi_held *held), void *arg);

#endif
