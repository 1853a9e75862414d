/*
 * telemetry: counters, the pause histogram, and why something other than the plain way was taken.
 *
 * Invariant: pauses == sum of pause_bucket, pause_max_ns <= pause_total_ns. Nothing here locks, allocates or calls out;
 * the records of single collections are made, and the listener is called, by the collector.
 */
#ifndef EXVI_TELEMETRY_H
#define EXVI_TELEMETRY_H

#include "exuvia.h"

void exvi_telemetry_pause(exv_telemetry *telemetry, uint64_t ns);
void exvi_telemetry_reason(exv_telemetry *telemetry, exv_reason reason, uint64_t times);

#endif
