/*
 * huge: how much of this process lies in huge pages. To be included after cmocka.h.
 */
#ifndef TEST_HUGE_H
#define TEST_HUGE_H

#include <stdio.h>

static inline size_t huge_bytes(void)
{
    char line[512];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) && sscanf(line, "AnonHugePages: %lu kB", &kilobytes) != 1)
        ;
    fclose(file);
    return kilobytes << 10;
}

#endif
