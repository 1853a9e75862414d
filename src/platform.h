/*
 * platform: everything that Exuvia asks of the operating system.
 *
 * No other file calls the system. Linux is first class; a call that a system lacks
 * answers "no" (NULL, false, -ENOSYS) and the caller has a way without it.
 *
 * Invariant: no function here allocates from the C library, so that each may run in a
 * snapshot child and inside a collection.
 *
 * In the checked build every call first asks exvi_fault_hit(), through which the tests
 * make system calls fail.
 */
#ifndef EXVI_PLATFORM_H
#define EXVI_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory. `align` is a power of two, at least a system page. Mapped memory reads as zero.
 * exvi_map() reserves address space only: nothing is resident before it is touched. */
void *exvi_map(size_t size, size_t align);           /* private; NULL: no memory */
void *exvi_map_shared(size_t size);                  /* anonymous, seen by a snapshot child too */
void exvi_unmap(void *start, size_t size);
bool exvi_purge(void *start, size_t size);           /* resident pages go back; reads as zero */
bool exvi_advise_huge(void *start, size_t size);     /* wish for 2 MiB pages */
bool exvi_wipe_on_fork(void *page, size_t size);     /* reads as zero in any forked process */
bool exvi_protect(void *start, size_t size, bool writable);
size_t exvi_page_size(void);

uint64_t exvi_clock_ns(void);                        /* monotonic */
uint64_t exvi_cpu_ns(void);                          /* CPU time of this process, children excluded */
unsigned exvi_processors(void);                      /* that this process may run on */
void exvi_sleep_ns(uint64_t ns);
uint64_t exvi_thread_id(void);                       /* unique among live threads, never 0 */

/* A copy-on-write child that shares the descriptor table, sends no signal when it ends and
 * starts with all signals blocked. 0 in the child, its pid in the parent, -errno if refused.
 * The child may call only this file, and leaves by exvi_child_exit(). */
int32_t exvi_clone(void);

/* In the child: no core, not dumpable, lowest priority, a name for process lists, and death by
 * SIGALRM after `deadline_ns` even if it hangs. */
void exvi_child_settle(const char *name, uint64_t deadline_ns);
_Noreturn void exvi_child_exit(int status);
int32_t exvi_parent_pid(void);
int32_t exvi_own_pid(void);                          /* asked anew: right after a fork */
void exvi_child_prefer_oom(int32_t pid);             /* let the OOM killer take the child first */

/* True once the child has ended and is reaped; *status as from waitpid(), or -1 when it is not ours. */
bool exvi_child_ended(int32_t pid, int *status);
void exvi_child_kill(int32_t pid);

/* Wait until *word differs from `seen`, or the time is over; spurious returns happen. The word
 * may lie in shared memory. */
void exvi_wait_word(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);
void exvi_wake_word(_Atomic uint32_t *word);

/* The control group's memory, cgroup v2. limit: the smaller of memory.high and memory.max of the
 * group and its parents; 0: none known. Opens, reads and closes files: some 20 microseconds. */
typedef struct exvi_memory_state {
    uint64_t limit_bytes;
    uint64_t used_bytes;
    double pressure_percent; /* share of the last 10 s in which some task waited for memory */
} exvi_memory_state;
bool exvi_memory_read(exvi_memory_state *state);
void exvi_memory_root_set(const char *folder); /* where to look instead of /sys/fs/cgroup; tests */

uint64_t exvi_resident_bytes(void); /* of this process; 0: unknown */

/* Fault injection, checked build only. A fault makes the n-th call from now of its kind fail
 * (n == 0: none), and with `lasting` every one after it. */
typedef enum exvi_fault {
    EXVI_FAULT_MAP, EXVI_FAULT_MAP_SHARED, EXVI_FAULT_ADVISE, EXVI_FAULT_CLONE,
    EXVI_FAULT_BLOCK, /* an allocation from a heap */
    EXVI_FAULTS
} exvi_fault;
void exvi_fault_set(exvi_fault fault, uint64_t nth, bool lasting);
uint64_t exvi_fault_calls(exvi_fault fault); /* calls of this kind since the last set */
#ifdef EXVI_CHECKED
bool exvi_fault_hit(exvi_fault fault);
#else
#define exvi_fault_hit(fault) false
#endif

#endif
