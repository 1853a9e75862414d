/*
 * test_snapshot: whatever becomes of the child, its parent gets an answer or a reason, and nothing is left behind:
 * after every test there is no child, no shared mapping and no signal that the program did not ask for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>

#include "forked.h"
#include "child.h"
#include "files.h"
#include "platform.h"
#include "snapshot.h"

#define MIB ((size_t)1 << 20)
#define MS ((uint64_t)1000000)
#define LONG (60000 * MS)

static exvi_snapshot snapshot;

/* Between a test and its child. */
typedef struct shared_state {
    _Atomic uint32_t begun, gate, steps;
    _Atomic int32_t child;
} shared_state;
static shared_state *shared;
static int mappings_before;
static _Atomic int child_signals;

static void count_signal(int number)
{
    (void)number;
    child_signals++;
}

static bool has_children(void)
{
    siginfo_t any;
    return waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

static int set_up(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = count_signal};
    sigaction(SIGCHLD, &action, NULL);
    child_signals = 0;
    mappings_before = shared_mappings();
    shared = exvi_map_shared(sizeof *shared);
    snapshot = (exvi_snapshot){0};
    return shared && !has_children() ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    exvi_snapshot_end(&snapshot);
    exvi_unmap(shared, sizeof *shared);
    signal(SIGCHLD, SIG_DFL);
    if (snapshot.pid != 0 || snapshot.answer || snapshot.flight != EXVI_FLIGHT_NONE || has_children())
        return -1;
    return shared_mappings() == mappings_before && child_signals == 0 ? 0 : -1;
}

/* ---- searches ---- */

static void begin(void)
{
    atomic_store(&shared->child, exvi_own_pid());
    atomic_store(&shared->begun, 1);
    exvi_wake_word(&shared->begun);
}

static bool has_begun(void)
{
    for (int i = 0; i < 1000 && atomic_load(&shared->begun) == 0; i++)
        exvi_wait_word(&shared->begun, 0, 10 * MS);
    return atomic_load(&shared->begun) != 0;
}

/* Answers with the numbers 0, 1, 2, ... in two parts. */
static exvi_search_end count_up(exvi_answer *answer, void *arg)
{
    const size_t *count = arg;
    begin();
    for (uint64_t number = 0; number < *count; number++)
        if (!exvi_answer_put(answer, &number, 1))
            return EXVI_SEARCH_MEMORY;
    answer->examined = *count;
    return EXVI_SEARCH_DONE;
}

static exvi_search_end wait_at_gate(exvi_answer *answer, void *arg)
{
    begin();
    while (atomic_load(&shared->gate) == 0)
        exvi_wait_word(&shared->gate, 0, 10 * MS);
    return count_up(answer, arg);
}

static void open_gate(void)
{
    atomic_store(&shared->gate, 1);
    exvi_wake_word(&shared->gate);
}

static void turn_watchdog_off(void)
{
    struct itimerval off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &off, NULL);
}

/* Does not look at what it is told; `arg`: not even the watchdog ends it. */
static exvi_search_end hang(exvi_answer *answer, void *arg)
{
    if (arg)
        turn_watchdog_off();
    begin();
    while (answer)
        exvi_sleep_ns(MS);
    return EXVI_SEARCH_DONE;
}

/* Goes on until it is told to stop, and nothing else ends it in time. */
static exvi_search_end obey(exvi_answer *answer, void *arg)
{
    (void)arg;
    turn_watchdog_off();
    begin();
    while (!exvi_answer_stopped(answer))
        exvi_sleep_ns(MS);
    return EXVI_SEARCH_STOPPED;
}

static size_t ten = 10;

static void start(exvi_search_fn *search, void *arg, uint64_t deadline_ns)
{
    assert_int_equal(exvi_snapshot_start(&snapshot, search, arg, 100, deadline_ns), EXV_OK);
    assert_int_equal(snapshot.flight, EXVI_FLIGHT_RUNNING);
    assert_true(snapshot.pid > 0);
}

static void assert_failed(exv_reason reason)
{
    assert_int_equal(exvi_snapshot_wait(&snapshot, LONG), EXVI_FLIGHT_FAILED);
    assert_int_equal(snapshot.reason, reason);
    assert_int_equal(snapshot.pid, 0);
    assert_null(snapshot.answer);
    assert_false(has_children());
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_FAILED);
}

