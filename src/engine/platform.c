/*
 * platform: what Exuvia asks of the operating system all the time. See platform.h.
 *
 * From top to bottom: faults, memory, clock and identity, waiting, threads, what is resident.
 *
 * Invariant: nothing here allocates, locks or keeps a descriptor, and in a snapshot child nothing enters a function of
 * the C library: see raw.h.
 *
 * EXVI_LINUX=0 compiles what other systems get: no child.
 */
#define _GNU_SOURCE
#include "platform.h"

#include "die.h"
#include "files.h"
#include "raw.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#if EXVI_LINUX
#include <sys/syscall.h>
enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 }; /* <linux/futex.h> need not be there, as with musl-gcc */
#endif

#define NS_PER_S 1000000000u
#define HUGE_PAGES 14 /* MADV_HUGEPAGE */
#define NO_HUGE_PAGES 15
#define COLLAPSE 25 /* MADV_COLLAPSE, since Linux 6.1 */

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

static bool raw_only; /* in a snapshot child */

void exvi_platform_go_raw(void)
{
    raw_only = true;
    exvi_die_by_trap();
}

size_t exvi_page_size(void)
{
    static _Atomic size_t known; /* relaxed: every thread would find the same, and nothing else hangs on it */
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size == 0) {
        size = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

/* Where the system does not say, the size that one entry of its second level of page tables maps, of 8 bytes each. */
size_t exvi_huge_page_size(void)
{
    static _Atomic size_t known; /* relaxed, as there */
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size == 0) {
        char text[32];
        bool is_said = exvi_file_read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text, sizeof text);
        size = is_said ? (size_t)exvi_number_parse(text) : exvi_page_size() * (exvi_page_size() / 8);
        atomic_store_explicit(&known, size, memory_order_relaxed);
    }
    return size;
}

/* 0 when `size` is 0, or so large that the sum wraps around: to less than a page. */
static size_t whole_pages(size_t size)
{
    size_t mask = exvi_page_size() - 1;
    return (size + mask) & ~mask;
}

/* The mapping, unless it lies where no table of ours reaches. */
static void *within_reach(void *start, size_t size)
{
    if (((uintptr_t)start + size - 1) >> EXVI_ADDRESS_BITS == 0)
        return start;
    exvi_unmap(start, size);
    return NULL;
}

static void *map_anonymous(size_t size, int sharing)
{
#ifdef MAP_NORESERVE
    sharing |= MAP_NORESERVE;
#endif
    sharing |= MAP_ANONYMOUS;
#if EXVI_LINUX
    if (raw_only) {
        long start = EXVI_RAW(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, sharing, -1, 0);
        return exvi_raw_failed(start) ? NULL : within_reach((void *)start, size);
    }
#endif
    void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing, -1, 0);
    return start == MAP_FAILED ? NULL : within_reach(start, size);
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
    if (size == 0)
        return;
#if EXVI_LINUX
    if (raw_only) {
        EXVI_RAW(SYS_munmap, start, size);
        return;
    }
#endif
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

/* 0, or an errno. Nobody wraps this call for what it says of memory. */
static int advise(void *start, size_t size, int advice)
{
#if EXVI_LINUX
    return (int)-EXVI_RAW(SYS_madvise, start, size, advice);
#else
    (void)start, (void)size, (void)advice;
    return ENOSYS;
#endif
}

bool exvi_pages_present(void *start, size_t pages, unsigned char *present)
{
#if EXVI_LINUX
    return EXVI_RAW(SYS_mincore, start, pages * exvi_page_size(), present) == 0;
#else
    (void)start, (void)pages, (void)present;
    return false;
#endif
}

bool exvi_purge(void *start, size_t size)
{
    return !exvi_fault_hit(EXVI_FAULT_ADVISE) && advise(start, size, MADV_DONTNEED) == 0;
}

