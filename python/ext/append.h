/*
 * append: lines at the end of a file that others may write to as well.
 *
 * The only file of the front that calls the system by itself. The file is opened for each line and closed again, so
 * that no descriptor of ours is there to be closed, inherited or taken for another by the program, and a log that was
 * moved away is begun anew.
 */
#ifndef EXVI_APPEND_H
#define EXVI_APPEND_H

#include <stddef.h>

/* Writes the line by one call; a file that is not there is made with mode 0600. 0, or why it could not (errno). */
int exvi_append_line(const char *path, const char *line, size_t size);

#endif
