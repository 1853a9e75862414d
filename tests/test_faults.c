/*
 * Every n-th allocation of a block, every n-th mapping, advice, shared mapping and clone fails: once, or from then on.
 * Two scenarios run under each fault: one that uses every part of the library once, and a random world.
 *
 * Nothing crashes or is lost; a call that fails says so; when the fault is over, collections free everything that is
 * garbage and the end of the heap finds nothing left.
 */
#include "world.h"

#include "fewer.h"
#include "platform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef EXVI_CHECKED

#define REQUIRE(condition) ((condition) ? (void)0 : complain(__LINE__, #condition))

/* The fault at hand, and how many calls of its kind the scenario has made under it. */
static struct {
    const char *name;
    exvi_fault fault;
    uint64_t nth, calls;
    bool lasting;
} now;

static void end_fault(void)
{
    now.calls = exvi_fault_calls(now.fault);
    exvi_fault_set(now.fault, 0, false);
}

static void complain(int line, const char *condition)
{
    fprintf(stderr, "test_faults.c:%d: %s does not hold; %s %llu fails%s\n", line, condition, now.name,
            (unsigned long long)now.nth, now.lasting ? ", and all after it" : "");
    abort();
}

/* ---- a bit of everything ---- */

typedef struct pair {
    void *ref[2];
    unsigned *finalized, *destroyed;
} pair;

static int pair_visit(void *self, exv_visit_fn *visit, void *arg)
{
    pair *p = self;
    int end = visit(p->ref[0], arg);
    return end ? end : visit(p->ref[1], arg);
}

static void pair_clear(void *self)
{
    pair *p = self;
    EXV_CLEAR(p->ref[0]);
    EXV_CLEAR(p->ref[1]);
}

static void pair_finalize(void *self)
{
    pair *p = self;
    if (p->finalized)
        ++*p->finalized;
}

/* Breaks the cycle before the collection does: then only the collection holds the object. */
static void pair_finalize_by_breaking(void *self)
{
    pair_finalize(self);
    pair_clear(self);
}

static void pair_destroy(void *self)
{
    pair *p = self;
    if (p->destroyed)
        ++*p->destroyed;
}

static const exv_type pair_type = {.name = "pair", .size = sizeof(pair), .visit = pair_visit, .clear = pair_clear,
                                   .finalize = pair_finalize, .destroy = pair_destroy};
static const exv_type breaking_type = {.name = "breaking", .size = sizeof(pair), .visit = pair_visit,
                                       .clear = pair_clear, .finalize = pair_finalize_by_breaking,
                                       .destroy = pair_destroy};
static const exv_type stubborn_type = {.name = "stubborn", .size = sizeof(pair), .visit = pair_visit,
                                       .destroy = pair_destroy};

typedef struct counts {
    unsigned made, finalizing, finalized, destroyed, called;
} counts;

static pair *new_pair(exv_heap *heap, const exv_type *type, counts *c)
{
    pair *p = exv_new(heap, type);
    if (!p)
        return NULL;
    p->finalized = &c->finalized;
    p->destroyed = &c->destroyed;
    c->made++;
    c->finalizing += type->finalize != NULL;
    return p;
}

static void weakref_died(exv_weakref *ref, void *arg)
{
    REQUIRE(exv_weakref_incref(ref) == NULL);
    ++*(unsigned *)arg;
}

/* Cycles with weak references and callbacks, one of them kept until the end of the call. */
static void use_objects(exv_heap *heap, counts *c)
{
    pair *kept = NULL;
    const exv_type *types[] = {&pair_type, &breaking_type, &stubborn_type};
    for (int i = 0; i < 18; i++) {
        pair *a = new_pair(heap, types[i % 3], c), *b = new_pair(heap, types[i / 6], c);
        exv_weakref *ref = a ? exv_weakref_new(a, weakref_died, &c->called) : NULL;
        if (a && b) {
            a->ref[0] = exv_incref(b);
            b->ref[0] = exv_incref(a);
            b->ref[1] = exv_incref(ref);
        }
        if (!kept)
            kept = exv_incref(a);
        exv_decref(a);
        exv_decref(b);
        if (i % 2 && ref)
            exv_decref(exv_weakref_incref(ref));
        exv_decref(ref);
    }
    exv_decref(kept);
}

/* More references to one object than a byte of a side table counts; its finalizer gives up what holds them. */
static void use_many_references(exv_heap *heap, counts *c)
{
    pair *p = new_pair(heap, &breaking_type, c);
    exv_list *list = p ? exv_list_new(heap) : NULL;
    for (int i = 0; list && i < 300; i++)
        (void)exv_list_append(list, p);
    if (list)
        p->ref[0] = list; /* its only reference */
    exv_decref(p);
}

