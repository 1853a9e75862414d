/*
 * analysis: questions to heap files, from Python.
 */
#ifndef EXVI_EXT_ANALYSIS_H
#define EXVI_EXT_ANALYSIS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* (name, path, other, what, limit, retained, tells) -> (status, JSON; of status 2: what is wrong) */
PyObject *exvi_analysis_ask(PyObject *self, PyObject *args);

#endif
