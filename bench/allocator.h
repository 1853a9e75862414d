/*
 * allocator: the allocator that a program is built for, one of BENCH_EXUVIA, BENCH_MIMALLOC, BENCH_JEMALLOC,
 * BENCH_GLIBC.
 *
 * Each is called by the functions its users call, through its shared library: mimalloc and jemalloc come from
 * Debian as shared libraries, so the library is linked that way too. Settings (huge pages) are environment
 * variables of run.py.
 */
#ifndef BENCH_ALLOCATOR_H
#define BENCH_ALLOCATOR_H

#if defined BENCH_EXUVIA
#include <exuvia.h>
static exv_heap *allocator_heap;
static inline void allocator_open(void)
{
    allocator_heap = exv_heap_new(NULL);
}
static inline const char *allocator_version(void)
{
    return exv_version();
}
#define allocator_new(size) exv_alloc(allocator_heap, size)
#define allocator_free(block) exv_free(allocator_heap, block)
#define ALLOCATOR_NAME "exuvia"

#elif defined BENCH_MIMALLOC
#include <mimalloc.h>
#include <stdio.h>
static inline void allocator_open(void)
{
}
static inline const char *allocator_version(void)
{
    static char text[16];
    int version = mi_version();
    snprintf(text, sizeof text, "%d.%d.%d", version / 100, version / 10 % 10, version % 10);
    return text;
}
#define allocator_new(size) mi_malloc(size)
#define allocator_free(block) mi_free(block)
#define ALLOCATOR_NAME "mimalloc"

#elif defined BENCH_JEMALLOC
#include <jemalloc/jemalloc.h>
static inline void allocator_open(void)
{
}
static inline const char *allocator_version(void)
{
    const char *text = "unknown";
    size_t size = sizeof text;
    mallctl("version", &text, &size, NULL, 0); /* also: jemalloc is what malloc() resolves to */
    return text;
}
#define allocator_new(size) malloc(size)
#define allocator_free(block) free(block)
#define ALLOCATOR_NAME "jemalloc"

#else
#include <gnu/libc-version.h>
#include <stdlib.h>
static inline void allocator_open(void)
{
}
#define allocator_version() gnu_get_libc_version()
#define allocator_new(size) malloc(size)
#define allocator_free(block) free(block)
#define ALLOCATOR_NAME "glibc"
#endif

#endif