static void assert_answered(size_t count)
{
    assert_int_equal(exvi_snapshot_wait(&snapshot, LONG), EXVI_FLIGHT_ANSWERED);
    assert_false(has_children());
    assert_int_equal(snapshot.pid, 0);
    assert_int_equal(snapshot.answer->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(snapshot.answer->word[i], i);
}

/* ---- answers ---- */

static void test_answer(void **state)
{
    (void)state;
    size_t count = 1000000;
    assert_int_equal(exvi_snapshot_start(&snapshot, count_up, &count, count, LONG), EXV_OK);
    assert_answered(count);
    assert_int_equal(snapshot.answer->examined, count);
    assert_true(snapshot.answer->search_ns > 0);
    assert_true(snapshot.answer->cpu_ns > 0);
    assert_true(snapshot.clone_ns > 0);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_ANSWERED);
    exvi_snapshot_end(&snapshot);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_NONE);
    exvi_snapshot_end(&snapshot);
}

static exvi_search_end put_in_parts(exvi_answer *answer, void *arg)
{
    const size_t *room = arg;
    uint64_t words[64];
    for (uint64_t i = 0; i < 64; i++)
        words[i] = i;
    bool right = exvi_answer_put(answer, words, 4) && exvi_answer_put(answer, NULL, 0) &&
                 !exvi_answer_put(answer, words, SIZE_MAX) && !exvi_answer_put(answer, words, *room - 3) &&
                 exvi_answer_put(answer, words + 4, *room - 4) && !exvi_answer_put(answer, words, 1) &&
                 exvi_answer_put(answer, words, 0);
    return right ? EXVI_SEARCH_DONE : EXVI_SEARCH_MEMORY;
}

static void test_room_is_exact(void **state)
{
    (void)state;
    size_t room = 13;
    assert_int_equal(exvi_snapshot_start(&snapshot, put_in_parts, &room, room, LONG), EXV_OK);
    assert_answered(room);
}

static void test_answer_larger_than_room(void **state)
{
    (void)state;
    size_t count = 101;
    start(count_up, &count, LONG);
    assert_failed(EXV_REASON_CHILD_MEMORY);
    size_t none = 0;
    assert_int_equal(exvi_snapshot_start(&snapshot, count_up, &none, 0, LONG), EXV_OK);
    assert_answered(0);
}

/* The child goes on with the process as it was, whatever the parent does meanwhile. */
static void test_child_sees_the_past(void **state)
{
    (void)state;
    size_t count = 10;
    start(wait_at_gate, &count, LONG);
    count = 20;
    open_gate();
    assert_answered(10);
    assert_int_equal(count, 20);
}

static exvi_search_end use_memory(exvi_answer *answer, void *arg)
{
    const size_t *size = arg;
    char *own = exvi_map(*size, 4096);
    for (size_t page = 0; page < *size; page += 4096)
        own[page] = 1;
    exvi_unmap(own, *size);
    (void)answer;
    return EXVI_SEARCH_DONE;
}

/* What the child needed beside what it shares: not the parent's own size, and also when it was given back. */
static void test_memory_of_child(void **state)
{
    (void)state;
    size_t ballast_size = 64 * MIB, size = 24 * MIB;
    char *ballast = exvi_map(ballast_size, 4096);
    memset(ballast, 1, ballast_size);
    start(use_memory, &size, LONG);
    assert_answered(0);
    assert_in_range(snapshot.answer->resident_bytes, 22 * MIB, 56 * MIB);
    exvi_unmap(ballast, ballast_size);
}

static void test_busy(void **state)
{
    (void)state;
    start(wait_at_gate, &ten, LONG);
    int32_t pid = snapshot.pid;
    assert_int_equal(exvi_snapshot_start(&snapshot, count_up, &ten, 100, LONG), EXV_BUSY);
    assert_int_equal(snapshot.pid, pid);
    open_gate();
    assert_answered(10);
    assert_int_equal(exvi_snapshot_start(&snapshot, count_up, &ten, 100, LONG), EXV_BUSY);
    assert_answered(10);
    exvi_snapshot_end(&snapshot);
    start(count_up, &ten, LONG);
    assert_answered(10);
}

