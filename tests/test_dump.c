/*
 * test_dump: heap files of C heaps. Random graphs of the oracle of tests/world are written and read back, and compared
 * object by object and reference by reference; the library's types say how their references are called; what fails,
 * fails with a message, and leaves no file that looks whole.
 */
#include "world.h"

#include "reader.h"
#include "object.h"
#include "platform.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "forked.h"

#include <cmocka.h>

static char path[] = "/tmp/exuvia-dump-XXXXXX", second[] = "/tmp/exuvia-dump-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    int file = mkstemp(path), other = mkstemp(second);
    return file < 0 || other < 0 || close(file) < 0 || close(other) < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path) + unlink(second);
}

static exv_status dump_to(exv_heap *heap, const char *to)
{
    int file = open(to, O_WRONLY | O_TRUNC);
    assert_true(file >= 0);
    exv_status status = exv_heap_dump(heap, file);
    assert_int_equal(close(file), 0);
    return status;
}

static void read_back(exv_heap *heap, exvi_heap_file *file)
{
    if (dump_to(heap, path) != EXV_OK)
        fail_msg("%s", exv_error_message(heap));
    if (!exvi_heap_file_open(file, path))
        fail_msg("%s", file->error);
}

static const char *text_of(const exvi_heap_file *file, uint32_t string)
{
    static char text[4][256];
    static unsigned at;
    char *to = text[at++ % 4];
    snprintf(to, sizeof text[0], "%.*s", (int)exvi_string_size(file, string), exvi_string_text(file, string));
    return to;
}

static uint32_t node_of(const exvi_heap_file *file, const void *object)
{
    uint32_t node = exvi_heap_find(file, (uintptr_t)object);
    assert_int_not_equal(node, EXVI_NO_NODE);
    return node;
}

static const char *type_name(const exvi_heap_file *file, const void *object)
{
    return text_of(file, file->type[file->type_of[node_of(file, object)]].name);
}

/* "attribute next", or "" if there is no such reference. */
static const char *label(const exvi_heap_file *file, const void *from, const void *to)
{
    static const char *const kinds[] = {"none", "index", "attribute", "key", "shown", "hidden", "internal"};
    static char text[300];
    uint32_t node = node_of(file, from), target = node_of(file, to);
    for (uint64_t edge = file->row[node]; edge < file->row[node + 1]; edge++) {
        uint32_t kind = EXVI_LABEL_KIND(file->label[edge]), value = EXVI_LABEL_VALUE(file->label[edge]);
        if (file->to[edge] != target || kind == EXVI_LABEL_WEAK)
            continue;
        if (kind == EXVI_LABEL_INDEX || kind == EXVI_LABEL_KEY)
            snprintf(text, sizeof text, "%s %u", kinds[kind], value);
        else
            snprintf(text, sizeof text, "%s %s", kinds[kind], text_of(file, value));
        return text;
    }
    return "";
}

static const char *root(const exvi_heap_file *file, const void *object)
{
    static char text[300];
    uint32_t node = node_of(file, object);
    unsigned roots = 0;
    for (uint32_t i = 0; i < file->roots; i++)
        if (file->root[i].node == node && roots++ == 0)
            snprintf(text, sizeof text, "%s: %s", text_of(file, file->root[i].group),
                     text_of(file, file->root[i].label));
    return roots == 0 ? "" : roots == 1 ? text : "more than one";
}

/* ---------------------------------------------------------------- random graphs */

static uint32_t references_of(const exvi_heap_file *file, uint32_t node, uint32_t target, exvi_label_kind weak)
{
    uint32_t count = 0;
    for (uint64_t edge = file->row[node]; edge < file->row[node + 1]; edge++)
        count += file->to[edge] == target && (EXVI_LABEL_KIND(file->label[edge]) == EXVI_LABEL_WEAK) == (weak != 0);
    return count;
}

static void compare_references(world *w, const exvi_heap_file *file, uint32_t id, uint32_t *inside)
{
    const world_node *node = &w->node[id];
    uint32_t from = node_of(file, node->object), there = 0;
    for (uint32_t i = 0; i < node->field_count; i++) {
        uint32_t child = node->fields[i], same = 0;
        if (child == WORLD_NONE)
            continue;
        for (uint32_t k = 0; k < node->field_count; k++)
            same += node->fields[k] == child;
        WORLD_CHECK(w, references_of(file, from, node_of(file, w->node[child].object), 0) == same);
        inside[child]++;
        there++;
    }
    if (node->shape == WORLD_WEAK && node->target != WORLD_NONE) {
        WORLD_CHECK(w, references_of(file, from, node_of(file, w->node[node->target].object), EXVI_LABEL_WEAK) == 1);
        there++;
    }
    WORLD_CHECK(w, file->row[from + 1] - file->row[from] == there);
}

