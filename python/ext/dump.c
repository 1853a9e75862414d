/*
 * dump: see dump.h.
 */
#define PY_SSIZE_T_CLEAN
#include "dump.h"

#include "exits.h"
#include "frames.h"
#include "names.h"
#include "pages.h"
#include "plain_text.h"
#include "referents.h"
#include "sizes.h"

#include "files.h"
#include "platform.h"
#include "snapshot.h"
#include "walk.h"
#include "writer.h"

#include <errno.h>
#include <unistd.h>

enum { BATCH = 256, PATIENCE = 1 << 14, LISTS = EXVI_GENERATIONS + 1, FROZEN = EXVI_GENERATIONS };
enum { ALIVE = 64 };             /* a flag that is not for the file */
#define IMMORTAL UINT32_MAX
#define MOST_COUNT (UINT32_MAX - 1)
#define WAIT_NS UINT64_C(600000000000)
#define LOOK_NS UINT64_C(20000000) /* between two looks at whether it is given up */

typedef struct request { /* made by the parent */
    const exvi_layout *layout;
    int file;
    const char *info;
    Py_ssize_t info_size;
    bool values;
    PyObject *modules;
    PyObject *at_exit;       /* a function that atexit has */
    PyThreadState *threads;
    unsigned long main_thread;
} request;

typedef struct dumper {
    const request *asked;
    exvi_answer *answer;
    exvi_walk walk;          /* a bit for each object */
    exvi_walk shown;         /* and for each dictionary whose keys are names of the program */
    exvi_array found;        /* PyObject *, in the order of finding */
    PyObject **object;       /* the same by number */
    size_t count;
    uint64_t edges;
    uint8_t *flags;          /* by number; so is: */
    uint32_t *seen;          /* counted references from other objects */
    exvi_names strings;      /* and types */
    exvi_array code, value, root;
    exvi_writer writer;
    bool failed;             /* no memory */
} dumper;

/* ----------------------------------------------------------- which there are */

static void add(dumper *d, PyObject *object)
{
    if (exvi_walk_has(&d->walk, object))
        return;
    PyObject **to = exvi_walk_add(&d->walk, object) ? exvi_array_next(&d->found) : NULL;
    if (to)
        *to = object;
    else
        d->failed = true;
}

static void discover(void *arg, const exvi_referent *referent)
{
    dumper *d = arg;
    add(d, referent->object);
    if (referent->of_class)
        return;
    d->edges++;
    bool names = referent->kind == EXVI_LABEL_INTERNAL && referent->name && exvi_plain_is(referent->name, "__dict__");
    if (names && PyDict_Check(referent->object))
        d->failed = d->failed || !exvi_walk_add(&d->shown, referent->object);
}

static bool goes_on(dumper *d)
{
    return !d->failed && !d->strings.failed && !exvi_answer_stopped(d->answer);
}

static const exvi_gc_head *list_of(const dumper *d, int list)
{
    return list == FROZEN ? d->asked->layout->permanent : d->asked->layout->head[list];
}

static void each_listed(dumper *d, void (*each)(dumper *d, PyObject *object, int list))
{
    void *objects[BATCH];
    size_t count;
    for (int list = 0; list < LISTS; list++) {
        exvi_gc_walk along = {.list = list_of(d, list)};
        while ((count = exvi_gc_walk_next(&along, objects, BATCH)) > 0)
            for (size_t i = 0; i < count; i++)
                each(d, objects[i], list);
    }
}

static void add_held(void *d, const exvi_held *held)
{
    add(d, held->object);
}

static void add_at_exit(void *d, PyObject *object, const char *what, PyObject *function)
{
    (void)what;
    (void)function;
    add(d, object);
}

static void add_listed(dumper *d, PyObject *object, int list)
{
    (void)list;
    add(d, object);
}

static bool find_objects(dumper *d)
{
    add(d, d->asked->modules);
    each_listed(d, add_listed);
    exvi_frames_each(d->asked->threads, add_held, d);
    exvi_exits_each(d->asked->at_exit, &d->walk, add_at_exit, d);
    if (!goes_on(d))
        return false;
    for (size_t i = 0; i < d->found.count; i++) {
        if (i % PATIENCE == 0 && !goes_on(d))
            return false;
        PyObject *object = ((PyObject **)(void *)d->found.item)[i];
        add(d, (PyObject *)Py_TYPE(object));
        exvi_referents(object, discover, d);
    }
    return goes_on(d);
}

