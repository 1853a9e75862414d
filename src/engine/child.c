/*
 * child: the copy-on-write child that a snapshot is. See child.h.
 *
 * From top to bottom: the clone, settling, the look at the parent, the end.
 *
 * After a raw clone the C library's locks, thread list and caches are those of another process, and whoever wraps its
 * functions has locks and files of his own: so nothing of it is entered in the child.
 */
#define _GNU_SOURCE
#include "child.h"

#include "files.h"
#include "filters.h"
#include "platform.h"
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if EXVI_LINUX
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#ifndef SYS_close_range
#define SYS_close_range 436 /* the same number on every architecture */
#endif
#define CLOSE_RANGE_OWN_TABLE 2u /* CLOSE_RANGE_UNSHARE, which older headers lack */
#define LOOK_NS 10000000
enum { LOOKS_FOR_PARENT = 10 }; /* every so many looks, one at the parent */

static uint64_t bit_of(int signal)
{
    return (uint64_t)1 << (signal - 1);
}

/* All 64 signals, also the two that the C library keeps to itself: a handler of the program must never run in the
 * child, where it would write into the program's pipes. */
static uint64_t block_signals(void)
{
    uint64_t all = UINT64_MAX, before = 0;
    EXVI_RAW(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
    return before;
}

static void set_blocked_signals(uint64_t blocked)
{
    EXVI_RAW(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof blocked);
}

/* Valgrind ends a program that makes a clone other than fork's. It answers one documented sequence of instructions
 * that does nothing on a processor. */
static bool runs_on_valgrind(void)
{
    volatile uintptr_t request[6] = {0x1001}; /* "running on valgrind?" */
    uintptr_t answer = 0;
#if defined(__x86_64__)
    __asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(&request[0])
                     : "cc", "memory");
#elif defined(__aarch64__)
    register uintptr_t result __asm__("x3") = 0;
    register volatile uintptr_t *question __asm__("x4") = request;
    __asm__ volatile("ror x12, x12, #3; ror x12, x12, #13; ror x12, x12, #51; ror x12, x12, #61; orr x10, x10, x10"
                     : "+r"(result)
                     : "r"(question)
                     : "cc", "memory", "x12");
    answer = result;
#else
    (void)request;
#endif
    return answer != 0;
}

/* After unshare(CLONE_NEWPID) or setns() a child belongs to another pid namespace: perhaps as its first process, with
 * whose end every later fork of the program fails. A namespace without a process has no name that could be read yet. */
static bool children_live_elsewhere(void)
{
    static const char path[] = "/proc/self/ns/pid_for_children";
    char own[64], children[64];
    size_t own_size = exvi_link_read("/proc/self/ns/pid", own, sizeof own);
    size_t size = exvi_link_read(path, children, sizeof children);
    if (own_size == 0)
        return false;
    if (size == 0)
        return exvi_file_exists(path);
    return size != own_size || memcmp(own, children, size) != 0;
}

/* CLONE_FILES: the table is not copied, at a cost to the parent for each descriptor; exvi_child_settle() leaves it.
 * CLONE_UNTRACED: a debugger that follows clones would take the child for a thread.
 * The exit signal is 0: no SIGCHLD, and only a wait with __WCLONE sees the child. Not CLONE_FS: a shared working
 * directory would keep the parent from entering namespaces. */
int32_t exvi_clone(void)
{
    if (exvi_fault_hit(EXVI_FAULT_CLONE))
        return -EAGAIN;
#ifdef __s390__
    return -ENOSYS; /* takes its arguments in another order */
#endif
    if (children_live_elsewhere())
        return -EINVAL;
    if (exvi_filters_look() == EXVI_FILTERS_UNKNOWN)
        return -EPERM;
    unsigned long flags = runs_on_valgrind() ? 0 : CLONE_FILES | CLONE_UNTRACED;
    exvi_page_size(); /* asks the C library, once */
    uint64_t blocked = block_signals();
    /* A NULL stack means the parent's, copied; the rest, whose order differs between architectures, is unused. */
    long pid = EXVI_RAW(SYS_clone, flags);
    if (pid == 0) {
        exvi_platform_go_raw();
        return 0;
    }
    set_blocked_signals(blocked);
    return (int32_t)pid;
}

/* The C library's sigaction() refuses the signals that it keeps to itself. */
static void reset_signal_handlers(void)
{
    const uint64_t default_action[4] = {0}; /* the kernel's struct: handler, flags, restorer, mask */
    for (int number = 1; number <= 64; number++)
        EXVI_RAW(SYS_rt_sigaction, number, default_action, NULL, sizeof(uint64_t));
}

