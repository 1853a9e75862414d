/*
 * cookie: a search child is no Python process.
 *
 * From 3.13 on the interpreter's state begins with a cookie by which debuggers and profilers know a Python process, and
 * offsets that lead them to its frames. A child has a copy of both: it would be sampled, its one frozen stack counted
 * as work, and sys.remote_exec() to it accepted and never run. So the child overwrites its copy of the cookie.
 */
#ifndef EXVI_COOKIE_H
#define EXVI_COOKIE_H

void exvi_cookie_find(void); /* in the program; does nothing where there is none */
void exvi_cookie_wipe(void); /* in the child, first of all */

#endif
