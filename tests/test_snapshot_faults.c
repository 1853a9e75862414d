/*
 * What becomes of a collection in the background whose child is killed, crashes, hangs, gets no memory, or cannot be
 * made at all. Whatever happens: the reason is counted, an ordinary collection in place frees the garbage, what is
 * alive is intact, and
 * no process, signal or mapping is left behind.
 *
 * Each case has a process of its own. The child is disturbed from inside, by a visit function that sees that it runs
 * there.
 */
#include "forked.h"
#include "nodes.h"
#include "exv_heap.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { RINGS = 300, LENGTH = 5, KEPT = 50 };
enum { MILLISECOND = 1000000 };

typedef void disturbance(void);

static disturbance *disturb; /* in the child's first visits */
static pid_t own_pid;
static volatile int signals;

static int visit_disturbed(void *self, exv_visit_fn *visit, void *arg)
{
    if (disturb && getpid() != own_pid)
        disturb();
    return node_visit(self, visit, arg);
}

static const exv_type fragile_type = {
    .name = "fragile", .size = sizeof(node), .visit = visit_disturbed, .clear = node_clear, .destroy = node_destroy};

static void be_killed(void)
{
    kill(getpid(), SIGKILL);
}

static void crash(void)
{
    __builtin_trap();
}

static void leave(void)
{
    _exit(0);
}

static void hang(void)
{
    for (;;)
        usleep(1000);
}

static void be_slow(void)
{
    usleep(1000);
}

static void be_out_of_memory(void)
{
    setrlimit(RLIMIT_AS, &(struct rlimit){1 << 16, 1 << 16});
}

/* ---- what must hold, whatever happened ---- */

typedef struct scene {
    exv_heap *heap;
    node *kept;
    int mappings;
} scene;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static uint64_t times(exv_heap *heap, exv_reason reason)
{
    exv_telemetry telemetry;
    exv_get_telemetry(heap, &telemetry);
    return telemetry.reasons[reason];
}

static size_t count_objects(exv_heap *heap)
{
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    return stats.live_objects;
}

static int begin(scene *s, uint64_t deadline_ns)
{
    exv_config config = exv_config_default();
    config.policy.mode = EXV_MODE_INLINE; /* flights start by hand */
    config.policy.deadline_ns = deadline_ns;
    config.threshold[0] = 0;
    own_pid = getpid();
    signal(SIGCHLD, count_signal);
    s->heap = exv_heap_new(&config);
    CHECK(s->heap);
    s->kept = new_ring(s->heap, &fragile_type, KEPT, 0);
    for (int i = 0; i < RINGS; i++)
        exv_decref(new_ring(s->heap, &fragile_type, LENGTH, 0));
    s->mappings = shared_mappings();
    return 0;
}

static int check_kept(const scene *s)
{
    const node *n = s->kept;
    for (int i = 0; i < KEPT; i++, n = n->ref[0])
        CHECK(n && exv_refcount(n) == (i == 0 ? 2 : 1));
    CHECK(n == s->kept);
    return 0;
}

/* No process, no signal, no shared mapping; and the heap works on. */
static int end(scene *s)
{
    disturb = NULL;
    int line = check_kept(s);
    if (line)
        return line;
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
    CHECK(signals == 0);
    CHECK(shared_mappings() == s->mappings);
    CHECK(exv_heap_check(s->heap) == NULL);
    exv_decref(s->kept);
    exv_status status = exv_collect_start(s->heap);
    size_t found = 0;
    if (status == EXV_OK)
        CHECK(exv_collect_wait(s->heap, UINT64_MAX, &found) == EXV_FINISHED);
    else
        found = exv_collect(s->heap, 2);
    CHECK(found == KEPT);
    CHECK(exv_heap_free(s->heap) == 0);
    CHECK(shared_mappings() == s->mappings);
    return 0;
}

/* ---- a child that fails ---- */

typedef struct failure {
    disturbance *disturb;
    exv_reason reason;
    uint64_t deadline_ns;
} failure;

static int fail_in_flight(const failure *f, bool polling)
{
    scene s;
    int line = begin(&s, f->deadline_ns);
    if (line)
        return line;
    size_t alive = count_objects(s.heap), found = 0;
    disturb = f->disturb;
    CHECK(exv_collect_start(s.heap) == EXV_OK);
    CHECK(exv_collect_start(s.heap) == EXV_BUSY);
    exv_progress progress = EXV_FLIGHT;
    while (polling && progress == EXV_FLIGHT) {
        progress = exv_collect_poll(s.heap, &found);
        usleep(200);
    }
    if (!polling)
        progress = exv_collect_wait(s.heap, UINT64_MAX, &found);
    CHECK(progress == EXV_FINISHED);
    CHECK(found == RINGS * LENGTH);
    CHECK(count_objects(s.heap) == alive - RINGS * LENGTH);
    CHECK(times(s.heap, f->reason) == 1);
    exv_telemetry telemetry;
    exv_get_telemetry(s.heap, &telemetry);
    CHECK(telemetry.collections == 1 && telemetry.background_collections == 0);
    return end(&s);
}