static void use_sequences(exv_heap *heap, exv_list *list, exv_dict *dict)
{
    exv_list *made = NULL;
    exv_str *text = NULL;
    exv_builder *builder = exv_builder_new(heap);
    void *got = NULL;
    if (list && exv_list_slice(list, 3, -3, &made) == EXV_OK) {
        size_t size = exv_list_size(made);
        if (exv_list_extend(made, exv_list_items(list), exv_list_size(list)) != EXV_OK)
            REQUIRE(exv_list_size(made) == size);
        (void)exv_list_sort(made, NULL, NULL);
        exv_decref(made);
        made = NULL;
    }
    if (dict && exv_dict_set_text(dict, "key", dict) != EXV_OK)
        REQUIRE(exv_dict_get_text(dict, "key", &got) != EXV_OK && !got);
    if (dict && exv_dict_keys(dict, &made) == EXV_OK)
        REQUIRE(exv_list_size(made) == exv_dict_size(dict));
    exv_decref(made);
    if (builder && list && exv_builder_add_value(builder, list) == EXV_OK)
        REQUIRE(exv_builder_finish(builder, &text) == EXV_OK || !text);
    exv_decref(text);
    exv_decref(builder);
}

static void use_containers(exv_heap *heap)
{
    REQUIRE(exv_raise(heap, EXV_ERROR, exv_gc_get_garbage(heap), "raising needs no memory") == EXV_ERROR);
    exv_error_clear(heap);
    exv_list *list = exv_list_new(heap);
    exv_dict *dict = exv_dict_new(heap);
    exv_set *set = exv_set_new(heap);
    for (int i = 0; i < 40; i++) {
        exv_int *number = exv_int_new(heap, 1000 + i);
        exv_str *text = NULL;
        bool was_there = false, hit = false;
        if (number && list)
            REQUIRE(exv_list_append(list, number) == EXV_OK || exv_list_size(list) <= (size_t)i);
        if (number && dict && exv_dict_set(dict, number, list ? (void *)list : number) == EXV_OK)
            REQUIRE(exv_dict_contains(dict, number, &hit) == EXV_OK && hit);
        if (number && set && exv_set_add(set, number) == EXV_OK && i % 3 == 0)
            REQUIRE(exv_set_discard(set, number, &was_there) == EXV_OK && was_there);
        if (number && exv_repr(number, &text) == EXV_OK)
            REQUIRE(exv_str_size(text) == 4);
        exv_decref(text);
        exv_decref(number);
    }
    use_sequences(heap, list, dict);
    void *copied = NULL;
    if (list && dict && exv_copy_to(heap, dict, &copied) == EXV_OK)
        REQUIRE(exv_dict_size(copied) == exv_dict_size(dict));
    exv_decref(copied);
    exv_str *shown = NULL;
    void *items[] = {list, dict, set};
    exv_tuple *tuple = list && dict && set ? exv_tuple_new(heap, items, 3) : NULL;
    if (list && tuple)
        (void)exv_list_append(list, tuple); /* a cycle: list, tuple, list; and list, tuple, dict, list */
    if (tuple)
        REQUIRE(exv_repr(tuple, &shown) == EXV_OK || !shown);
    exv_decref(shown);
    exv_decref(tuple);
    exv_decref(set);
    exv_decref(dict);
    exv_decref(list);
}

static void destructor(exv_instance *self, void *arg)
{
    REQUIRE(exv_gc_is_finalized(self));
    ++*(unsigned *)arg;
}

static void use_names(exv_heap *heap, counts *c)
{
    exv_names *names = exv_names_new(heap);
    exv_class *cls = NULL;
    unsigned before = c->finalized, made = 0;
    if (exv_class_new(heap, "Thing", destructor, &c->finalized, &cls) != EXV_OK)
        REQUIRE(cls == NULL);
    for (int i = 0; cls && i < 6; i++) {
        exv_instance *instance = exv_instance_new(cls);
        char name[] = {'x', (char)('0' + i), 0};
        made += instance != NULL;
        if (instance && exv_attr_set(instance, "self", instance) != EXV_OK)
            REQUIRE(exv_attr_delete(instance, "self") == EXV_ATTRIBUTE_ERROR);
        void *value = NULL;
        if (names && instance && exv_name_set(names, name, instance) != EXV_OK)
            REQUIRE(exv_name_get(names, name, &value) != EXV_OK && !value);
        exv_decref(instance);
    }
    c->finalizing += made;
    REQUIRE(c->finalized >= before);
    exv_decref(cls);
    exv_decref(names);
}

