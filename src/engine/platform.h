/*
 * platform: memory, clock, identity, threads and waiting: what Exuvia asks of the operating system all the time.
 *
 * Beside it, `child` has the copy-on-write child and `files` the small files; no other file calls the system, and all
 * of Linux' calls go through `raw`, but for those in which the C library has a part. Linux is first class; a call that
 * a system lacks answers "no" (NULL, false, -ENOSYS) and the caller has a way without it.
 *
 * Invariant: no function here allocates from the C library, takes a lock or keeps a
 * descriptor, so that each may run in a snapshot child, inside a collection and in
 * any number of threads at once.
 *
 * Order: what several threads or processes share here and elsewhere is sequentially consistent, unless the word's
 * declaration or its file's head says why less will do.
 *
 * In the checked build every call first asks exvi_fault_hit(), through which the tests
 * make system calls fail.
 */
#ifndef EXVI_PLATFORM_H
#define EXVI_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <pthread.h>
#include <stdint.h>

/* A program's addresses have so many bits. exvi_map() gives no others, and all that goes by address (arena.c, side.c,
 * the extension's log) is as large as this says. */
#ifndef EXVI_ADDRESS_BITS
#ifdef __x86_64__
#define EXVI_ADDRESS_BITS 47
#else
#define EXVI_ADDRESS_BITS 48
#endif
#endif

/* The size of huge pages that is planned with. Where small pages are larger than 4 KiB, huge ones are of 32 MiB or 512:
 * one of them would hold more than a small heap does, so there none are asked for. */
#define EXVI_HUGE_PAGE ((size_t)2 << 20)

/* Memory. `align` is a power of two. Mapped memory reads as zero. exvi_map() reserves address
 * space only: nothing is resident before it is touched. Sizes are rounded up to whole pages;
 * parts of a mapping may be unmapped, purged, advised and protected. */
void *exvi_map(size_t size, size_t align);           /* private; NULL: no memory */
void *exvi_map_shared(size_t size);                  /* anonymous, seen by a snapshot child too */
void exvi_unmap(void *start, size_t size);

/* A larger mapping in the place of one, or of NULL and 0, with what that held. NULL: no memory, and that one stays. */
void *exvi_map_larger(void *start, size_t size, size_t larger);
bool exvi_purge(void *start, size_t size);           /* resident pages go back; reads as zero */
bool exvi_advise_huge(void *start, size_t size);     /* wish for 2 MiB pages; false: the system has none, or refuses */
bool exvi_advise_small(void *start, size_t size);    /* wish for none: what was purged is not filled up again */

/* Make whole huge pages of small ones, now. PASSED: not these, just now; REFUSED: not at all, or there is no memory. */
typedef enum exvi_collapse_end { EXVI_COLLAPSED, EXVI_COLLAPSE_PASSED, EXVI_COLLAPSE_REFUSED } exvi_collapse_end;
exvi_collapse_end exvi_collapse(void *start, size_t size);

bool exvi_protect(void *start, size_t size, bool writable);
size_t exvi_page_size(void);
size_t exvi_huge_page_size(void);                    /* the system's, be they in use or not */
bool exvi_pages_present(void *start, size_t pages, unsigned char *present); /* the low bit of each: it is resident */
bool exvi_is_readable(const void *address);          /* the 8 bytes there; any address may be asked for */

/* A thread that runs a function and ends. It takes no signals. wait() returns when it has ended; in a process forked
 * meanwhile, which has no such thread, at once. start() false: the system has none to give. */
typedef struct exvi_worker {
    pthread_t thread;
    int32_t pid;
    void (*run)(void *arg);
    void *arg;
} exvi_worker;
bool exvi_worker_start(exvi_worker *worker, void (*run)(void *arg), void *arg);
void exvi_worker_wait(exvi_worker *worker);

/* The same for one that nobody waits for. Where it tells others that it has ended, it calls ends() before. */
bool exvi_thread_start(void (*run)(void *arg), void *arg);
void exvi_thread_ends(void);

/* Until those that have ended are off the system's list of this process's threads, too, which may be a moment after
 * pthread_join() has returned. */
void exvi_threads_leave(uint64_t timeout_ns);

uint64_t exvi_clock_ns(void);                        /* monotonic */
uint64_t exvi_thread_cpu_ns(void);                   /* CPU time of this thread: a system call */
uint64_t exvi_cpu_ns(void);                          /* CPU time of this process, children excluded */
unsigned exvi_processors(void);                      /* that this process may run on */
void exvi_sleep_ns(uint64_t ns);
uint64_t exvi_thread_id(void);                       /* unique among live threads, never 0 */
int32_t exvi_own_pid(void);                          /* asked anew each time: right after a fork */
int32_t exvi_parent_pid(void);
void exvi_random(void *buffer, size_t size);         /* at most 256 bytes that nobody can guess, for keys of hashes */

/* Wait until *word differs from `seen`, or the time is over; spurious returns happen. The word
 * may lie in shared memory. */
void exvi_wait_word(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);
void exvi_wake_word(_Atomic uint32_t *word);

uint64_t exvi_page_faults(void);   /* so far, of this process, that needed no reading */
uint64_t exvi_resident_bytes(void); /* of this process; 0: unknown */
uint64_t exvi_address_limit(void); /* the most that the process may map; UINT64_MAX: no limit */
uint64_t exvi_peak_bytes(void); /* the most that was resident; starts anew in a snapshot child */

/* For a snapshot child, at its beginning: from now on nothing here enters a function of the C library. The parent's
 * memory is mapped by that library's functions, so that the profilers that wrap them see it. */
void exvi_platform_go_raw(void);

/* Fault injection. A fault makes the n-th call from now of its kind fail (n == 0: none), and with
 * `lasting` every one after it. */
#ifdef EXVI_CHECKED
typedef enum exvi_fault {
    EXVI_FAULT_MAP,
    EXVI_FAULT_MAP_SHARED,
    EXVI_FAULT_ADVISE,
    EXVI_FAULT_CLONE,
    EXVI_FAULT_BLOCK, /* an allocation from a heap */
    EXVI_FAULTS
} exvi_fault;
void exvi_fault_set(exvi_fault fault, uint64_t nth, bool lasting);
uint64_t exvi_fault_calls(exvi_fault fault); /* calls of this kind since the last set */
bool exvi_fault_hit(exvi_fault fault);
#else
#define exvi_fault_hit(fault) false
#endif

#endif
