/*
 * frames: see frames.h.
 */
#include "frames.h"

static bool are_known; /* the probe has found them as they should be */

/* PyFrameObject, the same from 3.11 to 3.15 so far. */
typedef struct frame_object {
    PyObject head;
    PyObject *back;
    exvi_frame *frame;
} frame_object;

static bool is_generator(PyObject *object)
{
    return PyGen_CheckExact(object) || PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object);
}

/* It is what such an object ends with. */
static const exvi_frame *frame_in(PyObject *generator)
{
    return (const exvi_frame *)(const void *)((const char *)generator + Py_TYPE(generator)->tp_basicsize -
                                              offsetof(exvi_frame, slot));
}

const exvi_frame *exvi_frame_of(PyObject *object)
{
    if (!are_known)
        return NULL;
    if (is_generator(object))
        return frame_in(object);
    const exvi_frame *frame = PyFrame_Check(object) ? ((const frame_object *)(const void *)object)->frame : NULL;
    return frame && frame->owner == EXVI_FRAME_OF_OBJECT ? frame : NULL;
}

PyCodeObject *exvi_frame_code(const exvi_frame *frame)
{
    PyObject *code = exvi_slot_object(frame->code);
    return code && PyCode_Check(code) ? (PyCodeObject *)code : NULL;
}

int exvi_frame_line(const exvi_frame *frame)
{
    PyCodeObject *code = exvi_frame_code(frame);
    int line = code ? PyCode_Addr2Line(code, (int)(frame->at - code->co_code_adaptive)) : 0;
    return line > 0 ? line : 0;
}

/* ------------------------------------------------------------------------ walk */

typedef struct telling {
    void (*each)(void *arg, const exvi_held *held);
    void *arg;
    unsigned long thread;
} telling;

static void tell(const telling *t, exvi_held held)
{
    held.thread = t->thread;
    if (held.object)
        t->each(t->arg, &held);
}

static void tell_frame(const telling *t, const exvi_frame *frame, const PyCodeObject *code)
{
    bool own = frame->owner == EXVI_FRAME_OF_THREAD; /* else the generator reports it, or may */
    bool counts = own || !EXVI_LAYOUT_BORROWS;
    for (Py_ssize_t i = 0, slots = exvi_frame_slots(frame, code); i < slots; i++) {
        bool local = i < code->co_nlocalsplus;
        tell(t, (exvi_held){
                    .object = exvi_slot_object(frame->slot[i]), .kind = local ? EXVI_HOLD_LOCAL : EXVI_HOLD_CALL,
                    .name = local ? PyTuple_GET_ITEM(code->co_localsplusnames, i) : NULL, .what = "a call",
                    .counted = counts && !exvi_slot_is_borrowed(frame->slot[i]), .frame = frame});
    }
    exvi_hold space = frame->locals == frame->globals ? EXVI_HOLD_FRAME : EXVI_HOLD_LOCAL;
    tell(t, (exvi_held){frame->locals, space, NULL, "the namespace", own, frame, 0});
    tell(t, (exvi_held){exvi_slot_object(frame->function), EXVI_HOLD_FRAME, NULL, "the function",
                        own && !exvi_slot_is_borrowed(frame->function), frame, 0});
    tell(t, (exvi_held){frame->object, EXVI_HOLD_FRAME, NULL, "the frame object", own, frame, 0});
}

static void tell_thread(const telling *t, const PyThreadState *thread)
{
    tell(t, (exvi_held){thread->dict, EXVI_HOLD_THREAD, NULL, "local data", true, NULL, 0});
    tell(t, (exvi_held){thread->context, EXVI_HOLD_THREAD, NULL, "the context", true, NULL, 0});
    tell(t, (exvi_held){thread->exc_state.exc_value, EXVI_HOLD_THREAD, NULL, "a handled exception", true, NULL, 0});
    tell(t, (exvi_held){exvi_layout_raised(thread), EXVI_HOLD_THREAD, NULL, "a raised exception", true, NULL, 0});
    for (const exvi_frame *at = exvi_layout_running(thread); at; at = at->previous) {
        PyCodeObject *code = at->owner <= EXVI_FRAME_OF_GENERATOR ? exvi_frame_code(at) : NULL;
        if (code)
            tell_frame(t, at, code);
    }
}

void exvi_frames_each(PyThreadState *first, void (*each)(void *arg, const exvi_held *held), void *arg)
{
    telling t = {.each = each, .arg = arg};
    if (!are_known)
        return;
    for (PyThreadState *thread = first; thread; thread = PyThreadState_Next(thread)) {
        t.thread = thread->native_thread_id;
        tell_thread(&t, thread);
    }
}

