/*
 * log: see log.h.
 *
 * `asked` keeps the interpreter's short queue of calls from filling with ours. Finalizers and the callbacks of others
 * run Python code, whose safe points are not ours. A call that comes from a finalizer writes nothing, for the end of
 * that collection asks again: it would be called at every safe point until then. One that comes from a callback behind
 * ours, after we have asked for the last time, puts itself back into the queue. Where the main thread does not come to
 * a safe point for a second, the next collection, which is another thread's, starts a thread that writes once and ends.
 */
#include "log.h"

#include "announce.h"
#include "append.h"
#include "record.h"

#include "platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LINE = 1024 }; /* some 450 bytes are used */
#define PATIENCE_NS UINT64_C(1000000000)
#define LOOK_NS UINT64_C(200000)

static struct {
    const exvi_layout *layout;
    char *path;              /* NULL: no log */
    int32_t owner;           /* the process whose records wait */
    bool asked;
    uint64_t asked_ns;       /* when, on the monotonic clock */
    bool helped;             /* a thread of our own is under way */
    bool held;
    exvi_log_end end;
} sink;

/* ------------------------------------------------------------------ a line */

typedef struct line {
    size_t size;
    char text[LINE];
} line;

static void put(line *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(line *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(to->text + to->size, LINE - to->size, format, args);
    va_end(args);
    to->size = size < 0 || (size_t)size >= LINE - to->size ? LINE - 1 : to->size + (size_t)size;
}

static void format_record(line *to, const exvi_record *record)
{
    to->size = 0;
    put(to, "{\"pid\": %" PRId32 ", \"kind\": \"%s\", \"reason\": ", exvi_own_pid(),
        exvi_record_kind_name(record->kind));
    if (record->reason)
        put(to, "\"%s\"", record->reason);
    else
        put(to, "null");
    put(to, ", \"time\": %" PRIu64 ".%06" PRIu64, record->wall_ns / 1000000000, record->wall_ns / 1000 % 1000000);
    for (const exvi_record_field *field = exvi_record_fields; field->name; field++)
        put(to, ", \"%s\": %" PRIu64, field->name, exvi_record_value(record, field));
    put(to, "}\n");
}

/* ---------------------------------------------------------------- the file */

static void write_waiting(void)
{
    exvi_record record;
    line text;
    while (exvi_record_take(&record)) {
        format_record(&text, &record);
        int why = exvi_append_line(sink.path, text.text, text.size);
        if (why == 0) {
            sink.end.written++;
        } else {
            sink.end.missing++;
            sink.end.why = why;
        }
    }
}

void exvi_log_forked(void)
{
    if (sink.owner == exvi_own_pid())
        return;
    sink.owner = exvi_own_pid();
    sink.asked = sink.helped = false; /* the queue and the thread may have been the parent's */
    sink.end = (exvi_log_end){0};
    if (sink.path)
        exvi_record_keep(true);
}

/* Functions that the program has run after a fork may come before ours, and have safe points. */
void exvi_log_write(void)
{
    exvi_log_forked();
    if (sink.path && !sink.held && *sink.layout->collecting == 0)
        write_waiting();
}

void exvi_log_hold(void)
{
    sink.held = true;
}

static int called_back(void *unused)
{
    (void)unused;
    sink.asked = false;
    exvi_log_write();
    if (!sink.held) {
        exvi_announce();
        exvi_log_ask();
    }
    return 0;
}

static void help(void *unused)
{
    (void)unused;
    PyGILState_STATE state = PyGILState_Ensure();
    exvi_log_write();
    sink.helped = false;
    PyGILState_Release(state);
}

void exvi_log_ask(void)
{
    sink.held = false;
    if (!exvi_record_is_waiting() && !exvi_announce_is_waiting())
        return;
    uint64_t now = exvi_clock_ns();
    if (!sink.asked) {
        sink.asked = Py_AddPendingCall(called_back, NULL) == 0;
        sink.asked_ns = now;
    } else if (!sink.helped && now - sink.asked_ns > PATIENCE_NS) {
        sink.helped = PyThread_start_new_thread(help, NULL) != PYTHREAD_INVALID_THREAD_ID;
    }
}

bool exvi_log_open(const exvi_layout *layout, const char *path)
{
    size_t size = strlen(path) + 1;
    char *copy = PyMem_RawMalloc(size);
    if (!copy)
        return false;
    memcpy(copy, path, size);
    exvi_log_close();
    sink.layout = layout;
    sink.path = copy;
    sink.owner = exvi_own_pid();
    sink.end = (exvi_log_end){0};
    exvi_record_keep(true);
    return true;
}

/* The interpreter must not end before our thread has had its turn. */
static void wait_for_help(void)
{
    while (sink.helped) {
        Py_BEGIN_ALLOW_THREADS
        exvi_sleep_ns(LOOK_NS);
        Py_END_ALLOW_THREADS
    }
}

void exvi_log_forget(void)
{
    PyMem_RawFree(sink.path);
    sink.path = NULL;
    sink.asked = sink.helped = sink.held = false;
    exvi_record_keep(false);
}

exvi_log_end exvi_log_close(void)
{
    exvi_log_forked();
    wait_for_help();
    if (sink.path) {
        write_waiting();
        sink.end.missing += exvi_record_lost();
    }
    PyMem_RawFree(sink.path);
    sink.path = NULL;
    exvi_record_keep(false);
    exvi_log_end end = sink.end;
    sink.end = (exvi_log_end){0};
    return end;
}
