/*
 * test_answer: what is written down is JSON whatever the bytes are, or lines, in memory and into a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "answer.h"
#include "files.h"

static void fill(exvi_answer *answer)
{
    exvi_answer_object(answer, NULL);
    exvi_answer_number(answer, "count", UINT64_MAX);
    exvi_answer_list(answer, "items");
    exvi_answer_object(answer, NULL);
    exvi_answer_text(answer, "name", "a \"b\"");
    exvi_answer_flag(answer, "old", true);
    exvi_answer_close(answer);
    exvi_answer_text(answer, NULL, "plain");
    exvi_answer_close(answer);
    exvi_answer_list(answer, "none");
    exvi_answer_close(answer);
    exvi_answer_close(answer);
}

static void expect(exvi_answer *answer, const char *text)
{
    assert_false(answer->failed);
    assert_int_equal(answer->length, strlen(text));
    assert_memory_equal(answer->text, text, answer->length);
    exvi_answer_drop(answer);
}

static void test_json(void **state)
{
    (void)state;
    exvi_answer answer = {0};
    fill(&answer);
    expect(&answer, "{\"count\":18446744073709551615,\"items\":[{\"name\":\"a \\\"b\\\"\",\"old\":true},\"plain\"],"
                    "\"none\":[]}");
}

static void test_lines(void **state)
{
    (void)state;
    exvi_answer answer = {.as_lines = true};
    fill(&answer);
    expect(&answer, "count 18446744073709551615\nitems:\n  name a \"b\"  old true\n  plain\nnone:\n");
}

typedef struct told {
    char text[256];
    int left; /* items that are taken */
} told;

static bool note(void *arg, const exvi_answer_item *item)
{
    told *t = arg;
    size_t end = strlen(t->text);
    snprintf(t->text + end, sizeof t->text - end, "%d %s %.*s %llu|", item->kind, item->key ? item->key : "-",
             (int)item->size, item->size ? item->text : "", (unsigned long long)item->number);
    return t->left-- > 0;
}

/* Nothing is written, and nothing comes after what was not taken. */
static void test_items(void **state)
{
    (void)state;
    told all = {.left = 100}, two = {.left = 1};
    exvi_answer answer = {.sink = note, .sink_arg = &all};
    fill(&answer);
    exvi_answer_bytes(&answer, "odd", "\xff\n", 2);
    assert_false(answer.failed);
    assert_string_equal(all.text, "0 -  0|4 count  18446744073709551615|1 items  0|0 -  0|3 name a \"b\" 0|5 old  1|"
                                  "2 -  0|3 - plain 0|2 -  0|1 none  0|2 -  0|2 -  0|3 odd \xEF\xBF\xBD\\u000a 0|");
    exvi_answer_drop(&answer);
    answer = (exvi_answer){.sink = note, .sink_arg = &two};
    fill(&answer);
    assert_true(answer.failed);
    assert_string_equal(two.text, "0 -  0|4 count  18446744073709551615|");
    exvi_answer_drop(&answer);
}

static void test_bytes_that_are_no_text(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } cases[] = {
        {"\x01\n\\", "\"\\u0001\\u000a\\\\\""},
        {"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x8D", "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x90\x8D\""},
        {"a\xFFz", "\"a\xEF\xBF\xBDz\""},
        {"\xC3", "\"\xEF\xBF\xBD\""},                                                   /* cut */
        {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                                   /* too long a form */
        {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},                   /* half of a pair */
        {"\xF4\x90\x80\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},   /* beyond Unicode */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        exvi_answer answer = {0};
        exvi_answer_text(&answer, NULL, cases[i].bytes);
        expect(&answer, cases[i].text);
    }
}

static void test_a_file_has_all_of_it(void **state)
{
    (void)state;
    char path[] = "/tmp/exuvia-answer-XXXXXX", line[64];
    int made = mkstemp(path), why = 0;
    assert_true(made >= 0);
    close(made);
    assert_int_equal(exvi_file_new(path, &why), -1); /* there is one */
    assert_true(exvi_file_remove(path));
    exvi_answer answer = {.to_file = true, .file = exvi_file_new(path, &why)};
    assert_true(answer.file >= 0);
    exvi_answer_list(&answer, NULL);
    for (uint64_t i = 0; i < 50000; i++)
        exvi_answer_number(&answer, NULL, i);
    exvi_answer_close(&answer);
    assert_true(exvi_answer_flush(&answer));
    exvi_file_close(answer.file);
    exvi_answer_drop(&answer);

    size_t size = 0, at = 0;
    const char *text = exvi_file_map(path, &size, &why);
    assert_non_null(text);
    for (unsigned i = 0; i < 50000; i++) {
        int length = snprintf(line, sizeof line, "%c%u", i ? ',' : '[', i);
        assert_memory_equal(text + at, line, (size_t)length);
        at += (size_t)length;
    }
    assert_int_equal(at + 1, size);
    assert_true(exvi_file_remove(path));
}

static void test_a_full_disk_is_told(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    exvi_answer answer = {.to_file = true, .file = fileno(full)};
    exvi_answer_text(&answer, NULL, "does not fit");
    assert_false(exvi_answer_flush(&answer));
    assert_true(answer.failed && answer.why != 0);
    exvi_answer_drop(&answer);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_a_file_has_all_of_it),
        cmocka_unit_test(test_a_full_disk_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
