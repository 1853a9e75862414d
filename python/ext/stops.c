/*
 * stops: see stops.h.
 */
#include "stops.h"

#include "die.h"

static exvi_stops stops;

const char *exvi_stop_name(exvi_stop stop)
{
    static const char *const name[EXVI_STOPS] = {"all", "clone", "reclaim", "young", "full", "assist"};
    return name[stop];
}

const exvi_stops *exvi_stops_get(void)
{
    return &stops;
}

void exvi_stops_note(exvi_stop kind, uint64_t ns)
{
    exvi_telemetry_pause(&stops.of[kind], ns);
}

void exvi_stops_collection(const exvi_stop_end *end)
{
    bool full = end->generation == 2;
    exv_assert(end->clone_ns + end->wait_ns <= end->ns);
    stops.young_collections += !full;
    stops.full_collections += full;
    stops.of[EXVI_STOP_ALL].collections++;
    exvi_stops_note(EXVI_STOP_ALL, end->ns);
    exvi_stop kind = full ? EXVI_STOP_FULL : end->carried ? EXVI_STOP_RECLAIM : EXVI_STOP_YOUNG;
    exvi_stops_note(kind, end->ns - end->clone_ns - end->wait_ns);
    if (end->wait_ns > 0)
        exvi_stops_note(EXVI_STOP_ASSIST, end->wait_ns);
}

void exvi_stops_forked(void)
{
    stops = (exvi_stops){0};
}
