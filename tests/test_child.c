/*
 * test_child: the copy-on-write child: what it has of its parent, what its parent notices of it, and that it always
 * ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#include "child.h"
#include "die.h"
#include "files.h"
#include "fewer.h"
#include "forked.h"
#include "platform.h"

#define MIB ((size_t)1 << 20)
#define SECOND 1000000000u

static void ignore_signal(int number)
{
    (void)number;
}

/* What the child reports: in shared memory, as it has no other way. */
typedef struct report {
    _Atomic uint32_t ready; /* the child has settled; then what it found */
    _Atomic uint32_t leave;
    uint64_t blocked;
    int nice, dumpable, oom_score, open_descriptors, handlers;
    struct rlimit core;
    uint64_t inherited_peak, peak, zero;
    char name[32], folder[64];
} report;

static report *shared;

static int make_report(void **state)
{
    (void)state;
    shared = exvi_map_shared(sizeof *shared);
    return shared ? 0 : -1;
}

static int drop_report(void **state)
{
    (void)state;
    exvi_unmap(shared, sizeof *shared);
    return 0;
}

static void settle(uint64_t deadline_ns)
{
    exvi_child_settle("a-name-for-lists", deadline_ns);
    atomic_store(&shared->ready, 1);
    exvi_wake_word(&shared->ready);
}

static bool is_ready(void)
{
    for (int i = 0; i < 1000 && atomic_load(&shared->ready) == 0; i++)
        exvi_wait_word(&shared->ready, 0, 10000000);
    return atomic_load(&shared->ready) != 0;
}

static int reap(int32_t pid)
{
    int status = -2;
    exvi_child_await(pid);
    return exvi_child_ended(pid, &status) ? status : -2;
}

static void look_around(void)
{
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &shared->blocked, sizeof shared->blocked);
    shared->nice = getpriority(PRIO_PROCESS, 0);
    shared->dumpable = prctl(PR_GET_DUMPABLE);
    getrlimit(RLIMIT_CORE, &shared->core);
    prctl(PR_GET_NAME, shared->name);
    syscall(SYS_getcwd, shared->folder, sizeof shared->folder);
    for (int number = 1; number <= 64; number++) {
        uint64_t action[4] = {1};
        syscall(SYS_rt_sigaction, number, NULL, action, sizeof(uint64_t));
        shared->handlers += action[0] != 0;
    }
    for (int file = 0; file < 4096; file++)
        shared->open_descriptors += fcntl(file, F_GETFD) != -1;
    char text[16] = "";
    int file = open("/proc/self/oom_score_adj", O_RDONLY);
    if (file >= 0 && read(file, text, sizeof text - 1) > 0)
        shared->oom_score = atoi(text);
}

static void test_child_has_settled(void **state)
{
    (void)state;
    int own_nice = getpriority(PRIO_PROCESS, 0);
    void (*before)(int) = signal(SIGUSR1, ignore_signal);
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        look_around();
        exvi_child_exit(3);
    }
    assert_true(pid > 0);
    assert_int_equal(reap(pid), 3 << 8);
    signal(SIGUSR1, before);
    assert_true(shared->blocked == (~((uint64_t)1 << (SIGALRM - 1) | (uint64_t)1 << (SIGKILL - 1) |
                                      (uint64_t)1 << (SIGSTOP - 1))));
    assert_int_equal(shared->handlers, 0);
    assert_int_equal(shared->open_descriptors, 0);
    assert_int_equal(shared->nice, own_nice);
    assert_int_equal(shared->dumpable, 0);
    assert_int_equal(shared->core.rlim_max, 0);
    assert_int_equal(shared->oom_score, 1000);
    assert_string_equal(shared->name, "a-name-for-list");
    assert_string_equal(shared->folder, "/");
}