static uint32_t number_of(const dumper *d, const void *object)
{
    return exvi_walk_number(&d->walk, object);
}

static void note_list(dumper *d, PyObject *object, int list)
{
    d->flags[number_of(d, object)] = (uint8_t)(list | EXVI_HEAP_TRACKED);
}

static bool number_objects(dumper *d)
{
    d->count = d->found.count;
    d->object = exvi_map((d->count + 1) * sizeof *d->object, exvi_page_size());
    d->flags = exvi_map(d->count + 1, exvi_page_size());
    d->seen = exvi_map((d->count + 1) * sizeof *d->seen, exvi_page_size());
    if (!d->object || !d->flags || !d->seen || !exvi_walk_rank_upwards(&d->walk))
        return false;
    for (size_t i = 0; i < d->count; i++) {
        PyObject *object = ((PyObject **)(void *)d->found.item)[i];
        d->object[number_of(d, object)] = object;
    }
    exvi_unmap(d->found.item, d->found.room * d->found.size);
    each_listed(d, note_list);
    return true;
}

/* ---------------------------------------------------------------- the columns */

typedef struct writing {
    dumper *d;
    bool names;              /* the object is a dictionary whose keys are names */
} writing;

static uint32_t label_of(dumper *d, const exvi_referent *r, bool names)
{
    uint32_t value = 0;
    exvi_label_kind kind = r->kind;
    switch (r->kind) {
    case EXVI_LABEL_INDEX:
    case EXVI_LABEL_KEY:
        value = r->number < EXVI_NAMES_MOST ? (uint32_t)r->number : EXVI_NAMES_MOST;
        break;
    case EXVI_LABEL_ATTRIBUTE:
    case EXVI_LABEL_LOCAL:
    case EXVI_LABEL_CELL:
        value = r->name ? exvi_name_c(&d->strings, r->name)
                : PyUnicode_Check(r->key) ? exvi_name_str(&d->strings, r->key) : 0;
        break;
    case EXVI_LABEL_HIDDEN:
        if (names && PyUnicode_CheckExact(r->key)) {
            kind = EXVI_LABEL_SHOWN;
            value = exvi_name_str(&d->strings, r->key);
        } else {
            value = exvi_type_at(&d->strings, exvi_type_number(&d->strings, Py_TYPE(r->key)))->hidden;
        }
        break;
    case EXVI_LABEL_INTERNAL:
        value = exvi_name_c(&d->strings, r->name);
        break;
    default:
        break;
    }
    return (uint32_t)kind << 28 | value;
}

static void count_seen(dumper *d, uint32_t number)
{
    if (d->seen[number] < MOST_COUNT)
        d->seen[number]++;
}

static void write_edge(void *arg, const exvi_referent *referent)
{
    const writing *w = arg;
    dumper *d = w->d;
    uint32_t to = number_of(d, referent->object);
    if (referent->kind != EXVI_LABEL_WEAK && !referent->borrowed)
        count_seen(d, to);
    if (referent->of_class)
        return;
    exvi_writer_put(&d->writer, EXVI_EDST, to);
    exvi_writer_put(&d->writer, EXVI_ELABEL, label_of(d, referent, w->names));
    d->edges++;
}

static void note_code(dumper *d, uint32_t number, PyCodeObject *of, int line)
{
    exvi_heap_code *to = exvi_array_next(&d->code);
    if (to)
        *to = (exvi_heap_code){number, exvi_name_str(&d->strings, of->co_filename),
                               exvi_name_str(&d->strings, of->co_qualname), line > 0 ? (uint32_t)line : 0};
    else
        d->failed = true;
}

static void note_frame(dumper *d, uint32_t number, PyFrameObject *frame, const PyTracebackObject *trace)
{
    PyCodeObject *of = PyFrame_GetCode(frame);
    int line = !trace ? PyFrame_GetLineNumber(frame)
               : trace->tb_lineno > 0 ? trace->tb_lineno
                                      : PyCode_Addr2Line(of, trace->tb_lasti); /* 3.12: nobody has asked yet */
    note_code(d, number, of, line);
    Py_DECREF(of); /* a count that is the program's again, for count_of() */
}

