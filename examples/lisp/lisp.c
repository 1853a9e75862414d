/*
 * lisp: a small language on libexuvia, as a tutorial for whoever writes a runtime. docs/embedding.md explains the parts.
 *
 *     (define (count-down n) (if (= n 0) 'done (count-down (- n 1))))    tail calls run in one frame of C
 *     (try (car 5) (lambda (e) (print "caught " e)))                     errors are values
 *     (weak-put! notes key "about the key")                              weak tables
 *     (define w (watch thing (lambda () (print "gone"))))                called when `thing` dies
 *
 * Numbers, strings, true, false and none are the library's values. Pairs, symbols, scopes, closures and functions in C
 * are types of our own. A closure holds its scope and the scope its names, one of which is often the closure: such rings
 * are what the collector is for. Each function says who owns what in the library's words; `result` is owned.
 *
 * It reads a file or standard input and shows the value of each expression; at the end, how many objects collections
 * found. At a terminal it reads line by line and tells after each what was collected.
 */
#include <exuvia.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------- the state */

typedef struct scope scope;

typedef struct lisp {
    exv_heap *heap;
    exv_dict *symbols; /* names to symbols: one of each */
    scope *globals;
    unsigned depth;    /* of eval() within itself */
    uint64_t collected;
} lisp;

enum { MOST_DEPTH = 2000, MOST_ARGUMENTS = 16 };

/* Where a callback has the heap alone, or an object. */
static lisp *lisp_of(const void *object)
{
    return exv_heap_get_user(exv_get_heap(object));
}

static exv_status fail(lisp *l, const char *what, void *value)
{
    return exv_raise(l->heap, EXV_ERROR, value, "error: %s", what);
}

/* ------------------------------------------------------------- our types */

/* What an expression or a list is made of. */
typedef struct pair {
    void *first, *rest;
} pair;

/* The names of one call or of the program, and the scope around it. */
struct scope {
    exv_dict *names; /* symbols to values */
    scope *outer;
};

typedef struct closure {
    void *parameters, *body; /* lists */
    scope *scope;
} closure;

/* A function in C. It borrows its arguments. */
typedef exv_status call_fn(lisp *l, void **arguments, void **result);
typedef struct native {
    const char *name;
    size_t least, most; /* arguments */
    call_fn *call;
    exv_status (*compute)(void *a, void *b, void **result); /* in its place: the library's arithmetic */
} native;

/* A special form is a symbol that decides itself what is evaluated: see below. */
typedef struct turn turn;
typedef exv_status form_fn(lisp *l, turn *t, pair *arguments);
typedef struct symbol {
    form_fn *form; /* NULL: none */
    char name[];
} symbol;

/* Where the references lie is all that the collector has to know. */
#define REFERENCES(type, ...)                                  \
    static const uint32_t type##_fields[] = {__VA_ARGS__};     \
    static const exv_references type##_references = {          \
        .fields = type##_fields, .field_count = sizeof type##_fields / sizeof *type##_fields}
REFERENCES(pair, offsetof(pair, first), offsetof(pair, rest));
REFERENCES(scope, offsetof(scope, names), offsetof(scope, outer));
REFERENCES(closure, offsetof(closure, parameters), offsetof(closure, body), offsetof(closure, scope));

static exv_str *show_pair(void *object);
static exv_str *show_symbol(void *object);
static exv_str *show_native(void *object);
static const exv_type pair_type = {
    .name = "pair", .size = sizeof(pair), .references = &pair_references, .repr = show_pair};
static const exv_type scope_type = {.name = "scope", .size = sizeof(scope), .references = &scope_references};
static const exv_type closure_type = {.name = "closure", .size = sizeof(closure), .references = &closure_references};
static const exv_type symbol_type = {.name = "symbol", .size = sizeof(symbol), .item_size = 1, .repr = show_symbol};
static const exv_type native_type = {.name = "function", .size = sizeof(native), .repr = show_native};

static bool is(const void *object, const exv_type *type)
{
    return exv_get_type(object) == type;
}

static bool is_none(lisp *l, const void *object)
{
    return object == (void *)exv_get_none(l->heap);
}

