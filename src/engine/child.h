/*
 * child: the copy-on-write child that a snapshot is: its birth, its manners, its end.
 *
 * Only Linux has one; elsewhere exvi_clone() answers -ENOSYS and the caller has a way without it.
 *
 * Invariant: the child enters no function of the C library, but for those that a compiler puts in by itself (memcpy,
 * strlen): its system calls are raw. It takes no lock, has none of the parent's descriptors, and ends by itself.
 */
#ifndef EXVI_CHILD_H
#define EXVI_CHILD_H

#include <stdbool.h>
#include <stdint.h>

/* A copy-on-write child that sends no signal when it ends, is seen by no wait but exvi_child_ended(), and starts with
 * all signals blocked. 0 in the child, its pid in the parent, -errno if refused; the parent's signal mask is as before.
 * The child may call only what stands below this file in the engine, settles first, and leaves by exvi_child_exit(). */
int32_t exvi_clone(void);

/* In the child: no descriptor of the parent's (none stays open because of the child), no core, not dumpable, the
 * OOM killer's first choice, a name of up to 15 bytes for process lists, and death by SIGALRM
 * `deadline_ns` from now even if it hangs. */
void exvi_child_settle(const char *name, uint64_t deadline_ns);

/* In the child, before it settles: but this descriptor of the parent's. */
void exvi_child_keep(int file);

/* In the child: whoever else wants the processor comes first. */
void exvi_child_yield(void);

/* In the child, settled: to look around again and again, whatever its code does just then: from a signal handler, so
 * `look` makes raw system calls and leaves by exvi_child_exit(), or returns. The child ends with the parent's memory,
 * which goes when the parent ends or replaces itself with exec; `shared` is memory that the parent has written to just
 * before. Where /proc does not show the parent's page table that goes unseen. */
void exvi_child_watch(const void *shared, void (*look)(void));
_Noreturn void exvi_child_exit(int status);

/* True once the child has ended and is reaped; *status as from waitpid(), or -1 when there is no such child of this
 * process. Any thread may ask. A child that was told to end still needs some milliseconds for each GB of its page
 * tables. */
bool exvi_child_ended(int32_t pid, int *status);
bool exvi_child_is_over(int32_t pid);      /* has it ended, or been reaped? It is left to be reaped */
void exvi_child_await(int32_t pid);        /* until it has ended; it is left to be reaped */
bool exvi_status_is_timeout(int status);   /* ended by the watchdog of exvi_child_settle() */
uint64_t exvi_child_cpu_ns(int32_t pid);   /* processor time so far; 0: unknown */
void exvi_child_kill(int32_t pid);         /* only while it is not reaped */

#endif