static void test_wait_for_a_while(void **state)
{
    (void)state;
    start(wait_at_gate, &ten, UINT64_MAX);
    assert_int_equal(exvi_snapshot_wait(&snapshot, 0), EXVI_FLIGHT_RUNNING);
    uint64_t before = exvi_clock_ns();
    assert_int_equal(exvi_snapshot_wait(&snapshot, 30 * MS), EXVI_FLIGHT_RUNNING);
    assert_true(exvi_clock_ns() - before >= 30 * MS);
    open_gate();
    assert_int_equal(exvi_snapshot_wait(&snapshot, UINT64_MAX), EXVI_FLIGHT_ANSWERED);
}

static void test_many_flights(void **state)
{
    (void)state;
    long before = virtual_kib();
    for (int i = 0; i < 200; i++) {
        size_t count = (size_t)i % 100;
        start(i % 3 == 0 ? hang : count_up, i % 3 == 0 ? NULL : &count, LONG);
        if (i % 3 == 1)
            assert_answered(count);
        exvi_snapshot_end(&snapshot);
        assert_false(has_children());
    }
    assert_in_range(virtual_kib() - before + 1024, 0, 2048);
}

/* ---- no child ---- */

static void assert_refused(size_t room, exv_reason reason)
{
    assert_int_equal(exvi_snapshot_start(&snapshot, count_up, &ten, room, LONG), EXV_UNSUPPORTED);
    assert_int_equal(snapshot.reason, reason);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_NONE);
    assert_null(snapshot.answer);
    assert_int_equal(shared_mappings(), mappings_before + 1);
    assert_false(has_children());
}

static void test_no_shared_memory(void **state)
{
    (void)state;
    static const size_t rooms[] = {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 16, (size_t)1 << 60};
    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
        assert_refused(rooms[i], EXV_REASON_NO_SHARED);
    start(count_up, &ten, LONG);
    assert_answered(10);
}

static int start_over_the_limit(void *arg)
{
    (void)arg;
    struct rlimit none = {0, 0};
    CHECK(setrlimit(RLIMIT_NPROC, &none) == 0);
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK(exvi_snapshot_start(&snapshot, count_up, &ten, 100, LONG) == EXV_UNSUPPORTED);
    CHECK(snapshot.reason == EXV_REASON_CLONE_REFUSED);
    CHECK(shared_mappings() == mappings_before + 2); /* in_fork() has one, too */
    CHECK(exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_NONE);
    return 0;
}

static void test_clone_refused_by_limit(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(in_fork(start_over_the_limit, NULL), 0);
}

#ifdef EXVI_CHECKED
static void test_refused_by_fault(void **state)
{
    (void)state;
    exvi_fault_set(EXVI_FAULT_MAP_SHARED, 1, false);
    assert_refused(100, EXV_REASON_NO_SHARED);
    exvi_fault_set(EXVI_FAULT_CLONE, 1, false);
    assert_refused(100, EXV_REASON_CLONE_REFUSED);
    start(count_up, &ten, LONG);
    assert_answered(10);
}
#endif

/* ---- a child that fails ---- */

static void test_killed(void **state)
{
    (void)state;
    start(hang, NULL, LONG);
    assert_true(has_begun());
    kill(snapshot.pid, SIGKILL);
    assert_failed(EXV_REASON_CHILD_DIED);
}

/* Right after the clone, when it has not even begun. */
static void test_killed_at_once(void **state)
{
    (void)state;
    start(hang, NULL, LONG);
    kill(snapshot.pid, SIGKILL);
    assert_failed(EXV_REASON_CHILD_DIED);
}

static exvi_search_end crash(exvi_answer *answer, void *arg)
{
    (void)answer;
    *(volatile char *)arg = 1;
    return EXVI_SEARCH_DONE;
}

static void test_crashed(void **state)
{
    (void)state;
    char *page = exvi_map(4096, 4096);
    exvi_protect(page, 4096, false);
    start(crash, page, LONG);
    assert_failed(EXV_REASON_CHILD_DIED);
    exvi_unmap(page, 4096);
}

