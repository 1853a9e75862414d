/*
 * test_room: how much memory may still be added, under limits of each kind, what a search is expected to add, and a
 * child that ends itself when a limit comes near. Limits are files in a folder of the test's own.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "forked.h"
#include "platform.h"
#include "room.h"
#include "snapshot.h"

#define MIB ((uint64_t)1 << 20)
#define MS ((uint64_t)1000000)

static char folder[64];

static void put(const char *path, uint64_t number)
{
    char whole[256], part[256];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    for (size_t i = strlen(folder) + 1; whole[i]; i++) {
        if (whole[i] != '/')
            continue;
        snprintf(part, i + 1, "%s", whole);
        assert_true(mkdir(part, 0700) == 0 || errno == EEXIST);
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fprintf(file, "%llu\n", (unsigned long long)number);
    fclose(file);
}

static void put_text(const char *path, const char *text)
{
    char whole[256];
    put(path, 0);
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    FILE *file = fopen(whole, "w");
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/exuvia-room-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    exvi_cgroup_root_set(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    exvi_cgroup_root_set(NULL);
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static void version_2(void)
{
    put_text("proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    put_text("proc/self/cgroup", "0::/pod/app\n");
}

static uint64_t room_now(const char **of_what)
{
    return exvi_room_bytes(of_what);
}

static void test_version_2(void **state)
{
    (void)state;
    const char *of_what;
    version_2();
    put("cg/pod/app/memory.max", 200 * MIB);
    put("cg/pod/app/memory.current", 100 * MIB);
    put_text("cg/pod/memory.max", "max\n");
    put("cg/pod/memory.current", 900 * MIB);
    uint64_t left = room_now(&of_what);
    assert_true(left > 80 * MIB && left < 100 * MIB);
    assert_string_equal(of_what, "control group");

    put("cg/pod/memory.max", 950 * MIB); /* the parent's binds, too */
    assert_true(room_now(&of_what) < 50 * MIB);

    put_text("cg/pod/memory.stat", "anon 5\ninactive_file 314572800\n"); /* what can be dropped does not count */
    left = room_now(&of_what);
    assert_true(left > 80 * MIB && left < 100 * MIB);

    put("cg/pod/app/memory.current", 201 * MIB);
    assert_true(room_now(&of_what) == 0);
}

static void test_version_1(void **state)
{
    (void)state;
    const char *of_what;
    put_text("proc/self/mountinfo", "30 24 0:26 / /cg rw - cgroup cgroup rw,memory\n");
    put_text("proc/self/cgroup", "4:memory:/app\n");
    put("cg/app/memory.limit_in_bytes", 300 * MIB);
    put("cg/app/memory.usage_in_bytes", 100 * MIB);
    put("cg/memory.limit_in_bytes", UINT64_C(9223372036854771712));
    put("cg/memory.usage_in_bytes", 4000 * MIB);
    uint64_t left = room_now(&of_what);
    assert_true(left > 180 * MIB && left < 200 * MIB);
}

static void test_no_group(void **state)
{
    (void)state;
    const char *of_what;
    uint64_t left = room_now(&of_what);
    assert_true(left > 0 && left < UINT64_MAX / 4);
    assert_string_equal(of_what, "free memory");
}

static void test_forecast(void **state)
{
    (void)state;
    exvi_room room = {0};
    exvi_forecast before = exvi_room_forecast(&room, &(exvi_search_plan){.objects = 1000});
    assert_true(before.page_table_bytes > 0 && before.search_bytes >= 1000);
    size_t size = 256 * MIB;
    char *foreign = exvi_map(size, 4096);
    exvi_advise_small(foreign, size);
    memset(foreign, 1, size);
    room.looked_ns = 0;
    exvi_forecast after = exvi_room_forecast(&room, &(exvi_search_plan){.objects = 1000, .expected_ns = 1000000000});
    assert_true(after.page_table_bytes >= before.page_table_bytes + size / exvi_page_size() * sizeof(void *) / 2);
    assert_true(after.clone_ns > before.clone_ns); /* before any clone was made */
    assert_true(after.written_bytes > 0);
    exvi_forecast huge = exvi_room_forecast(&room, &(exvi_search_plan){.huge_bytes = size});
    assert_true(room.all_huge || huge.clone_ns < after.clone_ns);
    exvi_unmap(foreign, size);
}

static void test_clone_is_learned(void **state)
{
    (void)state;
    exvi_room room = {0};
    exvi_forecast first = exvi_room_forecast(&room, &(exvi_search_plan){0});
    room.forecast_clone_ns = 1 * MS;
    exvi_room_began(&room, 9 * MS); /* of a small process: tells nothing of a large one */
    assert_true(exvi_room_forecast(&room, &(exvi_search_plan){0}).clone_ns == first.clone_ns);
    room.forecast_clone_ns = 50 * MS;
    exvi_room_began(&room, 500 * MS);
    exvi_room_ended(&room, 1000, 200000);
    exvi_forecast second = exvi_room_forecast(&room, &(exvi_search_plan){.objects = 1000});
    assert_in_range(second.clone_ns, first.clone_ns * 9, first.clone_ns * 11);
    assert_in_range(second.search_bytes, 199000, 202000);
}

