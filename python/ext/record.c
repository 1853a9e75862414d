/*
 * record: see record.h.
 *
 * Record number n, counted from 1, is in ring[(n - 1) % room]. The ring begins with static memory, so that the first
 * record needs none, and only grows: a program whose log was once far behind may have it so again.
 */
#include "record.h"

#include "platform.h"

#include <time.h>

static struct {
    exvi_record first[EXVI_RECORDS];
    exvi_record *ring;
    uint64_t room;
    uint64_t made, taken, lost;
    bool keeping;
} records;

#define FIELD(name) {#name, offsetof(exvi_record, name)}
const exvi_record_field exvi_record_fields[] = {
    FIELD(number), FIELD(began_ns), FIELD(ended_ns), FIELD(examined), FIELD(clone_ns), FIELD(search_ns),
    FIELD(child_cpu_ns), FIELD(child_bytes), FIELD(reclaim_ns), FIELD(longest_ns), FIELD(batches), FIELD(candidates),
    FIELD(stale), FIELD(relinked), FIELD(unreachable), FIELD(uncollectable),
    FIELD(released_ns), FIELD(listed), {NULL, 0},
};

uint64_t exvi_record_value(const exvi_record *record, const exvi_record_field *field)
{
    return *(const uint64_t *)(const void *)((const char *)record + field->offset);
}

const char *exvi_record_kind_name(exvi_record_kind kind)
{
    static const char *const name[] = {
        [EXVI_RECORD_BACKGROUND] = "background", [EXVI_RECORD_TRIAL] = "trial", [EXVI_RECORD_FAILED] = "failed",
        [EXVI_RECORD_INPLACE] = "inplace", [EXVI_RECORD_USER] = "user",
    };
    return name[kind];
}

static uint64_t wall_clock_ns(void)
{
    struct timespec now;
    return timespec_get(&now, TIME_UTC) == TIME_UTC ? (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec : 0;
}

static bool grow(void)
{
    uint64_t room = 2 * records.room;
    exvi_record *ring = exvi_map(room * sizeof *ring, sizeof(uint64_t));
    if (!ring)
        return false;
    uint64_t oldest = records.made > records.room ? records.made - records.room : 0;
    for (uint64_t i = oldest; i < records.made; i++)
        ring[i % room] = records.ring[i % records.room];
    if (records.ring != records.first)
        exvi_unmap(records.ring, records.room * sizeof *ring);
    records.ring = ring;
    records.room = room;
    return true;
}

const exvi_record *exvi_record_add(const exvi_record *record)
{
    if (!records.ring) {
        records.ring = records.first;
        records.room = EXVI_RECORDS;
    }
    if (records.keeping && records.made - records.taken == records.room && !grow()) {
        records.taken++;
        records.lost++;
    }
    exvi_record *added = &records.ring[records.made % records.room];
    *added = *record;
    added->number = ++records.made;
    added->wall_ns = wall_clock_ns();
    added->ended_ns = exvi_clock_ns();
    return added;
}

uint64_t exvi_record_made(void)
{
    return records.made;
}

void exvi_record_forked(void)
{
    records.made = records.taken = records.lost = 0;
}

size_t exvi_record_read(exvi_record *copy)
{
    uint64_t count = records.made < EXVI_RECORDS ? records.made : EXVI_RECORDS;
    for (uint64_t i = 0; i < count; i++)
        copy[i] = records.ring[(records.made - count + i) % records.room];
    return count;
}

void exvi_record_keep(bool keep)
{
    records.keeping = keep;
    records.taken = records.made;
    records.lost = 0;
}

bool exvi_record_is_waiting(void)
{
    return records.keeping && records.taken < records.made;
}

bool exvi_record_take(exvi_record *record)
{
    if (!exvi_record_is_waiting())
        return false;
    *record = records.ring[records.taken++ % records.room];
    return true;
}

uint64_t exvi_record_lost(void)
{
    return records.lost;
}
