/*
 * Reads lines of words, makes values of them on a stack, and prints a line for each: test_values_against_python.py does
 * the same with Python's own values and compares.
 *
 *     N T F            None, True, False
 *     i-12 fHEX        an int; a float, by its 64 bits
 *     sHEX bHEX        a str, bytes
 *     =N               once more the value N below the top
 *     lN tN SN dN      the last N values as a list, tuple or set; the last 2 N as keys and values of a dict
 *     a                append the top to the list below it, which stays     p  the same for a dict: key, value
 *     + - * / %        of two ints
 *     get              the value of a key in the dict below it
 *     repr equal hash  the line's answer; no word after it
 *
 * An operation that fails ends its line: the answer is the message.
 */
#define _GNU_SOURCE
#include "exuvia.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4096 };

typedef struct machine {
    exv_heap *heap;
    void *stack[ROOM];
    size_t size;
} machine;

static void fail(const char *why, const char *word)
{
    fprintf(stderr, "values_driver: %s: %s\n", why, word);
    exit(2);
}

static void push(machine *m, void *value)
{
    if (!value || m->size == ROOM)
        fail("no room", "");
    m->stack[m->size++] = value;
}

static void *pop(machine *m)
{
    if (m->size == 0)
        fail("empty stack", "");
    return m->stack[--m->size];
}

static void empty(machine *m)
{
    while (m->size > 0)
        exv_decref(pop(m));
}

/* ---------------------------------------------------------------- values */

static size_t decode(const char *hex, char *bytes)
{
    size_t size = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        bytes[size++] = (char)byte;
    return size;
}

/* Not through strtod(), which knows the locale. */
static exv_float *float_of_bits(exv_heap *heap, const char *hex)
{
    uint64_t bits = strtoull(hex, NULL, 16);
    double value;
    memcpy(&value, &bits, sizeof value);
    return exv_float_new(heap, value);
}

static exv_status push_text(machine *m, const char *word)
{
    char *bytes = malloc(strlen(word));
    size_t size = decode(word + 1, bytes);
    exv_status status = EXV_OK;
    exv_str *text = NULL;
    if (*word == 's')
        status = exv_str_new(m->heap, bytes, size, &text);
    void *made = *word == 's' ? (void *)text : (void *)exv_bytes_new(m->heap, bytes, size);
    if (status == EXV_OK)
        push(m, made);
    free(bytes);
    return status;
}

static exv_status put_items(machine *m, char kind, void *made, size_t count)
{
    exv_status status = EXV_OK;
    void **items = m->stack + m->size - count;
    for (size_t i = 0; i < count && status == EXV_OK; i++) {
        if (kind == 'l')
            status = exv_list_append(made, items[i]);
        if (kind == 'S')
            status = exv_set_add(made, items[i]);
        if (kind == 'd' && i % 2 == 0)
            status = exv_dict_set(made, items[i], items[i + 1]);
    }
    return status;
}

static exv_status gather(machine *m, const char *word)
{
    size_t count = strtoul(word + 1, NULL, 10) * (*word == 'd' ? 2 : 1);
    if (count > m->size)
        fail("too few values", word);
    void *made = *word == 'l'   ? (void *)exv_list_new(m->heap)
                 : *word == 'S' ? (void *)exv_set_new(m->heap)
                 : *word == 'd' ? (void *)exv_dict_new(m->heap)
                                : (void *)exv_tuple_new(m->heap, m->stack + m->size - count, count);
    exv_status status = put_items(m, *word, made, count);
    for (size_t i = 0; i < count; i++)
        exv_decref(pop(m));
    push(m, made);
    return status;
}

static exv_status compute(machine *m, char operator)
{
    void *b = pop(m), *a = pop(m);
    exv_int *result = NULL;
    exv_status status = operator == '+'   ? exv_int_add(a, b, &result)
                        : operator == '-' ? exv_int_subtract(a, b, &result)
                        : operator == '*' ? exv_int_multiply(a, b, &result)
                        : operator == '/' ? exv_int_floor_divide(a, b, &result)
                                          : exv_int_modulo(a, b, &result);
    exv_decref(a);
    exv_decref(b);
    if (status == EXV_OK)
        push(m, result);
    return status;
}

static exv_status add_to_container(machine *m, const char *word)
{
    void *value = pop(m), *key = *word == 'p' ? pop(m) : NULL;
    void *container = m->stack[m->size - 1];
    exv_status status = key ? exv_dict_set(container, key, value) : exv_list_append(container, value);
    exv_decref(value);
    exv_decref(key);
    return status;
}

static exv_status look_up(machine *m)
{
    void *key = pop(m), *dict = pop(m), *value = NULL;
    exv_status status = exv_dict_get(dict, key, &value);
    if (status == EXV_OK)
        push(m, exv_incref(value));
    exv_decref(key);
    exv_decref(dict);
    return status;
}

/* --------------------------------------------------------------- answers */

static exv_status answer(machine *m, const char *word)
{
    void *b = pop(m);
    exv_status status;
    if (strcmp(word, "repr") == 0) {
        exv_str *repr = NULL;
        status = exv_repr(b, &repr);
        if (status == EXV_OK)
            puts(exv_str_data(repr));
        exv_decref(repr);
    } else if (strcmp(word, "hash") == 0) {
        uint64_t hash = 0;
        status = exv_hash(b, &hash);
        if (status == EXV_OK)
            printf("%lld\n", (long long)hash);
    } else {
        void *a = pop(m);
        bool equal = false;
        status = exv_equal(a, b, &equal);
        if (status == EXV_OK)
            puts(equal ? "True" : "False");
        exv_decref(a);
    }
    exv_decref(b);
    return status;
}

static exv_status do_word(machine *m, const char *word)
{
    switch (*word) {
    case 'N':
        push(m, exv_get_none(m->heap));
        return EXV_OK;
    case 'T':
    case 'F':
        push(m, exv_get_bool(m->heap, *word == 'T'));
        return EXV_OK;
    case 'i':
        push(m, exv_int_new(m->heap, strtoll(word + 1, NULL, 10)));
        return EXV_OK;
    case 'f':
        push(m, float_of_bits(m->heap, word + 1));
        return EXV_OK;
    case 's':
    case 'b':
        return push_text(m, word);
    case '=':
        push(m, exv_incref(m->stack[m->size - 1 - strtoul(word + 1, NULL, 10)]));
        return EXV_OK;
    case 'l':
    case 't':
    case 'S':
    case 'd':
        return gather(m, word);
    case 'a':
    case 'p':
        return add_to_container(m, word);
    case 'g':
        return look_up(m);
    case '+':
    case '-':
    case '*':
    case '/':
    case '%':
        return compute(m, *word);
    default:
        return answer(m, word);
    }
}

int main(void)
{
    setlocale(LC_ALL, "");
    machine m = {.heap = exv_heap_new(NULL)};
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        exv_status status = EXV_OK;
        for (char *word = strtok(line, " \n"); word && status == EXV_OK; word = strtok(NULL, " \n"))
            status = do_word(&m, word);
        if (status != EXV_OK)
            puts(exv_error_message(m.heap));
        empty(&m);
    }
    free(line);
    const char *defect = exv_heap_check(m.heap);
    if (defect)
        fail("heap check", defect);
    if (exv_heap_free(m.heap) != 0)
        fail("objects left over", "");
    return 0;
}