static void test_what_does_not_fit(void **state)
{
    (void)state;
    const char *why = NULL;
    exvi_room room = {0};
    exvi_watch watch = {0};
    version_2();
    put("cg/pod/app/memory.max", 200 * MIB);
    put("cg/pod/app/memory.current", 100 * MIB);
    exvi_forecast forecast = {.search_bytes = 30 * MIB, .written_bytes = 20 * MIB};
    assert_true(exvi_room_allows(&room, &forecast, &watch, &why));
    forecast.written_bytes += 50 * MIB;
    assert_false(exvi_room_allows(&room, &forecast, &watch, &why));
    assert_string_equal(why, "control group");
}

static int refuse_addresses(void *arg)
{
    (void)arg;
    const char *why = NULL;
    exvi_room room = {0};
    exvi_watch watch = {0};
    (void)exvi_room_forecast(&room, &(exvi_search_plan){0});
    struct rlimit limit = {room.mapped_bytes + 64 * MIB, RLIM_INFINITY};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    CHECK(exvi_room_allows(&room, &(exvi_forecast){.search_bytes = 32 * MIB}, &watch, &why));
    CHECK(!exvi_room_allows(&room, &(exvi_forecast){.search_bytes = 128 * MIB}, &watch, &why));
    CHECK(strcmp(why, "address space") == 0);
    return 0;
}

static void test_address_space(void **state)
{
    (void)state;
    assert_int_equal(in_fork(refuse_addresses, NULL), 0);
}

/* ---- the child ---- */

static exvi_search_end run_on(exvi_answer *answer, void *arg)
{
    (void)arg;
    while (!exvi_answer_stopped(answer))
        exvi_sleep_ns(MS);
    return EXVI_SEARCH_STOPPED;
}

static exv_reason end_of_search(exvi_snapshot *snapshot, uint64_t timeout_ns)
{
    exvi_snapshot_wait(snapshot, timeout_ns);
    exv_reason reason = snapshot->flight == EXVI_FLIGHT_FAILED ? snapshot->reason : EXV_REASONS;
    exvi_snapshot_end(snapshot);
    return reason;
}

/* The group fills up while the search is up, in steps or at once. */
static void test_child_ends_itself(void **state)
{
    (void)state;
    exvi_snapshot snapshot = {0};
    version_2();
    put("cg/pod/app/memory.max", 1000 * MIB);
    put("cg/pod/app/memory.current", 100 * MIB);
    assert_int_equal(exvi_snapshot_start(&snapshot, run_on, NULL, 10, 20000 * MS), EXV_OK);
    exvi_snapshot_wait(&snapshot, 200 * MS);
    assert_int_equal(snapshot.flight, EXVI_FLIGHT_RUNNING);
    put("cg/pod/app/memory.current", 990 * MIB);
    assert_int_equal(end_of_search(&snapshot, 10000 * MS), EXV_REASON_MEMORY_TIGHT);

    put("cg/pod/app/memory.current", 100 * MIB);
    assert_int_equal(exvi_snapshot_start(&snapshot, run_on, NULL, 10, 20000 * MS), EXV_OK);
    for (unsigned mib = 100; mib <= 900 && exvi_snapshot_poll(&snapshot) == EXVI_FLIGHT_RUNNING; mib += 200) {
        put("cg/pod/app/memory.current", mib * MIB); /* 100 are left, and three times 200 are needed */
        exvi_sleep_ns(100 * MS);
    }
    assert_int_equal(end_of_search(&snapshot, 10000 * MS), EXV_REASON_MEMORY_TIGHT);
}

static void test_clone_is_not_made(void **state)
{
    (void)state;
    exvi_snapshot snapshot = {.plan = {.objects = 1000000}};
    version_2();
    put("cg/pod/app/memory.max", 100 * MIB);
    put("cg/pod/app/memory.current", 80 * MIB);
    assert_int_equal(exvi_snapshot_start(&snapshot, run_on, NULL, 10, 20000 * MS), EXV_UNSUPPORTED);
    assert_int_equal(snapshot.reason, EXV_REASON_MEMORY_TIGHT);
    assert_string_equal(snapshot.limit, "control group");
    exvi_snapshot_end(&snapshot);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_version_2),
        IN_FOLDER(test_version_1),
        IN_FOLDER(test_no_group),
        IN_FOLDER(test_forecast),
        IN_FOLDER(test_clone_is_learned),
        IN_FOLDER(test_what_does_not_fit),
        IN_FOLDER(test_address_space),
        IN_FOLDER(test_child_ends_itself),
        IN_FOLDER(test_clone_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
