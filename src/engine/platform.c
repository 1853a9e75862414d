/*
 * platform: everything that Exuvia asks of the operating system. See platform.h.
 *
 * From top to bottom: faults, memory, clock and identity, the copy-on-write child, waiting, small files.
 *
 * Invariant: nothing here allocates, locks or keeps a descriptor. What a snapshot child runs relies on no state of the
 * C library but its own copy of errno: after a raw clone that library's locks, thread list and caches are those of
 * another process.
 *
 * EXVI_LINUX=0 compiles what other systems get: no child.
 */
#define _GNU_SOURCE
#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef EXVI_LINUX
#ifdef __linux__
#define EXVI_LINUX 1
#else
#define EXVI_LINUX 0
#endif
#endif

#if EXVI_LINUX
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#ifndef SYS_close_range
#define SYS_close_range 436 /* the same number on every architecture */
#endif
#define CLOSE_RANGE_OWN_TABLE 2u /* CLOSE_RANGE_UNSHARE, which older headers lack */
#endif

#define NS_PER_S 1000000000u
#define COLLAPSE 25 /* MADV_COLLAPSE, since Linux 6.1 */
#define LOOK_AT_PARENT_NS 100000000

/* ---- faults ---- */

#ifdef EXVI_CHECKED
static struct {
    _Atomic uint64_t calls;
    _Atomic uint64_t nth; /* 0: none */
    _Atomic bool lasting;
} faults[EXVI_FAULTS];

void exvi_fault_set(exvi_fault fault, uint64_t nth, bool lasting)
{
    atomic_store(&faults[fault].nth, 0);
    atomic_store(&faults[fault].calls, 0);
    atomic_store(&faults[fault].lasting, lasting);
    atomic_store(&faults[fault].nth, nth);
}

uint64_t exvi_fault_calls(exvi_fault fault)
{
    return atomic_load(&faults[fault].calls);
}

bool exvi_fault_hit(exvi_fault fault)
{
    uint64_t call = atomic_fetch_add(&faults[fault].calls, 1) + 1;
    uint64_t nth = atomic_load(&faults[fault].nth);
    return nth != 0 && (call == nth || (call > nth && atomic_load(&faults[fault].lasting)));
}
#endif

/* ---- memory ---- */

size_t exvi_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* 0 when `size` is 0, or so large that the sum wraps around: to less than a page. */
static size_t whole_pages(size_t size)
{
    size_t mask = exvi_page_size() - 1;
    return (size + mask) & ~mask;
}

static void *map_anonymous(size_t size, int sharing)
{
#ifdef MAP_NORESERVE
    sharing |= MAP_NORESERVE;
#endif
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    return start == MAP_FAILED ? NULL : start;
}

void *exvi_map(size_t size, size_t align)
{
    if (exvi_fault_hit(EXVI_FAULT_MAP))
        return NULL;
    size = whole_pages(size);
    if (size == 0)
        return NULL;
    if (align <= exvi_page_size())
        return map_anonymous(size, MAP_PRIVATE);

    size_t slack = align - exvi_page_size();
    if (size > SIZE_MAX - slack)
        return NULL;
    char *start = map_anonymous(size + slack, MAP_PRIVATE);
    if (!start)
        return NULL;
    size_t before = (align - ((uintptr_t)start & (align - 1))) & (align - 1);
    exvi_unmap(start, before);
    exvi_unmap(start + before + size, slack - before);
    return start + before;
}

void *exvi_map_shared(size_t size)
{
    if (exvi_fault_hit(EXVI_FAULT_MAP_SHARED))
        return NULL;
    size = whole_pages(size);
    return size == 0 ? NULL : map_anonymous(size, MAP_SHARED);
}

void exvi_unmap(void *start, size_t size)
{
    if (size != 0)
        munmap(start, size);
}

void *exvi_map_larger(void *start, size_t size, size_t larger)
{
    void *moved = exvi_map(larger, exvi_page_size());
    if (moved && size > 0) {
        memcpy(moved, start, size);
        exvi_unmap(start, size);
    }
    return moved;
}

bool exvi_purge(void *start, size_t size)
{
    return !exvi_fault_hit(EXVI_FAULT_ADVISE) && EXVI_LINUX && madvise(start, size, MADV_DONTNEED) == 0;
}