/* A child that has lost its way may say anything about its answer. */
static exvi_search_end lie(exvi_answer *answer, void *arg)
{
    const size_t *count = arg;
    answer->count = *count;
    answer->room = SIZE_MAX;
    return EXVI_SEARCH_DONE;
}

static void test_wild_count(void **state)
{
    (void)state;
    size_t whole = 100, wild = 101;
    start(lie, &whole, LONG);
    assert_int_equal(exvi_snapshot_wait(&snapshot, LONG), EXVI_FLIGHT_ANSWERED);
    exvi_snapshot_end(&snapshot);
    start(lie, &wild, LONG);
    assert_failed(EXV_REASON_CHILD_DIED);
}

static exvi_search_end run_out_of_memory(exvi_answer *answer, void *arg)
{
    (void)answer, (void)arg;
    struct rlimit limit = {0, 0};
    setrlimit(RLIMIT_AS, &limit);
    return exvi_map(MIB, 4096) ? EXVI_SEARCH_DONE : EXVI_SEARCH_MEMORY;
}

static void test_memory_shortage(void **state)
{
    (void)state;
    start(run_out_of_memory, NULL, LONG);
    assert_failed(EXV_REASON_CHILD_MEMORY);
}

/* ---- a child that is late ---- */

/* The parent may be busy for as long as it likes: the child ends without it. */
static void test_hung_child_ends_by_itself(void **state)
{
    (void)state;
    start(hang, NULL, 100 * MS);
    exvi_child_await(snapshot.pid);
    assert_true(exvi_clock_ns() >= snapshot.deadline_ns);
    assert_failed(EXV_REASON_CHILD_LATE);
}

static void test_poll_kills_the_late(void **state)
{
    (void)state;
    start(hang, &ten, 50 * MS);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_RUNNING);
    uint64_t give_up = exvi_clock_ns() + LONG;
    while (exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_RUNNING && exvi_clock_ns() < give_up)
        exvi_sleep_ns(MS);
    assert_failed(EXV_REASON_CHILD_LATE);
}

static void test_wait_kills_the_late(void **state)
{
    (void)state;
    start(hang, &ten, 50 * MS);
    assert_failed(EXV_REASON_CHILD_LATE);
}

static void test_stopped_child(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_DFL); /* the system reports a stop, if someone stops the child */
    start(hang, NULL, 100 * MS);
    assert_true(has_begun());
    kill(snapshot.pid, SIGSTOP);
    assert_failed(EXV_REASON_CHILD_LATE);
}

/* It looks at the clock itself. */
static void test_child_stops_at_the_deadline(void **state)
{
    (void)state;
    start(obey, NULL, 50 * MS);
    exvi_child_await(snapshot.pid);
    int status;
    assert_true(exvi_clock_ns() >= snapshot.deadline_ns);
    assert_true(exvi_child_ended(snapshot.pid, &status));
    assert_int_equal(status, 0);
    assert_failed(EXV_REASON_CHILD_LATE);
}

/* ---- the end of the parent's interest ---- */

static void test_end_of_a_hung_flight(void **state)
{
    (void)state;
    start(hang, &ten, LONG);
    assert_true(has_begun());
    exvi_snapshot_end(&snapshot);
    assert_int_equal(snapshot.flight, EXVI_FLIGHT_NONE);
    assert_false(has_children());
    assert_int_equal(kill(atomic_load(&shared->child), 0), -1);
}

/* A server that has given up root since may not kill the child that root started. */
static int end_as_another_user(void *arg)
{
    (void)arg;
    CHECK(exvi_snapshot_start(&snapshot, obey, NULL, 100, 20000 * MS) == EXV_OK);
    CHECK(has_begun());
    CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK(kill(snapshot.pid, SIGKILL) == -1 && errno == EPERM);
    exvi_snapshot_end(&snapshot);
    CHECK(exvi_clock_ns() < snapshot.deadline_ns);
    CHECK(!has_children());
    return 0;
}

static void test_abort_without_the_right_to_kill(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(in_fork(end_as_another_user, NULL), 0);
}

