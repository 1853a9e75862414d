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
 *     n+ n- ... n/ n// of any two numbers
 *     pop insert extend sort slice keys ...   the functions of these names: the operands are on the stack; what is
 *                      changed stays, what is given is put on top
 *     repr equal less hash   the line's answer; no word after it
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

/* ------------------------------------------------------------ operations */

static exv_status number_operation(machine *m, exv_status (*function)(void *, void *, void **))
{
    void *b = pop(m), *a = pop(m), *result = NULL;
    exv_status status = function(a, b, &result);
    exv_decref(a);
    exv_decref(b);
    if (status == EXV_OK)
        push(m, result);
    return status;
}

static int64_t pop_int(machine *m)
{
    void *value = pop(m);
    int64_t number = exv_int_value(value);
    exv_decref(value);
    return number;
}

static void *below(const machine *m)
{
    return m->stack[m->size - 1];
}

static bool is_text(const void *value)
{
    return exv_get_type(value) == &exv_str_type;
}

static exv_status list_pop(machine *m)
{
    int64_t index = pop_int(m);
    void *item = NULL;
    exv_status status = exv_list_pop(below(m), index, &item);
    if (status == EXV_OK)
        push(m, item);
    return status;
}

static exv_status drop(machine *m)
{
    exv_decref(pop(m));
    return EXV_OK;
}

static exv_status list_insert(machine *m)
{
    void *item = pop(m);
    int64_t index = pop_int(m);
    exv_status status = exv_list_insert(below(m), index, item);
    exv_decref(item);
    return status;
}

static exv_status list_extend(machine *m)
{
    void *other = pop(m);
    bool is_list = exv_get_type(other) == &exv_list_type;
    exv_status status = exv_list_extend(below(m), is_list ? exv_list_items(other) : exv_tuple_items(other),
                                        is_list ? exv_list_size(other) : exv_tuple_size(other));
    exv_decref(other);
    return status;
}

static exv_status list_sort(machine *m)
{
    return exv_list_sort(below(m), NULL, NULL);
}

/* By the first items of tuples, so that it shows whether equal ones keep their order. */
static exv_status less_at_first(void *a, void *b, bool *less, void *arg)
{
    (void)arg;
    return exv_less(exv_tuple_items(a)[0], exv_tuple_items(b)[0], less);
}

static exv_status list_sort_by_first(machine *m)
{
    return exv_list_sort(below(m), less_at_first, NULL);
}

static exv_status slice(machine *m)
{
    int64_t stop = pop_int(m), start = pop_int(m);
    void *whole = pop(m);
    exv_str *text = NULL;
    exv_list *list = NULL;
    exv_status status = is_text(whole) ? exv_str_slice(whole, start, stop, &text)
                                       : exv_list_slice(whole, start, stop, &list);
    exv_decref(whole);
    if (status == EXV_OK)
        push(m, text ? (void *)text : list);
    return status;
}

static exv_status find(machine *m)
{
    int64_t start = pop_int(m);
    void *part = pop(m), *whole = pop(m);
    push(m, exv_int_new(m->heap, exv_str_find(whole, part, start)));
    exv_decref(part);
    exv_decref(whole);
    return EXV_OK;
}

static exv_status join(machine *m)
{
    void *items = pop(m), *separator = pop(m);
    exv_str *joined = NULL;
    exv_status status = exv_str_join(separator, exv_list_items(items), exv_list_size(items), &joined);
    exv_decref(items);
    exv_decref(separator);
    if (status == EXV_OK)
        push(m, joined);
    return status;
}

/* The texts of all items of a list. */
static exv_status build(machine *m)
{
    void *items = pop(m);
    exv_builder *builder = exv_builder_new(m->heap);
    exv_str *built = NULL;
    for (size_t i = 0; i < exv_list_size(items); i++) {
        void *item = exv_list_items(items)[i];
        if (is_text(item) && i % 2)
            exv_builder_format(builder, "%s", exv_str_data(item));
        else
            exv_builder_add_value(builder, item);
    }
    exv_status status = exv_builder_finish(builder, &built);
    exv_decref(builder);
    exv_decref(items);
    if (status == EXV_OK)
        push(m, built);
    return status;
}