static bool has_own_table; /* of descriptors; in the child */
static int kept = -1;      /* -1: none */

void exvi_child_keep(int file)
{
    kept = file;
}

static bool close_range_of(unsigned first, unsigned last)
{
    return first > last || EXVI_RAW(SYS_close_range, first, last, CLOSE_RANGE_OWN_TABLE) == 0;
}

/* A table of its own, empty but for what is kept: what the parent closes is closed at once, a lock on a file goes with
 * the parent, an exec of the parent leaves nothing open here. Kernels before 5.9 cannot; there the table stays shared
 * and untouched. */
static bool leave_descriptors(void)
{
    return close_range_of((unsigned)(kept + 1), ~0u) && (kept <= 0 || close_range_of(0, (unsigned)kept - 1));
}

/* Blocked like all others, SIGALRM would wait for ever. */
static void set_watchdog(uint64_t deadline_ns)
{
    uint64_t us = deadline_ns / 1000 < 1 ? 1 : deadline_ns / 1000;
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    EXVI_RAW(SYS_setitimer, ITIMER_REAL, &timer, NULL);
    set_blocked_signals(~bit_of(SIGALRM));
}

/* The watchdog first: whatever follows may hang. The OOM score before "not dumpable", which makes its file root's. */
void exvi_child_settle(const char *name, uint64_t deadline_ns)
{
    const struct rlimit none = {0, 0};
    EXVI_RAW(SYS_sched_yield); /* on one processor the parent stands still until the child has used up its first turn */
    reset_signal_handlers();
    set_watchdog(deadline_ns);
    has_own_table = leave_descriptors();
    if (has_own_table)
        exvi_file_write("/proc/self/oom_score_adj", "1000");
    EXVI_RAW(SYS_chdir, "/"); /* refused, the parent's folder stays in use for a moment: harmless */
    EXVI_RAW(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
    EXVI_RAW(SYS_prctl, PR_SET_DUMPABLE, 0);
    EXVI_RAW(SYS_prctl, PR_SET_NAME, name);
}

/* Not the lowest priority: on two busy processors that is one percent of one, a search would outlive its deadline. */
void exvi_child_yield(void)
{
    long own = 20 - EXVI_RAW(SYS_getpriority, PRIO_PROCESS, 0); /* the system call answers 20 - nice */
    EXVI_RAW(SYS_setpriority, PRIO_PROCESS, 0, own + 10 < 19 ? own + 10 : 19);
}

/* Not _exit(), which a program may have replaced or wrapped. */
void exvi_child_exit(int status)
{
    for (;;)
        EXVI_RAW(SYS_exit_group, status);
}

/* ---- the look at the parent ---- */

/* The parent's page table as a file. It answers nothing any more when the memory that it was opened for is gone: by
 * exec, which leaves pid and parent what they were, or by the end. Where it cannot be opened (another user's memory, no
 * /proc of our own) an exec goes unseen. */
static int parent_pages;

static bool is_present(uint64_t entry)
{
    return entry >> 62 != 0; /* bit 63: in memory, 62: swapped out */
}

static long read_parent_page(const void *page, uint64_t *entry)
{
    uintptr_t at = (uintptr_t)page / exvi_page_size() * sizeof *entry;
    return EXVI_RAW(SYS_pread64, parent_pages, entry, sizeof *entry, at);
}

static void (*look_around)(void);

static void look(int number)
{
    static unsigned looks;
    uint64_t entry;
    (void)number;
    if (++looks % LOOKS_FOR_PARENT == 0 && parent_pages >= 0 && read_parent_page(NULL, &entry) == 0)
        exvi_child_exit(0);
    if (look_around)
        look_around();
}

/* Decimal, behind `before`; returns the end. */
static char *put_number(char *before, int32_t number)
{
    char *end = before + 1;
    for (int32_t rest = number; rest >= 10; rest /= 10)
        end++;
    for (char *digit = end; digit > before; number /= 10)
        *--digit = (char)('0' + number % 10);
    *end = '\0';
    return end;
}

/* The numbers under /proc may be those of another pid namespace. */
static bool is_proc_ours(void)
{
    char own[16], link[16];
    size_t size = (size_t)(put_number(own, exvi_own_pid()) - own);
    return exvi_link_read("/proc/self", link, sizeof link) == size && memcmp(own, link, size) == 0;
}

static int open_parent_pages(void)
{
    char path[40] = "/proc/";
    memcpy(put_number(path + 6, exvi_parent_pid()), "/pagemap", sizeof "/pagemap");
    return has_own_table && is_proc_ours() ? exvi_file_open(path) : -1;
}

/* What a handler returns to: the kernel of x86-64 wants to be told, that of aarch64 knows. */
#if defined(__x86_64__)
__attribute__((naked)) static void return_from_signal(void)
{
    __asm__ volatile("movq $15, %rax\n\tsyscall"); /* rt_sigreturn; debuggers know these two instructions */
}
#define RETURN_TO (uintptr_t)return_from_signal
#define RETURN_FLAG 0x04000000u /* SA_RESTORER */
#else
#define RETURN_TO 0
#define RETURN_FLAG 0
#endif

/* A handler in the child, which interrupts no system call of foreign code for good. */
static bool set_handler(int number, void (*handler)(int))
{
#if defined(__x86_64__) || defined(__aarch64__)
    const uint64_t action[4] = {(uintptr_t)handler, SA_RESTART | RETURN_FLAG, RETURN_TO, 0}; /* the kernel's struct */
    return EXVI_RAW(SYS_rt_sigaction, number, action, NULL, sizeof(uint64_t)) == 0;
#else
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    return sigaction(number, &action, NULL) == 0;
#endif
}

void exvi_child_watch(const void *shared, void (*look_too)(void))
{
    uint64_t entry;
    parent_pages = open_parent_pages();
    look_around = has_own_table ? look_too : NULL; /* it may open files */
    if (parent_pages >= 0 && (read_parent_page(shared, &entry) != sizeof entry || !is_present(entry)))
        exvi_child_exit(0); /* this is the memory of the parent's next program */
    if (parent_pages < 0 && !look_around)
        return;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    struct itimerspec period = {.it_value.tv_nsec = LOOK_NS, .it_interval.tv_nsec = LOOK_NS};
    int timer;
    uint64_t looking = bit_of(SIGVTALRM);
    if (!set_handler(SIGVTALRM, look) || EXVI_RAW(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
        return;
    EXVI_RAW(SYS_timer_settime, timer, 0, &period, NULL);
    EXVI_RAW(SYS_rt_sigprocmask, SIG_UNBLOCK, &looking, NULL, sizeof looking);
}

/* ---- the end, as the parent sees it ---- */

bool exvi_child_ended(int32_t pid, int *status)
{
    int ended = -1;
    long result = EXVI_RAW(SYS_wait4, pid, &ended, WNOHANG | __WCLONE, NULL);
    if (result == 0)
        return false;
    *status = result == pid ? ended : -1;
    return true;
}

bool exvi_child_is_over(int32_t pid)
{
    siginfo_t ended = {.si_pid = 0};
    long result = EXVI_RAW(SYS_waitid, P_PID, pid, &ended, WEXITED | WNOHANG | WNOWAIT | __WCLONE, NULL);
    return result == -ECHILD || (result == 0 && ended.si_pid == pid);
}

void exvi_child_await(int32_t pid)
{
    siginfo_t ended;
    while (EXVI_RAW(SYS_waitid, P_PID, pid, &ended, WEXITED | WNOWAIT | __WCLONE, NULL) == -EINTR) {
    }
}

uint64_t exvi_child_cpu_ns(int32_t pid)
{
    struct timespec used;
    int clock = (int)(~(unsigned)pid << 3 | 2); /* the kernel's number for a process's clock of processor time */
    return EXVI_RAW(SYS_clock_gettime, clock, &used) == 0
               ? (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec : 0;
}

void exvi_child_kill(int32_t pid)
{
    EXVI_RAW(SYS_kill, pid, SIGKILL);
}

#else /* no raw clone: a plain fork runs the C library's fork handlers and sends SIGCHLD, so there is no child */

int32_t exvi_clone(void)
{
    return -ENOSYS;
}

void exvi_child_settle(const char *name, uint64_t deadline_ns)
{
    (void)name, (void)deadline_ns;
}

void exvi_child_keep(int file)
{
    (void)file;
}

void exvi_child_yield(void)
{
}

void exvi_child_watch(const void *shared, void (*look)(void))
{
    (void)shared, (void)look;
}

void exvi_child_exit(int status)
{
    for (;;)
        _exit(status);
}

bool exvi_child_ended(int32_t pid, int *status)
{
    (void)pid;
    *status = -1;
    return true;
}

bool exvi_child_is_over(int32_t pid)
{
    (void)pid;
    return true;
}

void exvi_child_await(int32_t pid)
{
    (void)pid;
}

uint64_t exvi_child_cpu_ns(int32_t pid)
{
    (void)pid;
    return 0;
}

void exvi_child_kill(int32_t pid)
{
    (void)pid;
}
#endif

bool exvi_status_is_timeout(int status)
{
    return status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}
