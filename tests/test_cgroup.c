/*
 * test_cgroup: limit, use and pressure as a tree of control groups tells them, for the ways in which a machine or a
 * container mounts one. Each test builds such a system in a folder of its own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "cgroup.h"
#include "files.h"
#include "platform.h"

#define MIB ((uint64_t)1 << 20)
#define VERSION_2_MOUNT "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

static char folder[64];

/* Write a file below the folder, and make the folders on the way. */
static void put(const char *path, const char *text)
{
    char whole[1024];
    snprintf(whole, sizeof whole, "%s/%s", folder, path);
    for (char *slash = whole + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        assert_true(mkdir(whole, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/exuvia-cgroup-XXXXXX");
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

static exvi_cgroup_state read_state(void)
{
    exvi_cgroup_state now;
    assert_true(exvi_cgroup_read(&now));
    return now;
}

static void test_own_group(void **state)
{
    (void)state;
    put("proc/self/mountinfo", "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n" VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/service\n");
    put("sys/fs/cgroup/service/memory.max", "1073741824\n");
    put("sys/fs/cgroup/service/memory.high", "max\n");
    put("sys/fs/cgroup/service/memory.current", "104857600\n");
    put("sys/fs/cgroup/service/memory.pressure",
        "some avg10=12.75 avg60=3.00 avg300=1.00 total=99\nfull avg10=50.00 avg60=0.00 avg300=0.00 total=9\n");
    exvi_cgroup_state now = read_state();
    assert_int_equal(now.limit_bytes, 1024 * MIB);
    assert_int_equal(now.used_bytes, 100 * MIB);
    assert_true(now.pressure_percent > 12.74 && now.pressure_percent < 12.76);
}

static void test_high_below_max(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/service\n");
    put("sys/fs/cgroup/service/memory.max", "1073741824\n");
    put("sys/fs/cgroup/service/memory.high", "536870912\n");
    put("sys/fs/cgroup/service/memory.current", "1048576\n");
    assert_int_equal(read_state().limit_bytes, 512 * MIB);
}

/* The parent's limit is larger, but others have used it up. */
static void test_parent_with_less_room(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/pod/a/b\n");
    put("sys/fs/cgroup/pod/a/b/memory.max", "209715200\n");
    put("sys/fs/cgroup/pod/a/b/memory.current", "104857600\n");
    put("sys/fs/cgroup/pod/a/memory.max", "max\n");
    put("sys/fs/cgroup/pod/a/memory.current", "104857600\n");
    put("sys/fs/cgroup/pod/memory.max", "1073741824\n");
    put("sys/fs/cgroup/pod/memory.current", "1063256064\n");
    exvi_cgroup_state now = read_state();
    assert_int_equal(now.limit_bytes, 1024 * MIB);
    assert_int_equal(now.used_bytes, 1014 * MIB);
}

static void test_child_with_less_room(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/pod/a\n");
    put("sys/fs/cgroup/pod/a/memory.max", "209715200\n");
    put("sys/fs/cgroup/pod/a/memory.current", "104857600\n");
    put("sys/fs/cgroup/pod/memory.max", "1073741824\n");
    put("sys/fs/cgroup/pod/memory.current", "524288000\n");
    exvi_cgroup_state now = read_state();
    assert_int_equal(now.limit_bytes, 200 * MIB);
    assert_int_equal(now.used_bytes, 100 * MIB);
}

/* A limit at the mount point itself, which is what a container sees of its own group. */
static void test_limit_at_the_mount_point(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/\n");
    put("sys/fs/cgroup/memory.max", "67108864\n");
    put("sys/fs/cgroup/memory.current", "1048576\n");
    assert_int_equal(read_state().limit_bytes, 64 * MIB);
    put("proc/self/cgroup", "0::/inner\n");
    put("sys/fs/cgroup/inner/memory.max", "max\n");
    put("sys/fs/cgroup/inner/memory.current", "1048576\n");
    assert_int_equal(read_state().limit_bytes, 64 * MIB);
}

/* File pages count as used only as long as there is room enough anyway. */
static void test_file_pages(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/service\n");
    put("sys/fs/cgroup/service/memory.max", "104857600\n");
    put("sys/fs/cgroup/service/memory.current", "99614720\n");
    put("sys/fs/cgroup/service/memory.stat", "anon 41943040\nfile 57671680\nactive_file 1\ninactive_file 52428800\n");
    assert_int_equal(read_state().used_bytes, 45 * MIB);
    put("sys/fs/cgroup/service/memory.stat", "anon 99614720\ninactive_file 999999999\n"); /* numbers of two moments */
    assert_int_equal(read_state().used_bytes, 0);
}

static void test_no_limit(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/user/me\n");
    put("sys/fs/cgroup/user/me/memory.max", "max\n");
    put("sys/fs/cgroup/user/me/memory.current", "3145728\n");
    put("sys/fs/cgroup/user/memory.current", "9145728\n");
    exvi_cgroup_state now = read_state();
    assert_int_equal(now.limit_bytes, 0);
    assert_int_equal(now.used_bytes, 3 * MIB);
}

static void test_no_group(void **state)
{
    (void)state;
    exvi_cgroup_state now;
    assert_false(exvi_cgroup_read(&now));
    put("proc/self/mountinfo", "24 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    assert_false(exvi_cgroup_read(&now));
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/\n"); /* the machine's root group has no numbers */
    assert_false(exvi_cgroup_read(&now));
}

/* Both versions mounted: the controller is with version 1, and says "no limit" with a number. */
static void test_version_1(void **state)
{
    (void)state;
    put("proc/self/mountinfo", "25 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                               "26 24 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                               "27 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "3:cpu,cpuacct:/wrong\n2:memory:/box/inner\n0::/also-wrong\n");
    put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "104857600\n");
    put("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "99614720\n");
    put("sys/fs/cgroup/memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n");
    put("sys/fs/cgroup/memory/box/inner/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/box/inner/memory.usage_in_bytes", "1048576\n");
    exvi_cgroup_state now = read_state();
    assert_int_equal(now.limit_bytes, 100 * MIB);
    assert_int_equal(now.used_bytes, 85 * MIB);
    assert_true(now.pressure_percent == 0);
}

/* A container without a namespace of its own: the group's name is the machine's, the mount shows a part of the tree. */
static void test_part_of_the_tree(void **state)
{
    (void)state;
    put("proc/self/mountinfo", "30 24 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("proc/self/cgroup", "0::/docker/abc/worker\n");
    put("sys/fs/cgroup/worker/memory.max", "33554432\n");
    put("sys/fs/cgroup/worker/memory.current", "1048576\n");
    put("sys/fs/cgroup/memory.max", "67108864\n");
    put("sys/fs/cgroup/memory.current", "1048576\n");
    assert_int_equal(read_state().limit_bytes, 32 * MIB);
    put("proc/self/cgroup", "0::/docker/abcdef\n"); /* not below: only the mount point is sure */
    assert_int_equal(read_state().limit_bytes, 64 * MIB);
    put("proc/self/cgroup", "0::/docker/abc/../../etc\n");
    assert_int_equal(read_state().limit_bytes, 64 * MIB);
}

static void test_odd_tables(void **state)
{
    (void)state;
    char text[9000], group[3000];
    memset(group, 'x', sizeof group - 1);
    group[sizeof group - 1] = '\0';
    snprintf(text, sizeof text, "20 1 0:1 / /%s rw - overlay overlay rw\n%s", group,
             "30 24 0:26 / /sys/fs/my\\040groups rw - cgroup2 cgroup2 rw"); /* a long line, a space, no newline */
    put("proc/self/mountinfo", text);
    snprintf(text, sizeof text, "0::/a/%.900s\n", group); /* deeper than any buffer of paths: the mount point counts */
    put("proc/self/cgroup", text);
    put("sys/fs/my groups/memory.max", "67108864\n");
    put("sys/fs/my groups/memory.current", "1048576\n");
    assert_int_equal(read_state().limit_bytes, 64 * MIB);
}

/* Whatever the real system is: no crash, no nonsense, and descriptors are given back. */
static void test_quota(void **state)
{
    (void)state;
    assert_true(exvi_cgroup_processors() == 0); /* there is no group */
    put("proc/self/mountinfo", VERSION_2_MOUNT);
    put("proc/self/cgroup", "0::/outer/inner\n");
    put("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
    assert_true(exvi_cgroup_processors() == 0);
    put("sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
    assert_true(exvi_cgroup_processors() == 1.5); /* a parent's binds as well */
    put("sys/fs/cgroup/outer/inner/cpu.max", "25000 50000\n");
    assert_true(exvi_cgroup_processors() == 0.5);
}

static void test_quota_of_version_1(void **state)
{
    (void)state;
    put("proc/self/mountinfo", VERSION_2_MOUNT
        "31 24 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
        "32 24 0:28 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n");
    put("proc/self/cgroup", "3:memory:/other\n2:cpu,cpuacct:/mine\n0::/\n");
    put("sys/fs/cgroup/cpu,cpuacct/mine/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu,cpuacct/mine/cpu.cfs_quota_us", "-1\n");
    assert_true(exvi_cgroup_processors() == 0);
    put("sys/fs/cgroup/cpu,cpuacct/mine/cpu.cfs_quota_us", "200000\n");
    assert_true(exvi_cgroup_processors() == 2);
}

static void test_this_system(void **state)
{
    (void)state;
    exvi_cgroup_root_set(NULL);
    for (int i = 0; i < 2000; i++) {
        exvi_cgroup_state now;
        if (exvi_cgroup_read(&now) && now.limit_bytes)
            assert_true(now.used_bytes < (uint64_t)1 << 50);
    }
    exvi_lines lines;
    assert_true(exvi_lines_open(&lines, "/proc/self/stat"));
    assert_true(lines.file < 100);
    exvi_lines_close(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_high_below_max, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parent_with_less_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_child_with_less_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit_at_the_mount_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_file_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_part_of_the_tree, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_odd_tables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_quota_of_version_1, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_this_system, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