static exv_status set_default(machine *m)
{
    void *value = pop(m), *key = pop(m), *got = NULL;
    exv_status status = exv_dict_set_default(below(m), key, value, &got);
    exv_incref(got);
    exv_decref(value);
    exv_decref(key);
    if (status == EXV_OK)
        push(m, got);
    return status;
}

static exv_status get_text(machine *m)
{
    void *key = pop(m), *dict = pop(m), *value = NULL;
    exv_status status = exv_dict_get_text(dict, exv_str_data(key), &value);
    if (status == EXV_OK)
        push(m, exv_incref(value));
    exv_decref(key);
    exv_decref(dict);
    return status;
}

static exv_status set_text(machine *m)
{
    void *value = pop(m), *key = pop(m);
    exv_status status = exv_dict_set_text(below(m), exv_str_data(key), value);
    exv_decref(value);
    exv_decref(key);
    return status;
}

static exv_status delete_key(machine *m, bool by_text)
{
    void *key = pop(m);
    exv_status status = by_text ? exv_dict_delete_text(below(m), exv_str_data(key)) : exv_dict_delete(below(m), key);
    exv_decref(key);
    return status;
}

static exv_status delete_by_value(machine *m)
{
    return delete_key(m, false);
}

static exv_status delete_by_text(machine *m)
{
    return delete_key(m, true);
}

static exv_status list_of(machine *m, exv_status (*function)(void *, exv_list **))
{
    void *container = pop(m);
    exv_list *list = NULL;
    exv_status status = function(container, &list);
    exv_decref(container);
    if (status == EXV_OK)
        push(m, list);
    return status;
}

static exv_status keys_of(void *container, exv_list **result)
{
    return exv_get_type(container) == &exv_dict_type ? exv_dict_keys(container, result)
                                                     : exv_set_members(container, result);
}

/* A list of what an iterator over it gives. */
static exv_status items(machine *m)
{
    void *over = pop(m), *iterator = NULL, *item;
    exv_list *list = exv_list_new(m->heap);
    exv_status status = exv_iter(over, &iterator);
    while (status == EXV_OK && (status = exv_next(iterator, &item)) == EXV_OK && item) {
        status = exv_list_append(list, item);
        exv_decref(item);
    }
    exv_decref(iterator);
    exv_decref(over);
    push(m, list);
    return status;
}

static exv_status keys(machine *m)
{
    return list_of(m, keys_of);
}

static exv_status values_of(void *container, exv_list **result)
{
    return exv_dict_values(container, result);
}

static exv_status values(machine *m)
{
    return list_of(m, values_of);
}

static const struct {
    const char *word;
    exv_status (*function)(machine *m);
} operations[] = {
    {"pop", list_pop}, {"drop", drop}, {"insert", list_insert}, {"extend", list_extend}, {"sort", list_sort},
    {"sort_by_first", list_sort_by_first}, {"slice", slice}, {"find", find}, {"join", join}, {"build", build},
    {"set_default", set_default}, {"get_text", get_text}, {"set_text", set_text}, {"delete_text", delete_by_text},
    {"delete", delete_by_value}, {"keys", keys}, {"values", values},
    {"items", items},
};

static const struct {
    const char *word;
    exv_status (*function)(void *, void *, void **);
} number_operations[] = {
    {"n+", exv_number_add},      {"n-", exv_number_subtract},      {"n*", exv_number_multiply},
    {"n/", exv_number_divide},   {"n//", exv_number_floor_divide}, {"n%", exv_number_modulo},
};

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
        bool holds = false;
        status = strcmp(word, "less") == 0 ? exv_less(a, b, &holds) : exv_equal(a, b, &holds);
        if (status == EXV_OK)
            puts(holds ? "True" : "False");
        exv_decref(a);
    }
    exv_decref(b);
    return status;
}

static exv_status do_word(machine *m, const char *word)
{
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(word, operations[i].word) == 0)
            return operations[i].function(m);
    for (size_t i = 0; i < sizeof number_operations / sizeof *number_operations; i++)
        if (strcmp(word, number_operations[i].word) == 0)
            return number_operation(m, number_operations[i].function);
    if (strcmp(word, "less") == 0)
        return answer(m, word);
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