static void compare_node(world *w, const exvi_heap_file *file, uint32_t id, uint32_t inside)
{
    const world_node *node = &w->node[id];
    uint32_t at = node_of(file, node->object), held = node->references - inside;
    char told[64];
    snprintf(told, sizeof told, "held by the program: %u reference%s", held, held == 1 ? "" : "s");
    WORLD_CHECK(w, strcmp(type_name(file, node->object), exv_get_type(node->object)->name) == 0);
    WORLD_CHECK(w, file->references[at] == (node->immortal ? UINT32_MAX : node->references));
    WORLD_CHECK(w, exvi_heap_size(file, at) >= exv_get_type(node->object)->size);
    WORLD_CHECK(w, !(file->flags[at] & EXVI_HEAP_TRACKED) == !node->tracked);
    WORLD_CHECK(w, strcmp(root(file, node->object), node->immortal ? "immortal: " : held > 0 ? told : "") == 0);
    if (node->tracked)
        WORLD_CHECK(w, (file->flags[at] & EXVI_HEAP_GENERATION) == (node->frozen ? 3 : node->generation));
    if (node->tracked && !node->frozen)
        WORLD_CHECK(w, !(file->flags[at] & EXVI_HEAP_DEAD) == world_is_marked(w, id));
}

/* The garbage list is the heap's own, and an object like others. */
static void compare(world *w, const exvi_heap_file *file)
{
    uint32_t *inside = calloc(WORLD_ROOM, sizeof *inside), nodes = 0;
    assert_non_null(inside);
    world_mark_reachable(w, true);
    for (uint32_t id = 0; id < w->used; id++) {
        if (!w->node[id].object)
            continue;
        compare_references(w, file, id, inside);
        nodes++;
    }
    for (uint32_t i = 0; i < w->garbage_count; i++)
        inside[w->garbage[i]]++;
    for (uint32_t id = 0; id < w->used; id++)
        if (w->node[id].object)
            compare_node(w, file, id, inside[id]);
    exv_heap_stats stats;
    exv_get_heap_stats(w->heap, &stats);
    WORLD_CHECK(w, file->nodes == stats.live_objects + w->heap->own_objects && nodes <= file->nodes);
    for (uint32_t node = 0; node + 1 < file->nodes; node++)
        WORLD_CHECK(w, file->address[node] < file->address[node + 1]);
    free(inside);
}

static void test_random_graphs(void **state)
{
    (void)state;
    uint64_t seed = world_seed("dump");
    for (size_t number = 0; number < world_scale(60); number++) {
        world w;
        exvi_heap_file file;
        assert_true(world_begin(&w, NULL, WORLD_EXACT, seed + number));
        for (size_t step = 0; step < 600; step++)
            world_step(&w);
        read_back(w.heap, &file);
        compare(&w, &file);
        exvi_heap_file_close(&file);
        world_abandon(&w);
    }
}

/* Bytes that every block is in: no more than the heap's blocks have. */
static void test_plain_blocks_belong_to_who_leads_to_them(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exvi_heap_file file;
    exv_list *list = exv_list_new(heap);
    exv_none *none = exv_get_none(heap);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(exv_list_append(list, none), EXV_OK);
    void *apart = exv_alloc(heap, 5000);
    read_back(heap, &file);
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    uint64_t of_list = exvi_heap_size(&file, node_of(&file, list));
    assert_in_range(of_list, 8000, stats.used_bytes - exv_usable_size(heap, apart));
    exvi_heap_file_close(&file);
    exv_free(heap, apart);
    exv_decref(list);
    exv_heap_free(heap);
}

/* ------------------------------------------------------------------------ names */

typedef struct node {
    void *left, *right;
    void **items;
    size_t count;
} node;

static const uint32_t fields[] = {offsetof(node, left), offsetof(node, right)};
static const char *const names[] = {"left", "right"};
static const exv_array array = {offsetof(node, items), offsetof(node, count)};
static const exv_references references = {.fields = fields, .field_count = 2, .arrays = &array, .array_count = 1,
                                          .field_names = names};
static const exv_type node_type = {.name = "node", .size = sizeof(node), .references = &references};

