/*
 * exits: see exits.h.
 *
 *     3.11 to 3.13   ... | -> block, block, NULL ... | int blocks | int room |   a block: function, arguments, keywords
 *     from 3.14 on   ... | -> list of tuples of these three |
 */
#include "exits.h"

#include "layout.h"

#include "platform.h"

#include <string.h>

enum { WORDS = 4096, MOST = 1 << 20 }; /* of the state, of which it is in the first third so far; of blocks */

typedef struct exit_block {
    PyObject *function, *arguments, *keywords;
} exit_block;

static bool is_readable(const void *address)
{
    return (uintptr_t)address % sizeof(void *) == 0 && exvi_is_readable(address);
}

/* Blocks that are in reach, and one of them is of the function that is known. */
static bool are_blocks(exit_block *const *block, int count, int room, const PyObject *known)
{
    bool found = false;
    if (count <= 0 || count > room || room > MOST)
        return false;
    for (int i = 0; i < count; i++) {
        if (!is_readable(block + i) || (block[i] && !(is_readable(block[i]) && is_readable(&block[i]->keywords))))
            return false;
        found = found || (block[i] && block[i]->function == known);
    }
    return found;
}

static bool is_list(PyObject *object, const exvi_walk *walk, const PyObject *known)
{
    if ((uintptr_t)object % sizeof(void *) != 0 || !exvi_walk_has(walk, object) || !PyList_CheckExact(object))
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); i++) {
        PyObject *item = PyList_GET_ITEM(object, i);
        if (PyTuple_CheckExact(item) && PyTuple_GET_SIZE(item) == 3 && PyTuple_GET_ITEM(item, 0) == known)
            return true;
    }
    return false;
}

static void each_in_blocks(exit_block *const *block, int count, exvi_exit_fn *each, void *arg)
{
    for (int i = 0; i < count; i++) {
        if (!block[i])
            continue; /* unregistered */
        PyObject *function = block[i]->function;
        each(arg, function, "function", function);
        each(arg, block[i]->arguments, "arguments", function);
        if (block[i]->keywords)
            each(arg, block[i]->keywords, "arguments by name", function);
    }
}

void exvi_exits_each(PyObject *known, const exvi_walk *walk, exvi_exit_fn *each, void *arg)
{
    const uintptr_t *word = (const uintptr_t *)(const void *)PyInterpreterState_Main();
    for (int i = 0; i < WORDS && is_readable(word + i + 1); i++) {
        int size[2];
        memcpy(size, word + i + 1, sizeof size);
        PyObject *list = (PyObject *)word[i];
        exit_block *const *block = (exit_block *const *)word[i];
        if (EXVI_LAYOUT_EXITS_LISTED && is_list(list, walk, known)) {
            each(arg, list, "functions", NULL);
            return;
        }
        if (!EXVI_LAYOUT_EXITS_LISTED && are_blocks(block, size[0], size[1], known)) {
            each_in_blocks(block, size[0], each, arg);
            return;
        }
    }
}
