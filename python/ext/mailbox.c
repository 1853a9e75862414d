/*
 * mailbox: see mailbox.h.
 */
#define _GNU_SOURCE
#include "mailbox.h"

#include "own_thread.h"

#include "platform.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOREVER UINT64_MAX
#define STEP_NS UINT64_C(1000000)        /* without the GIL, while a collection is running */
#define FETCH_NS UINT64_C(10000000000)   /* in which an answer is fetched */
#define LEAVE_NS UINT64_C(1000000000)
enum { MODE = 0600 };

static struct {
    const exvi_layout *layout;
    PyObject *answer;           /* owned; NULL: closed */
    exvi_mailbox *page;         /* NULL: nobody can ask */
    int file;
    dev_t device;               /* of the file: a program may close descriptors that it has not opened, */
    ino_t inode;                /* and the number may be another file's then */
    exvi_own_thread thread;     /* and whose the page is */
    unsigned forks;             /* under way, by threads of the program: no thread is started */
} mailbox;

static bool is_mine(uint32_t number)
{
    return exvi_own_thread_is(&mailbox.thread, number);
}

static bool state_goes(exvi_mail from, exvi_mail to)
{
    uint32_t seen = from;
    bool gone = atomic_compare_exchange_strong(&mailbox.page->state, &seen, to);
    exvi_wake_word(&mailbox.page->state);
    return gone;
}

static bool state_is(exvi_mail state)
{
    return atomic_load(&mailbox.page->state) == (uint32_t)state;
}

bool exvi_mailbox_is_given_up(void)
{
    return !mailbox.page || !state_is(EXVI_MAIL_WRITING) || !exvi_own_thread_is_wanted(&mailbox.thread);
}

/* ------------------------------------------------------------------ the thread */

/* The lists are not whole within a collection. */
static void wait_for_collection(uint32_t number)
{
    while (*mailbox.layout->collecting && is_mine(number) && state_is(EXVI_MAIL_ASKED)) {
        Py_BEGIN_ALLOW_THREADS
        exvi_sleep_ns(STEP_NS);
        Py_END_ALLOW_THREADS
    }
}

/* The descriptor, which is ours; -1: there is none, and why not. */
static int take_answer(PyObject *made, exvi_mailbox *page)
{
    int file;
    unsigned long long told[EXVI_MAILBOX_TOLD];
    if (!PyTuple_Check(made)) {
        const char *text = PyUnicode_Check(made) ? PyUnicode_AsUTF8(made) : NULL;
        snprintf(page->text, sizeof page->text, "%s", text ? text : "no answer");
        return -1;
    }
    if (!PyArg_ParseTuple(made, "iKKKKK", &file, &told[0], &told[1], &told[2], &told[3], &told[4]))
        return -1;
    page->file = file;
    for (int i = 0; i < EXVI_MAILBOX_TOLD; i++)
        page->told[i] = told[i];
    return file;
}

/* With the GIL. Given up for a fork, it is asked anew by that; where nobody waits any more, nobody is told. The
 * descriptor, or -1. */
static int answer(uint32_t number, exvi_mailbox *page)
{
    PyObject *function = Py_NewRef(mailbox.answer);
    snprintf(page->text, sizeof page->text, "the answer could not be made");
    PyObject *made = PyObject_CallFunction(function, "IK", page->question, (unsigned long long)page->since);
    int file = made ? take_answer(made, page) : -1;
    PyErr_Clear();
    Py_XDECREF(made);
    Py_DECREF(function);
    state_goes(EXVI_MAIL_WRITING, file >= 0 ? EXVI_MAIL_DONE : is_mine(number) ? EXVI_MAIL_FAILED : EXVI_MAIL_ASKED);
    return file;
}

/* Until who asked has opened the file, or is gone. */
static void await_fetching(uint32_t number, exvi_mailbox *page, int file)
{
    uint64_t until_ns = exvi_clock_ns() + FETCH_NS;
    uint32_t bell;
    for (uint64_t now; bell = atomic_load(&page->bell), state_is(EXVI_MAIL_DONE) && is_mine(number) &&
                       (now = exvi_clock_ns()) < until_ns;)
        exvi_wait_word(&page->bell, bell, until_ns - now);
    state_goes(EXVI_MAIL_DONE, EXVI_MAIL_NONE);
    close(file);
}

static void serve(uint32_t number, exvi_mailbox *page)
{
    if (!exvi_own_thread_has_memory()) {
        snprintf(page->text, sizeof page->text, "it has no memory left");
        state_goes(EXVI_MAIL_ASKED, EXVI_MAIL_FAILED);
        return;
    }
    PyGILState_STATE state = PyGILState_Ensure();
    wait_for_collection(number);
    bool taken = is_mine(number) && state_goes(EXVI_MAIL_ASKED, EXVI_MAIL_WRITING);
    int file = taken ? answer(number, page) : -1;
    PyGILState_Release(state);
    if (file >= 0)
        await_fetching(number, page, file);
}

