/*
 * die: the end of a program that misused the library.
 *
 * exvi_die() prints one line, "exuvia: FUNCTION: MESSAGE", to standard error and aborts. It
 * allocates nothing and takes no lock. exv_assert is for conditions that hold unless Exuvia
 * itself is wrong; it is compiled into the checked build only.
 */
#ifndef EXVI_DIE_H
#define EXVI_DIE_H

_Noreturn void exvi_die(const char *function, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* In a snapshot child: from now on by an instruction that is none. abort() sends a signal to the thread that the C
 * library believes to be in, and musl believes that to be the parent's. */
void exvi_die_by_trap(void);

#ifdef EXVI_CHECKED
#define exv_assert(condition) \
    ((condition) ? (void)0 : exvi_die(__func__, "%s:%d: %s does not hold", __FILE__, __LINE__, #condition))
#else
#define exv_assert(condition) ((void)0)
#endif

#define exvi_likely(x) __builtin_expect(!!(x), 1)
#define exvi_unlikely(x) __builtin_expect(!!(x), 0)

#endif
