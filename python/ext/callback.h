/*
 * callback: our function in gc.callbacks, which is told of each collection's beginning and end.
 *
 * It finds out which of them are to be acted on (they may nest, and a beginning or an end may be kept from us), calls
 * turn.h, and has the stop counted. Nothing is decided here.
 */
#ifndef EXVI_CALLBACK_H
#define EXVI_CALLBACK_H

#include "turn.h"

/* Our callback enters gc.callbacks. False with an exception set: no memory. */
bool exvi_callback_install(const exvi_layout *layout, exvi_mode mode, uint64_t pause_budget_ns);
void exvi_callback_uninstall(void);

/* The interpreter has ended, with us installed or not. Touches no object. */
void exvi_callback_ended(void);

/* Not installed, and the interpreter is a new one: objects kept of the last are gone with it. */
void exvi_callback_forget(void);

bool exvi_callback_is_installed(void);
bool exvi_callback_is_listed(void); /* nobody has taken it out of gc.callbacks: then all is CPython's again */

/* Ours in gc.callbacks, borrowed. */
const PyObject *exvi_callback_function(void);

/* Take a snapshot now, of so many of the lists; `idle`: nobody waits for it. False: one is in flight, inside a
 * collection, or it could not be made. */
bool exvi_callback_start(int generations, uint64_t deadline_ns, bool idle);

/* This process was forked: no child of ours is in flight here. */
void exvi_callback_forked(void);

/* Is a collection running, of whatever thread? */
bool exvi_callback_in_collection(void);

/* One runs, and the thread that asks is the one that runs it: what waits for its end would wait for itself. */
bool exvi_callback_collects_here(void);

#endif