bool exvi_advise_huge(void *start, size_t size)
{
    return !exvi_fault_hit(EXVI_FAULT_ADVISE) && exvi_huge_page_size() == EXVI_HUGE_PAGE &&
           advise(start, size, HUGE_PAGES) == 0;
}

bool exvi_advise_small(void *start, size_t size)
{
    return !exvi_fault_hit(EXVI_FAULT_ADVISE) && advise(start, size, NO_HUGE_PAGES) == 0;
}

exvi_collapse_end exvi_collapse(void *start, size_t size)
{
    int why = advise(start, size, COLLAPSE);
    if (why == 0)
        return EXVI_COLLAPSED;
    return why == EAGAIN || why == EBUSY ? EXVI_COLLAPSE_PASSED : EXVI_COLLAPSE_REFUSED;
}

bool exvi_protect(void *start, size_t size, bool writable)
{
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
#if EXVI_LINUX
    return EXVI_RAW(SYS_mprotect, start, size, protection) == 0;
#else
    return mprotect(start, size, protection) == 0;
#endif
}

/* A call that copies its argument before it refuses to do anything with it. */
bool exvi_is_readable(const void *address)
{
#if EXVI_LINUX
    return EXVI_RAW(SYS_rt_sigprocmask, -1, address, NULL, sizeof(uint64_t)) == -EINVAL;
#else
    (void)address;
    return false;
#endif
}

/* ---- clock and identity ---- */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
#if EXVI_LINUX
    if (raw_only || clock != CLOCK_MONOTONIC) /* that one needs no system call, where the C library asks */
        EXVI_RAW(SYS_clock_gettime, clock, &now);
    else
#endif
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

uint64_t exvi_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

void exvi_sleep_ns(uint64_t ns)
{
    struct timespec left = to_timespec(ns);
#if EXVI_LINUX
    while (EXVI_RAW(SYS_nanosleep, &left, &left) == -EINTR) {
    }
#else
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
#endif
}

unsigned exvi_processors(void)
{
#if EXVI_LINUX
    unsigned long mask[8192 / (8 * sizeof(unsigned long))]; /* the most a kernel can be built for */
    long size = EXVI_RAW(SYS_sched_getaffinity, 0, sizeof mask, mask);
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
#if EXVI_LINUX
    return (int32_t)EXVI_RAW(SYS_getpid);
#else
    return (int32_t)getpid();
#endif
}

int32_t exvi_parent_pid(void)
{
#if EXVI_LINUX
    return (int32_t)EXVI_RAW(SYS_getppid);
#else
    return (int32_t)getppid();
#endif
}

/* Where the system has no random numbers to give, or not yet: what differs from run to run. */
static void fill_with_circumstance(unsigned char *bytes, size_t size)
{
    uint64_t state = exvi_clock_ns() ^ (uint64_t)exvi_own_pid() << 40 ^ (uint64_t)(uintptr_t)bytes << 8;
    for (size_t i = 0; i < size; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407); /* Knuth's MMIX generator */
        bytes[i] = (unsigned char)(state >> 56);
    }
}

void exvi_random(void *buffer, size_t size)
{
#if EXVI_LINUX
    const unsigned nonblock = 1;
    if (EXVI_RAW(SYS_getrandom, buffer, size, nonblock) == (long)size)
        return;
#endif
    fill_with_circumstance(buffer, size);
}

/* ---- waiting ---- */

void exvi_wait_word(_Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
#if EXVI_LINUX
    /* Not FUTEX_PRIVATE_FLAG: the waker is another process. */
    struct timespec timeout = to_timespec(timeout_ns);
    EXVI_RAW(SYS_futex, word, FUTEX_WAIT, seen, &timeout);
#else
    if (atomic_load(word) == seen)
        exvi_sleep_ns(timeout_ns < NS_PER_S / 1000 ? timeout_ns : NS_PER_S / 1000);
#endif
}

void exvi_wake_word(_Atomic uint32_t *word)
{
#if EXVI_LINUX
    EXVI_RAW(SYS_futex, word, FUTEX_WAKE, INT32_MAX);
#else
    (void)word;
#endif
}

