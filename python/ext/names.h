/*
 * names: str and types of Python as a heap file has them (interned.h).
 */
#ifndef EXVI_NAMES_H
#define EXVI_NAMES_H

#include "layout.h"

#include "interned.h"

typedef struct exvi_named_type {
    PyTypeObject *type;
    uint32_t name, module;   /* strings */
    uint32_t hidden;         /* what stands for a key of the type that is not shown: "[str]" */
    bool known;              /* the size of its objects is no estimate */
} exvi_named_type;

uint32_t exvi_name_str(exvi_names *names, PyObject *str);
uint32_t exvi_type_number(exvi_names *names, PyTypeObject *type);
const exvi_named_type *exvi_type_at(const exvi_names *names, uint32_t number);

#endif
