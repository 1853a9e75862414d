/*
 * safe_point: see safe_point.h.
 */
#include "safe_point.h"

static const exvi_layout *asked; /* NULL: nothing is asked for */

static int collect(void *unused)
{
    (void)unused;
    const exvi_layout *layout = asked;
    asked = NULL;
    if (!layout || !*layout->enabled || *layout->collecting)
        return 0;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *found = gc ? PyObject_CallMethod(gc, "collect", "i", 0) : NULL;
    if (!found)
        PyErr_WriteUnraisable(gc);
    Py_XDECREF(found);
    Py_XDECREF(gc);
    return 0;
}

bool exvi_safe_point_ask(const exvi_layout *layout)
{
    if (asked)
        return false;
    asked = layout;
    if (Py_AddPendingCall(collect, NULL) == 0)
        return true;
    asked = NULL;
    return false;
}

void exvi_safe_point_forget(void)
{
    asked = NULL;
}
