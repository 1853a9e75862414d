/*
 * telemetry: counters, the pause histogram, and one record for each collection.
 *
 * Invariant: pauses == sum of pause_bucket. Nothing here locks, allocates or calls out; the listener is called by the
 * collector after a collection has ended.
 */
#ifndef EXVI_TELEMETRY_H
#define EXVI_TELEMETRY_H

#include "exuvia.h"

void exvi_telemetry_pause(exv_telemetry *telemetry, uint64_t ns);
void exvi_telemetry_reason(exv_telemetry *telemetry, exv_reason reason, uint64_t times);

#endif
