/*
 * alloc: how long do an allocation and its free take, for blocks of 16 to 512 bytes?
 *
 * A pattern is a sequence of operations made beforehand, which is then replayed: the same one for every allocator,
 * with no random numbers drawn while the clock runs. The first word and the last byte of each block are written,
 * and the first word is read back before the free: an allocator that hands out overlapping blocks ends the
 * program.
 *
 *   steady    a fixed live set; a random block is freed and one of another size takes its place (the server pattern of
 *             Larson and Krishnan 1998; 5,000 live blocks as its usual command line has it)
 *   growing   everything is allocated, then everything freed in the order of allocation (glibc's malloc-simple)
 *   lifetime  each block lives for a random number of allocations, every power of two up to 2^20 equally likely: most
 *             blocks die young, a few live long (the shape that Barrett and Zorn 1993 report of real programs)
 *
 * Options: pattern, live (steady: blocks), blocks (growing), steps (operations that are timed, steady and lifetime).
 */
#include "allocator.h"
#include "meter.h"

#include <math.h>
#include <string.h>

#define SLOTS (UINT32_C(1) << 20)
#define SIZE_MIN 16
#define SIZE_MAX_ 512

/* An operation: slot in the low 20 bits, size - SIZE_MIN in the next 9, then 1 for a free. */
#define SIZE_SHIFT 20
#define FREE_BIT (UINT32_C(1) << 30)

struct trace {
    uint32_t *operation;
    size_t count, room;
};

struct plan {
    struct trace fill;      /* once, not timed */
    struct trace body;      /* timed */
    unsigned rounds; /* times the body is replayed */
};

static void *slot[SLOTS];

static struct trace trace_new(size_t room)
{
    return (struct trace){meter_map(room * sizeof(uint32_t)), 0, room};
}

static void trace_add(struct trace *trace, uint32_t operation)
{
    if (trace->count == trace->room)
        meter_fail("a trace is full");
    trace->operation[trace->count++] = operation;
}

static uint32_t allocation_of(uint32_t where, uint64_t *state)
{
    uint32_t size = (uint32_t)(meter_random(state) % (SIZE_MAX_ - SIZE_MIN + 1));
    return where | size << SIZE_SHIFT;
}

static void plan_steady(struct plan *plan, uint32_t live, size_t steps)
{
    enum { BODY = 1 << 19 };
    uint64_t state = 1;
    plan->fill = trace_new(live);
    for (uint32_t i = 0; i < live; i++)
        trace_add(&plan->fill, allocation_of(i, &state));
    plan->body = trace_new(2 * BODY);
    for (size_t i = 0; i < BODY; i++) {
        uint32_t where = (uint32_t)(meter_random(&state) % live);
        trace_add(&plan->body, where | FREE_BIT);
        trace_add(&plan->body, allocation_of(where, &state));
    }
    plan->rounds = (unsigned)((steps + BODY - 1) / BODY);
}

static void plan_growing(struct plan *plan, uint32_t blocks)
{
    uint64_t state = 2;
    plan->body = trace_new((size_t)2 * blocks);
    for (uint32_t i = 0; i < blocks; i++)
        trace_add(&plan->body, allocation_of(i, &state));
    for (uint32_t i = 0; i < blocks; i++)
        trace_add(&plan->body, i | FREE_BIT);
    plan->rounds = 3;
}