static int fail_polling(void *arg)
{
    return fail_in_flight(arg, true);
}

static int fail_waiting(void *arg)
{
    return fail_in_flight(arg, false);
}

static void check_failure(failure f)
{
    assert_int_equal(in_fork(fail_polling, &f), 0);
    assert_int_equal(in_fork(fail_waiting, &f), 0);
}

static void test_child_is_killed(void **state)
{
    (void)state;
    check_failure((failure){be_killed, EXV_REASON_CHILD_DIED, 60000ULL * MILLISECOND});
}

static void test_child_crashes(void **state)
{
    (void)state;
    check_failure((failure){crash, EXV_REASON_CHILD_DIED, 60000ULL * MILLISECOND});
}

static void test_child_leaves_without_an_answer(void **state)
{
    (void)state;
    check_failure((failure){leave, EXV_REASON_CHILD_DIED, 60000ULL * MILLISECOND});
}

static void test_child_hangs(void **state)
{
    (void)state;
    check_failure((failure){hang, EXV_REASON_CHILD_LATE, 100 * MILLISECOND});
}

static void test_child_is_slow(void **state)
{
    (void)state;
    check_failure((failure){be_slow, EXV_REASON_CHILD_LATE, 100 * MILLISECOND});
}

static void test_child_gets_no_memory(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip();
    check_failure((failure){be_out_of_memory, EXV_REASON_CHILD_MEMORY, 60000ULL * MILLISECOND});
}

/* ---- an end in the middle ---- */

/* The heap is freed while the child hangs: the child goes with it. */
static int free_in_flight(void *arg)
{
    scene s;
    int line = begin(&s, 60000ULL * MILLISECOND);
    if (line)
        return line;
    (void)arg;
    disturb = hang;
    CHECK(exv_collect_start(s.heap) == EXV_OK);
    exv_decref(s.kept);
    CHECK(exv_heap_free(s.heap) == 0);
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
    CHECK(shared_mappings() == s.mappings && signals == 0);
    return 0;
}

static void test_heap_freed_while_the_child_hangs(void **state)
{
    (void)state;
    assert_int_equal(in_fork(free_in_flight, NULL), 0);
}

/* A collection in place meanwhile finds everything; the flight then ends with nothing to find. */
static int collect_meanwhile(void *arg)
{
    scene s;
    int line = begin(&s, 200 * MILLISECOND);
    if (line)
        return line;
    (void)arg;
    disturb = hang;
    CHECK(exv_collect_start(s.heap) == EXV_OK);
    CHECK(exv_collect(s.heap, 2) == RINGS * LENGTH);
    size_t found = SIZE_MAX;
    CHECK(exv_collect_wait(s.heap, UINT64_MAX, &found) == EXV_FINISHED);
    CHECK(found == 0);
    return end(&s);
}

static void test_collection_in_place_while_the_child_hangs(void **state)
{
    (void)state;
    assert_int_equal(in_fork(collect_meanwhile, NULL), 0);
}

/* ---- no child at all ---- */

/* From here on clone(), and with it fork(), ends so: refused, or with the process. */
static bool filter_clone(uint32_t action)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* From here on the system shares no memory. */
static bool refuse_sharing(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Room for no more than a few pages, and the answer asks for many. */
static bool refuse_memory(void)
{
    rlim_t limit = (rlim_t)virtual_kib() * 1024 + 8192;
    return setrlimit(RLIMIT_AS, &(struct rlimit){limit, RLIM_INFINITY}) == 0;
}

static bool allow_memory(void)
{
    return setrlimit(RLIMIT_AS, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY}) == 0;
}

static int start_refused(scene *s, exv_reason reason)
{
    CHECK(exv_collect_start(s->heap) == EXV_UNSUPPORTED);
    CHECK(strstr(exv_error_message(s->heap), exv_reason_name(reason)));
    CHECK(times(s->heap, reason) == 1);
    size_t found = SIZE_MAX;
    CHECK(exv_collect_poll(s->heap, &found) == EXV_IDLE && found == SIZE_MAX);
    return 0;
}