static void use_blocks(exv_heap *heap)
{
    unsigned char *blocks[12] = {NULL};
    for (size_t i = 0; i < 12; i++) {
        size_t size = (size_t)24 << i;
        blocks[i] = exv_alloc(heap, size / 2);
        if (blocks[i])
            blocks[i][size / 2 - 1] = 7;
        unsigned char *grown = exv_realloc(heap, blocks[i], size);
        REQUIRE(!grown || !blocks[i] || grown[size / 2 - 1] == 7);
        blocks[i] = grown ? grown : blocks[i];
    }
    for (size_t i = 0; i < 12; i++)
        exv_free(heap, blocks[i]);
    exv_heap_trim(heap);
}

static void use_gc(exv_heap *heap)
{
    for (int generation = -1; generation < 3; generation++)
        exv_decref(exv_gc_get_objects(heap, generation));
    void *garbage = exv_gc_get_garbage(heap);
    exv_decref(exv_gc_get_referrers(heap, &garbage, 1));
    exv_decref(exv_gc_get_referents(heap, &garbage, 1));
    exv_collect(heap, 0);
    exv_collect(heap, 1);
    exv_gc_freeze(heap);
    exv_gc_unfreeze(heap);
}

static void use_background(exv_heap *heap, counts *c)
{
    exv_status status = exv_collect_start(heap);
    REQUIRE(status == EXV_OK || status == EXV_UNSUPPORTED);
    use_objects(heap, c);
    exv_collect(heap, 1);
    exv_collect_poll(heap, NULL);
    REQUIRE(exv_collect_wait(heap, UINT64_MAX, NULL) != EXV_FLIGHT);
}

static void count_phase(exv_heap *heap, exv_gc_phase phase, const exv_gc_info *info, void *arg)
{
    (void)heap, (void)info;
    *(int *)arg += phase == EXV_GC_START ? 1 : -1;
}

/* Break what is in the garbage list, as its owner must. */
static void empty_garbage(exv_heap *heap)
{
    exv_list *garbage = exv_gc_get_garbage(heap);
    void *item;
    for (ptrdiff_t i = 0; exv_list_get(garbage, i, &item) == EXV_OK; i++)
        if (exv_get_type(item) == &stubborn_type)
            pair_clear(item);
    exv_list_clear(garbage);
}

static void check_end(exv_heap *heap, const counts *c, size_t objects)
{
    exv_collect_wait(heap, UINT64_MAX, NULL);
    do
        empty_garbage(heap);
    while (exv_collect(heap, 2) > 0);
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    const char *wrong = exv_heap_check(heap);
    if (wrong)
        complain(__LINE__, wrong);
    REQUIRE(c->destroyed == c->made && c->finalized == c->finalizing);
    REQUIRE(stats.live_objects == objects && stats.tracked_objects == 0);
    REQUIRE(exv_heap_free(heap) == 0);
}

static void use_everything(void)
{
    counts c = {0};
    int open = 0;
    exv_config config = exv_config_default();
    config.policy.mode = EXV_MODE_BACKGROUND;
    config.threshold[0] = 20;
    config.threshold[1] = config.threshold[2] = 1;
    exv_heap *heap = exv_heap_new(&config);
    if (!heap) {
        end_fault();
        return;
    }
    exv_heap_stats stats;
    exv_get_heap_stats(heap, &stats);
    exv_status status = exv_gc_add_callback(heap, count_phase, &open);
    REQUIRE(status == EXV_OK || status == EXV_NO_MEMORY);
    use_objects(heap, &c);
    use_many_references(heap, &c);
    use_containers(heap);
    use_names(heap, &c);
    use_blocks(heap);
    use_gc(heap);
    use_background(heap, &c);
    exv_collect(heap, 2);
    end_fault();
    check_end(heap, &c, stats.live_objects);
    REQUIRE(open == 0);
}

/* ---- the search after finalizers ---- */

/* An object in a region of its own, which goes with it; it refers to `target` more often than a byte of a side table
 * counts, so that each search maps a table for that. */
typedef struct large {
    pair *target[300];
    char rest[20 << 20];
} large;

static int large_visit(void *self, exv_visit_fn *visit, void *arg)
{
    large *l = self;
    int end = 0;
    for (int i = 0; i < 300 && !end; i++)
        end = visit(l->target[i], arg);
    return end;
}

static void large_clear(void *self)
{
    large *l = self;
    for (int i = 0; i < 300; i++)
        EXV_CLEAR(l->target[i]);
}

static const exv_type large_type = {.name = "large", .size = sizeof(large), .visit = large_visit, .clear = large_clear};

static pair *saved;

/* Stores itself away; or gives up what refers to it, so that only the collection holds that. */
static void save_or_break(void *self)
{
    pair *p = self;
    pair_finalize(p);
    if (p->ref[1])
        saved = exv_incref(p);
    else
        EXV_CLEAR(p->ref[0]);
}

