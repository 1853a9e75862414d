/*
 * describe: objects, types, references and paths as a person reads them.
 */
#ifndef EXVI_DESCRIBE_H
#define EXVI_DESCRIBE_H

#include "answer.h"
#include "shapes.h"

enum { EXVI_NAME_SIZE = 8192 };

/* The answer is the buffer, of EXVI_NAME_SIZE. Longer names are cut in the middle of nothing but themselves. */
const char *exvi_kind_name(const exvi_heap_file *file, uint32_t type, char *name); /* "module.Type"; "dict" */
const char *exvi_group_text(const exvi_graph *graph, uint32_t group, char *name);
const char *exvi_label_text(const exvi_heap_file *file, uint32_t label, char *name); /* ".name", "[3]", "(class)" */

/* What is known of the one object: the class that it is, its module's name, code and line, its value. Or "". */
const char *exvi_node_name(const exvi_heap_file *file, uint32_t node, char *name);

/* Items of an object of the answer: address, type, and where there is one, name. */
void exvi_answer_node(exvi_answer *answer, const exvi_heap_file *file, uint32_t node);

/* A list of steps from the root's group to the shape: of each the reference, the type, and the name where each such
 * step is one object. */
void exvi_answer_path(exvi_answer *answer, const char *key, const exvi_graph *graph, const exvi_shapes *shapes,
                      uint32_t shape);

#endif
