/*
 * raw: system calls without the C library.
 *
 * A snapshot child must enter no function that somebody else may have replaced: profilers and preloaded libraries wrap
 * mmap(), prctl() or read() of whole processes, write down what passes, and take locks, which in the child nobody will
 * release. An instruction cannot be wrapped. So everything that may run in a child calls the system through here.
 *
 * Invariant: no state at all, not even errno: the answer is what the kernel says, -4095 to -1 being a negated errno.
 *
 * x86-64 and aarch64; on other architectures the C library's syscall() makes the call, which a wrapper would see.
 */
#ifndef EXVI_RAW_H
#define EXVI_RAW_H

#include <stdbool.h>
#include <stdint.h>

#if UINTPTR_MAX != UINT64_MAX
#error "Exuvia needs a system with 64-bit addresses"
#endif

#ifndef EXVI_LINUX
#ifdef __linux__
#define EXVI_LINUX 1
#else
#define EXVI_LINUX 0
#endif
#endif

/* EXVI_RAW(SYS_number, up to six numbers or pointers) */
#define EXVI_RAW(...) EXVI_RAW_SIX(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define EXVI_RAW_SIX(number, a, b, c, d, e, f, ...) \
    exvi_raw((long)(number), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
long exvi_raw(long number, long a, long b, long c, long d, long e, long f);

static inline bool exvi_raw_failed(long answer)
{
    return answer < 0 && answer >= -4095;
}

#endif