/* Nothing of that is the parent's. */
static void test_parent_is_as_before(void **state)
{
    (void)state;
    sigset_t mask, before;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    char folder[512], name[32], own_name[32];
    assert_non_null(getcwd(folder, sizeof folder));
    assert_int_equal(chdir("/tmp"), 0);
    prctl(PR_GET_NAME, own_name);
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    int nice_before = getpriority(PRIO_PROCESS, 0);
    int ends[2];
    assert_int_equal(pipe(ends), 0);

    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        exvi_child_exit(0);
    }
    assert_int_equal(reap(pid), 0);

    pthread_sigmask(SIG_SETMASK, &before, &mask);
    for (int number = 1; number < 32; number++)
        assert_int_equal(sigismember(&mask, number), number == SIGUSR2);
    char now[512];
    assert_string_equal(getcwd(now, sizeof now), "/tmp");
    assert_int_equal(chdir(folder), 0);
    prctl(PR_GET_NAME, name);
    assert_string_equal(name, own_name);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_before);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
    struct rlimit core_now;
    getrlimit(RLIMIT_CORE, &core_now);
    assert_true(core_now.rlim_cur == core.rlim_cur);
    assert_int_equal(write(ends[1], "x", 1), 1);
    close(ends[0]);
    close(ends[1]);
}

static _Atomic int child_signals;

static void count_signal(int number)
{
    (void)number;
    child_signals++;
}

/* No SIGCHLD, and no wait of the program's own sees the child. */
static void test_end_is_silent(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_signal}, before;
    sigaction(SIGCHLD, &action, &before);
    child_signals = 0;
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        while (atomic_load(&shared->leave) == 0) {
        }
        exvi_child_exit(0);
    }
    int status;
    assert_true(is_ready());
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_false(exvi_child_ended(pid, &status));
    atomic_store(&shared->leave, 1);
    exvi_child_await(pid);
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_true(exvi_child_ended(pid, &status));
    assert_int_equal(status, 0);
    assert_int_equal(child_signals, 0);
    sigaction(SIGCHLD, &before, NULL);
}

static void test_child_of_nobody(void **state)
{
    (void)state;
    int status = 0;
    assert_true(exvi_child_ended(1, &status));
    assert_int_equal(status, -1);
    assert_false(exvi_status_is_timeout(status));
    exvi_child_await(1);
}

static void test_hung_child_ends_by_itself(void **state)
{
    (void)state;
    uint64_t start = exvi_clock_ns();
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(100000000);
        for (;;) {
        }
    }
    int status = reap(pid);
    assert_true(exvi_status_is_timeout(status));
    assert_true(exvi_clock_ns() - start >= 100000000);
}

static void test_deadline_is_at_once_or_never(void **state)
{
    (void)state;
    int32_t pid = exvi_clone();
    if (pid == 0) {
        exvi_child_settle("at-once", 0);
        for (;;) {
        }
    }
    assert_true(exvi_status_is_timeout(reap(pid)));
    pid = exvi_clone();
    if (pid == 0) {
        exvi_child_settle("never", UINT64_MAX);
        exvi_sleep_ns(20000000);
        exvi_child_exit(0);
    }
    assert_int_equal(reap(pid), 0);
}

static void test_killed_child(void **state)
{
    (void)state;
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        for (;;) {
        }
    }
    assert_true(is_ready());
    exvi_child_kill(pid);
    int status = reap(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_false(exvi_status_is_timeout(status));
}

/* A crash in the child ends it, whatever handler the program has. */
static void test_crashed_child(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_signal}, before;
    sigaction(SIGABRT, &action, &before);
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
#ifdef __GLIBC__
        abort();
#else
        __builtin_trap(); /* musl's abort() would send its signal to the parent */
#endif
    }
    int status = reap(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
    sigaction(SIGABRT, &before, NULL);
}

/* The library's own last words end the child alone, with whatever C library. */
static void test_child_that_finds_misuse(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_signal}, before;
    sigaction(SIGABRT, &action, &before);
    int count = child_signals;
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        exvi_die("test_child", "%s", "found misuse");
    }
    int status = reap(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL);
    assert_int_equal(child_signals, count);
    sigaction(SIGABRT, &before, NULL);
}