static int be_killed_in_flight(void *arg)
{
    (void)arg;
    CHECK(exvi_snapshot_start(&snapshot, obey, NULL, 100, LONG) == EXV_OK);
    CHECK(has_begun());
    kill(getpid(), SIGKILL);
    return __LINE__;
}

/* The parent cannot tell the child any more; it notices. Its zombie comes to us, as to any subreaper. */
static void test_parent_killed(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L), 0);
    uint64_t before = exvi_clock_ns();
    assert_int_equal(in_fork(be_killed_in_flight, NULL), -SIGKILL);
    pid_t orphan = atomic_load(&shared->child);
    int status;
    assert_int_equal(waitpid(orphan, &status, __WALL), orphan);
    assert_int_equal(status, 0);
    assert_true(exvi_clock_ns() - before < LONG);
    prctl(PR_SET_CHILD_SUBREAPER, 0L, 0L, 0L, 0L);
}

/* ---- the program replaces itself in flight ---- */

/* `arg`: in the moment after the clone, or when the child hangs already. */
static int exec_in_flight(void *arg)
{
    const bool *at_once = arg;
    CHECK(exvi_snapshot_start(&snapshot, hang, &at_once, 100, LONG) == EXV_OK);
    atomic_store(&shared->child, snapshot.pid);
    CHECK(*at_once || has_begun());
    execl("/bin/sleep", "sleep", "20", (char *)NULL);
    return __LINE__;
}

/* What is left is at most a zombie, which holds nothing. */
static bool is_running(pid_t pid)
{
    char path[32], state[64] = "";
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(state, sizeof state, file) && strncmp(state, "State:", 6) != 0) {
    }
    if (file)
        fclose(file);
    return file && !strchr(state, 'Z') && !strchr(state, 'X');
}

static void test_exec_in_flight(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_DFL);
    for (int i = 0; i < 20; i++) {
        bool at_once = i % 2;
        atomic_store(&shared->begun, 0);
        atomic_store(&shared->child, 0);
        pid_t program = fork();
        if (program == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            _exit(exec_in_flight(&at_once) != 0);
        }
        while (atomic_load(&shared->child) == 0)
            exvi_sleep_ns(MS);
        uint64_t before = exvi_clock_ns();
        while (is_running(atomic_load(&shared->child)) && exvi_clock_ns() - before < 10000 * MS)
            exvi_sleep_ns(MS);
        bool child_runs = is_running(atomic_load(&shared->child)), program_runs = is_running(program);
        kill(program, SIGKILL);
        assert_int_equal(waitpid(program, NULL, 0), program);
        assert_false(child_runs);
        assert_true(program_runs);
    }
}

/* ---- the program forks in flight ---- */

static int disown(void *arg)
{
    const exvi_flight *before = arg;
    int mappings = shared_mappings();
    CHECK(snapshot.flight == *before);
    CHECK(exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_FAILED);
    CHECK(snapshot.reason == EXV_REASON_CANCELLED);
    CHECK(snapshot.pid == 0 && !snapshot.answer);
    CHECK(shared_mappings() == mappings - 1);
    exvi_snapshot_end(&snapshot);
    CHECK(exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_NONE);
    return 0;
}

static int end_only(void *arg)
{
    (void)arg;
    exvi_snapshot_end(&snapshot);
    CHECK(snapshot.flight == EXVI_FLIGHT_NONE && !snapshot.answer);
    return 0;
}

static int start_own(void *arg)
{
    (void)arg;
    size_t count = 30;
    CHECK(exvi_snapshot_start(&snapshot, count_up, &count, 100, LONG) == EXV_OK);
    CHECK(exvi_snapshot_wait(&snapshot, LONG) == EXVI_FLIGHT_ANSWERED);
    CHECK(snapshot.answer->count == count);
    exvi_snapshot_end(&snapshot);
    CHECK(!has_children());
    return 0;
}