bool exvi_advise_huge(void *start, size_t size)
{
    if (exvi_fault_hit(EXVI_FAULT_ADVISE))
        return false;
#ifdef MADV_HUGEPAGE
    return madvise(start, size, MADV_HUGEPAGE) == 0;
#else
    (void)start, (void)size;
    return false;
#endif
}

bool exvi_advise_small(void *start, size_t size)
{
    if (exvi_fault_hit(EXVI_FAULT_ADVISE))
        return false;
#ifdef MADV_NOHUGEPAGE
    return madvise(start, size, MADV_NOHUGEPAGE) == 0;
#else
    (void)start, (void)size;
    return false;
#endif
}

exvi_collapse_end exvi_collapse(void *start, size_t size)
{
    if (EXVI_LINUX && madvise(start, size, COLLAPSE) == 0)
        return EXVI_COLLAPSED;
    return errno == EAGAIN || errno == EBUSY ? EXVI_COLLAPSE_PASSED : EXVI_COLLAPSE_REFUSED;
}

bool exvi_protect(void *start, size_t size, bool writable)
{
    return mprotect(start, size, writable ? PROT_READ | PROT_WRITE : PROT_READ) == 0;
}

/* ---- clock and identity ---- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t exvi_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t exvi_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

void exvi_sleep_ns(uint64_t ns)
{
    struct timespec left = to_timespec(ns);
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

unsigned exvi_processors(void)
{
#if EXVI_LINUX
    unsigned long mask[8192 / (8 * sizeof(unsigned long))]; /* the most a kernel can be built for */
    long size = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    unsigned count = 0;
    for (long i = 0; i < size / (long)sizeof mask[0]; i++)
        count += (unsigned)__builtin_popcountl(mask[i]);
    if (count > 0)
        return count;
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

uint64_t exvi_thread_id(void)
{
    /* An address of the thread's own: asked at every public call, so no system call. */
    static _Thread_local char own __attribute__((tls_model("initial-exec")));
    return (uint64_t)(uintptr_t)&own;
}

int32_t exvi_own_pid(void)
{
    return (int32_t)getpid();
}

int32_t exvi_parent_pid(void)
{
    return (int32_t)getppid();
}

/* Where the system has no random numbers to give, or not yet: what differs from run to run. */
static void fill_with_circumstance(unsigned char *bytes, size_t size)
{
    uint64_t state = exvi_clock_ns() ^ (uint64_t)getpid() << 40 ^ (uint64_t)(uintptr_t)bytes << 8;
    for (size_t i = 0; i < size; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX generator */
        bytes[i] = (unsigned char)(state >> 56);
    }
}

void exvi_random(void *buffer, size_t size)
{
#if EXVI_LINUX
    const unsigned nonblock = 1;
    if (syscall(SYS_getrandom, buffer, size, nonblock) == (long)size)
        return;
#endif
    fill_with_circumstance(buffer, size);
}

/* ---- the copy-on-write child ---- */

#if EXVI_LINUX
/* All 64 signals, also the two that the C library keeps to itself: a handler of the program must never run in the
 * child, where it would write into the program's pipes. */
static uint64_t block_signals(void)
{
    uint64_t all = UINT64_MAX, before = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, &before, sizeof all);
    return before;
}

static void set_blocked_signals(uint64_t blocked)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, NULL, sizeof blocked);
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
    ssize_t own_size = readlink("/proc/self/ns/pid", own, sizeof own);
    ssize_t size = readlink(path, children, sizeof children);
    if (own_size <= 0)
        return false;
    if (size <= 0)
        return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    return size != own_size || memcmp(own, children, (size_t)size) != 0;
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
    unsigned long flags = runs_on_valgrind() ? 0 : CLONE_FILES | CLONE_UNTRACED;
    uint64_t blocked = block_signals();
    /* A NULL stack means the parent's, copied; the rest, whose order differs between architectures, is unused. */
    long pid = syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
    if (pid == 0)
        return 0;
    int32_t result = pid > 0 ? (int32_t)pid : -errno;
    set_blocked_signals(blocked);
    return result;
}