static bool is_true(lisp *l, const void *object)
{
    return !is_none(l, object) && object != (void *)exv_get_bool(l->heap, false);
}

/* A new object goes to the caller; NULL is out of memory, and the heap has said so. */
static exv_status give(void *made, void **result)
{
    if (!made)
        return EXV_NO_MEMORY;
    *result = made;
    return EXV_OK;
}

static exv_status give_bool(lisp *l, bool value, void **result)
{
    return give(exv_incref(exv_get_bool(l->heap, value)), result);
}

static exv_status give_none(lisp *l, void **result)
{
    return give(exv_incref(exv_get_none(l->heap)), result);
}

/* Borrows both. */
static void *new_pair(lisp *l, void *first, void *rest)
{
    pair *made = exv_new(l->heap, &pair_type);
    if (made) {
        made->first = exv_incref(first);
        made->rest = exv_incref(rest);
    }
    return made;
}

static scope *new_scope(lisp *l, scope *outer)
{
    scope *made = exv_new(l->heap, &scope_type);
    if (!made)
        return NULL;
    made->outer = exv_incref(outer);
    made->names = exv_dict_new(l->heap);
    if (!made->names)
        EXV_CLEAR(made);
    return made;
}

/* The symbol of a name, borrowed from the table that has them all. */
static exv_status get_symbol(lisp *l, const char *name, symbol **result)
{
    void *known;
    exv_status status = exv_dict_get_text(l->symbols, name, &known);
    if (status == EXV_OK) {
        *result = known;
        return EXV_OK;
    }
    symbol *made = exv_new_var(l->heap, &symbol_type, strlen(name) + 1);
    if (!made)
        return EXV_NO_MEMORY;
    strcpy(made->name, name);
    status = exv_dict_set_text(l->symbols, name, made);
    *result = made;
    exv_decref(made);
    return status;
}

/* -------------------------------------------------------------- showing */

/* A list may lead back into itself along its rest: the hare, twice as fast, then meets the tortoise. What contains
 * itself otherwise is shown as "..." by exv_repr(). */
static exv_str *show_pair(void *object)
{
    exv_builder *text = exv_builder_new(exv_get_heap(object));
    exv_str *shown = NULL;
    pair *tortoise = object;
    void *hare = object;
    if (!text)
        return NULL;
    for (size_t i = 0; is(hare, &pair_type); i++) {
        (void)exv_builder_add(text, i == 0 ? "(" : " ", 1);
        exv_str *item = NULL;
        if (exv_repr(((pair *)hare)->first, &item) != EXV_OK)
            break;
        (void)exv_builder_add_value(text, item);
        exv_decref(item);
        hare = ((pair *)hare)->rest;
        if (i % 2)
            tortoise = tortoise->rest;
        if (hare == tortoise || hare == object) {
            (void)exv_builder_add(text, " ...", 4);
            break;
        }
    }
    if (!is(hare, &pair_type) && !is(hare, &exv_none_type)) {
        (void)exv_builder_add(text, " . ", 3);
        (void)exv_builder_add_value(text, hare);
    }
    (void)exv_builder_add(text, ")", 1);
    (void)exv_builder_finish(text, &shown); /* a failure within it stuck until here */
    exv_decref(text);
    return shown;
}

static exv_str *show_symbol(void *object)
{
    exv_str *shown = NULL;
    (void)exv_str_from(exv_get_heap(object), ((symbol *)object)->name, &shown);
    return shown;
}

static exv_str *show_native(void *object)
{
    exv_builder *text = exv_builder_new(exv_get_heap(object));
    exv_str *shown = NULL;
    if (text) {
        (void)exv_builder_format(text, "<function %s>", ((native *)object)->name);
        (void)exv_builder_finish(text, &shown);
    }
    exv_decref(text);
    return shown;
}

/* --------------------------------------------------------------- reading */

typedef struct reader {
    const char *at;
    unsigned line;
} reader;

static exv_status syntax_error(lisp *l, const reader *r, const char *what)
{
    return exv_raise(l->heap, EXV_ERROR, NULL, "syntax error: %s in line %u", what, r->line);
}