static const exv_type saving_type = {.name = "saving", .size = sizeof(pair), .visit = pair_visit, .clear = pair_clear,
                                     .finalize = save_or_break, .destroy = pair_destroy};

/* A ring of a pair and a large object; the pair holds itself, too, if it is to be saved. */
static void make_ring_with_large(exv_heap *heap, bool to_be_saved, counts *c)
{
    pair *p = new_pair(heap, &saving_type, c);
    large *l = exv_new(heap, &large_type);
    REQUIRE(p && l);
    for (int i = 0; i < 300; i++)
        l->target[i] = exv_incref(p);
    p->ref[0] = l;
    if (to_be_saved)
        p->ref[1] = exv_incref(p);
    exv_decref(p);
}

static void search_again_without_memory(void)
{
    counts c = {0};
    exv_heap_stats before;
    exvi_fault_set(now.fault, 0, false);
    exv_heap *heap = exv_heap_new(NULL);
    exv_get_heap_stats(heap, &before);
    saved = NULL;
    make_ring_with_large(heap, true, &c);
    make_ring_with_large(heap, false, &c);
    exvi_fault_set(now.fault, now.nth, now.lasting);
    exv_collect(heap, 2);
    end_fault();
    exv_collect(heap, 2);
    REQUIRE(saved && saved->ref[0] && saved->ref[1] == saved);
    REQUIRE(((large *)saved->ref[0])->target[299] == saved);
    exv_decref(saved);
    check_end(heap, &c, before.live_objects);
}

/* ---- a random world ---- */

static void live_in_a_world(void)
{
    world w;
    if (!world_begin(&w, NULL, WORLD_LOOSE, 4711)) {
        end_fault();
        return;
    }
    w.flies = true;
    for (int i = 0; i < 400; i++)
        world_step(&w);
    end_fault();
    exv_collect_wait(w.heap, UINT64_MAX, NULL);
    world_check(&w);
    world_end(&w);
}

/* The end of a heap needs no memory to give everything back, and to say what was left. */
static void test_heap_ends_without_memory(void **state)
{
    (void)state;
    counts c = {0};
    now.name = "map";
    exv_heap *heap = exv_heap_new(NULL);
    pair *p = new_pair(heap, &pair_type, &c);
    p->ref[0] = new_pair(heap, &stubborn_type, &c);
    exv_weakref *ref = exv_weakref_new(p, weakref_died, &c.called);
    REQUIRE(ref);
    exvi_fault_set(EXVI_FAULT_MAP, 1, true);
    size_t left = exv_heap_free(heap);
    exvi_fault_set(EXVI_FAULT_MAP, 0, false);
    REQUIRE(left == 3 && c.destroyed == 2);
}

/* ---- every fault ---- */

static void fail_each(void (*scenario)(void), exvi_fault fault, const char *name, bool lasting)
{
    uint64_t nth = 1;
    now.name = name;
    now.fault = fault;
    now.lasting = lasting;
    do {
        now.nth = nth;
        exvi_fault_set(fault, nth, lasting);
        scenario();
        nth = next_nth(nth);
    } while (now.calls >= now.nth);
    printf("# %s, %s: %llu calls\n", name, lasting ? "lasting" : "once", (unsigned long long)now.calls);
}

static void fail_all(void (*scenario)(void))
{
    static const char *const names[EXVI_FAULTS] = {
        [EXVI_FAULT_MAP] = "map", [EXVI_FAULT_MAP_SHARED] = "shared map", [EXVI_FAULT_ADVISE] = "advice",
        [EXVI_FAULT_CLONE] = "clone", [EXVI_FAULT_BLOCK] = "block",
    };
    for (int fault = 0; fault < EXVI_FAULTS; fault++) {
        fail_each(scenario, (exvi_fault)fault, names[fault], false);
        fail_each(scenario, (exvi_fault)fault, names[fault], true);
    }
}

static void test_search_after_finalizers(void **state)
{
    (void)state;
    fail_each(search_again_without_memory, EXVI_FAULT_MAP, "map", false);
    fail_each(search_again_without_memory, EXVI_FAULT_MAP, "map", true);
}

static void test_everything(void **state)
{
    (void)state;
    fail_all(use_everything);
}

static void test_world(void **state)
{
    (void)state;
    fail_all(live_in_a_world);
}

#endif

int main(void)
{
#ifdef EXVI_CHECKED
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_ends_without_memory),
        cmocka_unit_test(test_search_after_finalizers),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
#else
    printf("1..0 # skip this build injects no faults\n");
    return 0;
#endif
}
