/*
 * test_files: lines, whole files, numbers and links as the system's small files have them.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "files.h"

static void test_lines(void **state)
{
    (void)state;
    char path[] = "/tmp/exuvia-lines-XXXXXX";
    int file = mkstemp(path);
    FILE *out = fdopen(file, "w");
    fputs("one\n\n", out);
    for (int i = 0; i < 2047; i++)
        fputc('x', out);
    fputs("\n", out);
    for (int i = 0; i < 10000; i++)
        fputc('y', out);
    fputs("\nthree\nlast", out);
    fclose(out);

    exvi_lines lines;
    assert_true(exvi_lines_open(&lines, path));
    assert_string_equal(exvi_lines_next(&lines), "one");
    assert_string_equal(exvi_lines_next(&lines), "");
    assert_int_equal(strlen(exvi_lines_next(&lines)), 2047);
    assert_string_equal(exvi_lines_next(&lines), "three"); /* the long one is left out */
    assert_string_equal(exvi_lines_next(&lines), "last");
    assert_null(exvi_lines_next(&lines));
    assert_null(exvi_lines_next(&lines));
    exvi_lines_close(&lines);

    char text[8];
    assert_true(exvi_file_read(path, text, sizeof text));
    assert_string_equal(text, "one\n\nxx");
    assert_int_equal(truncate(path, 0), 0);
    assert_false(exvi_file_read(path, text, sizeof text));
    unlink(path);
    assert_false(exvi_lines_open(&lines, path));
    assert_false(exvi_file_read(path, text, sizeof text));
}

/* A file under /proc changes; one that is kept open shows the change. */
static void test_again(void **state)
{
    (void)state;
    char path[] = "/tmp/exuvia-again-XXXXXX", text[16];
    int other = mkstemp(path);
    assert_true(exvi_file_write(path, "first"));
    int file = exvi_file_open(path);
    assert_true(file >= 0);
    assert_true(exvi_file_again(file, text, sizeof text));
    assert_string_equal(text, "first");
    assert_true(exvi_file_write(path, "again"));
    assert_true(exvi_file_again(file, text, 5));
    assert_string_equal(text, "agai");
    assert_int_equal(ftruncate(other, 0), 0);
    assert_false(exvi_file_again(file, text, sizeof text));
    exvi_file_close(file);
    close(other);
    unlink(path);
    assert_false(exvi_file_write(path, "x"));
    assert_int_equal(exvi_file_open(path), -1);
}

static void test_links(void **state)
{
    (void)state;
    char path[] = "/tmp/exuvia-link-XXXXXX", text[16];
    close(mkstemp(path));
    assert_true(exvi_file_exists(path));
    assert_int_equal(exvi_link_read(path, text, sizeof text), 0);
    unlink(path);
    assert_false(exvi_file_exists(path));
    assert_int_equal(symlink("nowhere", path), 0);
    assert_true(exvi_file_exists(path));
    assert_int_equal(exvi_link_read(path, text, sizeof text), 7);
    assert_memory_equal(text, "nowhere", 7);
    assert_int_equal(exvi_link_read(path, text, 3), 3);
    unlink(path);
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(exvi_number_parse("42\n") == 42);
    assert_true(exvi_number_parse(" \t 7 kB") == 7);
    assert_true(exvi_number_parse("max") == UINT64_MAX);
    assert_true(exvi_number_parse("") == UINT64_MAX);
    assert_true(exvi_number_parse("-1") == UINT64_MAX);
    assert_true(exvi_number_parse("18446744073709551616") >= UINT64_MAX - 9);
    assert_true(exvi_number_parse("99999999999999999999999") >= UINT64_MAX - 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
