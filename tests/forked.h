/*
 * forked: run part of a test in a process of its own, so that it may change its user, its signals and its limits, be
 * killed, or crash. CHECK() there is what an assert is elsewhere; the line of the first that failed is the result.
 */
#ifndef EXUVIA_TESTS_FORKED_H
#define EXUVIA_TESTS_FORKED_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)     \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

typedef int forked_body(void *arg);

/* 0, the line of the CHECK that failed, or minus the signal that ended the process. */
static inline int in_fork(forked_body *body, void *arg)
{
    int *line = mmap(NULL, sizeof *line, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (line == MAP_FAILED)
        return __LINE__;
    int status = 0;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is stopped leaves nothing running */
        *line = body(arg);
        _exit(0);
    }
    bool ended = pid > 0 && waitpid(pid, &status, 0) == pid;
    int result = !ended ? __LINE__ : WIFSIGNALED(status) ? -WTERMSIG(status) : *line;
    munmap(line, sizeof *line);
    return result;
}

/* A number behind a key in a file under /proc, 0 if it is not there. */
static inline long proc_number(const char *path, const char *key)
{
    char line[512];
    long number = 0;
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) == 0) {
            number = strtol(line + strlen(key), NULL, 0);
            break;
        }
    }
    if (file)
        fclose(file);
    return number;
}

/* Address space in use: what is left behind shows here. */
static inline long virtual_kib(void)
{
    return proc_number("/proc/self/status", "VmSize:");
}

/* Mappings of shared anonymous memory, which is all that a snapshot maps in its parent. */
static inline int shared_mappings(void)
{
    char line[512];
    int count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    while (file && fgets(line, sizeof line, file))
        count += strstr(line, "/dev/zero (deleted)") != NULL;
    if (file)
        fclose(file);
    return count;
}

#endif
