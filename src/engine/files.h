/*
 * files: small files of the system, as /proc, /sys and the control groups have them; and heap files, mapped whole.
 *
 * Invariant: raw system calls only, and a descriptor is open from a call of exvi_lines_open() to exvi_lines_close() at
 * most; so a snapshot child may read, too.
 */
#ifndef EXVI_FILES_H
#define EXVI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one read gives, at most room - 1 bytes, ended with NUL; false when that is nothing. */
bool exvi_file_read(const char *path, char *text, size_t room);

/* Lines come without their newline and are valid until the next call, NULL at the end; a line of 2048 bytes or more is
 * left out. */
typedef struct exvi_lines {
    int file;
    size_t start, end; /* of what was read and not given out */
    char text[2048];
} exvi_lines;
bool exvi_lines_open(exvi_lines *lines, const char *path);
char *exvi_lines_next(exvi_lines *lines);
void exvi_lines_close(exvi_lines *lines);

/* A descriptor, or -1: for a file that is read again and again, from its start. */
int exvi_file_open(const char *path);
bool exvi_file_again(int file, char *text, size_t room); /* as exvi_file_read() */
void exvi_file_close(int file);
bool exvi_file_exists(const char *path); /* a symbolic link is one, wherever it leads */
bool exvi_file_write(const char *path, const char *text); /* over what is there; false: not all of it */

/* A whole file, to be read only; NULL: it cannot be opened or is none that can be mapped, and *why is the errno. An
 * empty one is no mapping either: *why is 0. */
const void *exvi_file_map(const char *path, size_t *size, int *why);
const void *exvi_open_file_map(int file, size_t *size, int *why);

/* A new file of mode 0600; -1: there is one of that name, or it cannot be made, and *why is the errno. */
int exvi_file_new(const char *path, int *why);
int exvi_file_nameless(int *why); /* in memory, to be read and written; -1: *why is the errno */
bool exvi_file_append(int file, const void *bytes, size_t size, int *why); /* all of it, or false */
bool exvi_file_put(int file, uint64_t offset, const void *bytes, size_t size, int *why); /* the same, from there on */
bool exvi_file_appends(int file); /* opened so that everything lands at its end. Not for a child: it sets errno */
bool exvi_file_remove(const char *path);

/* Where a symbolic link leads, cut at `room` bytes and not ended with NUL: the size, or 0. */
size_t exvi_link_read(const char *path, char *text, size_t room);

/* The number that `text` begins with, behind spaces and tabs; UINT64_MAX when there is none. */
uint64_t exvi_number_parse(const char *text);

#endif
