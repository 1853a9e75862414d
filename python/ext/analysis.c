/*
 * analysis: see analysis.h.
 */
#include "analysis.h"

#include "question.h"

PyObject *exvi_analysis_ask(PyObject *self, PyObject *args)
{
    (void)self;
    exvi_question question = {0};
    exvi_answer answer = {0};
    char error[512] = "";
    unsigned int limit;
    int retained, tells;
    if (!PyArg_ParseTuple(args, "syyzIpp", &question.name, &question.path, &question.other, &question.what, &limit,
                          &retained, &tells))
        return NULL;
    question.limit = limit;
    question.retained = retained;
    question.tells = tells;
    exvi_answered answered;
    Py_BEGIN_ALLOW_THREADS
    answered = exvi_question_answer(&question, &answer, error, sizeof error);
    Py_END_ALLOW_THREADS
    PyObject *text = answered == EXVI_MISASKED
                         ? PyUnicode_DecodeFSDefault(error)
                         : PyUnicode_DecodeUTF8(answer.text, (Py_ssize_t)answer.length, "strict");
    exvi_answer_drop(&answer);
    return text ? Py_BuildValue("(iN)", (int)answered, text) : NULL;
}