static void skip_space(reader *r)
{
    for (; isspace((unsigned char)*r->at) || *r->at == ';'; r->at++) {
        if (*r->at == ';')
            r->at += strcspn(r->at, "\n");
        r->line += *r->at == '\n';
        if (!*r->at)
            return;
    }
}

static exv_status read_value(lisp *l, reader *r, void **result);

/* The rest of a list, up to its parenthesis: by recursion, as deep as the language may go. */
static exv_status read_rest(lisp *l, reader *r, void **result)
{
    void *first, *rest;
    if (l->depth == MOST_DEPTH)
        return syntax_error(l, r, "a list is too long or too deep");
    skip_space(r);
    if (*r->at == ')') {
        r->at++;
        return give_none(l, result);
    }
    l->depth++;
    exv_status status = read_value(l, r, &first);
    if (status == EXV_OK) {
        status = read_rest(l, r, &rest);
        if (status == EXV_OK) {
            status = give(new_pair(l, first, rest), result);
            exv_decref(rest);
        }
        exv_decref(first);
    }
    l->depth--;
    return status;
}

static exv_status read_string(lisp *l, reader *r, void **result)
{
    size_t size = strcspn(r->at + 1, "\"");
    exv_str *text;
    if (r->at[1 + size] != '"')
        return syntax_error(l, r, "a string has no end");
    exv_status status = exv_str_new(l->heap, r->at + 1, size, &text);
    r->at += size + 2;
    return status == EXV_OK ? give(text, result) : status;
}

static exv_status read_quote(lisp *l, reader *r, void **result)
{
    symbol *quote;
    void *quoted, *list;
    r->at++;
    if (l->depth == MOST_DEPTH)
        return syntax_error(l, r, "too many quotes");
    exv_status status = get_symbol(l, "quote", &quote);
    l->depth++;
    if (status == EXV_OK)
        status = read_value(l, r, &quoted);
    l->depth--;
    if (status != EXV_OK)
        return status;
    status = give(new_pair(l, quoted, exv_get_none(l->heap)), &list);
    exv_decref(quoted);
    if (status != EXV_OK)
        return status;
    status = give(new_pair(l, quote, list), result);
    exv_decref(list);
    return status;
}

/* A number if all of the word is one, else a symbol. */
static exv_status read_word(lisp *l, reader *r, void **result)
{
    char word[128], *end;
    size_t size = strcspn(r->at, " \t\r\n()';\"");
    if (size >= sizeof word)
        return syntax_error(l, r, "a word is too long");
    memcpy(word, r->at, size);
    word[size] = '\0';
    r->at += size;
    long long whole = strtoll(word, &end, 10);
    if (!*end)
        return give(exv_int_new(l->heap, whole), result);
    double real = strtod(word, &end);
    if (!*end)
        return give(exv_float_new(l->heap, real), result);
    symbol *name;
    exv_status status = get_symbol(l, word, &name);
    return status == EXV_OK ? give(exv_incref(name), result) : status;
}

static exv_status read_value(lisp *l, reader *r, void **result)
{
    skip_space(r);
    switch (*r->at) {
    case '\0':
        return syntax_error(l, r, "the end comes too soon");
    case ')':
        return syntax_error(l, r, "one ')' too many");
    case '(':
        r->at++;
        return read_rest(l, r, result);
    case '\'':
        return read_quote(l, r, result);
    case '"':
        return read_string(l, r, result);
    default:
        return read_word(l, r, result);
    }
}

/* ------------------------------------------------------------- evaluating */

/* What is evaluated, both owned. A form or a call that ends with another expression puts that here and says `again`:
 * eval() goes on with it in the same frame of C. */
struct turn {
    void *expression;
    scope *scope;
    bool again;
    void *result;
};

static void go_on(turn *t, void *expression, scope *where)
{
    EXV_SET(t->expression, expression);
    EXV_SET(t->scope, where);
    t->again = true;
}

static exv_status eval(lisp *l, void *expression, scope *where, void **result);

/* Where a name is bound; NULL: nowhere. */
static scope *find_scope(scope *where, symbol *name)
{
    bool there = false;
    for (; where; where = where->outer)
        if (exv_dict_contains(where->names, name, &there) == EXV_OK && there)
            break;
    return where;
}