static void run(void *arg)
{
    uint32_t number = (uint32_t)(uintptr_t)arg;
    exvi_mailbox *page = mailbox.page;
    for (uint32_t bell; bell = atomic_load(&page->bell), is_mine(number);) {
        if (state_is(EXVI_MAIL_ASKED))
            serve(number, page);
        else
            exvi_wait_word(&page->bell, bell, FOREVER);
    }
    exvi_own_thread_ends(&mailbox.thread);
}

/* ------------------------------------------------------------- the page's life */

/* Sealed: who maps it can rely on its size. A high number: those that a program expects are its own. */
static int make_file(void)
{
    static const int numbers[] = {1000, 200, 0};
    int file = memfd_create(EXVI_MAILBOX_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING), high = -1;
    if (file < 0)
        return -1;
    for (size_t i = 0; high < 0 && i < sizeof numbers / sizeof *numbers; i++)
        high = fcntl(file, F_DUPFD_CLOEXEC, numbers[i]);
    close(file);
    bool made = high >= 0 && fchmod(high, MODE) == 0 && ftruncate(high, sizeof(exvi_mailbox)) == 0 &&
                fcntl(high, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0;
    if (!made && high >= 0)
        close(high);
    return made ? high : -1;
}

static bool make_page(void)
{
    struct stat found;
    int file = make_file();
    if (file < 0)
        return false;
    exvi_mailbox *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page == MAP_FAILED || fstat(file, &found) < 0) {
        close(file);
        return false;
    }
    page->version = EXVI_MAILBOX_VERSION;
    page->pid = exvi_own_pid();
    memcpy(page->magic, EXVI_MAILBOX_MAGIC, sizeof page->magic);
    mailbox.file = file;
    mailbox.device = found.st_dev;
    mailbox.inode = found.st_ino;
    mailbox.page = page;
    mailbox.thread.bell = &page->bell;
    return true;
}

static void drop_page(void)
{
    struct stat found;
    if (!mailbox.page)
        return;
    munmap(mailbox.page, sizeof *mailbox.page);
    mailbox.page = NULL;
    mailbox.thread.bell = NULL;
    if (fstat(mailbox.file, &found) == 0 && found.st_dev == mailbox.device && found.st_ino == mailbox.inode)
        close(mailbox.file);
}

/* A process that C code has forked, without telling Python, has no thread, and the page is its parent's. */
static void disown(void)
{
    if (exvi_own_thread_disown(&mailbox.thread))
        drop_page();
}

static void begin(void)
{
    disown();
    if ((!mailbox.page && !make_page()) || exvi_own_thread_begin(&mailbox.thread, run))
        return;
    exvi_own_thread_rest(&mailbox.thread);
    drop_page(); /* nobody is there to answer */
}

static void await_end(void)
{
    disown();
    exvi_own_thread_await(&mailbox.thread);
}

void exvi_mailbox_resume(void)
{
    if (mailbox.answer && mailbox.forks == 0 && !exvi_own_thread_is_wanted(&mailbox.thread))
        begin();
}

void exvi_mailbox_forking(void)
{
    mailbox.forks++;
    await_end();
}

static int resume(void *unused)
{
    (void)unused;
    exvi_mailbox_resume();
    return 0;
}

void exvi_mailbox_fork_over(void)
{
    mailbox.forks -= mailbox.forks > 0;
    if (mailbox.answer)
        (void)Py_AddPendingCall(resume, NULL);
}

void exvi_mailbox_open(const exvi_layout *layout, PyObject *function)
{
    await_end();
    drop_page();
    mailbox.layout = layout;
    Py_XSETREF(mailbox.answer, Py_XNewRef(function));
    exvi_mailbox_resume();
}

void exvi_mailbox_forked(void)
{
    mailbox.forks = 0;
    disown();
    exvi_mailbox_resume();
}

/* A thread that waits for a GIL which nobody will give it stays, and so does what it may look at. */
void exvi_mailbox_forget(void)
{
    disown();
    exvi_own_thread_rest(&mailbox.thread);
    uint64_t until_ns = exvi_clock_ns() + LEAVE_NS;
    for (uint32_t left; (left = atomic_load(&mailbox.thread.threads)) > 0 && exvi_clock_ns() < until_ns;)
        exvi_wait_word(&mailbox.thread.threads, left, STEP_NS);
    if (atomic_load(&mailbox.thread.threads) == 0)
        drop_page();
    mailbox.page = NULL;
    mailbox.answer = NULL;
}
