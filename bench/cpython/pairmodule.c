/*
 * pairmodule: the CPython counterpart of pair.c: an object with two references, in C, and graphs of it.
 *
 * A type written in C with two fields is the least that CPython can do for such an object: 48 bytes, and a traverse
 * function of two lines. An instance of a class made in Python is larger or slower in every respect. So this is the
 * strongest opponent that CPython has on the same graph; run.py shows others beside it.
 *
 * Compiled by run.py for each interpreter that is measured. Graphs are never freed: the scripts leave by os._exit().
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../graph.h"
#include "../meter.h"

typedef struct pair {
    PyObject_HEAD
    PyObject *left, *right;
} pair;

static int pair_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((pair *)self)->left);
    Py_VISIT(((pair *)self)->right);
    return 0;
}

static int pair_clear(PyObject *self)
{
    Py_CLEAR(((pair *)self)->left);
    Py_CLEAR(((pair *)self)->right);
    return 0;
}

static void pair_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    pair_clear(self);
    PyObject_GC_Del(self);
}

static PyTypeObject pair_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "pairmodule.Pair",
    .tp_basicsize = sizeof(pair),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = pair_traverse,
    .tp_clear = pair_clear,
    .tp_dealloc = pair_dealloc,
};

static pair *pair_new(void)
{
    pair *object = PyObject_GC_New(pair, &pair_type);
    if (!object)
        meter_fail("out of memory");
    object->left = object->right = NULL;
    PyObject_GC_Track((PyObject *)object);
    return object;
}

/* build(count, shuffled): node 0 of a graph of graph.h. */
static PyObject *build(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_ssize_t size;
    int shuffled;
    if (!PyArg_ParseTuple(arguments, "np", &size, &shuffled))
        return NULL;
    size_t count = (size_t)size;
    uint32_t *order = graph_order_new(count, shuffled);
    pair **created = meter_map(count * sizeof *created);
    for (size_t i = 0; i < count; i++)
        created[i] = pair_new();
    for (size_t i = 0; i < count; i++) {
        pair *node = created[order[i]];
        node->left = Py_NewRef((PyObject *)created[order[graph_left(i, count)]]);
        node->right = Py_NewRef((PyObject *)created[order[graph_right(i, count)]]);
    }
    PyObject *root = Py_NewRef((PyObject *)created[order[0]]);
    for (size_t i = 0; i < count; i++)
        Py_DECREF((PyObject *)created[i]);
    graph_order_free(order, count);
    meter_unmap(created, count * sizeof *created);
    return root;
}

/* shrink(bytes, span, one_in), as shrink.c: (objects, survivors, resident bytes full, left, ns for an object). */
static PyObject *shrink(PyObject *module, PyObject *arguments)
{
    (void)module;
    Py_ssize_t bytes, span, one_in;
    enum { BLOCK = 16 + sizeof(pair) };
    if (!PyArg_ParseTuple(arguments, "nnn", &bytes, &span, &one_in))
        return NULL;
    size_t count = (size_t)bytes / BLOCK;
    pair **all = meter_map(count * sizeof *all);
    uint64_t start = meter_status_bytes("VmRSS");
    for (size_t i = 0; i < count; i++)
        all[i] = pair_new();
    uint64_t full = meter_status_bytes("VmRSS");
    size_t survivors = 0;
    uint64_t begin = meter_now_ns();
    for (size_t i = 0; i < count; i++) {
        if (graph_survives(all[i], (size_t)span, (uint64_t)one_in))
            survivors++;
        else
            Py_DECREF((PyObject *)all[i]);
    }
    double ns = (double)(meter_now_ns() - begin) / (double)count;
    uint64_t left = meter_status_bytes("VmRSS");
    return Py_BuildValue("nnKKd", (Py_ssize_t)count, (Py_ssize_t)survivors, (unsigned long long)(full - start),
                         (unsigned long long)(left > start ? left - start : 0), ns);
}

static PyMethodDef methods[] = {
    {"build", build, METH_VARARGS, NULL},
    {"shrink", shrink, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "pairmodule", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit_pairmodule(void)
{
    if (PyType_Ready(&pair_type) < 0)
        return NULL;
    return PyModule_Create(&definition);
}
