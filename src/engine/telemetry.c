/*
 * telemetry: counters and the pause histogram. See telemetry.h.
 *
 * Bucket i holds the stops of 2^(i+9) to 2^(i+10) - 1 ns; the first all below, the last all above. Twice the size from
 * one to the next is enough to tell a stop that hurts from one that does not, and makes recording one instruction's
 * worth of arithmetic.
 */
#include "telemetry.h"

#include "die.h"

#define FIRST_BUCKET_BITS 10

static unsigned bucket_of(uint64_t ns)
{
    if (ns >> FIRST_BUCKET_BITS == 0)
        return 0;
    unsigned bucket = 64 - FIRST_BUCKET_BITS - (unsigned)__builtin_clzll(ns);
    return bucket < EXV_PAUSE_BUCKETS ? bucket : EXV_PAUSE_BUCKETS - 1;
}

void exvi_telemetry_pause(exv_telemetry *telemetry, uint64_t ns)
{
    telemetry->pauses++;
    telemetry->pause_total_ns += ns;
    telemetry->pause_bucket[bucket_of(ns)]++;
    if (ns > telemetry->pause_max_ns)
        telemetry->pause_max_ns = ns;
}

void exvi_telemetry_reason(exv_telemetry *telemetry, exv_reason reason, uint64_t times)
{
    exv_assert((unsigned)reason < EXV_REASONS);
    telemetry->reasons[reason] += times;
}

const char *exv_reason_name(exv_reason reason)
{
    static const char *const names[EXV_REASONS] = {
        [EXV_REASON_CLONE_REFUSED] = "clone refused",
        [EXV_REASON_NO_SHARED] = "no shared memory",
        [EXV_REASON_CHILD_DIED] = "child died",
        [EXV_REASON_CHILD_LATE] = "child late",
        [EXV_REASON_CHILD_MEMORY] = "child out of memory",
        [EXV_REASON_CANCELLED] = "cancelled",
        [EXV_REASON_SCAN_MEMORY] = "no memory to search",
        [EXV_REASON_STALE_CANDIDATE] = "stale candidate",
        [EXV_REASON_MEMORY_TIGHT] = "memory tight",
    };
    return (unsigned)reason < EXV_REASONS ? names[reason] : "unknown";
}

uint64_t exv_pause_percentile(const exv_telemetry *telemetry, double percentile)
{
    uint64_t seen = 0;
    double rank = percentile * (double)telemetry->pauses / 100;
    for (unsigned bucket = 0; bucket < EXV_PAUSE_BUCKETS - 1; bucket++) {
        seen += telemetry->pause_bucket[bucket];
        uint64_t bound = ((uint64_t)1 << (bucket + FIRST_BUCKET_BITS)) - 1;
        if (seen > 0 && (double)seen >= rank)
            return bound < telemetry->pause_max_ns ? bound : telemetry->pause_max_ns;
    }
    return telemetry->pause_max_ns;
}
