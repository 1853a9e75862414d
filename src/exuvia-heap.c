/*
 * exuvia-heap: questions to heap files, for those who have no Python at hand. docs/insight.md.
 */
#include "census.h"
#include "files.h"
#include "question.h"
#include "why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char USAGE[] =
    "usage: exuvia-heap summary FILE            totals, types, what holds most\n"
    "       exuvia-heap census FILE             objects by type\n"
    "       exuvia-heap why FILE WHAT           what keeps a type, an address or --largest alive\n"
    "       exuvia-heap cycles FILE             dead cycles by shape\n"
    "       exuvia-heap diff FILE LATER         what grew\n"
    "       exuvia-heap holders FILE            the tree of what keeps what alive\n"
    "       exuvia-heap heapsnapshot FILE NEW   as Chrome's DevTools reads it\n"
    "options: --json; --retained (census: also what each type retains); --limit N (lines in each list, 0: all)\n"
    "status: 0; 1 not found; 2 the question or a file is not right\n";

static int misused(void)
{
    fputs(USAGE, stderr);
    return EXVI_MISASKED;
}

static bool parse_limit(const char *word, uint32_t *limit)
{
    char *end;
    unsigned long value = word ? strtoul(word, &end, 10) : 0;
    if (!word || *word < '0' || *word > '9' || *end != '\0' || value > UINT32_MAX)
        return false;
    *limit = (uint32_t)value;
    return true;
}

/* Words that are no options, in their order; false: an option is none of ours, or there are too many words. */
static bool parse(char **words, exvi_question *question, bool *json)
{
    const char *plain[3] = {NULL, NULL, NULL};
    size_t count = 0;
    for (; *words; words++) {
        if (strcmp(*words, "--json") == 0)
            *json = true;
        else if (strcmp(*words, "--retained") == 0)
            question->retained = true;
        else if (strcmp(*words, "--limit") == 0) {
            if (!parse_limit(*++words, &question->limit))
                return false;
        } else if (count == 3 || (strncmp(*words, "--", 2) == 0 && strcmp(*words, EXVI_LARGEST) != 0))
            return false;
        else
            plain[count++] = *words;
    }
    static const char *const two[] = {"summary", "census", "cycles", "holders"};
    static const char *const three[] = {"diff", "heapsnapshot", "why"};
    size_t needed = 0;
    for (size_t i = 0; plain[0] && i < sizeof two / sizeof two[0]; i++)
        needed = strcmp(plain[0], two[i]) == 0 ? 2 : needed;
    for (size_t i = 0; plain[0] && i < sizeof three / sizeof three[0]; i++)
        needed = strcmp(plain[0], three[i]) == 0 ? 3 : needed;
    question->name = plain[0];
    question->path = plain[1];
    question->other = question->what = plain[2];
    return needed > 0 && count == needed;
}

int main(int argc, char **argv)
{
    exvi_question question = {.limit = 20, .tells = isatty(STDERR_FILENO) == 1};
    exvi_answer answer = {0};
    char error[512] = "";
    bool json = false;
    if (argc < 2 || !parse(argv + 1, &question, &json))
        return misused();
    answer.as_lines = !json && strcmp(question.name, "heapsnapshot") != 0;
    exvi_answered answered = exvi_question_answer(&question, &answer, error, sizeof error);
    if (answered != EXVI_MISASKED && answer.length > 0) {
        fwrite(answer.text, 1, answer.length, stdout);
        fputs(json ? "\n" : "", stdout);
    } else if (answered == EXVI_NOTHING_FOUND) {
        fprintf(stderr, "exuvia-heap: nothing in %s is %s\n", question.path, question.what);
    } else if (answered == EXVI_MISASKED) {
        fprintf(stderr, "exuvia-heap: %s\n", error);
    }
    exvi_answer_drop(&answer);
    if (fflush(stdout) != 0) {
        perror("exuvia-heap");
        return EXVI_MISASKED;
    }
    return (int)answered;
}