/* The C library's sigaction() refuses the signals that it keeps to itself. */
static void reset_signal_handlers(void)
{
    const uint64_t default_action[4] = {0}; /* the kernel's struct: handler, flags, restorer, mask */
    for (int number = 1; number <= 64; number++)
        syscall(SYS_rt_sigaction, number, default_action, NULL, sizeof(uint64_t));
}

static bool write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return done;
}

static bool has_own_table; /* of descriptors; in the child */

/* An empty table of its own: what the parent closes is closed at once, a lock on a file goes with the parent, an exec
 * of the parent leaves nothing open here. Kernels before 5.9 cannot; there the table stays shared and untouched. */
static bool leave_descriptors(void)
{
    return syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_OWN_TABLE) == 0;
}

/* Not the lowest priority: on two busy processors that is one percent of one, a search would outlive its deadline and
 * end in the stop it was to avoid. 3 steps make it half of what each of the program's own threads gets. */
static void lower_priority(void)
{
    long own = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0); /* the system call answers 20 - nice */
    syscall(SYS_setpriority, PRIO_PROCESS, 0, own + 3 < 19 ? own + 3 : 19);
}

/* Blocked like all others, SIGALRM would wait for ever. */
static void set_watchdog(uint64_t deadline_ns)
{
    uint64_t us = deadline_ns / 1000 < 1 ? 1 : deadline_ns / 1000;
    struct itimerval timer = {
        .it_value = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)}};
    setitimer(ITIMER_REAL, &timer, NULL);
    set_blocked_signals(~((uint64_t)1 << (SIGALRM - 1)));
}

/* The watchdog first: whatever follows may hang. The OOM score before "not dumpable", which makes its file root's. */
void exvi_child_settle(const char *name, uint64_t deadline_ns)
{
    reset_signal_handlers();
    set_watchdog(deadline_ns);
    has_own_table = leave_descriptors();
    if (has_own_table)
        write_file("/proc/self/oom_score_adj", "1000");
    if (chdir("/") != 0) {
        /* The parent's folder stays in use for a moment: harmless. */
    }
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
    prctl(PR_SET_NAME, name, 0L, 0L, 0L);
    lower_priority();
}

