/*
 * append: see append.h.
 *
 * One write on a file opened with O_APPEND is put behind all that is there, whoever wrote it. Where the system takes a
 * part of it only, as on a disk that fills up, another write for the rest brings the reason.
 */
#include "append.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

static int write_whole(int file, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(file, text, size);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done == 0)
            return EIO;
        if (done > 0) {
            text += done;
            size -= (size_t)done;
        }
    }
    return 0;
}

int exvi_append_line(const char *path, const char *line, size_t size)
{
    int before = errno;
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    int why = file < 0 ? errno : write_whole(file, line, size);
    if (file >= 0 && close(file) < 0 && why == 0 && errno != EINTR)
        why = errno;
    errno = before;
    return why;
}
