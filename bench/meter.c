/*
 * meter: clock, memory readings, random numbers, JSON lines. See meter.h for the talk between programs and run.py.
 *
 * Output goes through one stdio buffer that is set up before anything is measured; nothing here allocates with malloc
 * between two measurements, since malloc may be what is measured.
 */
#include "meter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

static bool has_member;

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t meter_now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t meter_cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t meter_status_bytes(const char *field)
{
    static char buffer[8192];
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        meter_fail("cannot read /proc/self/status");
    setvbuf(status, buffer, _IOFBF, sizeof buffer);
    char line[256];
    uint64_t kilobytes = 0;
    size_t length = strlen(field);
    while (fgets(line, sizeof line, status)) {
        if (strncmp(line, field, length) == 0 && line[length] == ':')
            kilobytes = strtoull(line + length + 1, NULL, 10);
    }
    fclose(status);
    return kilobytes * 1024;
}

uint64_t meter_minor_faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_minflt;
}

uint64_t meter_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void *meter_map(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        meter_fail("mmap gave no memory");
    return memory;
}

void meter_unmap(void *memory, size_t size)
{
    munmap(memory, size);
}

const char *meter_option_text(int argc, char **argv, const char *name, const char *otherwise)
{
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=')
            return argv[i] + length + 1;
    }
    return otherwise;
}

uint64_t meter_option(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *text = meter_option_text(argc, argv, name, NULL);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void name_member(const char *name)
{
    printf("%s\"%s\": ", has_member ? ", " : "", name);
    has_member = true;
}

void meter_open(void)
{
    has_member = false;
    putchar('{');
}

void meter_number(const char *name, uint64_t value)
{
    name_member(name);
    printf("%" PRIu64, value);
}

void meter_real(const char *name, double value)
{
    name_member(name);
    printf("%.6g", value);
}

void meter_text(const char *name, const char *value)
{
    name_member(name);
    printf("\"%s\"", value);
}

void meter_close(void)
{
    puts("}");
    fflush(stdout);
}

bool meter_command(char *command, size_t size)
{
    if (!fgets(command, (int)size, stdin))
        return false;
    command[strcspn(command, "\n")] = '\0';
    return true;
}

void meter_fail(const char *message)
{
    fprintf(stderr, "bench: %s\n", message);
    exit(1);
}