/* Not _exit(), which a program may have replaced or wrapped. */
void exvi_child_exit(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

/* The parent's page table as a file. It answers nothing any more when the memory that it was opened for is gone: by
 * exec, which leaves pid and parent what they were, or by the end. Where it cannot be opened (another user's memory, no
 * /proc of our own) an exec goes unseen. */
static int parent_pages;

static bool is_present(uint64_t entry)
{
    return entry >> 62 != 0; /* bit 63: in memory, 62: swapped out */
}

static ssize_t read_parent_page(const void *page, uint64_t *entry)
{
    return pread(parent_pages, entry, sizeof *entry, (off_t)((uintptr_t)page / exvi_page_size() * sizeof *entry));
}

static void end_with_parent(int number)
{
    uint64_t entry;
    int before = errno;
    (void)number;
    if (read_parent_page(NULL, &entry) == 0)
        exvi_child_exit(0);
    errno = before;
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
    ssize_t size = put_number(own, exvi_own_pid()) - own;
    return readlink("/proc/self", link, sizeof link) == size && memcmp(own, link, (size_t)size) == 0;
}

void exvi_child_watch_parent(const void *shared)
{
    char path[40] = "/proc/";
    uint64_t entry;
    strcpy(put_number(path + strlen(path), exvi_parent_pid()), "/pagemap");
    parent_pages = has_own_table && is_proc_ours() ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (parent_pages < 0)
        return;
    if (read_parent_page(shared, &entry) != sizeof entry || !is_present(entry))
        exvi_child_exit(0); /* this is the memory of the parent's next program */
    struct sigaction action = {.sa_handler = end_with_parent, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM};
    struct itimerspec period = {.it_value.tv_nsec = LOOK_AT_PARENT_NS, .it_interval.tv_nsec = LOOK_AT_PARENT_NS};
    int timer;
    uint64_t looking = (uint64_t)1 << (SIGVTALRM - 1);
    if (sigaction(SIGVTALRM, &action, NULL) != 0 || syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
        return;
    syscall(SYS_timer_settime, timer, 0, &period, NULL);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &looking, NULL, sizeof looking);
}

bool exvi_child_ended(int32_t pid, int *status)
{
    int ended = -1;
    long result = syscall(SYS_wait4, pid, &ended, WNOHANG | __WCLONE, NULL);
    if (result == 0)
        return false;
    *status = result == pid ? ended : -1;
    return true;
}

void exvi_child_await(int32_t pid)
{
    siginfo_t ended;
    while (syscall(SYS_waitid, P_PID, pid, &ended, WEXITED | WNOWAIT | __WCLONE, NULL) != 0 && errno == EINTR) {
    }
}

void exvi_child_kill(int32_t pid)
{
    kill(pid, SIGKILL);
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

void exvi_child_watch_parent(const void *shared)
{
    (void)shared;
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

void exvi_child_await(int32_t pid)
{
    (void)pid;
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

/* ---- waiting ---- */

void exvi_wait_word(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
#if EXVI_LINUX
    /* Not FUTEX_PRIVATE_FLAG: the waker is another process. */
    struct timespec timeout = to_timespec(timeout_ns);
    syscall(SYS_futex, word, FUTEX_WAIT, seen, &timeout, NULL, 0);
#else
    if (atomic_load(word) == seen)
        exvi_sleep_ns(timeout_ns < NS_PER_S / 1000 ? timeout_ns : NS_PER_S / 1000);
#endif
}

void exvi_wake_word(_Atomic uint32_t *word)
{
#if EXVI_LINUX
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
#else
    (void)word;
#endif
}

/* ---- threads ---- */

static void *run_worker(void *arg)
{
    const exvi_worker *worker = arg;
    worker->run(worker->arg);
    return NULL;
}

bool exvi_worker_start(exvi_worker *worker, void (*run)(void *arg), void *arg)
{
    sigset_t all, before;
    *worker = (exvi_worker){.pid = exvi_own_pid(), .run = run, .arg = arg};
    if (exvi_fault_hit(EXVI_FAULT_CLONE))
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    bool started = pthread_create(&worker->thread, NULL, run_worker, worker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void exvi_worker_wait(exvi_worker *worker)
{
    if (worker->pid == exvi_own_pid())
        pthread_join(worker->thread, NULL);
}

/* ---- small files ---- */

bool exvi_file_read(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, room - 1);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

bool exvi_lines_open(exvi_lines *lines, const char *path)
{
    lines->file = open(path, O_RDONLY | O_CLOEXEC);
    lines->start = lines->end = 0;
    return lines->file >= 0;
}

/* Make room behind what was not given out yet, and fill it. */
static bool read_more(exvi_lines *lines)
{
    lines->end -= lines->start;
    memmove(lines->text, lines->text + lines->start, lines->end);
    lines->start = 0;
    ssize_t size = read(lines->file, lines->text + lines->end, sizeof lines->text - lines->end);
    lines->end += size > 0 ? (size_t)size : 0;
    return size > 0;
}

char *exvi_lines_next(exvi_lines *lines)
{
    bool cut = false;
    for (;;) {
        char *line = lines->text + lines->start;
        char *newline = memchr(line, '\n', lines->end - lines->start);
        if (!newline) {
            if (lines->start == 0 && lines->end == sizeof lines->text) {
                cut = true;
                lines->end = 0;
            }
            if (read_more(lines))
                continue;
            if (cut || lines->end == lines->start || lines->end == sizeof lines->text)
                return NULL;
            newline = lines->text + lines->end++; /* the last line lacks its newline */
            line = lines->text + lines->start;
        }
        *newline = '\0';
        lines->start = (size_t)(newline + 1 - lines->text);
        if (!cut)
            return line;
        cut = false;
    }
}

void exvi_lines_close(exvi_lines *lines)
{
    close(lines->file);
}

/* ---- what is resident ---- */

uint64_t exvi_resident_bytes(void)
{
    char text[128];
    uint64_t pages = 0;
    if (!EXVI_LINUX || !exvi_file_read("/proc/self/statm", text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    for (const char *digit = second ? second + 1 : ""; *digit >= '0' && *digit <= '9'; digit++)
        pages = pages * 10 + (uint64_t)(*digit - '0');
    return pages * exvi_page_size();
}

uint64_t exvi_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}
