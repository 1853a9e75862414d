/*
 * question: see question.h.
 */
#include "question.h"

#include "census.h"
#include "cycles.h"
#include "devtools.h"
#include "files.h"
#include "growth.h"
#include "holders.h"
#include "why.h"

#include <stdio.h>
#include <string.h>

typedef struct asked {
    const exvi_question *question;
    exvi_answer *answer;
    exvi_study study, later;
    char *error;
    size_t room;
} asked;

static bool is_named(const exvi_question *question, const char *name)
{
    return strcmp(question->name, name) == 0;
}

static exvi_answered refuse(asked *a, const char *path, const char *why)
{
    snprintf(a->error, a->room, "%s: %s", path, why);
    return EXVI_MISASKED;
}

static exvi_answered outcome(asked *a, const exvi_study *study, const char *path, bool done)
{
    if (done && !a->answer->failed)
        return EXVI_ANSWERED;
    return refuse(a, path, study->error ? study->error : "there is not enough memory for the answer");
}

static exvi_answered ask_diff(asked *a)
{
    const exvi_question *q = a->question;
    if (!exvi_study_open(&a->later, q->other, q->tells))
        return refuse(a, q->other, a->later.error);
    bool done = exvi_growth_answer(&a->study, &a->later, a->answer, q->limit);
    if (!done && a->study.error)
        return outcome(a, &a->study, q->path, done);
    return outcome(a, &a->later, q->other, done);
}

static exvi_answered ask_why(asked *a)
{
    exvi_found found = exvi_why_answer(&a->study, a->answer, a->question->what, a->question->limit);
    return found == EXVI_NOT_FOUND ? EXVI_NOTHING_FOUND : outcome(a, &a->study, a->question->path, found == EXVI_FOUND);
}

static exvi_answered write_devtools(asked *a)
{
    const exvi_question *q = a->question;
    int why;
    a->answer->file = exvi_file_new(q->other, &why);
    if (a->answer->file < 0)
        return refuse(a, q->other, strerror(why));
    a->answer->to_file = true;
    bool done = exvi_devtools_write(&a->study, a->answer) && exvi_answer_flush(a->answer);
    exvi_file_close(a->answer->file);
    a->answer->to_file = false;
    if (done)
        return EXVI_ANSWERED;
    exvi_file_remove(q->other);
    if (a->study.error || !a->answer->why)
        return outcome(a, &a->study, q->path, false);
    return refuse(a, q->other, strerror(a->answer->why));
}

static exvi_answered ask(asked *a)
{
    const exvi_question *q = a->question;
    exvi_study *study = &a->study;
    if (is_named(q, "diff"))
        return ask_diff(a);
    if (is_named(q, "why"))
        return ask_why(a);
    if (is_named(q, "heapsnapshot"))
        return write_devtools(a);
    bool done = false;
    if (is_named(q, "summary"))
        done = exvi_summary_answer(study, a->answer, q->limit);
    else if (is_named(q, "census"))
        done = exvi_census_answer(study, a->answer, q->limit, q->retained);
    else if (is_named(q, "cycles"))
        done = exvi_cycles_answer(study, a->answer, q->limit);
    else if (is_named(q, "holders"))
        done = exvi_holders_answer(study, a->answer, q->limit);
    else
        study->error = "there is no such question";
    return outcome(a, study, q->path, done);
}

exvi_answered exvi_question_answer(const exvi_question *question, exvi_answer *answer, char *error, size_t room)
{
    asked a = {.question = question, .answer = answer, .error = error, .room = room};
    bool open = exvi_study_open(&a.study, question->path, question->tells);
    exvi_answered answered = open ? ask(&a) : refuse(&a, question->path, a.study.error);
    exvi_study_drop(&a.later);
    exvi_study_drop(&a.study);
    return answered;
}
