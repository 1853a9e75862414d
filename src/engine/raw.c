/*
 * raw: system calls without the C library. See raw.h.
 */
#include "raw.h"

#include <errno.h>

#if EXVI_LINUX && defined(__x86_64__)

long exvi_raw(long number, long a, long b, long c, long d, long e, long f)
{
    long answer;
    register long fourth __asm__("r10") = d;
    register long fifth __asm__("r8") = e;
    register long sixth __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "rcx", "r11", "memory");
    return answer;
}

#elif EXVI_LINUX && defined(__aarch64__)

long exvi_raw(long number, long a, long b, long c, long d, long e, long f)
{
    register long call __asm__("x8") = number;
    register long answer __asm__("x0") = a;
    register long second __asm__("x1") = b;
    register long third __asm__("x2") = c;
    register long fourth __asm__("x3") = d;
    register long fifth __asm__("x4") = e;
    register long sixth __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(answer)
                     : "r"(call), "r"(second), "r"(third), "r"(fourth), "r"(fifth), "r"(sixth)
                     : "memory");
    return answer;
}

#elif EXVI_LINUX
#include <unistd.h>

long exvi_raw(long number, long a, long b, long c, long d, long e, long f)
{
    long answer = syscall(number, a, b, c, d, e, f);
    return answer == -1 ? -(long)errno : answer;
}

#else

long exvi_raw(long number, long a, long b, long c, long d, long e, long f)
{
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return -ENOSYS;
}

#endif
