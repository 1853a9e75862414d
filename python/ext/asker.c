/*
 * asker: see asker.h.
 */
#define _GNU_SOURCE
#include "asker.h"

#include "mailbox.h"

#include "platform.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 256, TRIES = 10 };
#define LOOK_NS UINT64_C(50000000) /* between two looks at whether the process lives, and at our own signals */

typedef struct request {
    const char *folder;
    int number, pid;
    unsigned question;
    unsigned long long since;
    uint64_t patience_ns;
    int file;               /* the mailbox, -1: not open */
    exvi_mailbox *page;     /* NULL: not mapped */
} request;

typedef enum outcome { ANSWERED, REFUSED, ERRNO, INTERRUPTED } outcome;

static int open_there(const request *asked, int number, int flags)
{
    char path[PATH];
    snprintf(path, sizeof path, "%s/%d", asked->folder, number);
    return open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool is_nameless_file(int file, off_t at_least)
{
    struct stat found;
    return fstat(file, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 0 && found.st_size >= at_least;
}

/* False: it is no mailbox of that process. */
static bool open_mailbox(request *asked)
{
    asked->file = open_there(asked, asked->number, O_RDWR);
    int seals = asked->file < 0 ? -1 : fcntl(asked->file, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || !is_nameless_file(asked->file, sizeof *asked->page))
        return false;
    asked->page = mmap(NULL, sizeof *asked->page, PROT_READ | PROT_WRITE, MAP_SHARED, asked->file, 0);
    if (asked->page == MAP_FAILED)
        asked->page = NULL;
    const exvi_mailbox *page = asked->page;
    return page && memcmp(page->magic, EXVI_MAILBOX_MAGIC, sizeof page->magic) == 0 &&
           page->version == EXVI_MAILBOX_VERSION && page->pid == asked->pid;
}

static void close_mailbox(request *asked)
{
    if (asked->page)
        munmap(asked->page, sizeof *asked->page);
    if (asked->file >= 0)
        close(asked->file); /* and the lock is gone */
}

static exvi_mail state_of(const request *asked)
{
    return (exvi_mail)atomic_load(&asked->page->state);
}

static void ring(request *asked)
{
    atomic_fetch_add(&asked->page->bell, 1);
    exvi_wake_word(&asked->page->bell);
}

/* The page is empty: what was asked is given up, and what was answered may go. */
static void empty(request *asked)
{
    atomic_store(&asked->page->state, EXVI_MAIL_NONE);
    ring(asked);
}

static bool is_there(const request *asked)
{
    struct stat own, found;
    char path[PATH];
    snprintf(path, sizeof path, "%s/%d", asked->folder, asked->number);
    return fstat(asked->file, &own) == 0 && stat(path, &found) == 0 && own.st_ino == found.st_ino;
}

/* While it is in that state; until `until_ns` at most. */
static outcome wait_while(request *asked, exvi_mail state, uint64_t until_ns, int *why)
{
    bool there = true, heeded = true;
    while (there && heeded && state_of(asked) == state && exvi_clock_ns() < until_ns) {
        Py_BEGIN_ALLOW_THREADS
        exvi_wait_word(&asked->page->state, state, LOOK_NS);
        there = is_there(asked);
        Py_END_ALLOW_THREADS
        heeded = PyErr_CheckSignals() == 0;
    }
    *why = there ? EXVI_REFUSED_SILENT : EXVI_REFUSED_GONE;
    return !heeded ? INTERRUPTED : !there || state_of(asked) == state ? REFUSED : ANSWERED;
}

static outcome fetch(const request *asked, int *file, int *why)
{
    *file = open_there(asked, asked->page->file, O_RDONLY);
    *why = *file < 0 ? errno : EXVI_REFUSED_STRANGE;
    if (*file < 0)
        return ERRNO;
    if (is_nameless_file(*file, 1))
        return ANSWERED;
    close(*file);
    return REFUSED;
}

static bool is_open(exvi_mail state)
{
    return state == EXVI_MAIL_ASKED || state == EXVI_MAIL_WRITING;
}

/* With the lock. */
static outcome ask(request *asked, int *file, int *why)
{
    asked->page->question = asked->question;
    asked->page->since = asked->since;
    atomic_store(&asked->page->state, EXVI_MAIL_ASKED);
    ring(asked);
    outcome out = ANSWERED;
    for (int i = 0; out == ANSWERED && is_open(state_of(asked)); i++) {
        if (i == TRIES) { /* each fork of the program asks anew */
            *why = EXVI_REFUSED_SILENT;
            return REFUSED;
        }
        out = wait_while(asked, EXVI_MAIL_ASKED, exvi_clock_ns() + asked->patience_ns, why);
        if (out == ANSWERED)
            out = wait_while(asked, EXVI_MAIL_WRITING, UINT64_MAX, why);
    }
    if (out == ANSWERED && state_of(asked) == EXVI_MAIL_DONE)
        out = fetch(asked, file, why);
    return out;
}

static PyObject *result_of(const request *asked, outcome out, int file, int why)
{
    char text[EXVI_MAILBOX_TEXT];
    const uint64_t *told = asked->page->told;
    switch (out) {
    case ANSWERED:
        if (file >= 0)
            return Py_BuildValue("(iKKKKK)", file, told[0], told[1], told[2], told[3], told[4]);
        memcpy(text, asked->page->text, sizeof text);
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strnlen(text, sizeof text), "replace");
    case REFUSED:
        return PyLong_FromLong(why);
    case ERRNO:
        errno = why;
        return PyErr_SetFromErrno(PyExc_OSError);
    default:
        return NULL;
    }
}

PyObject *exvi_asker_ask(PyObject *self, PyObject *args)
{
    (void)self;
    double patience;
    request asked = {.file = -1};
    if (!PyArg_ParseTuple(args, "siiIKd", &asked.folder, &asked.number, &asked.pid, &asked.question, &asked.since,
                          &patience))
        return NULL;
    asked.patience_ns = (uint64_t)(patience * 1e9);
    PyObject *result = NULL;
    if (!open_mailbox(&asked)) {
        result = Py_NewRef(Py_None);
    } else if (flock(asked.file, LOCK_EX | LOCK_NB) < 0) {
        result = PyLong_FromLong(EXVI_REFUSED_BUSY);
    } else {
        int file = -1, why = 0;
        outcome out = ask(&asked, &file, &why);
        result = result_of(&asked, out, file, why);
        empty(&asked);
    }
    close_mailbox(&asked);
    return result;
}