static int clone_refused(void *action)
{
    scene s;
    int line = begin(&s, 60000ULL * MILLISECOND);
    if (line)
        return line;
    CHECK(filter_clone(*(uint32_t *)action));
    line = start_refused(&s, EXV_REASON_CLONE_REFUSED);
    if (line)
        return line;
    CHECK(exv_collect(s.heap, 2) == RINGS * LENGTH);
    return end(&s);
}

static int no_shared_memory(void *arg)
{
    scene s;
    int line = begin(&s, 60000ULL * MILLISECOND);
    (void)arg;
    if (line)
        return line;
    CHECK(refuse_sharing());
    line = start_refused(&s, EXV_REASON_NO_SHARED);
    if (line)
        return line;
    CHECK(exv_collect(s.heap, 2) == RINGS * LENGTH);
    return end(&s);
}

static int no_room(void *arg)
{
    scene s;
    int line = begin(&s, 60000ULL * MILLISECOND);
    (void)arg;
    if (line)
        return line;
    for (int i = 0; i < 2000; i++) /* enough objects for an answer of several pages */
        exv_decref(new_ring(s.heap, &fragile_type, 2, 0));
    CHECK(refuse_memory());
    line = start_refused(&s, EXV_REASON_MEMORY_TIGHT);
    CHECK(allow_memory());
    if (line)
        return line;
    CHECK(exv_collect(s.heap, 2) == RINGS * LENGTH + 4000);
    return end(&s);
}

static void test_clone_refused(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip();
    uint32_t actions[] = {SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_KILL_PROCESS};
    for (int i = 0; i < 2; i++)
        assert_int_equal(in_fork(clone_refused, &actions[i]), 0);
}

static void test_no_shared_memory(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip();
    assert_int_equal(in_fork(no_shared_memory, NULL), 0);
}

static void test_no_room(void **state)
{
    (void)state;
    if (getenv("EXUVIA_VALGRIND"))
        skip();
    assert_int_equal(in_fork(no_room, NULL), 0);
}

/* A program whose every full collection should go to the background, where none can: it collects in place, by the same
 * rule, and garbage does not pile up. */
static int live_without_children(void *arg)
{
    enum { OBJECTS = 200000 };
    disturbance *how = *(disturbance **)arg;
    exv_config config = exv_config_default();
    config.policy.mode = EXV_MODE_BACKGROUND;
    config.policy.deadline_ns = 20 * MILLISECOND;
    config.threshold[0] = 50;
    config.threshold[1] = config.threshold[2] = 2;
    own_pid = getpid();
    exv_heap *heap = exv_heap_new(&config);
    CHECK(heap && (how || filter_clone(SECCOMP_RET_ERRNO | EPERM)));
    disturb = how;
    size_t most = 0;
    node *recent[512] = {NULL};
    for (int i = 0; i < OBJECTS / 4; i++) {
        node **place = &recent[i % 512]; /* old enough when dropped to be garbage of the oldest generation */
        exv_decref(*place);
        *place = new_ring(heap, &fragile_type, 4, 0);
        size_t alive = i % 64 ? 0 : count_objects(heap);
        most = alive > most ? alive : most;
    }
    for (int i = 0; i < 512; i++)
        exv_decref(recent[i]);
    CHECK(most < OBJECTS / 8);
    if (how) /* on a slow machine it is late before it dies */
        CHECK(times(heap, EXV_REASON_CHILD_DIED) + times(heap, EXV_REASON_CHILD_LATE) > 0);
    else
        CHECK(times(heap, EXV_REASON_CLONE_REFUSED) > 0);
    CHECK(exv_heap_check(heap) == NULL);
    CHECK(exv_heap_free(heap) == 0);
    return 0;
}

static void test_garbage_does_not_pile_up(void **state)
{
    if (getenv("EXUVIA_VALGRIND"))
        skip(); /* its own memory and slowness are not the program's */
    (void)state;
    disturbance *none = NULL, *killed = be_killed;
    assert_int_equal(in_fork(live_without_children, &killed), 0);
    if (!getenv("EXUVIA_VALGRIND"))
        assert_int_equal(in_fork(live_without_children, &none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_child_is_killed),
        cmocka_unit_test(test_child_crashes),
        cmocka_unit_test(test_child_leaves_without_an_answer),
        cmocka_unit_test(test_child_hangs),
        cmocka_unit_test(test_child_is_slow),
        cmocka_unit_test(test_child_gets_no_memory),
        cmocka_unit_test(test_heap_freed_while_the_child_hangs),
        cmocka_unit_test(test_collection_in_place_while_the_child_hangs),
        cmocka_unit_test(test_clone_refused),
        cmocka_unit_test(test_no_shared_memory),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_garbage_does_not_pile_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
