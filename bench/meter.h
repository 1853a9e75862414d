/*
 * meter: what every benchmark program shares: clock, memory readings, random numbers, and the talk with bench/run.py.
 *
 * A program is started with options NAME=VALUE. It sets up what it measures, writes one line of JSON with facts
 * about itself, and then for each line it reads (a command) makes one measurement and writes one line of JSON. At
 * the end of its input it exits. So two programs can stay set up side by side and be measured in turn, and any of
 * them can be tried by hand: `echo run | ./collect-exuvia objects=100000`.
 *
 * It judges nothing: ratios, medians and targets are run.py's business.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t meter_now_ns(void);                    /* monotonic */
uint64_t meter_cpu_ns(void);                    /* of this process, all threads */
uint64_t meter_status_bytes(const char *field); /* of /proc/self/status: VmRSS, VmHWM, VmPTE */
uint64_t meter_minor_faults(void);

/* 64 random bits from a state of the caller's; the same sequence on every machine (splitmix64, Steele 2014). */
uint64_t meter_random(uint64_t *state);

/* Memory that is not malloc's, so that a program's scratch does not disturb the allocator it measures. Never NULL. */
void *meter_map(size_t size);
void meter_unmap(void *memory, size_t size);

uint64_t meter_option(int argc, char **argv, const char *name, uint64_t otherwise);
const char *meter_option_text(int argc, char **argv, const char *name, const char *otherwise);

/* One line of JSON: open, members, close. */
void meter_open(void);
void meter_number(const char *name, uint64_t value);
void meter_real(const char *name, double value);
void meter_text(const char *name, const char *value);
void meter_close(void);

/* The next command into `command`; false at the end of the input. */
bool meter_command(char *command, size_t size);

/* End the program with a message: a set-up that failed must not look like a result. */
_Noreturn void meter_fail(const char *message);

/* Keeps the compiler from removing what led to `pointer`, or from assuming what it points to. */
static inline void meter_keep(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

#endif