static void test_fields_have_names(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exvi_heap_file file;
    node *top = exv_new(heap, &node_type), *right = exv_new(heap, &node_type), *third = exv_new(heap, &node_type);
    top->right = right;
    top->items = exv_calloc(heap, 3, sizeof(void *));
    top->count = 3;
    top->items[2] = third;
    read_back(heap, &file);
    assert_string_equal(label(&file, top, right), "attribute right");
    assert_string_equal(label(&file, top, third), "index 2");
    assert_string_equal(root(&file, top), "held by the program: 1 reference");
    assert_string_equal(root(&file, right), "");
    exvi_heap_file_close(&file);
    exv_decref(top);
    exv_heap_free(heap);
}

static void free_array(void *self)
{
    (void)self;
}

static int visit_pair(void *self, exv_visit_fn *visit, void *arg)
{
    node *pair = self;
    int end = visit(pair->left, arg);
    return end ? end : visit(pair->right, arg);
}

static void clear_pair(void *self)
{
    node *pair = self;
    EXV_CLEAR(pair->left);
    EXV_CLEAR(pair->right);
}

static void name_pair(void *self, size_t index, exv_edge *edge)
{
    *edge = (exv_edge){.kind = EXV_EDGE_VALUE, .name = index == 0 ? "first" : ((node *)self)->items ? "more" : "second",
                       .name_size = index == 0 ? 3 : 0};
}

static const char *pair_class(void *self)
{
    return ((node *)self)->count ? "Counted" : NULL;
}

static const exv_type pair_type = {.name = "pair", .size = sizeof(node), .visit = visit_pair, .clear = clear_pair,
                                   .destroy = free_array, .edge = name_pair, .class_name = pair_class};

static void test_a_type_says_names_of_its_own(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exvi_heap_file file;
    node *pair = exv_new(heap, &pair_type), *one = exv_new(heap, &pair_type), *two = exv_new(heap, &pair_type);
    pair->left = one;
    pair->right = two;
    one->count = 1;
    read_back(heap, &file);
    assert_string_equal(label(&file, pair, one), "shown fir");
    assert_string_equal(label(&file, pair, two), "shown second");
    assert_string_equal(type_name(&file, pair), "pair");
    assert_string_equal(type_name(&file, one), "Counted");
    assert_string_equal(type_name(&file, two), "pair");
    exvi_heap_file_close(&file);
    exv_decref(pair);
    exv_heap_free(heap);
}

static void *str_of(exv_heap *heap, const char *text)
{
    exv_str *str;
    assert_int_equal(exv_str_from(heap, text, &str), EXV_OK);
    return str;
}

static void test_values_say_how_their_references_are_called(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exvi_heap_file file;
    exv_class *cls;
    void *item = str_of(heap, "item"), *gone = str_of(heap, "gone"), *key = str_of(heap, "secret"), *missed;
    exv_list *list = exv_list_new(heap);
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    exv_names *space = exv_names_new(heap);
    exv_tuple *tuple = exv_tuple_new(heap, (void *[]){gone, item}, 2);
    assert_int_equal(exv_class_new(heap, "Point", NULL, NULL, &cls), EXV_OK);
    exv_instance *instance = exv_instance_new(cls);
    assert_int_equal(exv_list_append(list, gone) | exv_list_append(list, item), EXV_OK);
    assert_int_equal(exv_dict_set(dict, gone, gone) | exv_dict_set(dict, key, item), EXV_OK);
    assert_int_equal(exv_dict_delete(dict, gone), EXV_OK); /* its place stays, and counts */
    assert_int_equal(exv_set_add(set, gone) | exv_set_add(set, item), EXV_OK);
    assert_int_equal(exv_name_set(space, "spam", gone) | exv_name_set(space, "eggs", item), EXV_OK);
    assert_int_equal(exv_attr_set(instance, "x", gone) | exv_attr_set(instance, "y", item), EXV_OK);
    exv_weak_table *table = exv_weak_table_new(heap);
    assert_int_equal(exv_weak_table_set(table, instance, item), EXV_OK);
    exv_weakref *weak = exv_weakref_new_owning(list, NULL, item);
    read_back(heap, &file);
    assert_string_equal(label(&file, list, item), "index 1");
    assert_string_equal(label(&file, tuple, item), "index 1");
    assert_string_equal(label(&file, dict, item), "hidden [str]");
    assert_string_equal(label(&file, dict, key), "key 1");
    assert_string_equal(label(&file, set, item), "key 1");
    assert_string_equal(label(&file, space, item), "shown eggs");
    assert_string_equal(label(&file, instance, gone), "attribute x");
    assert_string_equal(label(&file, instance, cls), "internal class");
    assert_string_equal(label(&file, weak, item), "internal argument of the callback");
    assert_string_equal(type_name(&file, instance), "Point");
    assert_string_equal(root(&file, exv_get_none(heap)), "held by the heap: NoneType");
    exvi_heap_file_close(&file);

    /* The value is kept by its key, through however many names the instance has. */
    assert_int_equal(exv_attr_delete(instance, "y"), EXV_OK);
    char name[24];
    for (int i = 0; i < 1200; i++) { /* more than a class keeps: it gets a table of its own */
        snprintf(name, sizeof name, "n%d", i);
        assert_int_equal(exv_attr_set(instance, name, gone), EXV_OK);
    }
    assert_int_equal(exv_attr_set(instance, "last", list), EXV_OK);
    read_back(heap, &file);
    assert_string_equal(label(&file, instance, item), "internal value in a weak table");
    assert_string_equal(label(&file, instance, list), "attribute last");
    exvi_heap_file_close(&file);
    assert_int_equal(exv_attr_get(instance, "last", &missed), EXV_OK);

    void *owned[] = {item, gone, key, list, dict, set, space, tuple, cls, instance, table, weak};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        exv_decref(owned[i]);
    assert_int_equal(exv_heap_free(heap), 0);
}

