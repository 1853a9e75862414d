/*
 * files: small files of the system. See files.h.
 */
#define _GNU_SOURCE
#include "files.h"

#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define AT_ITS_PLACE UINT64_MAX /* an offset: where the file stands, which may be a pipe */

#if EXVI_LINUX
#include <sys/syscall.h>

int exvi_file_open(const char *path)
{
    long file = EXVI_RAW(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    return exvi_raw_failed(file) ? -1 : (int)file;
}

static size_t read_some(int file, void *bytes, size_t room)
{
    long size = EXVI_RAW(SYS_read, file, bytes, room);
    return size > 0 ? (size_t)size : 0;
}

static size_t read_at_start(int file, void *bytes, size_t room)
{
    long size = EXVI_RAW(SYS_pread64, file, bytes, room, 0);
    return size > 0 ? (size_t)size : 0;
}

void exvi_file_close(int file)
{
    EXVI_RAW(SYS_close, file);
}

bool exvi_file_exists(const char *path)
{
    long file = EXVI_RAW(SYS_openat, AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (exvi_raw_failed(file))
        return false;
    exvi_file_close((int)file);
    return true;
}

size_t exvi_link_read(const char *path, char *text, size_t room)
{
    long size = EXVI_RAW(SYS_readlinkat, AT_FDCWD, path, text, room);
    return size > 0 ? (size_t)size : 0;
}

bool exvi_file_write(const char *path, const char *text)
{
    long file = EXVI_RAW(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
    if (exvi_raw_failed(file))
        return false;
    size_t size = strlen(text);
    bool done = EXVI_RAW(SYS_write, file, text, size) == (long)size;
    exvi_file_close((int)file);
    return done;
}

const void *exvi_open_file_map(int file, size_t *size, int *why)
{
    char first; /* of a folder, this is where it is refused */
    long end = EXVI_RAW(SYS_pread64, file, &first, 1, 0);
    end = exvi_raw_failed(end) ? end : EXVI_RAW(SYS_lseek, file, 0, SEEK_END);
    long start = end > 0 ? EXVI_RAW(SYS_mmap, NULL, end, PROT_READ, MAP_PRIVATE, file, 0) : end;
    *why = exvi_raw_failed(start) ? (int)-start : 0;
    *size = end > 0 ? (size_t)end : 0;
    return exvi_raw_failed(start) ? NULL : (const void *)start;
}

/* Not waiting for whoever may write into a pipe of that name. */
const void *exvi_file_map(const char *path, size_t *size, int *why)
{
    long file = EXVI_RAW(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (exvi_raw_failed(file)) {
        *why = (int)-file;
        return NULL;
    }
    const void *start = exvi_open_file_map((int)file, size, why);
    exvi_file_close((int)file);
    return start;
}

int exvi_file_new(const char *path, int *why)
{
    long file = EXVI_RAW(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *why = exvi_raw_failed(file) ? (int)-file : 0;
    return exvi_raw_failed(file) ? -1 : (int)file;
}

int exvi_file_nameless(int *why)
{
    long file = EXVI_RAW(SYS_memfd_create, "exuvia", MFD_CLOEXEC);
    *why = exvi_raw_failed(file) ? (int)-file : 0;
    return exvi_raw_failed(file) ? -1 : (int)file;
}

static long put_some(int file, uint64_t offset, const void *bytes, size_t size)
{
    return offset == AT_ITS_PLACE ? EXVI_RAW(SYS_write, file, bytes, size)
                                  : EXVI_RAW(SYS_pwrite64, file, bytes, size, offset);
}

bool exvi_file_remove(const char *path)
{
    return EXVI_RAW(SYS_unlinkat, AT_FDCWD, path, 0) == 0;
}

#else

const void *exvi_open_file_map(int file, size_t *size, int *why)
{
    off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    void *start = end > 0 ? mmap(NULL, (size_t)end, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
    *why = end == 0 || start != MAP_FAILED ? 0 : errno;
    *size = end > 0 ? (size_t)end : 0;
    return start == MAP_FAILED ? NULL : start;
}

const void *exvi_file_map(const char *path, size_t *size, int *why)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const void *start = exvi_open_file_map(file, size, why);
    if (file >= 0)
        close(file);
    return start;
}

int exvi_file_new(const char *path, int *why)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *why = file < 0 ? errno : 0;
    return file;
}

int exvi_file_nameless(int *why)
{
    *why = ENOSYS;
    return -1;
}

static long put_some(int file, uint64_t offset, const void *bytes, size_t size)
{
    ssize_t done = offset == AT_ITS_PLACE ? write(file, bytes, size) : pwrite(file, bytes, size, (off_t)offset);
    return done < 0 ? -errno : (long)done;
}

bool exvi_file_remove(const char *path)
{
    return unlink(path) == 0;
}

int exvi_file_open(const char *path)
{
    return open(path, O_RDONLY | O_CLOEXEC);
}

static size_t read_some(int file, void *bytes, size_t room)
{
    ssize_t size = read(file, bytes, room);
    return size > 0 ? (size_t)size : 0;
}

static size_t read_at_start(int file, void *bytes, size_t room)
{
    ssize_t size = pread(file, bytes, room, 0);
    return size > 0 ? (size_t)size : 0;
}

void exvi_file_close(int file)
{
    close(file);
}

bool exvi_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

size_t exvi_link_read(const char *path, char *text, size_t room)
{
    ssize_t size = readlink(path, text, room);
    return size > 0 ? (size_t)size : 0;
}

bool exvi_file_write(const char *path, const char *text)
{
    (void)path, (void)text;
    return false;
}
#endif

bool exvi_file_appends(int file)
{
    int flags = fcntl(file, F_GETFL);
    return flags >= 0 && (flags & O_APPEND) != 0;
}

bool exvi_file_again(int file, char *text, size_t room)
{
    size_t size = read_at_start(file, text, room - 1);
    text[size] = '\0';
    return size > 0;
}

bool exvi_file_put(int file, uint64_t offset, const void *bytes, size_t size, int *why)
{
    const char *rest = bytes;
    while (size > 0) {
        long done = put_some(file, offset, rest, size);
        if (done == -EINTR)
            continue;
        if (done <= 0) {
            *why = done < 0 ? (int)-done : ENOSPC;
            return false;
        }
        rest += done;
        offset += offset == AT_ITS_PLACE ? 0 : (uint64_t)done;
        size -= (size_t)done;
    }
    return true;
}

bool exvi_file_append(int file, const void *bytes, size_t size, int *why)
{
    return exvi_file_put(file, AT_ITS_PLACE, bytes, size, why);
}

bool exvi_file_read(const char *path, char *text, size_t room)
{
    int file = exvi_file_open(path);
    if (file < 0)
        return false;
    size_t size = read_some(file, text, room - 1);
    exvi_file_close(file);
    text[size] = '\0';
    return size > 0;
}

bool exvi_lines_open(exvi_lines *lines, const char *path)
{
    lines->file = exvi_file_open(path);
    lines->start = lines->end = 0;
    return lines->file >= 0;
}

/* Make room behind what was not given out yet, and fill it. */
static bool read_more(exvi_lines *lines)
{
    lines->end -= lines->start;
    memmove(lines->text, lines->text + lines->start, lines->end);
    lines->start = 0;
    size_t size = read_some(lines->file, lines->text + lines->end, sizeof lines->text - lines->end);
    lines->end += size;
    return size > 0;
}

char *exvi_lines_next(exvi_lines *lines)
{
    bool cut = false;
    for (;;) {
        char *line = lines->text + lines->start;
        char *newline = memchr(line, '\n', lines->end - lines->start);
        if (!newline) {
            if (lines->start == 0 && lines->end == sizeof lines->text) {
                cut = true;
                lines->end = 0;
            }
            if (read_more(lines))
                continue;
            if (cut || lines->end == lines->start || lines->end == sizeof lines->text)
                return NULL;
            newline = lines->text + lines->end++; /* the last line lacks its newline */
            line = lines->text + lines->start;
        }
        *newline = '\0';
        lines->start = (size_t)(newline + 1 - lines->text);
        if (!cut)
            return line;
        cut = false;
    }
}

void exvi_lines_close(exvi_lines *lines)
{
    exvi_file_close(lines->file);
}

uint64_t exvi_number_parse(const char *text)
{
    uint64_t number = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number > (UINT64_MAX - 9) / 10 ? UINT64_MAX - 9 : number * 10 + (uint64_t)(*text - '0');
    return number;
}