/* Blocks that die at step t are in a list from due[t]; a slot is free when its block is dead. */
static void plan_lifetime(struct plan *plan, uint32_t steps)
{
    uint64_t state = 3;
    uint32_t *due = meter_map((steps + 1) * sizeof *due);
    uint32_t *next_due = meter_map(SLOTS * sizeof *next_due);
    uint32_t *idle = meter_map(SLOTS * sizeof *idle);
    uint32_t idle_count = 0;
    for (uint32_t i = SLOTS; i > 0; i--)
        idle[idle_count++] = i; /* slots are numbered from 1 here: 0 ends a list */
    plan->body = trace_new((size_t)2 * steps);
    for (uint32_t t = 0; t <= steps; t++) {
        for (uint32_t dead = due[t]; dead; dead = next_due[dead - 1]) {
            trace_add(&plan->body, (dead - 1) | FREE_BIT);
            idle[idle_count++] = dead;
        }
        if (t == steps || !idle_count)
            break;
        uint32_t where = idle[--idle_count];
        trace_add(&plan->body, allocation_of(where - 1, &state));
        double octaves = 20.0 * (double)(meter_random(&state) >> 11) * 0x1p-53;
        uint64_t end = t + 1 + (uint64_t)exp2(octaves);
        uint32_t death = end < steps ? (uint32_t)end : steps;
        next_due[where - 1] = due[death];
        due[death] = where;
    }
    if (idle_count != SLOTS)
        meter_fail("more blocks are live than there are slots");
    meter_unmap(due, (steps + 1) * sizeof *due);
    meter_unmap(next_due, SLOTS * sizeof *next_due);
    meter_unmap(idle, SLOTS * sizeof *idle);
    plan->rounds = 1;
}

static void block_write(uint32_t where, size_t size)
{
    char *block = allocator_new(size);
    if (!block)
        meter_fail("out of memory");
    block[size - 1] = 1;
    memcpy(block, &where, sizeof where);
    slot[where] = block;
}

static void block_drop(uint32_t where)
{
    uint32_t seen;
    memcpy(&seen, slot[where], sizeof seen);
    if (seen != where)
        meter_fail("a live block was overwritten");
    allocator_free(slot[where]);
}

static void replay(const struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        uint32_t operation = trace->operation[i];
        uint32_t where = operation & (SLOTS - 1);
        if (operation & FREE_BIT)
            block_drop(where);
        else
            block_write(where, SIZE_MIN + (operation >> SIZE_SHIFT));
    }
}

static void measure(const struct plan *plan)
{
    uint64_t first_ns = 0;
    uint64_t start = meter_now_ns();
    for (unsigned i = 0; i < plan->rounds; i++) {
        replay(&plan->body);
        if (i == 0)
            first_ns = meter_now_ns() - start;
    }
    uint64_t ns = meter_now_ns() - start;
    double pairs = (double)plan->body.count / 2;
    meter_open();
    meter_real("ns_per_pair", (double)ns / pairs / plan->rounds);
    meter_real("first_ns_per_pair", (double)first_ns / pairs);
    meter_number("resident_bytes", meter_status_bytes("VmRSS"));
    meter_number("peak_bytes", meter_status_bytes("VmHWM"));
    meter_close();
}

int main(int argc, char **argv)
{
    struct plan plan = {0};
    const char *pattern = meter_option_text(argc, argv, "pattern", "steady");
    uint64_t live = meter_option(argc, argv, "live", 5000);
    uint64_t blocks = meter_option(argc, argv, "blocks", 1000000);
    uint64_t steps = meter_option(argc, argv, "steps", 10000000);
    if (live == 0 || live > SLOTS || blocks == 0 || blocks > SLOTS)
        meter_fail("live and blocks are 1 to 2^20");
    if (strcmp(pattern, "steady") == 0)
        plan_steady(&plan, (uint32_t)live, steps);
    else if (strcmp(pattern, "growing") == 0)
        plan_growing(&plan, (uint32_t)blocks);
    else if (strcmp(pattern, "lifetime") == 0)
        plan_lifetime(&plan, (uint32_t)steps);
    else
        meter_fail("pattern is steady, growing or lifetime");
    allocator_open();
    replay(&plan.fill);

    meter_open();
    meter_text("name", ALLOCATOR_NAME);
    meter_text("version", allocator_version());
    meter_close();
    char command[64];
    while (meter_command(command, sizeof command))
        measure(&plan);
    return 0;
}