static void listen(exv_heap *heap, const exv_record *record, void *arg)
{
    (void)heap, (void)record, (void)arg;
}

static void call_back(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)heap, (void)phase, (void)info, (void)arg;
}

static void test_what_the_heap_holds_and_what_waits_for_its_death(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exvi_heap_file file;
    node *listener = exv_new(heap, &node_type), *callback = exv_new(heap, &node_type);
    node *later = exv_new(heap, &node_type), *below = exv_new(heap, &node_type), *kept = exv_new(heap, &node_type);
    exv_set_listener_owning(heap, listen, listener);
    assert_int_equal(exv_gc_add_callback_owning(heap, call_back, callback), EXV_OK);
    node *carried = exv_new(heap, &node_type);
    exv_raise(heap, EXV_ERROR, carried, "an error");
    exv_decref(listener);
    exv_decref(callback);
    exv_decref(carried);
    later->left = below;
    later->right = exv_incref(kept);
    node *first = exv_new(heap, &node_type);
    exv_decref_later(first);
    exv_decref_later(later); /* leads to the first in the list */
    read_back(heap, &file);
    assert_string_equal(root(&file, listener), "held by the heap: argument of the listener");
    assert_string_equal(root(&file, callback), "held by the heap: argument of a callback");
    assert_string_equal(root(&file, carried), "held by the heap: value of the last failure");
    assert_string_equal(root(&file, kept), "held by the program: 1 reference");
    assert_string_equal(label(&file, later, below), "attribute left");
    assert_string_equal(root(&file, later), "");
    assert_string_equal(root(&file, below), "");
    assert_int_equal(file.references[node_of(&file, later)], 1);
    assert_true(file.flags[node_of(&file, later)] & EXVI_HEAP_DEAD);
    assert_true(file.flags[node_of(&file, below)] & EXVI_HEAP_DEAD);
    assert_false(file.flags[node_of(&file, kept)] & EXVI_HEAP_DEAD);
    exvi_heap_file_close(&file);
    exv_decref(kept);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* --------------------------------------------------------------- what may go wrong */

static void make_some(exv_heap *heap, exv_list **list)
{
    *list = exv_list_new(heap);
    for (int i = 0; i < 2000; i++) {
        exv_list *inner = exv_list_new(heap);
        assert_int_equal(exv_list_append(inner, *list) | exv_list_append(*list, inner), EXV_OK);
        exv_decref(inner);
    }
}

static void test_a_file_that_takes_nothing(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_list *list;
    make_some(heap, &list);
    int full = open("/dev/full", O_WRONLY), readable = open(path, O_RDONLY);
    assert_int_equal(exv_heap_dump(heap, full), EXV_OS_ERROR);
    assert_non_null(strstr(exv_error_message(heap), "OSError: the heap file could not be written: No space left"));
    assert_int_equal(exv_heap_dump(heap, readable), EXV_OS_ERROR);
    close(full);
    close(readable);
    assert_int_equal(exv_heap_dump(heap, full), EXV_OS_ERROR);
    assert_string_equal(exv_error_message(heap), "OSError: the heap file could not be written: Bad file descriptor");
    assert_int_equal(exv_heap_dump(heap, -1), EXV_OS_ERROR);
    int appends = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(exv_heap_dump(heap, appends), EXV_OS_ERROR);
    assert_non_null(strstr(exv_error_message(heap), "open to append"));
    close(appends);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(exv_heap_dump(heap, ends[1]), EXV_OS_ERROR);
    close(ends[0]);
    close(ends[1]);
    exv_decref(list);
    assert_int_equal(exv_heap_free(heap), 0);
}

static bool are_alike(void)
{
    char command[128];
    snprintf(command, sizeof command, "cmp '%s' '%s'", path, second);
    return system(command) == 0;
}

/* The program goes on, and what it does is not in the file; the descriptor may be closed at once. */
static void test_the_file_is_of_the_moment_of_its_start(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_list *list;
    make_some(heap, &list);
    assert_int_equal(dump_to(heap, second), EXV_OK);
    assert_int_equal(exv_heap_dump_wait(heap, 0), EXV_OK);
    int file = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(exv_heap_dump_start(heap, file), EXV_OK);
    assert_int_equal(exv_heap_dump_start(heap, file), EXV_BUSY);
    exv_list_clear(list);
    exv_status status;
    while ((status = exv_heap_dump_wait(heap, 1000000)) == EXV_BUSY)
        continue;
    close(file);
    assert_int_equal(status, EXV_OK);
    assert_true(are_alike());
    exv_decref(list);
    assert_int_equal(exv_heap_free(heap), 0);
}

static int wait_in_fork(void *arg)
{
    CHECK(exv_heap_dump_wait(arg, UINT64_MAX) == EXV_UNSUPPORTED);
    CHECK(exv_heap_dump_wait(arg, UINT64_MAX) == EXV_OK);
    return 0;
}

static void test_the_end_of_the_heap_and_a_fork_end_it(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_list *list;
    make_some(heap, &list);
    int file = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(exv_heap_dump_start(heap, file), EXV_OK);
    if (!heap->dump.in_place) /* else there is no flight to disown */
        assert_int_equal(in_fork(wait_in_fork, heap), 0);
    exv_decref(list);
    assert_int_equal(exv_heap_free(heap), 0);
    close(file);
}

#ifdef EXVI_CHECKED
/* Without a child it is written in place, and is the same. */
static void test_in_place(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_list *list;
    make_some(heap, &list);
    assert_int_equal(dump_to(heap, second), EXV_OK);
    exvi_fault_set(EXVI_FAULT_CLONE, 1, true);
    exv_status status = dump_to(heap, path);
    assert_true(exvi_fault_calls(EXVI_FAULT_CLONE) > 0);
    exvi_fault_set(EXVI_FAULT_CLONE, 0, false);
    assert_int_equal(status, EXV_OK);
    assert_true(are_alike());
    exv_decref(list);
    assert_int_equal(exv_heap_free(heap), 0);
}

/* In place and in a child: it says that there was no memory, and the file that it is not whole; or all is well. */
static void test_every_mapping_fails(void **state)
{
    (void)state;
    exv_heap *heap = exv_heap_new(NULL);
    exv_list *list;
    make_some(heap, &list);
    for (int child = 0; child < 2; child++) {
        bool reached = true;
        for (uint64_t nth = 1; reached; nth++) {
            exvi_heap_file file;
            exvi_fault_set(EXVI_FAULT_CLONE, child ? 0 : 1, true);
            exvi_fault_set(EXVI_FAULT_MAP, nth, false);
            exv_status status = dump_to(heap, path);
            reached = status != EXV_OK || (!child && exvi_fault_calls(EXVI_FAULT_MAP) >= nth);
            exvi_fault_set(EXVI_FAULT_MAP, 0, false);
            bool whole = exvi_heap_file_open(&file, path);
            assert_true(status == EXV_NO_MEMORY || status == EXV_OK);
            assert_int_equal(whole, status == EXV_OK);
            if (whole)
                exvi_heap_file_close(&file);
            assert_true(nth < 1000);
        }
    }
    exvi_fault_set(EXVI_FAULT_CLONE, 0, false);
    assert_null(exv_heap_check(heap));
    exv_decref(list);
    assert_int_equal(exv_heap_free(heap), 0);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_plain_blocks_belong_to_who_leads_to_them),
        cmocka_unit_test(test_fields_have_names),
        cmocka_unit_test(test_a_type_says_names_of_its_own),
        cmocka_unit_test(test_values_say_how_their_references_are_called),
        cmocka_unit_test(test_what_the_heap_holds_and_what_waits_for_its_death),
        cmocka_unit_test(test_a_file_that_takes_nothing),
        cmocka_unit_test(test_the_file_is_of_the_moment_of_its_start),
        cmocka_unit_test(test_the_end_of_the_heap_and_a_fork_end_it),
#ifdef EXVI_CHECKED
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_every_mapping_fails),
#endif
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
