/*
 * cookie: see cookie.h.
 */
#define _GNU_SOURCE
#include "cookie.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const char expected[] = "xdebugpy";

static volatile char *cookie; /* NULL: not found */

void exvi_cookie_find(void)
{
    char *runtime = dlsym(RTLD_DEFAULT, "_PyRuntime");
    cookie = runtime && memcmp(runtime, expected, sizeof expected - 1) == 0 ? runtime : NULL;
}

void exvi_cookie_wipe(void)
{
    for (size_t i = 0; cookie && i < sizeof expected - 1; i++)
        cookie[i] = 0;
}
