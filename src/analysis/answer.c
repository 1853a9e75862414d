/*
 * answer: see answer.h.
 */
#include "answer.h"

#include "files.h"
#include "platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_ROOM = 1 << 16 };

bool exvi_answer_flush(exvi_answer *answer)
{
    if (answer->to_file && !answer->failed && answer->length > 0) {
        answer->failed = !exvi_file_append(answer->file, answer->text, answer->length, &answer->why);
        answer->length = 0;
    }
    return !answer->failed;
}

static bool make_room(exvi_answer *answer, size_t size)
{
    if (answer->to_file && answer->length + size > FIRST_ROOM)
        exvi_answer_flush(answer);
    size_t room = answer->room ? answer->room : FIRST_ROOM;
    while (room - answer->length < size && room < SIZE_MAX / 4)
        room *= 2;
    if (room != answer->room) {
        char *text = exvi_map_larger(answer->text, answer->room, room);
        if (text) {
            answer->text = text;
            answer->room = room;
        }
        answer->failed = answer->failed || !text;
    }
    return !answer->failed;
}

void exvi_answer_raw(exvi_answer *answer, const char *text, size_t size)
{
    if (size == 0 || !make_room(answer, size))
        return;
    memcpy(answer->text + answer->length, text, size);
    answer->length += size;
}

static void put(exvi_answer *answer, const char *text)
{
    exvi_answer_raw(answer, text, strlen(text));
}

/* --------------------------------------------------------------------- text */

/* Bytes of the UTF-8 sequence that begins here; 0: it is none. */
static size_t sequence_size(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xC0) != 0x80)
            return 0;
    bool is_long = (first == 0xE0 && text[1] < 0xA0) || (first == 0xF0 && text[1] < 0x90);
    bool is_surrogate = first == 0xED && text[1] >= 0xA0;
    bool is_beyond = first == 0xF4 && text[1] >= 0x90;
    return is_long || is_surrogate || is_beyond ? 0 : size;
}

static void put_escaped(exvi_answer *answer, unsigned char byte)
{
    char escape[8];
    if (byte == '"' || byte == '\\')
        snprintf(escape, sizeof escape, "\\%c", byte);
    else
        snprintf(escape, sizeof escape, "\\u%04x", byte);
    put(answer, escape);
}

static void put_text(exvi_answer *answer, const char *text, size_t size, bool quoted)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t plain = 0; /* from here on nothing was written */
    for (size_t i = 0; i < size;) {
        size_t length = sequence_size(bytes + i, size - i);
        bool is_special = bytes[i] < 0x20 || (quoted && (bytes[i] == '"' || bytes[i] == '\\'));
        if (length > 0 && !is_special) {
            i += length;
            continue;
        }
        exvi_answer_raw(answer, text + plain, i - plain);
        if (length == 0)
            put(answer, "\xEF\xBF\xBD");
        else
            put_escaped(answer, bytes[i]);
        plain = ++i;
    }
    exvi_answer_raw(answer, text + plain, size - plain);
}

void exvi_answer_quoted(exvi_answer *answer, const char *text, size_t size)
{
    put(answer, "\"");
    put_text(answer, text, size, true);
    put(answer, "\"");
}

/* ---------------------------------------------------------------- structure */

static void indent(exvi_answer *answer)
{
    if (answer->length > 0)
        put(answer, "\n");
    for (unsigned i = 1; i < answer->depth; i++)
        put(answer, "  ");
}

/* Lines: what stands in the outermost object has a line of its own, each item of a list too; the rest goes on. */
static void begin_line(exvi_answer *answer, const char *key, bool is_scalar, bool is_first)
{
    bool in_list = answer->depth > 0 && answer->open[answer->depth - 1].close == ']';
    if (!is_scalar || in_list || answer->depth <= 1)
        indent(answer);
    else if (!is_first || answer->open[answer->depth - 1].has_key)
        put(answer, "  ");
    if (key) {
        put(answer, key);
        put(answer, is_scalar ? " " : ":");
    }
}

static void begin_item(exvi_answer *answer, const char *key, bool is_scalar)
{
    bool is_first = answer->depth == 0 || !answer->open[answer->depth - 1].has_items;
    if (answer->depth > 0)
        answer->open[answer->depth - 1].has_items = true;
    if (answer->as_lines) {
        begin_line(answer, key, is_scalar, is_first);
        return;
    }
    if (!is_first)
        put(answer, ",");
    if (key) {
        exvi_answer_quoted(answer, key, strlen(key));
        put(answer, ":");
    }
}

static void hand_over(exvi_answer *answer, exvi_answer_item item)
{
    answer->failed = answer->failed || !answer->sink(answer->sink_arg, &item);
}

static void begin(exvi_answer *answer, const char *key, const char *bracket, char close)
{
    if (answer->sink) {
        hand_over(answer, (exvi_answer_item){.kind = close == ']' ? EXVI_ANSWER_LIST : EXVI_ANSWER_OBJECT, .key = key});
        return;
    }
    begin_item(answer, key, false);
    if (!answer->as_lines)
        put(answer, bracket);
    if (answer->depth == EXVI_ANSWER_DEPTH) {
        answer->failed = true;
        return;
    }
    answer->open[answer->depth].close = close;
    answer->open[answer->depth].has_key = key != NULL;
    answer->open[answer->depth++].has_items = false;
}

void exvi_answer_object(exvi_answer *answer, const char *key)
{
    begin(answer, key, "{", '}');
}

void exvi_answer_list(exvi_answer *answer, const char *key)
{
    begin(answer, key, "[", ']');
}

void exvi_answer_close(exvi_answer *answer)
{
    if (answer->sink) {
        hand_over(answer, (exvi_answer_item){.kind = EXVI_ANSWER_CLOSE});
        return;
    }
    char close = answer->open[--answer->depth].close;
    if (!answer->as_lines)
        exvi_answer_raw(answer, &close, 1);
    else if (answer->depth == 0)
        put(answer, "\n");
}

void exvi_answer_bytes(exvi_answer *answer, const char *key, const char *text, size_t size)
{
    text = text ? text : ""; /* of a section that is not there */
    if (answer->sink) {
        answer->length = 0;
        put_text(answer, text, size, false);
        hand_over(answer, (exvi_answer_item){EXVI_ANSWER_TEXT, key, answer->text, answer->length, 0});
        return;
    }
    begin_item(answer, key, true);
    if (answer->as_lines)
        put_text(answer, text, size, false);
    else
        exvi_answer_quoted(answer, text, size);
}

void exvi_answer_text(exvi_answer *answer, const char *key, const char *text)
{
    exvi_answer_bytes(answer, key, text, strlen(text));
}

void exvi_answer_number(exvi_answer *answer, const char *key, uint64_t value)
{
    char digits[24];
    if (answer->sink) {
        hand_over(answer, (exvi_answer_item){.kind = EXVI_ANSWER_NUMBER, .key = key, .number = value});
        return;
    }
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    begin_item(answer, key, true);
    put(answer, digits);
}

void exvi_answer_flag(exvi_answer *answer, const char *key, bool value)
{
    if (answer->sink) {
        hand_over(answer, (exvi_answer_item){.kind = EXVI_ANSWER_FLAG, .key = key, .number = value});
        return;
    }
    begin_item(answer, key, true);
    put(answer, value ? "true" : "false");
}

void exvi_answer_drop(exvi_answer *answer)
{
    if (answer->text)
        exvi_unmap(answer->text, answer->room);
    *answer = (exvi_answer){0};
}