static exv_status look_up(lisp *l, scope *where, symbol *name, void **result)
{
    void *value;
    where = find_scope(where, name);
    if (!where)
        return exv_raise(l->heap, EXV_NAME_ERROR, name, "name '%s' is not defined", name->name);
    exv_status status = exv_dict_get(where->names, name, &value);
    return status == EXV_OK ? give(exv_incref(value), result) : status;
}

/* All expressions of a body but the last, which is evaluated in the caller's turn. */
static exv_status run_body(lisp *l, turn *t, void *body, scope *where)
{
    void *ignored;
    for (; is(body, &pair_type) && is(((pair *)body)->rest, &pair_type); body = ((pair *)body)->rest) {
        exv_status status = eval(l, ((pair *)body)->first, where, &ignored);
        if (status != EXV_OK)
            return status;
        exv_decref(ignored);
    }
    if (!is(body, &pair_type))
        return fail(l, "a body is empty", NULL);
    go_on(t, ((pair *)body)->first, where);
    return EXV_OK;
}

/* A new scope with the parameters bound; owned. */
static exv_status bind(lisp *l, closure *function, void **arguments, size_t count, scope **result)
{
    scope *made = new_scope(l, function->scope);
    exv_status status = made ? EXV_OK : EXV_NO_MEMORY;
    void *names = function->parameters;
    size_t i = 0;
    for (; status == EXV_OK && i < count && is(names, &pair_type); names = ((pair *)names)->rest)
        status = exv_dict_set(made->names, ((pair *)names)->first, arguments[i++]);
    if (status == EXV_OK && (i < count || is(names, &pair_type)))
        status = fail(l, "wrong number of arguments", function);
    if (status == EXV_OK)
        *result = made;
    else
        exv_decref(made);
    return status;
}

static exv_status apply(lisp *l, turn *t, void *function, void **arguments, size_t count)
{
    if (is(function, &native_type)) {
        native *n = function;
        if (count < n->least || count > n->most)
            return exv_raise(l->heap, EXV_ERROR, n, "error: wrong number of arguments for %s", n->name);
        return n->call ? n->call(l, arguments, &t->result) : n->compute(arguments[0], arguments[1], &t->result);
    }
    if (!is(function, &closure_type))
        return fail(l, "this is no function", function);
    scope *inner;
    exv_status status = bind(l, function, arguments, count, &inner);
    if (status == EXV_OK) {
        status = run_body(l, t, ((closure *)function)->body, inner);
        exv_decref(inner);
    }
    return status;
}

/* The function and its arguments are evaluated from left to right, and held until the call is over. */
static exv_status eval_call(lisp *l, turn *t)
{
    void *values[1 + MOST_ARGUMENTS];
    size_t count = 0;
    exv_status status = EXV_OK;
    for (void *list = t->expression; status == EXV_OK && is(list, &pair_type); list = ((pair *)list)->rest)
        if (count == 1 + MOST_ARGUMENTS)
            status = fail(l, "too many arguments", NULL);
        else if ((status = eval(l, ((pair *)list)->first, t->scope, &values[count])) == EXV_OK)
            count++;
    if (status == EXV_OK)
        status = apply(l, t, values[0], values + 1, count - 1);
    while (count > 0)
        exv_decref(values[--count]);
    return status;
}

static exv_status take_turn(lisp *l, turn *t)
{
    t->again = false;
    if (is(t->expression, &symbol_type))
        return look_up(l, t->scope, t->expression, &t->result);
    if (!is(t->expression, &pair_type))
        return give(exv_incref(t->expression), &t->result);
    pair *p = t->expression;
    if (!is(p->first, &symbol_type) || !((symbol *)p->first)->form)
        return eval_call(l, t);
    if (!is(p->rest, &pair_type))
        return fail(l, "this form needs more", p);
    exv_incref(p); /* go_on() gives the turn another expression, and this one is still read */
    exv_status status = ((symbol *)p->first)->form(l, t, p->rest);
    exv_decref(p);
    return status;
}

