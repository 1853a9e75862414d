/*
 * cgroup: the process's control group, version 2 or 1: limit, use and pressure of memory, quota of processors.
 *
 * A container that outgrows its limit is killed, and no allocation fails before: who wants to collect in time has to
 * look here. It only reads; what the numbers mean for collections is the policy's affair.
 */
#ifndef EXVI_CGROUP_H
#define EXVI_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A group and each of its parents may have a limit: told is the one with the least room left. */
typedef struct exvi_cgroup_state {
    uint64_t limit_bytes;    /* the smaller of memory.high and memory.max; 0: none */
    uint64_t used_bytes;     /* under that limit, without file pages the system can drop at once */
    double pressure_percent; /* share of the last 10 s in which some task of the group waited for memory */
} exvi_cgroup_state;

/* False: no group with the memory controller is known. Opens, reads and closes some files: 10 to 30 microseconds. */
bool exvi_cgroup_read(exvi_cgroup_state *state);

/* A group or parent of it that has a limit: what to read to see how near it is, also where the paths cannot be looked
 * for any more. */
typedef struct exvi_cgroup_level {
    uint64_t limit_bytes;
    char used[1024], stat[1024]; /* files: the bytes in use, and where the line is that begins with `droppable` */
    const char *droppable;       /* file pages among them that the system can drop at once */
} exvi_cgroup_level;

/* The process's own group first; how many there are, at most `room`. */
size_t exvi_cgroup_levels(exvi_cgroup_level *levels, size_t room);

/* Processors' worth of time that the group, or a parent of it, may use: the least. 0: as much as there is. */
double exvi_cgroup_processors(void);

/* The number behind a line's first word in a file of such lines; UINT64_MAX: it is not there. */
uint64_t exvi_cgroup_stat(const char *path, const char *key);

/* For tests, before other threads read: a folder that stands for "/" when this module looks for proc/self/mountinfo,
 * proc/self/cgroup and the tree of groups. NULL: the real one again. */
void exvi_cgroup_root_set(const char *folder);

#endif
