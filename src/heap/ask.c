/*
 * ask: what a heap holds and why, asked by its own program.
 *
 * One mechanism for all who ask: a heap file, here one without a name, and the analyzer's questions to it (question.h).
 * Only the answer is different: values of the heap, in the place of JSON.
 *
 * Invariant: what is open in an answer is held by what it lies in, and the outermost by `answer`.
 */
#include "error.h"
#include "files.h"
#include "question.h"

#include <stdio.h>
#include <string.h>

typedef struct building {
    exv_heap *heap;
    exv_dict *answer;
    void *open[EXVI_ANSWER_DEPTH]; /* dicts and lists */
    unsigned depth;
    exv_status status;
} building;

/* An owned reference, or NULL: no memory. */
static void *new_value(exv_heap *heap, const exvi_answer_item *item)
{
    exv_str *text = NULL;
    switch (item->kind) {
    case EXVI_ANSWER_OBJECT:
        return exv_dict_new(heap);
    case EXVI_ANSWER_LIST:
        return exv_list_new(heap);
    case EXVI_ANSWER_TEXT:
        return exv_str_new(heap, item->size ? item->text : "", item->size, &text) == EXV_OK ? text : NULL;
    case EXVI_ANSWER_NUMBER:
        return exv_int_new(heap, item->number < INT64_MAX ? (int64_t)item->number : INT64_MAX);
    case EXVI_ANSWER_FLAG:
        return exv_incref(exv_get_bool(heap, item->number));
    case EXVI_ANSWER_CLOSE:
        break;
    }
    return NULL;
}

static exv_status put(building *b, const char *key, void *value)
{
    if (b->depth == 0) {
        b->answer = exv_incref(value);
        return EXV_OK;
    }
    void *into = b->open[b->depth - 1];
    return key ? exv_dict_set_text(into, key, value) : exv_list_append(into, value);
}

static bool take(void *arg, const exvi_answer_item *item)
{
    building *b = arg;
    if (item->kind == EXVI_ANSWER_CLOSE) {
        b->depth--;
        return true;
    }
    void *value = new_value(b->heap, item);
    b->status = value && b->depth < EXVI_ANSWER_DEPTH ? put(b, item->key, value) : EXV_NO_MEMORY;
    if (b->status == EXV_OK && (item->kind == EXVI_ANSWER_OBJECT || item->kind == EXVI_ANSWER_LIST))
        b->open[b->depth++] = value;
    exv_decref(value);
    return b->status == EXV_OK;
}

static exv_status answer(exv_heap *heap, const exvi_question *question, exv_dict **result)
{
    building b = {.heap = heap};
    exvi_answer written = {.sink = take, .sink_arg = &b};
    char why[512];
    exvi_answered answered = exvi_question_answer(question, &written, why, sizeof why);
    exvi_answer_drop(&written);
    if (answered == EXVI_ANSWERED) {
        *result = b.answer;
        return EXV_OK;
    }
    exv_decref(b.answer);
    if (b.status != EXV_OK)
        return b.status;
    if (answered == EXVI_NOTHING_FOUND)
        return exvi_error(heap, EXV_KEY_ERROR, "no object or type, or more than one, is %s", question->what);
    return exvi_error(heap, EXV_OS_ERROR, "%s", why);
}

static exv_status ask(exv_heap *heap, exvi_question question, exv_dict **result)
{
    char path[32];
    int why, file = exvi_file_nameless(&why);
    if (file < 0)
        return exvi_error(heap, EXV_OS_ERROR, "there can be no heap file in memory: %s", strerror(why));
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    question.path = path;
    exv_status status = exv_heap_dump(heap, file);
    if (status == EXV_OK)
        status = answer(heap, &question, result);
    exvi_file_close(file);
    return status;
}

/* ------------------------------------------------------------------------ public */

exv_status exv_heap_census(exv_heap *heap, bool retained, uint32_t limit, exv_dict **result)
{
    return ask(heap, (exvi_question){.name = "census", .retained = retained, .limit = limit}, result);
}

exv_status exv_heap_cycles(exv_heap *heap, uint32_t limit, exv_dict **result)
{
    return ask(heap, (exvi_question){.name = "cycles", .limit = limit}, result);
}

exv_status exv_why(void *object, uint32_t limit, exv_dict **result)
{
    char address[24];
    snprintf(address, sizeof address, "%p", object);
    return ask(exv_get_heap(object), (exvi_question){.name = "why", .what = address, .limit = limit}, result);
}

exv_status exv_why_type(exv_heap *heap, const char *name, uint32_t limit, exv_dict **result)
{
    return ask(heap, (exvi_question){.name = "why", .what = name, .limit = limit}, result);
}