/* The peer of a socket that the parent closes in flight sees it at once. */
static void test_closed_descriptor(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        while (atomic_load(&shared->leave) == 0) {
        }
        exvi_child_exit(0);
    }
    assert_true(is_ready());
    close(ends[0]);
    struct pollfd peer = {.fd = ends[1], .events = POLLIN};
    int seen = poll(&peer, 1, 5000);
    int status;
    char byte;
    assert_false(exvi_child_ended(pid, &status));
    assert_int_equal(seen, 1);
    assert_int_equal(read(ends[1], &byte, 1), 0);
    close(ends[1]);
    atomic_store(&shared->leave, 1);
    assert_int_equal(reap(pid), 0);
}

/* Closed before the child gets to run at all: its table must not be a copy even for a moment. Valgrind allows no other
 * clone than fork's, which copies. */
static void test_closed_at_once(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip();
    for (int i = 0; i < 100; i++) {
        int ends[2];
        char byte;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        int32_t pid = exvi_clone();
        if (pid == 0) {
            for (uint64_t until = exvi_clock_ns() + 500000; exvi_clock_ns() < until;) {
            }
            exvi_child_exit(0);
        }
        close(ends[0]);
        ssize_t seen = read(ends[1], &byte, 1);
        close(ends[1]);
        assert_int_equal(reap(pid), 0);
        assert_int_equal(seen, 0);
    }
}

/* A lock on a file belongs to the table of descriptors: with the child in the same one, an exec would lose it. */
static int exec_in_flight(void *arg)
{
    char *path = arg;
    int file = open(path, O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    CHECK(file >= 0 && fcntl(file, F_SETLK, &lock) == 0);
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(2 * (uint64_t)SECOND);
        for (;;) {
        }
    }
    CHECK(pid > 0 && is_ready());
    execlp("sleep", "sleep", "1", (char *)NULL);
    return __LINE__;
}

static void test_exec_keeps_locks(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip(); /* would follow the exec */
    char path[] = "/tmp/exuvia-lock-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(exec_in_flight(path) != 0);
    assert_true(is_ready());
    char name[32] = "";
    for (int i = 0; i < 500 && strcmp(name, "sleep\n") != 0; i++) {
        char comm[64];
        snprintf(comm, sizeof comm, "/proc/%d/comm", (int)pid);
        exvi_file_read(comm, name, sizeof name);
        exvi_sleep_ns(1000000);
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    assert_int_equal(fcntl(file, F_GETLK, &lock), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_string_equal(name, "sleep\n");
    assert_int_equal(lock.l_type, F_WRLCK);
    assert_int_equal(lock.l_pid, pid);
    close(file);
    unlink(path);
}

/* ---- signals while cloning ---- */

static _Atomic uint32_t *strays;
static pid_t storm_target;

static void note_stray(int number)
{
    (void)number;
    if (getpid() != storm_target)
        (*strays)++;
}

static int clone_in_a_storm(void *arg)
{
    (void)arg;
    CHECK(setpgid(0, 0) == 0);
    storm_target = getpid();
    struct sigaction action = {.sa_handler = note_stray};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGRTMIN, &action, NULL);
    pid_t storm = fork();
    if (storm == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGRTMIN, SIG_IGN);
        while (getppid() == storm_target) {
            kill(-storm_target, SIGUSR1);
            kill(-storm_target, SIGRTMIN);
            exvi_sleep_ns(20000); /* an interpreter would never get past its handlers otherwise */
        }
        _exit(0);
    }
    int failures = 0;
    for (int i = 0; i < fewer(300, 30); i++) {
        int32_t pid = exvi_clone();
        if (pid == 0) {
            exvi_child_settle("storm", SECOND);
            exvi_child_exit(0);
        }
        failures += pid < 0 || reap(pid) != 0;
    }
    kill(storm, SIGKILL);
    waitpid(storm, NULL, 0);
    CHECK(failures == 0);
    return 0;
}

static void test_signal_storm(void **state)
{
    (void)state;
    strays = (_Atomic uint32_t *)exvi_map_shared(4096);
    assert_int_equal(in_fork(clone_in_a_storm, NULL), 0);
    assert_int_equal(*strays, 0);
    exvi_unmap(strays, 4096);
}

/* ---- a child refused ---- */

static int clone_over_the_limit(void *arg)
{
    (void)arg;
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    sigset_t mask;
    int32_t pid = exvi_clone();
    if (pid == 0)
        exvi_child_exit(0);
    CHECK(pid == -EAGAIN);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    CHECK(!sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGTERM));
    return 0;
}

