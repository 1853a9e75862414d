/*
 * test_question: every question to a small heap file, with all memory there is and with each piece of it refused.
 *
 * Whether the answers are right is for tests/python/test_analysis.py, which has an oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checksum.h"
#include "files.h"
#include "platform.h"
#include "question.h"
#include "reader.h"

enum { NODES = 6, EDGES = 7 };

static char folder[64], path[96], out[96];
static unsigned char bytes[4096];
static size_t end = 64, table_bytes;
static unsigned char table[32 * 16];
static exvi_checksum checksum;

static void put_section(const char *name, const void *data, size_t size)
{
    unsigned char *entry = table + table_bytes;
    uint64_t place[2] = {end, size};
    uint32_t crc = exvi_checksum_of(&checksum, data, size);
    assert_true(end + size <= sizeof bytes && strlen(name) <= 8);
    memcpy(entry, name, strlen(name));
    memcpy(entry + 8, place, sizeof place);
    memcpy(entry + 24, &crc, sizeof crc);
    memcpy(bytes + end, data, size);
    end = (end + size + 7) & ~(size_t)7;
    table_bytes += 32;
}

static void write_file(void)
{
    const uint64_t counts[] = {NODES, EDGES, end};
    const uint32_t version[] = {EXVI_HEAP_VERSION, 0};
    const uint32_t of_table[] = {(uint32_t)(table_bytes / 32), exvi_checksum_of(&checksum, table, table_bytes)};
    memcpy(bytes, "EXVHEAP\n", 8);
    memcpy(bytes + 8, version, sizeof version);
    memcpy(bytes + 16, counts, sizeof counts);
    memcpy(bytes + 40, of_table, sizeof of_table);
    memcpy(bytes + end, table, table_bytes);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, end + table_bytes, file), end + table_bytes);
    assert_int_equal(fclose(file), 0);
}

/* A module, a node that it holds and a value; a ring of two dead ones; one that nothing holds. */
static int set_up(void **state)
{
    (void)state;
    static const char text[] = "modulesappNodepeer";
    const uint64_t string_row[] = {0, 0, 7, 10, 14, 18}, row[] = {0, 2, 3, 3, 5, 7, 7};
    const uint64_t address[] = {16, 32, 48, 64, 80, 96};
    const uint32_t type_of[] = {0, 1, 0, 1, 1, 0}, size[] = {8, UINT32_MAX, 8, 8, 8, 8}, count[] = {1, 1, 1, 1, 1, 1};
    const uint8_t flags[] = {4, 4, 0, 4 | 16, 4 | 16, 0};
    const uint32_t to[] = {1, 2, 2, 4, 0, 3, 3};
    const uint32_t label[] = {2u << 28 | 4, 1u << 28, 0, 2u << 28 | 4, 0, 2u << 28 | 4, 8u << 28};
    const exvi_heap_type types[] = {{.name = 2, .module = 2, .node = EXVI_NO_NODE}, {.name = 3, .module = 2, .node = 0,
                                     .flags = EXVI_TYPE_HEAP}};
    const exvi_heap_root root = {.group = 1, .label = 2, .node = 0};
    const exvi_heap_code code = {.node = 3, .file = 2, .name = 3, .line = 7};
    const exvi_heap_bigsize big = {.node = 1, .bytes = (uint64_t)5 << 32};
    strcpy(folder, "/tmp/exuvia-question-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/heap.exv", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    exvi_checksum_begin(&checksum);
    put_section("naddr", address, sizeof address);
    put_section("ntype", type_of, sizeof type_of);
    put_section("nsize", size, sizeof size);
    put_section("nref", count, sizeof count);
    put_section("nflag", flags, sizeof flags);
    put_section("erow", row, sizeof row);
    put_section("edst", to, sizeof to);
    put_section("elabel", label, sizeof label);
    put_section("types", types, sizeof types);
    put_section("stroff", string_row, sizeof string_row);
    put_section("strbyte", text, sizeof text - 1);
    put_section("roots", &root, sizeof root);
    put_section("code", &code, sizeof code);
    put_section("bigsize", &big, sizeof big);
    write_file();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static exvi_question questions[] = {
    {.name = "summary"}, {.name = "census", .retained = true}, {.name = "why", .what = "Node"},
    {.name = "why", .what = "0x20"}, {.name = "why", .what = "--largest"}, {.name = "cycles"},
    {.name = "diff", .other = path}, {.name = "holders"}, {.name = "heapsnapshot", .other = out},
};
enum { QUESTIONS = sizeof questions / sizeof questions[0] };

static exvi_answered ask(const exvi_question *question, char *error, size_t room)
{
    exvi_answer answer = {0};
    exvi_question asked = *question;
    asked.path = path;
    exvi_answered answered = exvi_question_answer(&asked, &answer, error, room);
    exvi_answer_drop(&answer);
    return answered;
}

static void test_every_question(void **state)
{
    (void)state;
    char error[256] = "";
    for (size_t i = 0; i < QUESTIONS; i++) {
        assert_int_equal(ask(&questions[i], error, sizeof error), EXVI_ANSWERED);
        exvi_file_remove(out);
    }
    assert_int_equal(ask(&(exvi_question){.name = "why", .what = "Nothing"}, error, sizeof error), EXVI_NOTHING_FOUND);
    assert_int_equal(ask(&(exvi_question){.name = "what"}, error, sizeof error), EXVI_MISASKED);
    assert_non_null(strstr(error, "there is no such question"));
}

#ifdef EXVI_CHECKED
static int mappings(void)
{
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    for (int byte; maps && (byte = fgetc(maps)) != EOF;)
        count += byte == '\n';
    if (maps)
        fclose(maps);
    return count;
}
#endif

/* Whatever is refused: the question is not answered, that is said, no half file stays, and all memory comes back. */
static void test_no_memory(void **state)
{
    (void)state;
#ifdef EXVI_CHECKED
    char error[256];
    const int before = mappings();
    for (size_t i = 0; i < QUESTIONS; i++) {
        uint64_t nth = 0;
        exvi_answered answered;
        do {
            *error = '\0';
            exvi_fault_set(EXVI_FAULT_MAP, ++nth, false);
            answered = ask(&questions[i], error, sizeof error);
            exvi_fault_set(EXVI_FAULT_MAP, 0, false);
            if (answered != EXVI_ANSWERED && !strstr(error, "memory"))
                fail_msg("%s, mapping %d: %s", questions[i].name, (int)nth, error);
            assert_int_equal(exvi_file_exists(out), answered == EXVI_ANSWERED && questions[i].other == out);
            exvi_file_remove(out);
        } while (answered != EXVI_ANSWERED && nth < 1000);
        assert_true(nth > 5 && nth < 1000);
    }
    assert_true(mappings() < before + 60); /* there were hundreds of failures; a sanitizer has mappings of its own */
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_question),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
