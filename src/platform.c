/*
 * platform: everything that Exuvia asks of the operating system. See platform.h.
 *
 * From top to bottom: faults, memory, clock and identity, the copy-on-write child, waiting, the control group's memory.
 *
 * Invariant: nothing here allocates, locks or keeps a descriptor. What a snapshot child runs relies on no state of the
 * C library but its own copy of errno: after a raw clone that library's locks, thread list and caches are those of
 * another process.
 *
 * EXVI_LINUX=0 compiles what other systems get: no child, no control group.
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

/* 0 when `size` is 0 or too large to be rounded up to whole pages. */
static size_t whole_pages(size_t size)
{
    size_t mask = exvi_page_size() - 1;
    return size > SIZE_MAX - mask ? 0 : (size + mask) & ~mask;
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

/* An empty table of its own: what the parent closes is closed at once, a lock on a file goes with the parent, an exec
 * of the parent leaves nothing open here. Kernels before 5.9 cannot; there the table stays shared and untouched. */
static bool leave_descriptors(void)
{
    return syscall(SYS_close_range, 0u, ~0u, CLOSE_RANGE_OWN_TABLE) == 0;
}

/* Not the lowest priority: on two busy processors that is one percent of one, a search would outlive its deadline and
 * end in the stop it was to avoid. 10 steps make it a tenth, and the program's own threads still come first. */
static void lower_priority(void)
{
    long own = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0); /* the system call answers 20 - nice */
    syscall(SYS_setpriority, PRIO_PROCESS, 0, own + 10 < 19 ? own + 10 : 19);
}

/* Blocked like all others, SIGALRM would wait for ever. */
static void set_watchdog(uint64_t deadline_ns)
{
    uint64_t us = deadline_ns / 1000 < 1 ? 1 : deadline_ns / 1000;
    uint64_t seconds = us / 1000000 < INT32_MAX ? us / 1000000 : INT32_MAX;
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds, .tv_usec = (suseconds_t)(us % 1000000)}};
    setitimer(ITIMER_REAL, &timer, NULL);
    set_blocked_signals(~((uint64_t)1 << (SIGALRM - 1)));
}