static exv_status eval(lisp *l, void *expression, scope *where, void **result)
{
    if (l->depth == MOST_DEPTH)
        return exv_raise(l->heap, EXV_RECURSION_ERROR, NULL, "too many calls within each other");
    l->depth++;
    turn t = {.expression = exv_incref(expression), .scope = exv_incref(where)};
    exv_status status;
    do
        status = take_turn(l, &t);
    while (status == EXV_OK && t.again);
    exv_decref(t.expression);
    exv_decref(t.scope);
    l->depth--;
    return status == EXV_OK ? give(t.result, result) : status;
}

/* Call a function from C: for callbacks. */
static exv_status call(lisp *l, void *function, void **arguments, size_t count, void **result)
{
    turn t = {.expression = NULL};
    exv_status status = apply(l, &t, function, arguments, count);
    if (status == EXV_OK && t.again)
        status = eval(l, t.expression, t.scope, &t.result);
    exv_decref(t.expression);
    exv_decref(t.scope);
    return status == EXV_OK ? give(t.result, result) : status;
}

/* ---------------------------------------------------------- special forms */

/* The first of the rest, borrowed; NULL if there is none. */
static void *second(const pair *arguments)
{
    return is(arguments->rest, &pair_type) ? ((pair *)arguments->rest)->first : NULL;
}

static exv_status form_quote(lisp *l, turn *t, pair *arguments)
{
    (void)l;
    return give(exv_incref(arguments->first), &t->result);
}

static exv_status form_if(lisp *l, turn *t, pair *arguments)
{
    void *answer;
    if (!second(arguments))
        return fail(l, "if needs a condition and a consequence", NULL);
    exv_status status = eval(l, arguments->first, t->scope, &answer);
    if (status != EXV_OK)
        return status;
    bool truth = is_true(l, answer);
    exv_decref(answer);
    void *chosen = truth ? second(arguments) : second(arguments->rest);
    if (!chosen)
        return give_none(l, &t->result);
    go_on(t, chosen, t->scope);
    return EXV_OK;
}

static exv_status new_closure(lisp *l, turn *t, void *parameters, void *body, void **result)
{
    closure *made = exv_new(l->heap, &closure_type);
    if (!made)
        return EXV_NO_MEMORY;
    made->parameters = exv_incref(parameters);
    made->body = exv_incref(body);
    made->scope = exv_incref(t->scope);
    return give(made, result);
}

static exv_status form_lambda(lisp *l, turn *t, pair *arguments)
{
    return new_closure(l, t, arguments->first, arguments->rest, &t->result);
}

/* (define name value), or (define (name parameters) body). */
static exv_status form_define(lisp *l, turn *t, pair *arguments)
{
    pair *head = arguments->first;
    void *name = is(head, &pair_type) ? head->first : arguments->first, *value;
    if (!is(name, &symbol_type) || !second(arguments))
        return fail(l, "define needs a name and a value", NULL);
    exv_status status = name == arguments->first ? eval(l, second(arguments), t->scope, &value)
                                                 : new_closure(l, t, head->rest, arguments->rest, &value);
    if (status != EXV_OK)
        return status;
    status = exv_dict_set(t->scope->names, name, value);
    exv_decref(value);
    return status == EXV_OK ? give(exv_incref(name), &t->result) : status;
}

static exv_status form_set(lisp *l, turn *t, pair *arguments)
{
    void *value;
    if (!is(arguments->first, &symbol_type) || !second(arguments))
        return fail(l, "set! needs a name and a value", NULL);
    symbol *name = arguments->first;
    exv_status status = eval(l, second(arguments), t->scope, &value);
    if (status != EXV_OK)
        return status;
    scope *where = find_scope(t->scope, name);
    status = where ? exv_dict_set(where->names, name, value)
                   : exv_raise(l->heap, EXV_NAME_ERROR, name, "name '%s' is not defined", name->name);
    exv_decref(value);
    return status == EXV_OK ? give_none(l, &t->result) : status;
}

static exv_status form_begin(lisp *l, turn *t, pair *arguments)
{
    return run_body(l, t, arguments, t->scope);
}