static void note_place(dumper *d, uint32_t number, PyObject *object)
{
    if (PyFunction_Check(object)) {
        PyCodeObject *of = (PyCodeObject *)((PyFunctionObject *)object)->func_code;
        note_code(d, number, of, of->co_firstlineno);
    } else if (PyCode_Check(object)) {
        note_code(d, number, (PyCodeObject *)object, ((PyCodeObject *)object)->co_firstlineno);
    } else if (PyFrame_Check(object)) {
        note_frame(d, number, (PyFrameObject *)object, NULL);
    } else if (PyTraceBack_Check(object)) {
        note_frame(d, number, ((PyTracebackObject *)object)->tb_frame, (PyTracebackObject *)object);
    } else {
        const exvi_frame *frame = exvi_frame_of(object);
        PyCodeObject *of = frame ? exvi_frame_code(frame) : NULL;
        if (of)
            note_code(d, number, of, exvi_frame_line(frame));
    }
}

static void note_value(dumper *d, uint32_t number, PyObject *object)
{
    enum { SHORT = 80 };
    char text[SHORT];
    if (!PyUnicode_CheckExact(object))
        return;
    exvi_heap_value *to = exvi_array_next(&d->value);
    uint32_t string = exvi_name(&d->strings, text, exvi_plain_of(object, text, sizeof text));
    if (to)
        *to = (exvi_heap_value){number, string};
    else
        d->failed = true;
}

static uint32_t count_of(PyObject *object)
{
    Py_ssize_t count = Py_REFCNT(object);
    return exvi_layout_immortal(object) ? IMMORTAL : (uint64_t)count < MOST_COUNT ? (uint32_t)count : MOST_COUNT;
}

static void write_object(dumper *d, uint32_t number)
{
    PyObject *object = d->object[number];
    size_t size = exvi_object_size(object);
    uint32_t type = exvi_type_number(&d->strings, Py_TYPE(object));
    bool estimate = !exvi_type_at(&d->strings, type)->known;
    exvi_writer_put(&d->writer, EXVI_NADDR, (uintptr_t)object);
    exvi_writer_put(&d->writer, EXVI_NTYPE, type);
    exvi_writer_put(&d->writer, EXVI_NSIZE, size < UINT32_MAX ? size : UINT32_MAX);
    exvi_writer_put(&d->writer, EXVI_NREF, count_of(object));
    exvi_writer_put(&d->writer, EXVI_EROW, d->edges);
    d->flags[number] |= (uint8_t)((PyObject_IS_GC(object) ? EXVI_HEAP_GC : 0) | (estimate ? EXVI_HEAP_ESTIMATE : 0));
    writing w = {d, exvi_walk_has(&d->shown, object)};
    exvi_referents(object, write_edge, &w);
    note_place(d, number, object);
    if (d->asked->values)
        note_value(d, number, object);
}

static bool write_objects(dumper *d)
{
    d->edges = 0;
    for (uint32_t number = 0; number < d->count; number++) {
        if (number % PATIENCE == 0 && !goes_on(d))
            return false;
        write_object(d, number);
    }
    exvi_writer_put(&d->writer, EXVI_EROW, d->edges);
    return goes_on(d) && exvi_writer_columns_end(&d->writer, EXVI_NADDR, EXVI_NREF) &&
           exvi_writer_columns_end(&d->writer, EXVI_EROW, EXVI_ELABEL);
}

/* -------------------------------------------------------------- what is alive */

static bool is_held(const dumper *d, uint32_t number)
{
    uint32_t count = count_of(d->object[number]);
    bool frozen = (d->flags[number] & (EXVI_HEAP_TRACKED | EXVI_HEAP_GENERATION)) == (EXVI_HEAP_TRACKED | FROZEN);
    return frozen || count == IMMORTAL || count > d->seen[number] || d->object[number] == d->asked->modules;
}

static void mark_one(dumper *d, uint32_t *stack, size_t *depth, uint32_t number)
{
    if (d->flags[number] & ALIVE)
        return;
    d->flags[number] |= ALIVE;
    stack[(*depth)++] = number;
}