/* The watchdog first: whatever follows may hang. The OOM score before "not dumpable", which makes its file root's. */
void exvi_child_settle(const char *name, uint64_t deadline_ns)
{
    reset_signal_handlers();
    set_watchdog(deadline_ns);
    if (leave_descriptors())
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

bool exvi_child_ended(int32_t pid, int *status)
{
    int ended = -1;
    long result = syscall(SYS_wait4, pid, &ended, WNOHANG | __WCLONE, NULL);
    if (result == 0)
        return false;
    *status = result == pid ? ended : -1;
    return true;
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

/* ---- small files ---- */

static bool read_file(const char *path, char *text, size_t room)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t size = read(file, text, room - 1);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* The number at the start of `text`; UINT64_MAX ("max", which is how a group says "no limit") when there is none. */
static uint64_t parse_number(const char *text)
{
    uint64_t number = 0;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number > (UINT64_MAX - 9) / 10 ? UINT64_MAX - 9 : number * 10 + (uint64_t)(*text - '0');
    return number;
}

static double parse_decimal(const char *text)
{
    double number = 0, unit = 1;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++)
            number += (*text - '0') * (unit /= 10);
    return number;
}

/* Goes through a file line by line. A line that does not fit is left out: none that is looked for is so long. */
typedef struct lines {
    int file;
    size_t start, end; /* of what was read and not given out */
    char text[2048];
} lines;

static bool lines_open(lines *in, const char *path)
{
    in->file = open(path, O_RDONLY | O_CLOEXEC);
    in->start = in->end = 0;
    return in->file >= 0;
}

/* The next line without its newline, valid until the next call; NULL at the end. */
static char *lines_next(lines *in)
{
    bool whole = true;
    for (;;) {
        char *line = in->text + in->start;
        char *newline = memchr(line, '\n', in->end - in->start);
        if (newline) {
            *newline = '\0';
            in->start = (size_t)(newline + 1 - in->text);
            if (whole)
                return line;
            whole = true;
            continue;
        }
        if (in->start == 0 && in->end == sizeof in->text) {
            whole = false;
            in->end = 0;
        }
        memmove(in->text, in->text + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
        ssize_t size = read(in->file, in->text + in->end, sizeof in->text - in->end);
        if (size <= 0)
            return NULL;
        in->end += (size_t)size;
    }
}

uint64_t exvi_resident_bytes(void)
{
    char text[128];
    if (!EXVI_LINUX || !read_file("/proc/self/statm", text, sizeof text))
        return 0;
    const char *second = strchr(text, ' ');
    return second ? parse_number(second + 1) * exvi_page_size() : 0;
}

uint64_t exvi_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* ---- the control group's memory ---- */

#define PATH_ROOM 1024

typedef struct group_files {
    const char *limits[2], *used, *stat_key;
} group_files;

static const group_files version_1 = {
    {"memory.limit_in_bytes", NULL}, "memory.usage_in_bytes", "total_inactive_file "};
static const group_files version_2 = {{"memory.max", "memory.high"}, "memory.current", "inactive_file "};

/* The tree of groups that has the memory controller. */
typedef struct group_tree {
    const group_files *files;
    char own_group[PATH_ROOM / 4]; /* the file that names this process's group */
    char point[PATH_ROOM / 4];     /* where the tree is mounted */
    char root[PATH_ROOM / 2];      /* the group that is at the mount point; "" for the tree's own root */
} group_tree;

/* Looked for once: reading the table of mounts is slow where there are many. Written by the thread that took the
 * state from unknown to busy, read only when it is known; who finds it busy looks for himself. */
static group_tree known_tree;
static _Atomic uint32_t tree_state;
enum { TREE_UNKNOWN, TREE_BUSY, TREE_KNOWN };

static bool copy_text(char *to, size_t room, const char *from)
{
    size_t size = strlen(from) + 1;
    if (size > room)
        return false;
    memcpy(to, from, size);
    return true;
}

void exvi_memory_root_set(const char *folder)
{
    atomic_store(&tree_state, TREE_UNKNOWN);
    if (!folder || !copy_text(known_tree.point, sizeof known_tree.point - sizeof "/self", folder))
        return;
    known_tree.files = &version_2;
    copy_text(known_tree.own_group, sizeof known_tree.own_group, folder);
    strcat(known_tree.own_group, "/self");
    known_tree.root[0] = '\0';
    atomic_store(&tree_state, TREE_KNOWN);
}

/* Is `word` one of the words in `list`, which commas separate? */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (; list; list = strchr(list, ',')) {
        list += *list == ',';
        if (strncmp(list, word, size) == 0 && (list[size] == ',' || list[size] == '\0'))
            return true;
    }
    return false;
}

/* Cut the next field off; a space inside one is written \040 in the table of mounts. */
static char *next_field(char **rest)
{
    char *field = *rest, *to = field, *from = field;
    while (*from && *from != ' ') {
        if (from[0] == '\\' && from[1] && from[2] && from[3]) {
            *to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *rest = *from ? from + 1 : from;
    *to = '\0';
    return field;
}

/* A line of mountinfo: number, parent, device, root, mount point, options, optional fields, "-", type, source,
 * options of the file system. False if it is not the memory controller's. */
static bool parse_mount(char *line, group_tree *tree)
{
    char *type = strstr(line, " - ");
    if (!type)
        return false;
    *type = '\0';
    type += 3;
    bool second = strncmp(type, "cgroup2 ", 8) == 0;
    const char *options = strrchr(type, ' ');
    if (!second && !(strncmp(type, "cgroup ", 7) == 0 && has_word(options + 1, "memory")))
        return false;
    for (int skipped = 0; skipped < 3; skipped++)
        next_field(&line);
    const char *root = next_field(&line);
    tree->files = second ? &version_2 : &version_1;
    return copy_text(tree->root, sizeof tree->root, strcmp(root, "/") == 0 ? "" : root) &&
           copy_text(tree->point, sizeof tree->point, next_field(&line));
}

/* The memory controller belongs to one tree: version 1's where that is mounted, otherwise version 2's. */
static bool look_for_tree(group_tree *tree)
{
    lines in;
    group_tree found;
    tree->files = NULL;
    if (!EXVI_LINUX || !lines_open(&in, "/proc/self/mountinfo"))
        return false;
    for (char *line = lines_next(&in); line; line = lines_next(&in)) {
        if (parse_mount(line, &found) && (!tree->files || found.files == &version_1))
            *tree = found;
    }
    close(in.file);
    return tree->files && copy_text(tree->own_group, sizeof tree->own_group, "/proc/self/cgroup");
}

static bool get_tree(group_tree *tree)
{
    uint32_t state = TREE_UNKNOWN;
    if (atomic_load(&tree_state) == TREE_KNOWN) {
        *tree = known_tree;
        return true;
    }
    if (!look_for_tree(tree))
        return false;
    if (atomic_compare_exchange_strong(&tree_state, &state, TREE_BUSY)) {
        known_tree = *tree;
        atomic_store(&tree_state, TREE_KNOWN);
    }
    return true;
}

/* The path of the process's own group below the mount point, "" for the mount point itself. A group outside of what
 * is mounted (a container's view) is as good as the mount point: its limits are the ones that can be seen. */
static void own_group(const group_tree *tree, char *path, size_t room)
{
    lines in;
    path[0] = '\0';
    if (!lines_open(&in, tree->own_group))
        return;
    for (char *line = lines_next(&in); line; line = lines_next(&in)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        bool ours = tree->files == &version_2 ? *controllers == '\0' : has_word(controllers, "memory");
        size_t root = strlen(tree->root);
        if (!ours || strncmp(group, tree->root, root) != 0 || (group[root] != '/' && group[root] != '\0'))
            continue;
        group += root;
        if (strcmp(group, "/") != 0 && !strstr(group, "/.."))
            copy_text(path, room, group);
    }
    close(in.file);
}

/* `path` ends at `length` with a group's folder; the file's name is put behind it for the while. */
static bool read_group_file(char *path, size_t length, const char *name, char *text, size_t room)
{
    path[length] = '/';
    bool done = copy_text(path + length + 1, PATH_ROOM - length - 1, name) && read_file(path, text, room);
    path[length] = '\0';
    return done;
}

static uint64_t read_group_number(char *path, size_t length, const char *name)
{
    char text[64];
    return name && read_group_file(path, length, name, text, sizeof text) ? parse_number(text) : UINT64_MAX;
}

/* File pages that the system drops when it needs memory. */
static uint64_t read_droppable(char *path, size_t length, const char *key)
{
    lines in;
    uint64_t bytes = 0;
    copy_text(path + length, PATH_ROOM - length, "/memory.stat");
    bool opened = lines_open(&in, path);
    path[length] = '\0';
    if (!opened)
        return 0;
    for (char *line = lines_next(&in); line && bytes == 0; line = lines_next(&in)) {
        if (strncmp(line, key, strlen(key)) == 0)
            bytes = parse_number(line + strlen(key));
    }
    close(in.file);
    return bytes;
}

/* One group: take its numbers if it leaves less room than those seen so far. False: it has none. */
static bool consider_group(const group_files *files, char *path, size_t length, exvi_memory_state *state)
{
    const uint64_t no_limit = (uint64_t)1 << 62; /* version 1 says so with a number near 2^63 */
    uint64_t used = read_group_number(path, length, files->used);
    uint64_t limit = read_group_number(path, length, files->limits[0]);
    uint64_t soft = read_group_number(path, length, files->limits[1]);
    limit = soft < limit ? soft : limit;
    if (used == UINT64_MAX)
        return false;
    if (limit >= no_limit) {
        if (state->limit_bytes == 0 && state->used_bytes == 0)
            state->used_bytes = used;
        return true;
    }
    if (used > limit / 4 * 3) { /* only then: reading the group's statistics costs the system some work */
        uint64_t droppable = read_droppable(path, length, files->stat_key);
        used -= droppable < used ? droppable : used;
    }
    uint64_t room = limit > used ? limit - used : 0;
    uint64_t least = state->limit_bytes > state->used_bytes ? state->limit_bytes - state->used_bytes : 0;
    if (state->limit_bytes == 0 || room < least) {
        state->limit_bytes = limit;
        state->used_bytes = used;
    }
    return true;
}

bool exvi_memory_read(exvi_memory_state *state)
{
    group_tree tree;
    char path[PATH_ROOM], text[256];
    *state = (exvi_memory_state){0};
    if (!get_tree(&tree))
        return false;
    size_t top = strlen(tree.point);
    copy_text(path, sizeof path, tree.point);
    own_group(&tree, path + top, sizeof path / 2);
    size_t length = strlen(path);

    if (read_group_file(path, length, "memory.pressure", text, sizeof text)) {
        const char *some = strstr(text, "some avg10=");
        state->pressure_percent = some ? parse_decimal(some + strlen("some avg10=")) : 0;
    }
    bool known = consider_group(tree.files, path, length, state);
    while (length > top) {
        do
            length--;
        while (length > top && path[length] != '/');
        path[length] = '\0';
        known |= consider_group(tree.files, path, length, state);
    }
    return known;
}