/* What the failure carries, or its text. Owned, and the heap's failure is over. */
static exv_status take_error(lisp *l, void **result)
{
    void *carried = exv_incref(exv_error_get_value(l->heap));
    exv_str *text = NULL;
    exv_status status = EXV_OK;
    if (!carried)
        status = exv_str_from(l->heap, exv_error_message(l->heap), &text);
    if (status == EXV_OK)
        exv_error_clear(l->heap);
    return status == EXV_OK ? give(carried ? carried : text, result) : status;
}

/* (try expression handler): a failure is handed to the handler, and what that gives is the value. */
static exv_status form_try(lisp *l, turn *t, pair *arguments)
{
    void *handler, *error;
    if (!second(arguments))
        return fail(l, "try needs an expression and a handler", NULL);
    if (eval(l, arguments->first, t->scope, &t->result) == EXV_OK)
        return EXV_OK;
    exv_status status = take_error(l, &error);
    if (status != EXV_OK)
        return status;
    status = eval(l, second(arguments), t->scope, &handler);
    if (status == EXV_OK) {
        status = apply(l, t, handler, &error, 1);
        exv_decref(handler);
    }
    exv_decref(error);
    return status;
}

static const struct {
    const char *name;
    form_fn *form;
} forms[] = {
    {"quote", form_quote}, {"if", form_if},       {"lambda", form_lambda}, {"define", form_define},
    {"set!", form_set},    {"begin", form_begin}, {"try", form_try},
};

/* --------------------------------------------------------- functions in C */

static exv_status equals(lisp *l, void **arguments, void **result)
{
    bool answer = false;
    exv_status status = exv_equal(arguments[0], arguments[1], &answer);
    return status == EXV_OK ? give_bool(l, answer, result) : status;
}

static exv_status is_less(lisp *l, void **arguments, void **result)
{
    bool answer = false;
    exv_status status = exv_less(arguments[0], arguments[1], &answer);
    return status == EXV_OK ? give_bool(l, answer, result) : status;
}

static exv_status cons(lisp *l, void **arguments, void **result)
{
    return give(new_pair(l, arguments[0], arguments[1]), result);
}

static exv_status need_pair(lisp *l, void *object)
{
    return is(object, &pair_type) ? EXV_OK : fail(l, "this is no pair", object);
}

static exv_status car(lisp *l, void **arguments, void **result)
{
    exv_status status = need_pair(l, arguments[0]);
    return status == EXV_OK ? give(exv_incref(((pair *)arguments[0])->first), result) : status;
}

static exv_status cdr(lisp *l, void **arguments, void **result)
{
    exv_status status = need_pair(l, arguments[0]);
    return status == EXV_OK ? give(exv_incref(((pair *)arguments[0])->rest), result) : status;
}

static exv_status set_cdr(lisp *l, void **arguments, void **result)
{
    exv_status status = need_pair(l, arguments[0]);
    if (status != EXV_OK)
        return status;
    EXV_SET(((pair *)arguments[0])->rest, arguments[1]);
    return give_none(l, result);
}

static exv_status is_null(lisp *l, void **arguments, void **result)
{
    return give_bool(l, is_none(l, arguments[0]), result);
}

/* Strings as they are, the rest as it is shown; then a line ends. */
static exv_status print(lisp *l, void **arguments, void **result)
{
    exv_status status = exv_print(arguments[0]);
    return status == EXV_OK ? give_none(l, result) : status;
}

static exv_status raise(lisp *l, void **arguments, void **result)
{
    exv_str *text;
    (void)result;
    exv_status status = exv_to_str(arguments[0], &text);
    if (status != EXV_OK)
        return status;
    status = exv_raise(l->heap, EXV_ERROR, arguments[0], "error: %s", exv_str_data(text));
    exv_decref(text);
    return status;
}

/* What exv_list_sort() asks of two items: the order is a function of the language, and may fail. */
static exv_status ask_order(void *a, void *b, bool *less, void *order)
{
    void *answer, *arguments[] = {a, b};
    lisp *l = lisp_of(order);
    exv_status status = call(l, order, arguments, 2, &answer);
    if (status == EXV_OK) {
        *less = is_true(l, answer);
        exv_decref(answer);
    }
    return status;
}