/* From what is held from outside, along what was written. */
static bool mark(dumper *d)
{
    size_t size;
    int why;
    const char *file = exvi_open_file_map(d->asked->file, &size, &why);
    uint32_t *stack = exvi_map((d->count + 1) * sizeof *stack, exvi_page_size());
    if (!file || !stack)
        return false;
    const exvi_heap_entry *column = d->writer.entry;
    const uint64_t *row = (const uint64_t *)(const void *)(file + column[EXVI_EROW].offset);
    const uint32_t *to = (const uint32_t *)(const void *)(file + column[EXVI_EDST].offset);
    const uint32_t *label = (const uint32_t *)(const void *)(file + column[EXVI_ELABEL].offset);
    for (uint32_t start = 0; start < d->count; start++) {
        size_t depth = 0;
        if (is_held(d, start))
            mark_one(d, stack, &depth, start);
        while (depth > 0) {
            uint32_t number = stack[--depth];
            mark_one(d, stack, &depth, number_of(d, Py_TYPE(d->object[number])));
            for (uint64_t i = row[number]; i < row[number + 1]; i++)
                if (EXVI_LABEL_KIND(label[i]) != EXVI_LABEL_WEAK)
                    mark_one(d, stack, &depth, to[i]);
        }
    }
    exvi_unmap(stack, (d->count + 1) * sizeof *stack);
    exvi_unmap((void *)(uintptr_t)file, size);
    return true;
}

static void add_root(dumper *d, const char *group, uint32_t label, PyObject *object)
{
    exvi_heap_root *to = exvi_array_next(&d->root);
    if (to)
        *to = (exvi_heap_root){.group = exvi_name_c(&d->strings, group), .label = label, .node = number_of(d, object)};
    else
        d->failed = true;
}

/* "rows in load at app.py:42, main thread" */
static uint32_t name_held(dumper *d, const exvi_held *held)
{
    exvi_plain_text text;
    text.size = 0;
    if (held->name)
        exvi_plain_str(&text, held->name);
    else
        exvi_plain_c(&text, held->what);
    if (held->frame) {
        const PyCodeObject *code = exvi_frame_code(held->frame);
        exvi_plain_c(&text, " in ");
        exvi_plain_str(&text, code->co_qualname);
        exvi_plain_c(&text, " at ");
        exvi_plain_str(&text, code->co_filename);
        exvi_plain_c(&text, ":");
        exvi_plain_number(&text, (uint64_t)exvi_frame_line(held->frame));
    }
    bool is_main = held->thread == d->asked->main_thread;
    exvi_plain_c(&text, is_main ? ", main thread" : ", thread ");
    if (!is_main)
        exvi_plain_number(&text, held->thread);
    return exvi_name(&d->strings, text.text, text.size);
}

/* Not before mark(): who holds it from outside is known now, and that it was held. */
static void note_held(void *arg, const exvi_held *held)
{
    dumper *d = arg;
    if (held->counted)
        count_seen(d, number_of(d, held->object));
    if (count_of(held->object) == IMMORTAL || held->object == Py_None)
        return;
    add_root(d, held->kind == EXVI_HOLD_LOCAL ? "frames" : "threads", name_held(d, held), held->object);
}

/* "arguments of Session.close" */
static void note_at_exit(void *arg, PyObject *object, const char *what, PyObject *function)
{
    dumper *d = arg;
    exvi_plain_text text;
    text.size = 0;
    exvi_plain_c(&text, what);
    const char *of = function == object ? " " : " of ";
    if (function && PyMethod_Check(function))
        function = PyMethod_GET_FUNCTION(function);
    if (function && PyFunction_Check(function)) {
        exvi_plain_c(&text, of);
        exvi_plain_str(&text, ((PyFunctionObject *)function)->func_qualname);
    }
    count_seen(d, number_of(d, object));
    add_root(d, "atexit", exvi_name(&d->strings, text.text, text.size), object);
}

static uint32_t name_of_type(dumper *d, PyTypeObject *type)
{
    return exvi_type_at(&d->strings, exvi_type_number(&d->strings, type))->name;
}

