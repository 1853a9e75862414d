/*
 * test_telemetry: every pause falls into the bucket that its bounds say, and percentiles are upper bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "telemetry.h"

static unsigned only_bucket(const exv_telemetry *telemetry)
{
    unsigned found = EXV_PAUSE_BUCKETS;
    for (unsigned bucket = 0; bucket < EXV_PAUSE_BUCKETS; bucket++) {
        if (telemetry->pause_bucket[bucket] == 0)
            continue;
        assert_int_equal(found, EXV_PAUSE_BUCKETS);
        assert_int_equal(telemetry->pause_bucket[bucket], 1);
        found = bucket;
    }
    return found;
}

static void test_bucket_bounds(void **state)
{
    (void)state;
    static const uint64_t any[] = {0, 1, 500, 1023, 1024, 1025, 2047, 2048, 1000000, 17179869183, 34359738367};
    for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
        exv_telemetry telemetry = {0};
        exvi_telemetry_pause(&telemetry, any[i]);
        unsigned bucket = only_bucket(&telemetry);
        assert_true(any[i] < (uint64_t)1 << (bucket + 10));
        assert_true(bucket == 0 || any[i] >= (uint64_t)1 << (bucket + 9));
    }
}

static void test_last_bucket_has_no_bound(void **state)
{
    (void)state;
    static const uint64_t above[] = {(uint64_t)1 << (EXV_PAUSE_BUCKETS + 8), (uint64_t)1 << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof above / sizeof above[0]; i++) {
        exv_telemetry telemetry = {0};
        exvi_telemetry_pause(&telemetry, above[i]);
        assert_int_equal(only_bucket(&telemetry), EXV_PAUSE_BUCKETS - 1);
        assert_int_equal(exv_pause_percentile(&telemetry, 50), above[i]);
    }
}

static void test_sums(void **state)
{
    (void)state;
    exv_telemetry telemetry = {0};
    uint64_t total = 0, in_buckets = 0;
    for (uint64_t ns = 1; ns < 100000000; ns = ns * 3 + 1) {
        exvi_telemetry_pause(&telemetry, ns);
        total += ns;
        assert_int_equal(telemetry.pause_max_ns, ns);
    }
    exvi_telemetry_pause(&telemetry, 5);
    assert_int_equal(telemetry.pause_total_ns, total + 5);
    assert_true(telemetry.pause_max_ns > 5);
    for (unsigned bucket = 0; bucket < EXV_PAUSE_BUCKETS; bucket++)
        in_buckets += telemetry.pause_bucket[bucket];
    assert_int_equal(in_buckets, telemetry.pauses);
}

static void test_percentiles(void **state)
{
    (void)state;
    exv_telemetry telemetry = {0};
    assert_int_equal(exv_pause_percentile(&telemetry, 99), 0);
    for (int i = 0; i < 99; i++)
        exvi_telemetry_pause(&telemetry, 3000);
    exvi_telemetry_pause(&telemetry, 70000);
    assert_int_equal(exv_pause_percentile(&telemetry, 0), 4095);
    assert_int_equal(exv_pause_percentile(&telemetry, 50), 4095);
    assert_int_equal(exv_pause_percentile(&telemetry, 99), 4095);
    assert_int_equal(exv_pause_percentile(&telemetry, 99.5), 70000); /* its bucket ends above what was ever seen */
    assert_int_equal(exv_pause_percentile(&telemetry, 100), 70000);
    assert_int_equal(exv_pause_percentile(&telemetry, 200), 70000);
    assert_int_equal(exv_pause_percentile(&telemetry, -1), 4095);
}

static void test_reasons(void **state)
{
    (void)state;
    exv_telemetry telemetry = {0};
    exvi_telemetry_reason(&telemetry, EXV_REASON_CHILD_LATE, 1);
    exvi_telemetry_reason(&telemetry, EXV_REASON_STALE_CANDIDATE, 7);
    exvi_telemetry_reason(&telemetry, EXV_REASON_STALE_CANDIDATE, 0);
    for (int reason = 0; reason < EXV_REASONS; reason++) {
        uint64_t expected = reason == EXV_REASON_CHILD_LATE ? 1 : reason == EXV_REASON_STALE_CANDIDATE ? 7 : 0;
        assert_int_equal(telemetry.reasons[reason], expected);
    }
}

static void test_every_reason_has_its_name(void **state)
{
    (void)state;
    for (int a = 0; a < EXV_REASONS; a++) {
        assert_non_null(exv_reason_name((exv_reason)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(exv_reason_name((exv_reason)a), exv_reason_name((exv_reason)b));
    }
    assert_string_equal(exv_reason_name((exv_reason)EXV_REASONS), "unknown");
    assert_string_equal(exv_reason_name((exv_reason)-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bucket_bounds),
        cmocka_unit_test(test_last_bucket_has_no_bound),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_every_reason_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