/* (sort list order): a new list. */
static exv_status sort(lisp *l, void **arguments, void **result)
{
    exv_list *items = exv_list_new(l->heap);
    exv_status status = items ? EXV_OK : EXV_NO_MEMORY;
    for (void *list = arguments[0]; status == EXV_OK && is(list, &pair_type); list = ((pair *)list)->rest)
        status = exv_list_append(items, ((pair *)list)->first);
    if (status == EXV_OK)
        status = exv_list_sort(items, ask_order, arguments[1]);
    void *sorted = exv_incref(exv_get_none(l->heap)), *item;
    while (status == EXV_OK && exv_list_size(items) > 0) {
        void *longer = NULL;
        (void)exv_list_pop(items, -1, &item);
        status = give(new_pair(l, item, sorted), &longer);
        exv_decref(item);
        EXV_SET(sorted, longer);
        exv_decref(longer);
    }
    exv_decref(items);
    if (status == EXV_OK)
        *result = sorted;
    else
        exv_decref(sorted);
    return status;
}

static exv_status weak_table(lisp *l, void **arguments, void **result)
{
    (void)arguments;
    return give(exv_weak_table_new(l->heap), result);
}

static exv_status need_table(lisp *l, void *object)
{
    return is(object, &exv_weak_table_type) ? EXV_OK : fail(l, "this is no weak table", object);
}

static exv_status weak_put(lisp *l, void **arguments, void **result)
{
    exv_status status = need_table(l, arguments[0]);
    if (status == EXV_OK)
        status = exv_weak_table_set(arguments[0], arguments[1], arguments[2]);
    return status == EXV_OK ? give_none(l, result) : status;
}

static exv_status weak_get(lisp *l, void **arguments, void **result)
{
    exv_status status = need_table(l, arguments[0]);
    if (status != EXV_OK)
        return status;
    void *value = exv_weak_table_get(arguments[0], arguments[1]);
    return value ? give(exv_incref(value), result) : give_none(l, result);
}

static exv_status weak_count(lisp *l, void **arguments, void **result)
{
    exv_status status = need_table(l, arguments[0]);
    return status == EXV_OK ? give(exv_int_new(l->heap, (int64_t)exv_weak_table_size(arguments[0])), result) : status;
}

/* What failed inside a callback has nobody to go to. */
static void watched_died(exv_weakref *ref, void *function)
{
    void *ignored;
    lisp *l = lisp_of(ref);
    if (call(l, function, NULL, 0, &ignored) == EXV_OK)
        exv_decref(ignored);
    else
        puts(exv_error_message(l->heap));
}

/* (watch object function): a weak reference that owns the function, and the function perhaps it: a ring like others. */
static exv_status watch(lisp *l, void **arguments, void **result)
{
    (void)l;
    return give(exv_weakref_new_owning(arguments[0], watched_died, arguments[1]), result);
}

static exv_status collect(lisp *l, void **arguments, void **result)
{
    (void)arguments;
    return give(exv_int_new(l->heap, (int64_t)exv_collect(l->heap, 2)), result);
}

static const native natives[] = {
    {"+", 2, 2, NULL, exv_number_add},
    {"-", 2, 2, NULL, exv_number_subtract},
    {"*", 2, 2, NULL, exv_number_multiply},
    {"/", 2, 2, NULL, exv_number_divide},
    {"=", 2, 2, equals, NULL},
    {"<", 2, 2, is_less, NULL},
    {"cons", 2, 2, cons, NULL},
    {"car", 1, 1, car, NULL},
    {"cdr", 1, 1, cdr, NULL},
    {"set-cdr!", 2, 2, set_cdr, NULL},
    {"null?", 1, 1, is_null, NULL},
    {"print", 1, 1, print, NULL},
    {"raise", 1, 1, raise, NULL},
    {"sort", 2, 2, sort, NULL},
    {"weak-table", 0, 0, weak_table, NULL},
    {"weak-put!", 3, 3, weak_put, NULL},
    {"weak-get", 2, 2, weak_get, NULL},
    {"weak-count", 1, 1, weak_count, NULL},
    {"watch", 2, 2, watch, NULL},
    {"collect", 0, 0, collect, NULL},
};

/* ------------------------------------------------------------ the program */