static void test_fork_in_flight(void **state)
{
    (void)state;
    signal(SIGCHLD, SIG_DFL);
    exvi_flight now = EXVI_FLIGHT_RUNNING;
    start(wait_at_gate, &ten, LONG);
    assert_int_equal(in_fork(disown, &now), 0);
    assert_int_equal(in_fork(end_only, NULL), 0);
    assert_int_equal(in_fork(start_own, NULL), 0);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_RUNNING);
    assert_int_equal(atomic_load(&snapshot.answer->abort), 0);
    open_gate();
    assert_answered(10);
    now = EXVI_FLIGHT_ANSWERED;
    assert_int_equal(in_fork(disown, &now), 0);
    assert_int_equal(in_fork(end_only, NULL), 0);
    assert_int_equal(in_fork(start_own, NULL), 0);
    assert_answered(10);
}

/* ---- descriptors, signals, threads ---- */

static void test_descriptor_closed_in_flight(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    start(wait_at_gate, &ten, LONG);
    assert_true(has_begun());
    close(ends[0]);
    struct pollfd peer = {.fd = ends[1], .events = POLLIN};
    assert_int_equal(poll(&peer, 1, 5000), 1);
    assert_int_equal(exvi_snapshot_poll(&snapshot), EXVI_FLIGHT_RUNNING);
    close(ends[1]);
    open_gate();
    assert_answered(10);
}