static void note_roots(dumper *d)
{
    PyObject *name, *module;
    Py_ssize_t at = 0;
    add_root(d, "interpreter", exvi_name_c(&d->strings, "sys.modules"), d->asked->modules);
    while (PyDict_Next(d->asked->modules, &at, &name, &module))
        if (PyUnicode_Check(name))
            add_root(d, "modules", exvi_name_str(&d->strings, name), module);
    exvi_frames_each(d->asked->threads, note_held, d);
    exvi_exits_each(d->asked->at_exit, &d->walk, note_at_exit, d);
    for (uint32_t number = 0; number < d->count; number++) {
        PyObject *object = d->object[number];
        uint32_t count = count_of(object);
        if (PyType_Check(object) && !PyObject_IS_GC(object))
            add_root(d, "static types", name_of_type(d, (PyTypeObject *)object), object);
        else if ((d->flags[number] & EXVI_HEAP_TRACKED) && count != IMMORTAL && count > d->seen[number])
            add_root(d, "held by C", exvi_name_number(&d->strings, count - d->seen[number], " references"),
                     object);
    }
}

static bool write_flags(dumper *d)
{
    for (uint32_t number = 0; number < d->count; number++) {
        uint8_t flags = d->flags[number];
        bool dead = (flags & (EXVI_HEAP_TRACKED | ALIVE)) == EXVI_HEAP_TRACKED;
        exvi_writer_put(&d->writer, EXVI_NFLAG, (uint64_t)((flags & ~ALIVE) | (dead ? EXVI_HEAP_DEAD : 0)));
    }
    return exvi_writer_columns_end(&d->writer, EXVI_NFLAG, EXVI_NFLAG);
}

/* ------------------------------------------------------------------ the others */

static void write_section(dumper *d, exvi_section section, const exvi_array *a)
{
    exvi_writer_whole(&d->writer, section, a->item, a->count * a->size);
}

static void write_big_sizes(dumper *d)
{
    bool begun = false;
    for (uint32_t number = 0; number < d->count; number++) {
        uint64_t size = exvi_object_size(d->object[number]);
        if (size < UINT32_MAX)
            continue;
        if (!begun)
            exvi_writer_section(&d->writer, EXVI_BIGSIZE);
        begun = true;
        exvi_writer_add(&d->writer, &(exvi_heap_bigsize){number, size}, sizeof(exvi_heap_bigsize));
    }
    if (begun)
        exvi_writer_section_ends(&d->writer);
}