/* ----------------------------------------------------------------------- probe */

static const char PROBE[] =
    "def hold(first, second):\n"
    "    third = second\n"
    "    look(first, third)\n"
    "def wait(first, second):\n"
    "    yield second\n"
    "waits = wait(one, two)\n"
    "next(waits)\n"
    "hold(one, two)\n";

static bool holds(const exvi_frame *frame, Py_ssize_t slot, const PyObject *object)
{
    return exvi_slot_object(frame->slot[slot]) == object;
}

/* Called by hold(): what is seen of the frame is what Python says of it. */
static bool is_as_told(PyFrameObject *told, PyObject *first, PyObject *second)
{
    const exvi_frame *frame = exvi_layout_running(PyThreadState_Get()), *caller;
    PyFrameObject *back = PyFrame_GetBack(told);
    PyCodeObject *code = PyFrame_GetCode(told), *outer = back ? PyFrame_GetCode(back) : NULL;
    while (frame && frame->owner > EXVI_FRAME_OF_OBJECT)
        frame = frame->previous;
    for (caller = frame ? frame->previous : NULL; caller && caller->owner > EXVI_FRAME_OF_OBJECT;)
        caller = caller->previous;
    bool right = caller && exvi_slot_object(frame->code) == (PyObject *)code && outer &&
                 exvi_slot_object(caller->code) == (PyObject *)outer && frame->object == (PyObject *)told &&
                 frame->owner == EXVI_FRAME_OF_THREAD && frame->globals == caller->globals &&
                 ((const frame_object *)(const void *)told)->frame == frame && code->co_nlocalsplus == 3 &&
                 holds(frame, 0, first) && holds(frame, 1, second) && holds(frame, 2, second) &&
                 exvi_frame_line(frame) == PyFrame_GetLineNumber(told);
    Py_XDECREF(back);
    Py_XDECREF(code);
    Py_XDECREF(outer);
    return right;
}

static PyObject *look(PyObject *found, PyObject *args)
{
    PyFrameObject *told = PyEval_GetFrame();
    PyObject *first, *second;
    if (!PyArg_UnpackTuple(args, "look", 2, 2, &first, &second))
        return NULL;
    if (told && is_as_told(told, first, second) && PyList_Append(found, Py_True) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static bool waits_as_told(PyObject *space)
{
    PyObject *waits = PyDict_GetItemString(space, "waits"), *function = PyDict_GetItemString(space, "wait");
    if (!waits || !function || !PyGen_CheckExact(waits))
        return false;
    const exvi_frame *frame = frame_in(waits);
    return exvi_slot_object(frame->code) == PyFunction_GetCode(function) &&
           frame->owner == EXVI_FRAME_OF_GENERATOR && holds(frame, 0, PyDict_GetItemString(space, "one")) &&
           holds(frame, 1, PyDict_GetItemString(space, "two"));
}

static bool run_probe(PyObject *space, PyObject *found)
{
    static PyMethodDef method = {"look", look, METH_VARARGS, NULL};
    PyObject *one = PyList_New(0), *two = PyList_New(0), *looker = PyCFunction_New(&method, found);
    PyObject *code = Py_CompileString(PROBE, "<exuvia>", Py_file_input), *done = NULL;
    if (one && two && looker && code && PyDict_SetItemString(space, "one", one) == 0 &&
        PyDict_SetItemString(space, "two", two) == 0 && PyDict_SetItemString(space, "look", looker) == 0 &&
        PyDict_SetItemString(space, "__builtins__", PyEval_GetBuiltins()) == 0)
        done = PyEval_EvalCode(code, space, space);
    bool right = done && PyList_GET_SIZE(found) == 1 && waits_as_told(space);
    Py_XDECREF(done);
    Py_XDECREF(code);
    Py_XDECREF(looker);
    Py_XDECREF(two);
    Py_XDECREF(one);
    return right;
}

void exvi_frames_probe(exvi_report *report)
{
    PyObject *space = PyDict_New(), *found = PyList_New(0);
    are_known = !exvi_layout_keeps_ending_frames() && space && found && run_probe(space, found);
    if (space)
        PyDict_Clear(space); /* the functions refer to it */
    Py_XDECREF(space);
    Py_XDECREF(found);
    PyErr_Clear();
    exvi_report_add(report, "frames", true, "what running functions hold %s", are_known ? "is known" : "is not known");
}