static void test_program_sees_no_child(void **state)
{
    (void)state;
    int status;
    for (int i = 0; i < 3; i++) {
        start(wait_at_gate, &ten, LONG);
        assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        if (i == 0)
            exvi_child_kill(snapshot.pid);
        if (i == 1)
            open_gate();
        if (i < 2)
            exvi_child_await(snapshot.pid);
        assert_int_equal(waitpid(-1, &status, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
        exvi_snapshot_wait(&snapshot, 10 * MS);
        exvi_snapshot_end(&snapshot);
        atomic_store(&shared->gate, 0);
    }
    assert_int_equal(child_signals, 0);
}

static void *start_elsewhere(void *arg)
{
    *(exv_status *)arg = exvi_snapshot_start(&snapshot, wait_at_gate, &ten, 100, LONG);
    return NULL;
}

static void *await_end(void *arg)
{
    exvi_child_await(*(int32_t *)arg);
    return (void *)(uintptr_t)atomic_load(&shared->gate); /* the child cannot end before */
}

static void *wait_elsewhere(void *arg)
{
    *(exvi_flight *)arg = exvi_snapshot_wait(&snapshot, LONG);
    return NULL;
}

/* One thread starts and is gone; a second awaits the end beside a third, which waits and reaps. */
static void test_threads_take_turns(void **state)
{
    (void)state;
    pthread_t starter, watcher, waiter;
    exv_status started = EXV_BUSY;
    assert_int_equal(pthread_create(&starter, NULL, start_elsewhere, &started), 0);
    pthread_join(starter, NULL);
    assert_int_equal(started, EXV_OK);
    assert_true(has_begun());
    int32_t pid = snapshot.pid;
    exvi_flight seen = EXVI_FLIGHT_NONE;
    assert_int_equal(pthread_create(&watcher, NULL, await_end, &pid), 0);
    assert_int_equal(pthread_create(&waiter, NULL, wait_elsewhere, &seen), 0);
    exvi_sleep_ns(5 * MS);
    open_gate();
    void *gate_was_open;
    pthread_join(watcher, &gate_was_open);
    pthread_join(waiter, NULL);
    assert_non_null(gate_was_open);
    assert_int_equal(seen, EXVI_FLIGHT_ANSWERED);
    assert_answered(10);
}

/* Works in steps of 0.1 ms of a processor, as many as `arg` says, and looks after each whether to stop. */
static exvi_search_end work_in_steps(exvi_answer *answer, void *arg)
{
    begin();
    for (size_t step = 0; step < *(const size_t *)arg; step++) {
        for (uint64_t until = exvi_cpu_ns() + MS / 10; exvi_cpu_ns() < until;) {
        }
        atomic_fetch_add(&shared->steps, 1);
        if (exvi_answer_stopped(answer))
            return EXVI_SEARCH_STOPPED;
    }
    return EXVI_SEARCH_DONE;
}

static void work_for(uint64_t cpu_ns)
{
    for (uint64_t until = exvi_cpu_ns() + cpu_ns; exvi_cpu_ns() < until;) {
    }
}

static void test_a_held_child_works_while_somebody_waits(void **state)
{
    (void)state;
    size_t steps = 2000;
    assert_int_equal(exvi_snapshot_start(&snapshot, work_in_steps, &steps, 0, LONG), EXV_OK);
    exvi_snapshot_hold(&snapshot);
    work_for(10 * MS); /* it may have begun before */
    uint32_t before = atomic_load(&shared->steps);
    uint64_t began_ns = exvi_clock_ns();
    work_for(200 * MS);
    uint64_t took_ns = exvi_clock_ns() - began_ns;
    if (took_ns < 220 * MS) /* or the system did not let the program work */
        assert_in_range(atomic_load(&shared->steps) - before, 0, 200);
    before = atomic_load(&shared->steps);
    for (int i = 0; i < 10000 && atomic_load(&shared->steps) < before + 20; i++) {
        exvi_snapshot_wait(&snapshot, MS);
        work_for(MS);
    }
    assert_true(atomic_load(&shared->steps) >= before + 20);
    assert_int_equal(exvi_snapshot_wait(&snapshot, LONG), EXVI_FLIGHT_ANSWERED);
}

static void test_a_held_child_works_while_the_program_sleeps(void **state)
{
    (void)state;
    size_t steps = 100;
    assert_int_equal(exvi_snapshot_start(&snapshot, work_in_steps, &steps, 0, LONG), EXV_OK);
    exvi_snapshot_hold(&snapshot);
    for (int i = 0; i < 60000 && exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_RUNNING; i++)
        exvi_sleep_ns(MS);
    assert_int_equal(snapshot.flight, EXVI_FLIGHT_ANSWERED);
}

static void test_a_held_child_can_be_ended(void **state)
{
    (void)state;
    size_t steps = SIZE_MAX;
    assert_int_equal(exvi_snapshot_start(&snapshot, work_in_steps, &steps, 0, LONG), EXV_OK);
    exvi_snapshot_hold(&snapshot);
    work_for(20 * MS);
    exvi_snapshot_end(&snapshot);
    assert_false(has_children());
}

#define SNAPSHOT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(test_answer),
        SNAPSHOT_TEST(test_room_is_exact),
        SNAPSHOT_TEST(test_answer_larger_than_room),
        SNAPSHOT_TEST(test_child_sees_the_past),
        SNAPSHOT_TEST(test_memory_of_child),
        SNAPSHOT_TEST(test_busy),
        SNAPSHOT_TEST(test_wait_for_a_while),
        SNAPSHOT_TEST(test_many_flights),
        SNAPSHOT_TEST(test_no_shared_memory),
        SNAPSHOT_TEST(test_clone_refused_by_limit),
#ifdef EXVI_CHECKED
        SNAPSHOT_TEST(test_refused_by_fault),
#endif
        SNAPSHOT_TEST(test_killed),
        SNAPSHOT_TEST(test_killed_at_once),
        SNAPSHOT_TEST(test_crashed),
        SNAPSHOT_TEST(test_wild_count),
        SNAPSHOT_TEST(test_memory_shortage),
        SNAPSHOT_TEST(test_hung_child_ends_by_itself),
        SNAPSHOT_TEST(test_poll_kills_the_late),
        SNAPSHOT_TEST(test_wait_kills_the_late),
        SNAPSHOT_TEST(test_stopped_child),
        SNAPSHOT_TEST(test_child_stops_at_the_deadline),
        SNAPSHOT_TEST(test_end_of_a_hung_flight),
        SNAPSHOT_TEST(test_abort_without_the_right_to_kill),
        SNAPSHOT_TEST(test_parent_killed),
        SNAPSHOT_TEST(test_exec_in_flight),
        SNAPSHOT_TEST(test_fork_in_flight),
        SNAPSHOT_TEST(test_descriptor_closed_in_flight),
        SNAPSHOT_TEST(test_program_sees_no_child),
        SNAPSHOT_TEST(test_threads_take_turns),
        SNAPSHOT_TEST(test_a_held_child_works_while_somebody_waits),
        SNAPSHOT_TEST(test_a_held_child_works_while_the_program_sleeps),
        SNAPSHOT_TEST(test_a_held_child_can_be_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