static exv_status define(lisp *l, const char *name, void *value)
{
    symbol *known;
    exv_status status = value ? get_symbol(l, name, &known) : EXV_NO_MEMORY;
    return status == EXV_OK ? exv_dict_set(l->globals->names, known, value) : status;
}

static exv_status fill(lisp *l)
{
    symbol *known;
    exv_status status = EXV_OK;
    for (size_t i = 0; status == EXV_OK && i < sizeof forms / sizeof *forms; i++)
        if ((status = get_symbol(l, forms[i].name, &known)) == EXV_OK)
            known->form = forms[i].form;
    for (size_t i = 0; status == EXV_OK && i < sizeof natives / sizeof *natives; i++) {
        native *made = exv_new(l->heap, &native_type);
        if (made)
            *made = natives[i];
        status = define(l, natives[i].name, made);
        exv_decref(made);
    }
    if (status == EXV_OK)
        status = define(l, "none", exv_get_none(l->heap));
    if (status == EXV_OK)
        status = define(l, "true", exv_get_bool(l->heap, true));
    return status == EXV_OK ? define(l, "false", exv_get_bool(l->heap, false)) : status;
}

/* After each collection. */
static void count_found(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)heap;
    ((lisp *)arg)->collected += record->found;
}

static exv_status begin(lisp *l)
{
    exv_heap_set_user(l->heap, l);
    exv_set_listener(l->heap, count_found, l);
    l->symbols = exv_dict_new(l->heap);
    l->globals = l->symbols ? new_scope(l, NULL) : NULL;
    return l->globals ? fill(l) : EXV_NO_MEMORY;
}

static void show_failure(const lisp *l)
{
    puts(exv_error_message(l->heap));
}

static void eval_and_show(lisp *l, void *expression)
{
    void *value;
    exv_str *shown = NULL;
    if (eval(l, expression, l->globals, &value) != EXV_OK) {
        show_failure(l);
        return;
    }
    if (!is_none(l, value) && (exv_repr(value, &shown) != EXV_OK || exv_print(shown) != EXV_OK))
        show_failure(l);
    exv_decref(shown);
    exv_decref(value);
}

/* After a syntax error the rest is not read: nobody knows where it begins. */
static void run(lisp *l, const char *text)
{
    reader r = {text, 1};
    void *expression;
    for (skip_space(&r); *r.at; skip_space(&r)) {
        if (read_value(l, &r, &expression) != EXV_OK) {
            show_failure(l);
            return;
        }
        eval_and_show(l, expression);
        exv_decref(expression);
    }
}

/* At a terminal: one line is one text. */
static void talk(lisp *l)
{
    char line[1024];
    for (uint64_t told = 0; fputs("> ", stdout), fflush(stdout), fgets(line, sizeof line, stdin); told = l->collected) {
        run(l, line);
        if (l->collected > told)
            printf("; %llu objects collected\n", (unsigned long long)(l->collected - told));
    }
}

/* All of standard input, to be freed; NULL: no memory. */
static char *read_all(void)
{
    size_t size = 0, room = 4096;
    char *text = malloc(room);
    for (size_t got; text && (got = fread(text + size, 1, room - size - 1, stdin)) > 0; size += got)
        if (room - (size + got) < 2) {
            char *larger = realloc(text, room *= 2);
            if (!larger)
                free(text);
            text = larger;
        }
    if (text)
        text[size] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !freopen(argv[1], "r", stdin)) {
        perror(argv[1]);
        return 1;
    }
    bool talking = isatty(STDIN_FILENO);
    char *text = talking ? NULL : read_all();
    lisp l = {.heap = exv_heap_new(NULL)};
    if (!(text || talking) || !l.heap || begin(&l) != EXV_OK) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    if (talking)
        talk(&l);
    else
        run(&l, text);
    exv_error_clear(l.heap);
    exv_decref(l.globals);
    exv_decref(l.symbols);
    exv_collect(l.heap, 2);
    uint64_t collected = l.collected;
    size_t left = exv_heap_free(l.heap);
    printf("%llu objects were collected, %zu are left\n", (unsigned long long)collected, left);
    free(text);
    return left != 0;
}