/* ---- threads ---- */

/* The system's numbers of the last threads that ended; 0: none. */
enum { ENDED = 16, LEAVE_POLL_NS = 20000 };
static _Atomic int32_t ended[ENDED];

void exvi_thread_ends(void)
{
#if EXVI_LINUX
    static _Atomic uint32_t count;
    atomic_store(&ended[atomic_fetch_add(&count, 1) % ENDED], (int32_t)EXVI_RAW(SYS_gettid));
#endif
}

static bool is_listed(int32_t thread)
{
#if EXVI_LINUX
    return thread != 0 && EXVI_RAW(SYS_tgkill, exvi_own_pid(), thread, 0) == 0;
#else
    return thread != 0;
#endif
}

void exvi_threads_leave(uint64_t timeout_ns)
{
    uint64_t until_ns = exvi_clock_ns() + timeout_ns;
    for (int i = 0; i < ENDED; i++) {
        while (is_listed(atomic_load(&ended[i])) && exvi_clock_ns() < until_ns)
            exvi_sleep_ns(LEAVE_POLL_NS);
        atomic_store(&ended[i], 0);
    }
}

static void *run_worker(void *arg)
{
    const exvi_worker *worker = arg;
    worker->run(worker->arg);
    exvi_thread_ends();
    return NULL;
}

static bool start_thread(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    if (exvi_fault_hit(EXVI_FAULT_CLONE))
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the new thread inherits it */
    bool started = pthread_create(thread, NULL, run, arg) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

bool exvi_worker_start(exvi_worker *worker, void (*run)(void *arg), void *arg)
{
    *worker = (exvi_worker){.pid = exvi_own_pid(), .run = run, .arg = arg};
    return start_thread(&worker->thread, run_worker, worker);
}

typedef struct loose_thread {
    void (*run)(void *arg);
    void *arg;
} loose_thread;

static void *run_loose(void *arg)
{
    loose_thread thread = *(loose_thread *)arg;
    exvi_unmap(arg, sizeof thread);
    thread.run(thread.arg);
    return NULL;
}

bool exvi_thread_start(void (*run)(void *arg), void *arg)
{
    pthread_t unused;
    loose_thread *thread = exvi_map(sizeof *thread, exvi_page_size());
    if (!thread)
        return false;
    *thread = (loose_thread){run, arg};
    if (start_thread(&unused, run_loose, thread)) {
        pthread_detach(unused);
        return true;
    }
    exvi_unmap(thread, sizeof *thread);
    return false;
}

void exvi_worker_wait(exvi_worker *worker)
{
    if (worker->pid == exvi_own_pid())
        pthread_join(worker->thread, NULL);
}

/* ---- what is resident ---- */

static bool read_usage(struct rusage *usage)
{
#if EXVI_LINUX
    return EXVI_RAW(SYS_getrusage, RUSAGE_SELF, usage) == 0;
#else
    return getrusage(RUSAGE_SELF, usage) == 0;
#endif
}

uint64_t exvi_page_faults(void)
{
    struct rusage usage;
    return read_usage(&usage) ? (uint64_t)usage.ru_minflt : 0;
}

uint64_t exvi_resident_bytes(void)
{
    char text[128];
    if (!EXVI_LINUX || !exvi_file_read("/proc/self/statm", text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    uint64_t pages = second ? exvi_number_parse(second) : UINT64_MAX;
    return pages == UINT64_MAX ? 0 : pages * exvi_page_size();
}

uint64_t exvi_peak_bytes(void)
{
    struct rusage usage;
    return read_usage(&usage) ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t exvi_address_limit(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
#if EXVI_LINUX
    EXVI_RAW(SYS_prlimit64, 0, RLIMIT_AS, NULL, &limit);
#else
    getrlimit(RLIMIT_AS, &limit);
#endif
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}