static void write_types(dumper *d)
{
    exvi_writer_section(&d->writer, EXVI_TYPES);
    for (uint32_t i = 0; i < d->strings.type.count; i++) {
        const exvi_named_type *entry = exvi_type_at(&d->strings, i);
        const PyTypeObject *type = entry->type;
        bool heap = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0, gc = (type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0;
        const exvi_heap_type written = {
            .address = (uintptr_t)type, .name = entry->name, .module = entry->module,
            .node = exvi_walk_has(&d->walk, type) ? number_of(d, type) : EXVI_NO_NODE,
            .flags = (heap ? EXVI_TYPE_HEAP : 0) | (gc ? EXVI_TYPE_GC : 0),
            .basic_size = (uint64_t)type->tp_basicsize, .item_size = (uint64_t)type->tp_itemsize,
        };
        exvi_writer_add(&d->writer, &written, sizeof written);
    }
    exvi_writer_section_ends(&d->writer);
}

static void write_info(dumper *d)
{
    const char ends[] = "}}";
    uint64_t resident, used;
    size_t size = (size_t)d->asked->info_size - (sizeof ends - 1);
    exvi_plain_text more;
    more.size = 0;
    if (exvi_pages_use(&resident, &used)) {
        exvi_plain_c(&more, ", \"arenas\": ");
        exvi_plain_number(&more, resident);
        exvi_plain_c(&more, ", \"arenas_used\": ");
        exvi_plain_number(&more, used);
    }
    exvi_plain_c(&more, ends);
    exvi_writer_section(&d->writer, EXVI_INFO);
    exvi_writer_add(&d->writer, d->asked->info, size);
    exvi_writer_add(&d->writer, more.text, more.size);
    exvi_writer_section_ends(&d->writer);
}

static bool write_rest(dumper *d)
{
    write_big_sizes(d);
    write_types(d);
    write_section(d, EXVI_ROOTS, &d->root);
    write_section(d, EXVI_CODE, &d->code);
    write_section(d, EXVI_VALUES, &d->value);
    write_section(d, EXVI_STROFF, &d->strings.row);
    write_section(d, EXVI_STRBYTE, &d->strings.text);
    write_info(d);
    return !d->failed && !d->strings.failed && exvi_writer_end(&d->writer);
}

/* ---------------------------------------------------------------------- the job */

static bool begin(dumper *d)
{
    d->found.size = sizeof(PyObject *);
    d->code.size = sizeof(exvi_heap_code);
    d->value.size = sizeof(exvi_heap_value);
    d->root.size = sizeof(exvi_heap_root);
    return exvi_walk_begin(&d->walk) && exvi_walk_begin(&d->shown) &&
           exvi_names_begin(&d->strings, sizeof(exvi_named_type));
}

static bool write_file(dumper *d, int file)
{
    return exvi_writer_begin(&d->writer, file, d->count, d->edges) && write_objects(d) && mark(d) && write_flags(d) &&
           (note_roots(d), write_rest(d));
}

static exvi_search_end write_dump(exvi_answer *answer, void *arg)
{
    static dumper d; /* of the child */
    d.asked = arg;
    d.answer = answer;
    uint64_t words[4] = {0};
    int why = 0;
    if (begin(&d) && find_objects(&d) && number_objects(&d)) {
        if (!write_file(&d, d.asked->file))
            why = d.writer.why ? d.writer.why : ENOMEM;
        words[1] = d.count;
        words[2] = d.edges;
        words[3] = d.writer.end;
    } else {
        why = ENOMEM;
    }
    words[0] = (uint64_t)why;
    if (exvi_answer_stopped(answer))
        return EXVI_SEARCH_STOPPED;
    return exvi_answer_put(answer, words, 4) ? EXVI_SEARCH_DONE : EXVI_SEARCH_MEMORY;
}

static exvi_flight wait_for(exvi_snapshot *snapshot, bool (*is_given_up)(void))
{
    exvi_flight flight;
    Py_BEGIN_ALLOW_THREADS
    do
        flight = exvi_snapshot_wait(snapshot, is_given_up ? LOOK_NS : UINT64_MAX);
    while (flight == EXVI_FLIGHT_RUNNING && !(is_given_up && is_given_up()));
    Py_END_ALLOW_THREADS
    return flight;
}

PyObject *exvi_dump(const exvi_layout *layout, PyObject *args, bool (*is_given_up)(void))
{
    int values, is_asked;
    request asked = {.layout = layout, .modules = PyImport_GetModuleDict(), .main_thread = (unsigned long)getpid(),
                     .threads = PyInterpreterState_ThreadHead(PyInterpreterState_Main())};
    if (!PyArg_ParseTuple(args, "iy#ppO", &asked.file, &asked.info, &asked.info_size, &values, &is_asked,
                          &asked.at_exit))
        return NULL;
    asked.values = values != 0;
    exvi_snapshot snapshot = {.file = &asked.file};
    exv_status status = exvi_snapshot_start(&snapshot, write_dump, &asked, 4, WAIT_NS);
    if (status != EXV_OK)
        return PyErr_Format(PyExc_RuntimeError, "no snapshot of the process can be taken: %s",
                            exv_reason_name(snapshot.reason));
    uint64_t stopped_ns = snapshot.clone_ns;
    exvi_flight flight = wait_for(&snapshot, is_asked ? is_given_up : NULL);
    PyObject *result = NULL;
    if (flight != EXVI_FLIGHT_ANSWERED) {
        PyErr_Format(PyExc_RuntimeError, "the dump was not finished: %s", exv_reason_name(snapshot.reason));
    } else {
        const uint64_t *word = snapshot.answer->word;
        if (word[0]) {
            errno = (int)word[0];
            PyErr_SetFromErrno(PyExc_OSError);
        } else {
            result = Py_BuildValue("(KKKKK)", word[1], word[2], word[3], stopped_ns, snapshot.answer->cpu_ns);
        }
    }
    exvi_snapshot_end(&snapshot);
    return result;
}