static void test_refused_by_limit(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(in_fork(clone_over_the_limit, NULL), 0);
}

/* A first child in a fresh pid namespace would take every later fork of the program with it when it ends. */
static int clone_into_namespace(void *arg)
{
    bool *allowed = arg;
    *allowed = unshare(CLONE_NEWPID) == 0;
    if (!*allowed)
        return 0;
    int32_t pid = exvi_clone();
    if (pid == 0)
        exvi_child_exit(0);
    if (pid > 0)
        reap(pid);
    CHECK(pid == -EINVAL);
    for (int i = 0; i < 2; i++) {
        pid_t forked = fork();
        if (forked == 0)
            _exit(0);
        CHECK(i > 0 || forked > 0);
    }
    CHECK(exvi_clone() == -EINVAL);
    return 0;
}

static void test_no_child_elsewhere(void **state)
{
    (void)state;
    bool *allowed = exvi_map_shared(1);
    int result = in_fork(clone_into_namespace, allowed);
    bool ran = *allowed;
    exvi_unmap(allowed, 1);
    if (!ran)
        skip();
    assert_int_equal(result, 0);
}

/* ---- between parent and child ---- */

/* Woken by another process, long before the time is over. */
static void test_wake_from_child(void **state)
{
    (void)state;
    int32_t pid = exvi_clone();
    if (pid == 0) {
        exvi_child_settle("waker", 20 * (uint64_t)SECOND);
        exvi_sleep_ns(20000000);
        atomic_store(&shared->ready, 1);
        exvi_wake_word(&shared->ready);
        exvi_child_exit(0);
    }
    uint64_t start = exvi_clock_ns();
    while (atomic_load(&shared->ready) == 0 && exvi_clock_ns() - start < 30 * (uint64_t)SECOND)
        exvi_wait_word(&shared->ready, 0, 30 * (uint64_t)SECOND);
    assert_true(exvi_clock_ns() - start < 30 * (uint64_t)SECOND);
    assert_int_equal(reap(pid), 0);
}

/* A child's peak starts with what it has of its parent and grows with what it touches. */
static void test_peak_of_child(void **state)
{
    (void)state;
    char *ballast = exvi_map(64 * MIB, 4096);
    memset(ballast, 1, 64 * MIB);
    exvi_unmap(ballast, 64 * MIB);
    int32_t pid = exvi_clone();
    if (pid == 0) {
        settle(20 * (uint64_t)SECOND);
        shared->inherited_peak = exvi_peak_bytes();
        char *own = exvi_map(24 * MIB, 4096);
        for (size_t page = 0; page < 24 * MIB; page += 4096)
            own[page] = 1;
        shared->peak = exvi_peak_bytes();
        exvi_child_exit(0);
    }
    assert_int_equal(reap(pid), 0);
    assert_true(shared->inherited_peak + 48 * MIB < exvi_peak_bytes());
    assert_in_range(shared->peak - shared->inherited_peak, 22 * MIB, 56 * MIB); /* sanitizers add theirs */
}

#define WITH_REPORT(test) cmocka_unit_test_setup_teardown(test, make_report, drop_report)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_REPORT(test_child_has_settled),
        WITH_REPORT(test_parent_is_as_before),
        WITH_REPORT(test_end_is_silent),
        WITH_REPORT(test_child_of_nobody),
        WITH_REPORT(test_hung_child_ends_by_itself),
        WITH_REPORT(test_deadline_is_at_once_or_never),
        WITH_REPORT(test_killed_child),
        WITH_REPORT(test_crashed_child),
        WITH_REPORT(test_child_that_finds_misuse),
        WITH_REPORT(test_closed_descriptor),
        WITH_REPORT(test_closed_at_once),
        WITH_REPORT(test_exec_keeps_locks),
        cmocka_unit_test(test_signal_storm),
        cmocka_unit_test(test_refused_by_limit),
        cmocka_unit_test(test_no_child_elsewhere),
        WITH_REPORT(test_wake_from_child),
        WITH_REPORT(test_peak_of_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
