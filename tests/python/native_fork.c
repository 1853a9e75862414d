/* Forks as a library in C does, without the GIL: see test_arenas.py. Returns how often. */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int native_forks(double seconds)
{
    double end = now() + seconds;
    int forks = 0;
    for (; now() < end; forks++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        if (child > 0)
            waitpid(child, NULL, 0);
    }
    return forks;
}
